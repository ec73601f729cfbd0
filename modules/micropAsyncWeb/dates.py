"""What is known of a file beside its name: its date as HTTP writes it, and the rarer media types."""

from time import gmtime

MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"

_TYPES = {
    "htm": "text/html",
    "txt": "text/plain",
    "xml": "text/",
    "jpg": "image/jpeg",
    "jpeg": "image/",
    "gif": "image/",
    "webp": "image/",
    "woff2": "font/",
    "pdf": "application/",
    "gz": "application/gzip",
    "wasm": "application/",
    "webmanifest": "application/manifest+json",
}


def rare_type(extension):
    """The media type of files that not every site has. One that ends with a slash: see files.content_type()."""
    return _TYPES.get(extension, "application/octet-stream")


def http_date(seconds):
    """An IMF-fixdate (RFC 9110 section 5.6.7)."""
    year, month, day, hour, minute, second, weekday = gmtime(seconds)[:7]
    return "%s, %02d %s %d %02d:%02d:%02d GMT" % (
        "MonTueWedThuFriSatSun"[weekday * 3 :][:3],
        day,
        MONTHS[month * 3 - 3 :][:3],
        year,
        hour,
        minute,
        second,
    )
