"""What not every request needs: header, query, cookies, forms, saving to flash, and answers that a handler returns."""

import os

from . import body as _body
from .exchange import DONE, clean, send, start, startBody
from .parser import unquote


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
    value = _VALUES.get(name)
    if value:
        value = value(request)
        setattr(request, name, value)
        return value
    value = _METHODS.get(name) or getattr(_body, name, None)
    if not value or name[0] == "_":
        raise AttributeError(name)
    return lambda *args: value(request, *args)


def pairs(data):
    """Decode name=value&… (bytes) to a dict; of equal names the last counts."""
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
    data = yield from _body.body(request)
    return pairs(data)


def save(request, path):
    """Write the body to a file in blocks; removes it again if the body does not come to its end. Gives its size."""
    total = 0
    part = bytearray(512)
    view = memoryview(part)
    done = False
    file = open(path, "wb")
    try:
        while True:
            count = yield from _body.readinto(request, part)
            if not count:
                done = True
                return total
            file.write(view[:count])
            total += count
    finally:
        file.close()
        if not done:
            os.remove(path)


def reply(request, result):
    """Answer with what a handler returned."""
    status = 200
    headers = ()
    if isinstance(result, tuple):
        result, status, headers = result + (200, ())[len(result) - 1 :]
    kind = None
    if isinstance(result, (dict, list)):
        import json

        kind = "application/json"
        result = json.dumps(result)
    elif isinstance(result, str):
        kind = "text/plain; charset=utf-8"
    elif result is not None:
        kind = "application/octet-stream"
    start(request, status)
    if kind and "content-type" not in [name.lower() for name in headers]:
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
    """Add a header field. ValueError if it holds CR or LF."""
    request.head += b"%s: %s\r\n" % (clean(name), clean(str(value)))
    request.raw = True
    return DONE


def redirect(request, location, status=302):
    """Send the client to another URL."""
    start(request, status)
    header(request, "Location", location)
    return startBody(request)


def sendText(request, text, status=200):
    """A whole plain text answer."""
    return send(request, text, "text/plain; charset=utf-8", status)


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
    # State of body.py.
    "data": lambda request: None,  # the whole body
    "going": lambda request: False,  # the client was told to send it
    "chunk": lambda request: 0,  # of a chunked body: bytes left of the chunk,
    "total": lambda request: 0,  # and size so far
    "server": lambda request: request.conn.server,
    "client": lambda request: request.conn.peer,
}
_METHODS = {"form": form, "save": save, "reply": reply}
