"""Request, what a handler sees; and the functions of Response, which answer it. Await each of them.

This module itself is what the package exports as Response. More of its functions (header, redirect, setCookie,
sendText) are in extra.py. An answer that fits the buffer leaves in one piece with its length when the handler
returns; larger ones, and those whose head the handler writes by itself, are the business of stream.py.
"""

from micropython import const

# An iterator that is its own iterator and has nothing to give: awaiting it costs neither a switch nor memory.
DONE = iter(())

# How far the answer has got (Request.phase).
_HEAD = const(1)  # between start() and startBody()
_BODY = const(2)
_SENT = const(3)  # the head has left


class Request:
    """One request. Valid until its handler has returned.

    What is not an attribute here (path of a plain route, header, query, body() and others) is in extra.py.
    """

    method = "GET"
    keep = minor = 1  # the connection stays open afterwards; of HTTP/1.1
    left = 0  # bytes of the request body not yet read; -1: chunked
    expect = 0  # the client waits for "100 Continue"
    phase = 0
    head = out = b""
    raw = False  # the handler wrote header fields itself
    length = -1  # of the answer's body if known; once the head has left, what is still to come
    bare = False  # the answer leaves without its body
    error = ()  # arguments of the HttpError that this request ends with
    name = None
    chunk = total = 0  # of a chunked body: bytes left of the chunk, size so far

    def __init__(self, conn, line, block):
        self.conn = conn
        self.line = line
        self.block = block

    def __getattr__(self, name):
        from .extra import attribute

        return attribute(self, name)

    def write(self, data):
        """Write str or bytes-like data: header fields before Response.startBody(), the body after it.

        Small bodies leave in one piece with their head when the handler returns; of a larger one each full buffer
        leaves at once. Await the result: it waits only when the connection is full.
        """
        if isinstance(data, str):
            data = data.encode()
        if self.phase < _BODY:
            from .stream import write_head

            return write_head(self, data)
        out = self.out
        if out:
            if isinstance(out, bytes):
                out = bytearray(out)
            out += data
        else:
            # Copies what its owner may change; bytes stay as they are.
            out = bytes(data)
        self.out = out
        return DONE if len(out) < self.conn.server.bufferSize else self.flush()

    def flush(self, last=False):
        """Send what was written so far. Await the result."""
        if last and self.phase == _BODY and not self.raw:
            head = self.frame(len(self.out))
            return self.conn.send(head if self.bare else head + self.out)
        from .stream import flush

        return flush(self, last)

    def frame(self, length):
        """Give the whole head for a body of that length; -1: it ends with the connection, None: it is chunked."""
        self.phase = _SENT
        head = self.head
        if head[9:12] in (b"204", b"304"):
            self.bare = True
        elif length is None:
            head += b"Transfer-Encoding: chunked\r\n"
        elif length < 0:
            self.keep = 0
        else:
            head += b"Content-Length: %d\r\n" % length
        return head + (b"\r\n" if self.keep else b"Connection: close\r\n\r\n")


def __getattr__(name):
    from . import extra

    return getattr(extra, name)


def clean(value):
    """Give back value if it can stand in a head. CR or LF would start another field: ValueError."""
    if "\r" in value or "\n" in value:
        raise ValueError("line break in header")
    return value


def status_line(status, reason=None):
    """The first line of an answer, with its CRLF. reason None: the standard phrase."""
    if not reason:
        from .extra import reason_phrase

        reason = reason_phrase(status)
    return b"HTTP/1.1 %d %s\r\n" % (status, clean(reason))


def start(request, statusCode=200, statusText=None):
    """Start an answer; header fields may follow. What was written before is dropped if nothing has left yet."""
    if request.phase == _SENT:
        raise RuntimeError("answer has left")
    request.head = status_line(statusCode, statusText)
    request.out = b""
    request.length = -1
    request.raw = False
    request.phase = _HEAD
    return DONE


def startBody(request):
    """End the head; what is written from here on is the body."""
    request.phase = _BODY
    return DONE


def write(request, data):
    """Write a part of the body: the same as request.write(data)."""
    return request.write(data)


def send(request, body, contentType, status=200, reason=None):
    """A whole answer from str or bytes."""
    start(request, status, reason)
    if isinstance(body, str):
        body = body.encode()
    request.head += b"Content-Type: %s\r\n" % clean(contentType)
    request.length = len(body)
    request.phase = _BODY
    return request.write(body)


def sendJson(request, data, status=200):
    """A whole JSON answer from a dict, list or the like."""
    import json

    return send(request, json.dumps(data), "application/json", status)


def sendFile(request, filename):
    """A whole answer from a file of the filesystem; its name tells the type. HttpError 404 if there is none."""
    from .files import send_file

    return send_file(request, filename)


def error(request, code, reason=None):
    """A whole error answer."""
    return send(request, status_line(code, reason)[9:-2], "text/plain", code, reason)
