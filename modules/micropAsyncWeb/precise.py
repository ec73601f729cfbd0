"""Conditional and partial requests for files, and their weights (RFC 9110 sections 12, 13 and 14)."""

from . import exchange as Response
from .dates import MONTHS


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


def accepts_gzip(value):
    """Whether an Accept-Encoding with weights (RFC 9110 section 12.5.3) allows gzip. "*" alone does not."""
    for item in value.replace(b" ", b"").replace(b"\t", b"").split(b","):
        coding, _, weight = item.partition(b";q=")
        if coding == b"gzip":
            return not weight or weight.strip(b"0.") != b""
    return False


def _moment(date):
    # A date in one of the three forms of RFC 9110 section 5.6.7 as a str that can be compared; None if malformed.
    parts = date.replace(",", "").replace("-", " ").split()
    try:
        if len(parts) == 5:
            # Sun Nov  6 08:49:37 1994
            _, month, day, time, year = parts
        else:
            _, day, month, year, time, zone = parts
            if zone != "GMT":
                return None
        if len(year) == 2:
            # Sunday, 06-Nov-94 08:49:37 GMT
            year = ("19" if year > "69" else "20") + year
        month = MONTHS.find(month) // 3
        if month < 0 or len(time) != 8 or len(year) != 4:
            return None
        return "%s%02d%02d%s" % (year, month, int(day), time)
    except ValueError:
        return None


def _status(request, tag, date):
    # 304, 412 or 200 (RFC 9110 section 13.2.2)
    header = request.header
    reads = request.method in ("GET", "HEAD")
    since = _moment(date) if date else ""

    def later(name):
        moment = since and _moment(header.get(name, ""))
        return since > moment if moment else None

    wanted = header.get("if-match")
    if wanted is None:
        if later("if-unmodified-since"):
            return 412
    elif wanted.strip() != "*" and tag not in [item.strip() for item in wanted.split(",")]:
        return 412
    match = header.get("if-none-match")
    if match is None:
        return 304 if reads and later("if-modified-since") is False else 200
    return (304 if reads else 412) if tag in match or match.strip() == "*" else 200


def _field(head, name):
    # The value of a field of an answer's head, as str; None if there is none.
    value = head.partition(name)[2].partition(b"\r")[0]
    return value.decode() if value else None


def select(request, size):
    """Add Cache-Control to a file's answer and apply the conditions of the request.

    Gives the first byte to send and how many; the status of the answer is changed where needed.
    """
    date = _field(request.head, b"\nLast-Modified: ")
    tag = _field(request.head, b"\nETag: ")
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
    status = _status(request, tag, date)
    part = None
    if status == 200 and request.method == "GET":
        value = header.get("range")
        if value and header.get("if-range", tag) in (tag, date):
            part = _range(value, size)
    if part:
        status = 206 if part[1] else 416
        request.head += b"Content-Range: bytes %s/%d\r\n" % (
            "%d-%d" % (part[0], part[0] + part[1] - 1) if part[1] else "*",
            size,
        )
    if status != 200:
        request.head = Response.status_line(status) + request.head.partition(b"\r\n")[2]
    return (0, 0) if status == 412 else part or (0, size)
