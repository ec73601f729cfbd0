"""Reason phrases. They are optional (RFC 9112 section 4), so this is loaded with the first answer that has none."""

_REASONS = (
    "200OK,201Created,202Accepted,204No Content,206Partial Content,301Moved Permanently,302Found,303See Other,"
    "304Not Modified,307Temporary Redirect,308Permanent Redirect,400Bad Request,401Unauthorized,403Forbidden,"
    "404Not Found,405Method Not Allowed,408Request Timeout,409Conflict,411Length Required,412Precondition Failed,"
    "413Content Too Large,414URI Too Long,415Unsupported Media Type,416Range Not Satisfiable,417Expectation Failed,"
    "422Unprocessable Content,426Upgrade Required,429Too Many Requests,431Request Header Fields Too Large,"
    "500Internal Server Error,501Not Implemented,503Service Unavailable,505HTTP Version Not Supported,"
    "507Insufficient Storage,"
)


def reason_phrase(status):
    """The standard phrase for a status (RFC 9110 section 15), "" if it has none."""
    first = _REASONS.find(str(status)) + 3
    return _REASONS[first : _REASONS.find(",", first)] if first > 2 else ""
