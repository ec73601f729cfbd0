"""Request, what a handler sees; and the functions of Response, which answer it. Await each of them.

This module itself is what the package exports as Response. More of its functions (header, redirect, sendJson,
sendFile and others) are in extra.py. An answer that fits the buffer leaves in one piece with its length when the
handler returns; larger ones, and those whose head the handler writes by itself, are the business of stream.py.
"""

from micropython import const

# An iterator that is its own iterator and has nothing to give: awaiting it costs neither a switch nor memory.
DONE = iter(())

date = b""  # the Date field of all answers, see extra.setDate()
ok = b"HTTP/1.1 200 OK\r\n"  # with date
heads = {}  # length of a body → the head of a plain answer: the same lengths come again and again
_HEADS = const(16)
_SMALL = const(256)  # a body up to this size fits any buffer

# How far the answer has got (Request.phase).
_HEAD = const(1)  # between start() and startBody()
_BODY = const(2)
_SENT = const(3)  # the head has left
_DONE = const(4)  # all has left: what the handler writes from here on is dropped
# 5: the handler has returned.


class Request:
    """One request. Valid until its handler has returned.

    The server sets conn (its Connection), text (the whole head) and handler. What else is not an attribute here
    (path of a plain route, header, query, body() and others) is in extra.py.
    """

    plain = True  # nothing is known yet that would make its answer differ from that to any other GET
    method = "GET"
    keep = minor = 1  # the connection stays open afterwards; of HTTP/1.1
    left = 0  # bytes of the request body not yet read; -1: chunked
    phase = 0
    head = out = b""
    raw = False  # the handler wrote header fields itself
    length = -1  # of the answer's body if known; once the head has left, what is still to come
    bare = False  # the answer leaves without its body
    error = ()  # arguments of the HttpError that this request ends with
    name = None

    def __getattr__(self, name):
        from .extra import attribute

        return attribute(self, name)

    def write(self, data):
        """Write str or bytes-like data: header fields before Response.startBody(), the body after it.

        Small bodies leave in one piece with their head when the handler returns; of a larger one each full buffer
        leaves at once. Await the result: it waits only when the connection is full.
        """
        out = self.out
        if isinstance(data, str):
            data = data.encode()
        elif not isinstance(data, bytes):
            # Its owner may change it. TypeError for what is not bytes-like.
            data = bytes(memoryview(data))
        if self.phase < _BODY or self.phase > _DONE:
            from .stream import write_head

            return write_head(self, data)
        if out:
            if isinstance(out, bytes):
                out = bytearray(out)
            out += data
            data = out
        self.out = data
        return DONE if len(data) < _SMALL or len(data) < self.conn.server.bufferSize else self.flush()

    def flush(self, last=False):
        """Send what was written so far. Await the result."""
        if last and self.phase == _BODY and not self.raw:
            out = self.out
            length = len(out)
            if self.plain and self.head is ok:
                self.phase = _SENT
                head = heads.get(length)
                if not head:
                    if len(heads) >= _HEADS:
                        heads.clear()
                    head = heads[length] = ok + b"Content-Length: %d\r\n\r\n" % length
            else:
                head = self.frame(b"Content-Length: %d\r\n" % length)
                if self.bare:
                    out = b""
            return self.conn.send(head + out)
        if self.phase == _DONE:
            return DONE
        from .stream import flush

        return flush(self, last)

    def frame(self, field):
        """Give the whole head; field says where the body ends, if there is one."""
        self.phase = _SENT
        head = self.head
        if self.left:
            # The head leaves before the body is drained, and must say what will become of the connection.
            from .body import too_much

            if too_much(self):
                self.keep = 0
        if head[9:12] in (b"204", b"304"):
            self.bare = True
        else:
            head += field
        return head + (b"\r\n" if self.keep else b"Connection: close\r\n\r\n")


def __getattr__(name):
    from . import extra

    # The next time it is found without this.
    globals()[name] = value = getattr(extra, name)
    return value


def clean(value):
    """Give back value if it can stand in a head. CR or LF would start another field: ValueError."""
    if "\r" in value or "\n" in value or "\0" in value:
        raise ValueError("line break")
    return value


def status_line(status, reason=None):
    """The first line of an answer, with its CRLF. reason None: the standard phrase."""
    if not reason:
        reason = "Not Found"
        # All but the one that every server needs.
        if status != 404:
            from .reasons import reason_phrase

            reason = reason_phrase(status)
    return b"HTTP/1.1 %d %s\r\n" % (status, clean(reason))


def start(request, statusCode=200, statusText=None):
    """Start an answer; header fields may follow. What was written before is dropped if nothing has left yet."""
    if request.phase:
        if request.phase >= _SENT:
            raise RuntimeError("answered already")
        request.out = b""
        request.length = -1
        request.raw = False
    usual = statusCode == 200 and (not statusText or statusText == "OK")
    request.head = ok if usual else status_line(statusCode, statusText) + date
    request.phase = _HEAD
    return DONE


def startBody(request):
    """End the head; what is written from here on is the body."""
    if not request.phase:
        start(request)
    if request.phase == _HEAD:
        request.phase = _BODY
    return DONE


def send(request, body, contentType, status=200, reason=None):
    """A whole answer from str or bytes."""
    start(request, status, reason)
    if isinstance(body, str):
        body = body.encode()
    request.head += b"Content-Type: %s\r\n" % clean(contentType)
    request.length = len(body)
    request.phase = _BODY
    return request.write(body)


def error(request, code, reason=None):
    """A whole error answer."""
    return send(request, status_line(code, reason)[9:-2], "text/plain", code, reason)
