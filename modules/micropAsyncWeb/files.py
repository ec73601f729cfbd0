"""Static files: types, compressed neighbours and validators. Dates, conditions and ranges are in precise.py."""

import os
from binascii import crc32

from micropython import const

from . import exchange as Response
from .parser import HttpError

_CLOCK_SET = const(757382400)  # the year 2024 from 2000 on: later than any time of a clock that was not set
heads = {}  # (name asked for, name, size, time) → header fields of a file
_HEADS = const(16)
_DONE = const(4)  # a phase of a request: all of its answer has left

# Those of a page; others are in dates.py.
_TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
}


def content_type(name):
    """The media type that the extension of a file name stands for."""
    name = name.split(".")[-1].lower()
    kind = _TYPES.get(name)
    if not kind:
        from .dates import rare_type

        kind = rare_type(name)
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
    name = request.name or inside(request.path, server.indexFile)
    return send_file(request, server.webroot + "/" + name, True)


def stat_of(name):
    """What os.stat() says about a file; None if there is none."""
    try:
        return os.stat(name)
    except OSError:
        pass


def send_file(request, name, folders=False):
    """Answer with a file. HttpError 404 if there is none. folders: send the client of a folder on to its index."""
    fields = request.text.lower()
    accepted = fields.partition(b"\naccept-encoding:")[2].partition(b"\r")[0]
    packed = b"gzip" in accepted
    if packed and accepted[:6] != b" gzip,":
        # Not as browsers say it.
        from .precise import accepts_gzip

        packed = accepts_gzip(accepted)
    packed = packed and stat_of(name + ".gz")
    stat = stat_of(name)
    if packed and stat and packed[8] < stat[8]:
        packed = None  # the file was replaced after it had been compressed
    stat = packed or stat
    if not stat or stat[0] & 0x4000:
        if stat and folders:
            from .refuse import move

            return move(request)
        raise HttpError(404)
    size = stat[6]
    kind = name
    if packed:
        name += ".gz"
    key = kind, name, size, stat[8]
    head = heads.get(key)
    if not head:
        head = b"Content-Type: %s\r\nVary: Accept-Encoding\r\n" % content_type(kind)
        if packed:
            head += b"Content-Encoding: gzip\r\n"
        version = stat[8]
        if version < _CLOCK_SET:
            # The begin and the end, and the size, tell versions apart.
            with open(name, "rb") as file:
                version = crc32(file.read(512))
                file.seek(max(0, size - 512))
                version = crc32(file.read(512), version)
        else:
            from .dates import last_modified

            head += last_modified(version)
        head += b'ETag: "%x-%x"\r\n' % (version, size)
        if len(heads) >= _HEADS:
            heads.clear()
        heads[key] = head
    Response.start(request)
    request.head += head
    part = 0, size
    if request.conn.server.cacheControl or b"\nif-" in fields or b"\nrange:" in fields:
        from .precise import select

        part = select(request, size)
    return _send(request, name, *part)


def _send(request, name, first, left):
    conn = request.conn
    pool = conn.server.pool
    field = b"Content-Length: %d\r\n" % left
    if request.bare or not left or request.head[9:12] == b"304":
        yield from conn.send(request.frame(field))
        request.phase = _DONE
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
        count = file.readinto(view[start : start + left])
        yield from conn.send(view[: start + count])
        if count < left:
            from .rest import send_file

            yield from send_file(conn, file, view, left - count)
        if not pool:
            pool.append(buffer)
        request.phase = _DONE
    finally:
        file.close()
