"""Answers larger than the buffer or the socket's, and heads that a handler writes as text (RFC 9112 section 6, 7)."""

from asyncio import core

from micropython import const

from . import exchange as Response
from .exchange import DONE
from .parser import HttpError

# Phases of a request.
_HEAD = const(1)
_DONE = const(4)
_POLLIN = const(1)
_POLLOUT = const(4)
# States of a connection; from _READ on the reactor does not look.
_IDLE = const(0)
_READ = const(3)
_WRITE = const(4)
_BUSY = const(5)
_COPY = const(4096)  # of a larger answer the first part leaves with the head, the rest without being copied


def write_head(request, data):
    """Take text before Response.startBody(). A blank line in it ends the head as startBody() does; a handler that
    brings its own status line needs no Response.start()."""
    if request.phase != _HEAD:
        # RuntimeError if the handler has returned.
        Response.start(request, 200)
        if data[:5] != b"HTTP/":
            Response.startBody(request)
            return request.write(data)
        request.head = b""
    request.raw = True
    request.head = head = request.head + data
    ends = [head.find(mark) + len(mark) for mark in (b"\n\r\n", b"\n\n") if mark in head]
    if not ends:
        return DONE
    end = min(ends)
    request.head = head[:end]
    Response.startBody(request)
    return request.write(head[end:])


def tidy(request):
    """Make each line of the head end with CRLF, and take the framing out of it: that is the server's. ValueError if
    there is a CR or NUL within a line."""
    lines = request.head.split(b"\n")
    head = lines[0].strip() + b"\r\n"
    date = Response.date  # or the handler's own, which comes later
    for line in lines[1:]:
        line = line.strip()
        name, colon, value = line.partition(b":")
        name = name.lower()
        value = value.strip()
        if name == b"content-length":
            if value.isdigit():
                request.length = int(value)
        elif name == b"connection" and b"close" in value.lower().replace(b" ", b"").split(b","):
            request.keep = False
        elif name == b"date":
            date = line + b"\r\n"
        elif colon and name not in (b"transfer-encoding", b"connection"):
            head += line + b"\r\n"
    head += date
    if b"\r" in head.replace(b"\r\n", b"") or b"\0" in head:
        raise ValueError("line break")
    request.head = head
    request.raw = False


def send_rest(conn, data):
    """Send what the socket did not take at once."""
    while len(data):
        yield from wait(conn, _WRITE)
        data = data[conn.sock.write(data) or 0 :]
    # A view of the end still holds the whole.
    data = None


def wait(conn, state):
    """Wait until the socket of a connection can be written (_WRITE) or read (_READ). HttpError 408 by interrupt()."""
    conn.watch(state)
    conn.task = core.cur_task
    try:
        yield core._io_queue._enqueue(conn.sock, state - _READ)
    finally:
        task = conn.task
        conn.task = None
    if not task:
        raise HttpError(408) if conn.sock else OSError(110)
    conn.watch(_BUSY)


def interrupt(conn):
    """End the waiting of the task in wait()."""
    core._io_queue.remove(conn.task)
    core._task_queue.push(conn.task)
    conn.task = None


def postpone(conn, request=None):
    """Have the reactor go on with what a connection has received already, or with request, in its next round."""

    def receive():
        del conn.receive
        core._io_queue.poller.modify(conn.sock, _POLLIN)
        return request or conn.receive()

    conn.receive = receive
    conn.watch(_IDLE)
    # That it can be written is an event which comes at once.
    core._io_queue.poller.modify(conn.sock, _POLLIN | _POLLOUT)


def iterate(request, part):
    """A handler turned out to be an iterator, not a coroutine, by its first part. Both are generators."""
    parts = request.handler

    def every():
        yield part
        yield from parts

    request.handler = lambda request: request.reply(every())
    postpone(request.conn, request)


def flush(request, last):
    """Send what was written so far; last: and end the answer."""
    if request.phase > _DONE:
        raise RuntimeError("answered already")
    if not request.phase:
        request.head = Response.status_line(204) + Response.date
    body = request.out
    length = len(body)
    head = b""
    if request.phase < 3:
        if request.raw:
            tidy(request)
        if not last:
            # Known to the handler only, if at all.
            length = request.length
        elif request.bare and not length:
            length = max(0, request.length)
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
    data = head + body + end
    head = body = None
    sending = request.conn.send(data)
    # Nothing of it is held while this waits, or after it has failed.
    data = None
    yield from sending
    if not last:
        # A client that takes all at once must not keep others from their turn.
        yield from core.sleep_ms(0)
