"""Conditional and partial requests for files, and their dates (RFC 9110 sections 13, 14 and 5.6.7)."""

from time import gmtime

from . import exchange as Response


def http_date(seconds):
    """An IMF-fixdate, or None if the clock was not set at that time."""
    year, month, day, hour, minute, second, weekday = gmtime(seconds)[:7]
    if year >= 2020:
        return "%s, %02d %s %d %02d:%02d:%02d GMT" % (
            "MonTueWedThuFriSatSun"[weekday * 3 :][:3],
            day,
            "JanFebMarAprMayJunJulAugSepOctNovDec"[month * 3 - 3 :][:3],
            year,
            hour,
            minute,
            second,
        )


def _range(value, size):
    # → (first byte, number of bytes), None for the whole file, or (0, 0) if it is beyond the end
    unit, _, value = value.partition("=")
    first, dash, last = value.partition("-")
    if unit != "bytes" or not dash or not (first + last).isdigit():
        return None
    if not first:
        last = min(int(last), size)
        return size - last, last
    first = int(first)
    last = min(int(last), size - 1) if last else size - 1
    if first >= size:
        return 0, 0
    return (first, last - first + 1) if last >= first else None


def select(request, stat):
    """Add Last-Modified and Cache-Control to a file's answer and apply the conditions of the request.

    Gives the first byte to send and how many; the status of the answer is changed where needed.
    """
    size = stat[6]
    date = http_date(stat[8])
    if date:
        request.head += b"Last-Modified: %s\r\n" % date
    rules = request.conn.server.cacheControl
    longest = ""
    for prefix in rules:
        if request.path.startswith(prefix) and len(prefix) > len(longest):
            longest = prefix
    if longest:
        request.head += b"Cache-Control: %s\r\n" % rules[longest]
    fields = request.text.lower()
    if b"range:" not in fields and b"if-" not in fields:
        return 0, size
    header = request.header
    tag = '"%x-%x"' % (stat[8], size)
    match = header.get("if-none-match")
    status = 200
    part = None
    if match is not None:
        if tag in match or match.strip() == "*":
            status = 304
    elif date and header.get("if-modified-since") == date:
        status = 304
    if status == 200 and request.method == "GET":
        value = header.get("range")
        if value and header.get("if-range", tag) in (tag, date):
            part = _range(value, size)
    head = request.head.partition(b"\r\n")[2]
    if part:
        status = 206 if part[1] else 416
        head += b"Content-Range: bytes %s/%d\r\n" % (
            "%d-%d" % (part[0], part[0] + part[1] - 1) if part[1] else "*",
            size,
        )
    Response.start(request, status)
    request.head += head
    return part or (0, size)
