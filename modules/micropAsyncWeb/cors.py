"""Cross-origin resource sharing: which pages of other origins may use this server (Fetch standard, section 3.2).

    from micropAsyncWeb.cors import Cors

    Cors(server, ["https://app.example"], prefix="/api", methods="GET, POST", headers="Content-Type")

It loosens what browsers enforce for their users, and guards nothing by itself: requests from other origins are still
carried out, only their answers can't be read. csrf.py is what keeps them from doing harm.
"""

from . import exchange as Response
from .exchange import clean
from .extra import header as add
from .hooks import after, before


class Cors:
    """Lets pages of some origins read the answers to requests to prefix and all below it; error answers too.

    origins: list of origins as browsers send them, "https://app.example" (scheme and host in lower case, no slash at
    the end, the port unless it is the scheme's own), or "*" for all. methods, headers (those of the request), expose
    (those of the answer): text with commas. headers="*" does not include Authorization, nor does any "*" count with
    credentials. credentials: also with the user's cookies and passwords; not together with origins="*". max_age:
    seconds for which a browser need not ask again. ValueError for origins that could never match.
    """

    def __init__(
        self,
        server,
        origins,
        prefix="",
        methods="GET, HEAD, POST, PUT, PATCH, DELETE",
        headers="Content-Type",
        expose="",
        credentials=False,
        max_age=600,
    ):
        if origins == "*":
            if credentials:
                raise ValueError("origins: with credentials, name each of them")
        else:
            for origin in origins:
                scheme, _, host = origin.partition("://")
                if origin != "null" and (not host or "/" in host or "*" in host or origin != origin.lower()):
                    raise ValueError("origin %s: must be like https://host or http://host:8080" % origin)
        self.origins = origins
        self.expose = clean(expose)
        self.credentials = credentials
        self.fields = {
            "Access-Control-Allow-Methods": clean(methods),
            "Access-Control-Allow-Headers": clean(headers),
            "Access-Control-Max-Age": max_age,
        }
        before(server, self.preflight, prefix)
        after(server, self.mark, prefix)

    def preflight(self, request):
        """Answer the request by which a browser asks what it may send; 403 for origins that may not."""
        header = request.header
        if request.method != "OPTIONS" or "origin" not in header or "access-control-request-method" not in header:
            return
        allowed = self.origins == "*" or header["origin"] in self.origins
        Response.start(request, 204 if allowed else 403)
        if allowed:
            for name in self.fields:
                add(request, name, self.fields[name])
        Response.startBody(request)

    def mark(self, request):
        """Add what allows the page to read this answer."""
        if self.origins == "*":
            allowed = "*"
        else:
            # A cache must not give one origin the answer to another, or to none.
            add(request, "Vary", "Origin")
            try:
                allowed = request.header.get("origin")
            except ValueError:
                return
            if allowed not in self.origins:
                return
        add(request, "Access-Control-Allow-Origin", allowed)
        if self.credentials:
            add(request, "Access-Control-Allow-Credentials", "true")
        if self.expose:
            add(request, "Access-Control-Expose-Headers", self.expose)
