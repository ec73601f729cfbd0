"""Parses the head of an HTTP/1.x request (RFC 9112 sections 2 to 6) and finds its route. Never touches a socket.

Routes are found by dict; those with placeholders, and percent-encoded paths, are in patterns.py.
"""

from micropython import const

# Bits of the flags that parse_fields() returns.
_HOST = const(1)
_CLOSE = const(2)
_CHUNKED = const(4)
_LENGTH = const(8)
_UNKNOWN = const(16)  # a transfer coding other than chunked

# The only fields that the server itself acts on; all others are parsed when a handler asks for them.
_KNOWN = {
    b"host": _HOST,
    b"connection": _CLOSE,
    b"transfer-encoding": _CHUNKED,
    b"content-length": _LENGTH,
}

# tchar of RFC 9110 section 5.6.2. bytes.strip() with this set leaves nothing of a valid token, at C speed; it looks
# for each character from the left, so the frequent ones come first.
_TCHAR = b"etaoinsrchdlupmfgyw-bvkxjqzCATHSEUROINDLPMGFYWBVKXJQZ0123456789_.!#$%&'*+^`|~"
_PLAIN = const(65)  # so many of them are letters, digits, "-", "_" and ".": what names of hosts consist of


_MEMO = const(24)  # field lines remembered as valid, and their size at most
_MEMO_SIZE = const(128)


class HttpError(Exception):
    """HttpError(status, reason=None): raised by a handler, ends its request with that error answer."""


def parse_line(line):
    """Split a request line into method (str), target (bytes) and minor version (RFC 9112 section 3)."""
    parts = line.split(b" ")
    if len(parts) == 3:
        method, target, version = parts
        for char in target:
            if not 0x20 < char < 0x7F:
                method = b""
        if method and target and not method.strip(_TCHAR):
            if version not in (b"HTTP/1.1", b"HTTP/1.0"):
                from .refuse import other_version

                version = other_version(version)
            return method.decode(), target, version[7] & 1
    raise HttpError(400)


def parse_fields(lines, memo):
    """Check the field lines of a head (RFC 9112 section 5) and read what frames the message.

    lines: the head split at CRLF, with the request line; memo: dict of field lines that are known, {line: flag}.
    Returns (flags, length of the body, -1 if it is chunked).
    """
    flags = length = 0
    # The head ends with CRLF CRLF.
    if lines.pop() or lines.pop():
        raise HttpError(400)
    bad = False
    lines = iter(lines)
    next(lines)
    for line in lines:
        kind = memo.get(line)
        if kind is None:
            name, colon, value = line.partition(b":")
            # An empty name, a space before the colon and a folded line all fail here.
            if not name or not colon or name.strip(_TCHAR) or b"\r" in value or b"\n" in value or b"\0" in value:
                bad = True
            kind = _KNOWN.get(name.lower(), 0)
            value = value.strip(b" \t").lower()
            if kind == _CLOSE:
                if b"close" not in value.replace(b" ", b"").replace(b"\t", b"").split(b","):
                    kind = 0
            elif kind == _HOST:
                if value.strip(_TCHAR[:_PLAIN]):
                    from .refuse import bad_host

                    bad = bad_host(value) or bad
            elif kind == _CHUNKED:
                if value != b"chunked":
                    kind = _UNKNOWN
            elif kind == _LENGTH:
                if not value.isdigit() or flags & kind and length != int(value):
                    bad = True
                else:
                    length = int(value)
            if not bad and kind != _LENGTH and len(line) < _MEMO_SIZE:
                if len(memo) >= _MEMO:
                    memo.clear()
                memo[line] = kind
        bad = bad or flags & kind & (_HOST | _CHUNKED)
        flags |= kind
    if flags & _CHUNKED:
        bad = bad or flags & _LENGTH
        length = -1
    if bad:
        raise HttpError(400)
    return flags, length


class Router:
    """Maps paths to {method: handler, None: maxBody of the path if it has its own}."""

    def __init__(self):
        self.lines = {}  # request line of a plain GET → handler: the fast way
        self.exact = {}

    def add(self, route, handler=None, methods="GET", maxBody=None):
        """Add one route. ValueError or TypeError if it is malformed."""
        if (
            str(route)[:1] == "/"
            and set("*<>?#% ").isdisjoint(route)
            and (callable(handler) or isinstance(handler, str))
            and str(methods).replace(", ", "").isalpha()
        ):
            handlers = self.exact.setdefault(route, {})
        else:
            # Not as simple, or wrong.
            from .patterns import add

            handlers = add(self, route, handler, methods)
        if maxBody is not None:
            handlers[None] = maxBody
        line = ("GET %s HTTP/1.1" % route).encode()
        for name in methods.upper().split(","):
            name = name.strip()
            handlers[name] = handler
            # A target has no bytes beyond ASCII.
            if name == "GET" and len(line) == len(route) + 13 and route in self.exact and callable(handler):
                self.lines[line] = handler

    def find(self, request, path):
        """Look up a path (bytes, percent-encoded). Gives {method: handler} or None; sets request.path (decoded), and
        if the route has placeholders request.params (list) and request.args (dict of the named ones)."""
        if b"%" in path:
            from .patterns import find

            return find(self, request, path)
        request.path = path = str(path, "utf8")
        return self.exact.get(path)
