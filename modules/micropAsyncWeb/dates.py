"""What is known of a file beside its name: its date as HTTP writes it, and most media types."""

from time import gmtime

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
