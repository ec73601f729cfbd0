"""Static files: types, compressed neighbours and validators. Dates, conditions and ranges are in precise.py."""

import os
from micropython import const

from .parser import HttpError
from . import exchange as Response

_CLOCK_SET = const(600000000)  # later than any time of a clock that was not set

# extension=type: a type that ends with a slash is to be completed with the extension.
_TYPES = (
    " html=text/ htm=text/html css=text/ js=text/javascript txt=text/plain json=application/ svg=image/svg+xml "
    "png=image/ jpg=image/jpeg gif=image/ ico=image/x-icon webp=image/ woff2=font/ gz=application/gzip "
    "pdf=application/ wasm=application/ xml=text/ csv=text/ "
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


def serve(server, request):
    """Answer with the file of a route, or with the one that the path names."""
    return send_file(request, "%s/%s" % (server.webroot, request.name or inside(request.path, server.indexFile)))


def _stat(name):
    try:
        return os.stat(name)
    except OSError:
        pass


def send_file(request, name):
    """Answer with a file. HttpError 404 if there is none."""
    server = request.conn.server
    kind = content_type(name)
    fields = request.block.lower()
    accepted = (b"\n" + fields).partition(b"\naccept-encoding:")[2].partition(b"\r")[0]
    packed = b"gzip" in accepted and b"gzip;q=0" not in accepted and _stat(name + ".gz")
    stat = packed or _stat(name)
    if not stat:
        raise HttpError(404)
    if stat[0] & 0x4000:
        # Relative links in an index page work only below a trailing slash.
        url = request.url.split("?")
        url[0] += "/"
        return Response.redirect(request, "?".join(url), 301)
    Response.start(request, 200)
    head = 'Content-Type: %s\r\nVary: Accept-Encoding\r\nETag: "%x-%x"\r\n' % (kind, stat[8], stat[6])
    if packed:
        name += ".gz"
        head += "Content-Encoding: gzip\r\n"
    request.head += head.encode()
    first = 0
    left = stat[6]
    if stat[8] > _CLOCK_SET or server.cacheControl or b"f-none-match:" in fields or b"range:" in fields:
        from .precise import select

        first, left = select(request, stat)
    return _send(request, name, first, left)


def _send(request, name, first, left):
    conn = request.conn
    pool = conn.server.pool
    head = request.frame(left)
    if request.bare or not left:
        yield from conn.send(head)
        return
    file = open(name, "rb")
    try:
        file.seek(first)
        buffer = pool.pop() if pool else bytearray(conn.server.bufferSize)
        view = memoryview(buffer)
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
