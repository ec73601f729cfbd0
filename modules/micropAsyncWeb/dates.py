"""Dates as HTTP writes them, and most media types."""

import sys
from time import gmtime, time

from micropython import const

from . import exchange

_CLOCK_SET = const(757382400)  # as in files.py

MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"

# extension=type: one that ends with a slash is completed with the extension.
_TYPES = (
    " htm=text/html txt=text/plain xml=text/ csv=text/ md=text/markdown mjs=text/javascript json=application/"
    " svg=image/svg+xml png=image/ jpg=image/jpeg jpeg=image/ gif=image/ webp=image/ ico=image/x-icon"
    " woff=font/ woff2=font/ mp3=audio/mpeg pdf=application/ wasm=application/ gz=application/gzip"
    " webmanifest=application/manifest+json "
)


def rare_type(extension):
    """The media type of all that files.py does not know."""
    start = _TYPES.find(" %s=" % extension)
    if start < 0:
        return "application/octet-stream"
    kind = _TYPES[start:].split()[0].split("=")[1]
    return kind + extension if kind[-1] == "/" else kind


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


def last_modified(seconds):
    """The field Last-Modified (RFC 9110 section 8.8.2) for a file's time, or for now if that is still to come.

    b"" as long as the clock was not set.
    """
    now = time()
    return b"Last-Modified: %s\r\n" % http_date(min(seconds, now)) if now > _CLOCK_SET else b""


def set_date(seconds):
    """What Response.setDate() does."""
    field = b"" if seconds is None else b"Date: %s\r\n" % http_date(seconds)
    if not field or not exchange.date:
        # The clock was set: files may have a Last-Modified now.
        files = sys.modules.get(__name__.replace("dates", "files"))
        if files:
            files.heads.clear()
    exchange.date = field
    exchange.ok = b"HTTP/1.1 200 OK\r\n" + field
    exchange.heads.clear()
