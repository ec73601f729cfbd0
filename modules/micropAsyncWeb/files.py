"""Static files: types, compressed neighbours and validators. Dates, conditions and ranges are in precise.py."""

import os

from micropython import const

from . import exchange as Response
from .parser import HttpError

_CLOCK_SET = const(600000000)  # later than any time of a clock that was not set

# extension=type: a type that ends with a slash is to be completed with the extension.
_TYPES = (
    " html=text/ htm=text/html css=text/ js=text/javascript txt=text/plain json=application/ svg=image/svg+xml "
    "png=image/ jpg=image/jpeg gif=image/ ico=image/x-icon webp=image/ woff2=font/ gz=application/gzip "
    "pdf=application/ xml=text/ "
)


def content_type(name):
    """The media type that the extension of a file name stands for."""
    name = name.split(".")[-1].lower()
    start = _TYPES.find(" %s=" % name)
    if start < 0:
        return "application/octet-stream"
    kind = _TYPES[start:].split()[0].split("=")[1]
    if kind[-1] == "/":
        kind += name
    return kind + "; charset=utf-8" if kind[0] == "t" else kind


def inside(path, index):
    """Turn a decoded URL path into a file name below the webroot. HttpError 404 if it points elsewhere."""
    parts = path[1:].split("/")
    parts[-1] = parts[-1] or index
    for part in parts:
        if part in ("", ".", "..") or "\\" in part or ":" in part:
            raise HttpError(404)
    return "/".join(parts)


def serve(request):
    """Answer with the file of a route, or with the one that the path names."""
    server = request.conn.server
    return send_file(request, server.webroot + "/" + (request.name or inside(request.path, server.indexFile)))


def _stat(name):
    try:
        return os.stat(name)
    except OSError:
        pass


def send_file(request, name):
    """Answer with a file. HttpError 404 if there is none."""
    kind = content_type(name)
    fields = request.text.lower()
    accepted = fields.partition(b"\naccept-encoding:")[2].partition(b"\r")[0]
    packed = b"gzip" in accepted and b"gzip;q=0" not in accepted and _stat(name + ".gz")
    stat = _stat(name)
    if packed and stat and packed[8] < stat[8]:
        packed = None  # the file was replaced after it had been compressed
    stat = packed or stat
    if not stat:
        raise HttpError(404)
    if stat[0] & 0x4000:
        # Relative links in an index page work only below a trailing slash.
        url, mark, query = request.url.partition("?")
        return Response.redirect(request, url + "/" + mark + query, 301)
    Response.start(request)
    request.head += b'Content-Type: %s\r\nVary: Accept-Encoding\r\nETag: "%x-%x"\r\n' % (kind, stat[8], stat[6])
    if packed:
        name += ".gz"
        request.head += b"Content-Encoding: gzip\r\n"
    part = 0, stat[6]
    if stat[8] > _CLOCK_SET or request.conn.server.cacheControl or b"f-none-match:" in fields or b"range:" in fields:
        from .precise import select

        part = select(request, stat)
    return _send(request, name, *part)


def _send(request, name, first, left):
    conn = request.conn
    pool = conn.server.pool
    field = b"Content-Length: %d\r\n" % left
    if request.bare or not left or request.head[9:12] == b"304":
        yield from conn.send(request.frame(field))
        return
    # Only when nothing can fail any more may the head be made, or an error could not be answered.
    file = open(name, "rb")
    try:
        file.seek(first)
        buffer = pool.pop() if pool else bytearray(conn.server.bufferSize)
        view = memoryview(buffer)
        head = request.frame(field)
        # The head and the first part of the body leave in one write.
        start = len(head)
        buffer[:start] = head
        while left:
            count = file.readinto(view[start : start + left])
            if not count:
                # The file has become shorter: only a closed connection can tell the client.
                return conn.close()
            left -= count
            yield from conn.send(view[: start + count])
            start = 0
        pool.append(buffer)
    finally:
        file.close()
