"""Answers larger than the buffer, and heads that a handler writes by itself as text (RFC 9112 sections 6 and 7)."""

from micropython import const

from . import exchange as Response
from .exchange import DONE

_COPY = const(4096)  # of a larger answer the first part leaves with the head, the rest without being copied


def write_head(request, data):
    """Take text before Response.startBody(). A blank line in it ends the head as startBody() does; a handler that
    brings its own status line needs no Response.start()."""
    if not request.phase:
        Response.start(request, 200)
        if data[:5] != b"HTTP/":
            Response.startBody(request)
            return request.write(data)
        request.head = b""
    request.raw = True
    head = request.head + data
    end = head.find(b"\r\n\r\n") + 2
    if end < 2:
        request.head = head
        return DONE
    request.head = head[:end]
    Response.startBody(request)
    return request.write(head[end + 2 :])


def tidy(request):
    """Make each line of the head end with CRLF, and take the framing out of it: that is the server's."""
    lines = request.head.split(b"\n")
    head = lines[0].strip() + b"\r\n"
    for line in lines[1:]:
        line = line.strip()
        name, colon, value = line.partition(b":")
        name = name.lower()
        value = value.strip()
        if name == b"content-length":
            if value.isdigit():
                request.length = int(value)
        elif name == b"connection" and value.lower() == b"close":
            request.keep = False
        elif colon and name not in (b"transfer-encoding", b"connection"):
            head += line + b"\r\n"
    request.head = head
    request.raw = False


def flush(request, last):
    """Send what was written so far; last: and end the answer."""
    if not request.phase:
        request.head = Response.status_line(204)
    body = request.out
    length = len(body)
    head = b""
    if request.phase < 3:
        if request.raw:
            tidy(request)
        if not last or request.bare and not length:
            # Known to the handler only, if at all.
            length = request.length
        if length >= 0:
            head = b"Content-Length: %d\r\n" % length
        elif request.minor:
            length = None
            head = b"Transfer-Encoding: chunked\r\n"
        else:
            request.keep = 0
        head = request.frame(head)
        request.length = length
    request.out = b""
    end = b""
    if request.bare:
        body = b""
    elif request.length is None:
        if body:
            head += b"%x\r\n" % len(body)
            end = b"\r\n"
        if last:
            end += b"0\r\n\r\n"
    elif request.length >= 0:
        if len(body) > request.length:
            # More than the promised length would be taken for the next answer.
            body = body[: request.length]
        request.length -= len(body)
        if last and request.length:
            request.keep = False
    if len(body) > _COPY:
        yield from request.conn.send(head + body[:_COPY])
        head = b""
        body = memoryview(body)[_COPY:]
        yield from request.conn.send(body)
        body = b""
    yield from request.conn.send(head + body + end)
