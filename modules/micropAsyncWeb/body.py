"""Reads the body of a request, with Content-Length or chunked (RFC 9112 sections 6 and 7)."""

import json as _json
from time import ticks_diff, ticks_ms

from micropython import const

from .parser import HttpError
from .stream import wait

_RATE = const(500)  # bytes by which a body earns one more second to come in, beyond bodyTimeout
_LINE = const(256)  # of a chunk's size line, and of a trailer line
_DRAIN = const(8192)
_BLOCK = const(1024)
_READ = const(3)  # the state of a connection whose handler waits for the body


def _refuse(request, status):
    # Where the next request would begin is lost.
    request.keep = 0
    raise HttpError(status)


def _expects(request):
    # The client waits for "100 Continue" before it sends the body (RFC 9110 section 10.1.1).
    return request.minor and not request.going and request.header.get("expect", "").lower() == "100-continue"


def _source(request, view):
    # Some bytes of the connection into view.
    conn = request.conn
    if _expects(request):
        request.going = True
        yield from conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    rest = conn.rest
    if rest:
        count = min(len(rest), len(view))
        view[:count] = rest[:count]
        conn.rest = rest[count:]
        return count
    while True:
        began = ticks_ms()
        try:
            if request.waited > (conn.server.limits[_READ] + request.taken // _RATE) * 1000:
                # One byte now and then must not hold the connection for ever.
                raise HttpError(408)
            yield from wait(conn, _READ)
        except HttpError:
            # There is nothing to be read any more.
            request.left = request.keep = 0
            raise
        request.waited += ticks_diff(ticks_ms(), began)
        try:
            count = conn.sock.readinto(view)
        except OSError:
            count = 0
        if count:
            request.taken += count
            return count
        if count is not None:
            conn.close()
            raise OSError(104)


def _line(request):
    # One line of the chunked framing, without its CRLF.
    conn = request.conn
    line = b""
    while True:
        end = line.find(b"\n")
        if end > _LINE or end < 0 and len(line) > _LINE:
            _refuse(request, 400)
        if end >= 0:
            conn.rest = bytes(line[end + 1 :]) + conn.rest
            if not end or line.find(b"\r") != end - 1:
                # The CR is missing, or there is one within the line.
                _refuse(request, 400)
            return bytes(line[: end - 1])
        more = bytearray(64)
        count = yield from _source(request, memoryview(more))
        line += more[:count]


def readinto(request, buffer):
    """Read a part of the body into buffer. Gives the number of bytes, 0 at the end."""
    left = request.left
    if not left:
        return 0
    view = memoryview(buffer)
    if left < 0:
        # Chunked: _left is -1, _chunk what is left of the chunk.
        left = request.chunk
        if not left:
            line = yield from _line(request)
            size = line.partition(b";")[0].rstrip(b" \t")
            if not size or len(size) > 8 or size.strip(b"0123456789abcdefABCDEF"):
                _refuse(request, 400)
            left = int(size, 16)
            request.total += left
            if request.total > request.maxBody:
                _refuse(request, 413)
            if not left:
                count = 0
                while (yield from _line(request)):
                    count += 1
                    if count > 16:
                        _refuse(request, 431)
                request.left = 0
                return 0
        count = yield from _source(request, view[:left])
        left -= count
        request.chunk = left
        if not left and (yield from _line(request)):
            _refuse(request, 400)
        return count
    count = yield from _source(request, view[:left])
    request.left -= count
    return count


def read(request, size=-1):
    """Read size bytes at most; all that is left without size."""
    left = request.left
    if left >= 0 and (size < 0 or size > left):
        size = left
    if size > _BLOCK:
        # MemoryError now, not when all has come.
        bytearray(size)
    # In pieces: a small heap has no room for two of the whole.
    pieces = []
    block = memoryview(bytearray(_BLOCK if size < 0 else min(size, _BLOCK)))
    have = 0
    while size:
        end = len(block) if size < 0 else min(have + size, len(block))
        count = yield from readinto(request, block[have:end])
        if not count:
            break
        have += count
        if size > 0:
            size -= count
        if have == len(block):
            pieces.append(bytes(block))
            have = 0
    pieces.append(bytes(block[:have]))
    return b"".join(pieces)


def body(request):
    """The whole body as bytes. It can be asked for more than once."""
    if request.left or request.data is None:
        request.data = yield from read(request)
    return request.data


def json(request):
    """The body as JSON. HttpError 400 if it is not."""
    data = yield from body(request)
    try:
        return _json.loads(data)
    except ValueError:
        raise HttpError(400)


def too_much(request):
    """Whether what a handler left unread is not worth reading: the connection is closed after the answer then."""
    return _expects(request) or request.left > _DRAIN


def drain(request):
    """Read what a handler left unread, so that the next request can follow; too much of it ends the connection."""
    if too_much(request):
        request.keep = 0
    else:
        part = bytearray(256)
        try:
            while (yield from readinto(request, part)):
                pass
        except HttpError:
            # The answer of the handler counts, only the connection ends.
            pass
