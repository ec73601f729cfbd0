"""What not every request needs: header, query, cookies, forms, saving to flash, and answers that a handler returns."""

from micropython import const

from .exchange import DONE, clean, send, start, startBody

_DONE = const(4)  # a phase of a request; beyond it its handler has returned


class Header(dict):
    """Header fields of a request; names in any case, kept in lower case. Repeated fields are joined with commas."""

    def __init__(self, text):
        super().__init__()
        for line in text.split(b"\r\n")[1:-2]:
            name, _, value = line.partition(b":")
            name = name.decode().lower()
            value = value.strip(b" \t")
            try:
                value = value.decode()
            except UnicodeError:
                # RFC 9110 section 5.5: of old Latin-1.
                value = "".join([chr(byte) for byte in value])
            old = self.get(name)
            if old is not None:
                value = old + ("; " if name == "cookie" else ", ") + value
            self[name] = value

    def __getitem__(self, name):
        return super().__getitem__(name.lower())

    def __contains__(self, name):
        return self.get(name) is not None

    def get(self, name, default=None):
        """Value of field name, or default."""
        return super().get(name.lower(), default)


def attribute(request, name):
    """Give an attribute of a request that was not set yet: a value, which is then kept, or a method."""
    if request.phase > _DONE:
        raise RuntimeError("answered already: a request is valid until its handler returns")
    if name in _STATE:
        return _STATE[name]
    value = _VALUES.get(name)
    if value:
        value = value(request)
        setattr(request, name, value)
        return value
    value = _METHODS.get(name)
    if not value:
        from . import body

        value = getattr(body, name, None)
    if not value or name[0] == "_":
        raise AttributeError(name)
    return lambda *args, **names: value(request, *args, **names)


def pairs(data):
    """Decode name=value&… (bytes) to a dict; of equal names the last counts."""
    from .patterns import unquote

    values = {}
    for pair in data.replace(b"+", b" ").split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            values[unquote(name)] = unquote(value)
    return values


def query(request):
    """The query of the URL as a dict."""
    return pairs(request.url.partition("#")[0].partition("?")[2].encode())


def cookies(request):
    """The cookies as a dict."""
    values = {}
    for pair in request.header.get("cookie", "").split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals:
            values[name] = value
    return values


def form(request):
    """The body of a form (application/x-www-form-urlencoded) as a dict."""
    data = yield from request.body()
    return pairs(data)


def save(request, path):
    """Write the body to a file in blocks; gives its size. An older file stays until all has come."""
    from .saving import write_file

    return write_file(path, request.readinto)


def _refuse(result):
    raise TypeError("a handler cannot return %r: see docs/handlers.md" % (result,))


def _begun(request, parts):
    # A coroutine that nobody awaits looks like a generator: but one gives None, as it waits, or ends with a value, or
    # answers by itself.
    phase = request.phase
    try:
        part = next(parts)
    except StopIteration as end:
        if end.value is None and request.phase == phase:
            return DONE
        part = None
    if part is None:
        raise TypeError("a handler has returned a coroutine: it must await it")

    def every():
        yield part
        yield from parts

    return every()


def _client(request):
    """The client's address: (ip, port)."""
    peer = request.conn.peer
    if isinstance(peer, (bytes, bytearray)):
        # The unix port gives a raw sockaddr.
        import socket

        family, address, port = socket.sockaddr(peer)[:3]
        peer = socket.inet_ntop(family, address), port
    return peer


def reply(request, result):
    """Answer with what a handler returned."""
    given = result
    status = None
    headers = {}
    if isinstance(result, tuple):
        if not 0 < len(result) < 4:
            _refuse(given)
        result, status, headers = result + (200, {})[len(result) - 1 :]
        if not isinstance(status, int) or not 200 <= status < 600 or not hasattr(headers, "keys"):
            _refuse(given)
    kind = None
    if isinstance(result, (dict, list)):
        import json

        kind = "application/json"
        result = json.dumps(result)
    elif isinstance(result, str):
        kind = "text/plain; charset=utf-8"
    elif result is not None:
        if hasattr(result, "send"):
            result = _begun(request, result)
        kind = "application/octet-stream"
        if not isinstance(result, (bytes, bytearray, memoryview)) and not hasattr(result, "__anext__"):
            try:
                result = iter(result)
            except TypeError:
                _refuse(given)
    if not request.phase or status:
        start(request, status or 200)
    if (
        kind
        and "content-type" not in [name.lower() for name in headers]
        and b"\ncontent-type:" not in request.head.lower()
    ):
        request.head += b"Content-Type: %s\r\n" % kind
    for name in headers:
        header(request, name, headers[name])
    startBody(request)
    if result is None or isinstance(result, (str, bytes, bytearray, memoryview)):
        yield from request.write(result or "")
    elif hasattr(result, "__anext__"):
        while True:
            try:
                part = yield from result.__anext__()
            except StopAsyncIteration:
                break
            yield from request.write(part)
    else:
        for part in result:
            yield from request.write(part)


def header(request, name, value):
    """Add a header field, after start(). ValueError if it holds CR, LF or NUL."""
    if not request.phase:
        raise RuntimeError("Response.start() comes first")
    request.head += b"%s: %s\r\n" % (clean(name), clean(str(value)))
    request.raw = True
    return DONE


def write(request, data):
    """Write a part of the body: the same as request.write(data)."""
    return request.write(data)


def sendJson(request, data, status=200):
    """A whole JSON answer from a dict, list or the like."""
    import json

    return send(request, json.dumps(data), "application/json", status)


def sendFile(request, filename):
    """A whole answer from a file of the filesystem; its name tells the type. HttpError 404 if there is none."""
    from .files import send_file

    return send_file(request, filename)


def redirect(request, location, status=302):
    """Send the client to another URL."""
    start(request, status)
    header(request, "Location", location)
    return startBody(request)


def sendText(request, text, status=200):
    """A whole plain text answer."""
    return send(request, text, "text/plain; charset=utf-8", status)


def setDate(seconds):
    """The Date field (RFC 9110 section 6.6.1) of all answers from now on, of every server; None: they have none.

    seconds: as time.time() gives them. To be called once a second while the clock is right.
    """
    from .dates import set_date

    set_date(seconds)


def setCookie(request, name, value, options="Path=/; HttpOnly; SameSite=Lax"):
    """Set a cookie (RFC 6265); between start() and startBody()."""
    return header(request, "Set-Cookie", "%s=%s; %s" % (name, value, options))


_VALUES = {
    "line": lambda request: request.text.partition(b"\r\n")[0],
    "header": lambda request: Header(request.text),
    "headers": lambda request: request.header,
    # Only a request that took the fast way has no path yet: its target is the route itself.
    "url": lambda request: request.line.split(b" ")[1].decode(),
    "path": lambda request: request.url,
    "params": lambda request: [],
    "args": lambda request: {},
    "query": query,
    "cookies": cookies,
    "maxBody": lambda request: request.conn.server.maxBody,
    "server": lambda request: request.conn.server,
    "client": _client,
}
# What body.py keeps of a request.
_STATE = {
    "data": None,  # the whole body
    "going": False,  # the client was told to send it
    "chunk": 0,  # of a chunked body: bytes left of the chunk,
    "total": 0,  # and size so far
    "waited": 0,  # ms for which the server has waited for it
    "taken": 0,  # bytes that came
}
_METHODS = {"form": form, "save": save, "reply": reply}
