"""Routes with placeholders, and percent-encoded paths. The most specific pattern wins, however it was added."""

from binascii import unhexlify

from .parser import HttpError

# After these bytes of UTF-8 the next one has narrower limits.
_FROM = {0xE0: 0xA0, 0xF0: 0x90}
_TO = {0xED: 0x9F, 0xF4: 0x8F}


def unquote(data):
    """Decode %XX once and UTF-8: bytes to str (RFC 3986 section 2.1). HttpError 400 if malformed."""
    try:
        first, *parts = data.split(b"%")
        out = bytearray(first)
        for part in parts:
            if len(part) < 2:
                raise ValueError
            out += unhexlify(part[:2]) + part[2:]
        last = 0
        for byte in out:
            # What a decoder must not take (RFC 3629): more bytes than needed, surrogates, beyond the last character.
            if byte > 0xF4 or 0xBF < byte < 0xC2 or byte < _FROM.get(last, 0) or byte > _TO.get(last, 255):
                raise ValueError
            last = byte
        out = str(out, "utf8")
        if "\0" not in out:
            return out
    except ValueError:
        pass
    raise HttpError(400)


def _check(route, handler, methods):
    # Tells the programmer the mistake in a route.
    if not isinstance(route, str):
        raise TypeError(
            '%r is no route: write @server.route("/path"), or appendRoutes([["/path", handler]])' % (route,)
        )
    if not callable(handler) and not isinstance(handler, str):
        raise TypeError(
            "route %s: its handler must be a function or a file name, not %r. Several routes are a list of lists: "
            '[["/path", handler], ["/path", handler, "POST"]]' % (route, handler)
        )
    if not isinstance(methods, str):
        raise TypeError('route %s: methods must be a str like "GET, POST", not %r' % (route, methods))
    for method in methods.split(","):
        if not method.strip().isalpha():
            raise ValueError('route %s: methods must be like "GET, POST", not %r' % (route, methods))


def add(router, route, handler, methods):
    """Add a pattern, or any route that is to be checked; gives its {method: handler}. ValueError or TypeError if
    something of it is malformed."""
    _check(route, handler, methods)
    if route[:1] == "/" and set("*<>?#% ").isdisjoint(route):
        return router.exact.setdefault(route, {})
    # Of each segment its rank (the lower one wins: text, integer, anything) and its text or the parameter's name.
    ranks = []
    names = []
    for text in route.split("/"):
        rank = 0
        if text == "*":
            rank = 2
            text = ""
        elif text[:1] + text[-1:] == "<>":
            kind, _, text = text[1:-1].rpartition(":")
            rank = {"int": 1, "": 2, "str": 2}.get(kind, 3)
        if rank > 2 or route[:1] != "/" or [char for char in "*<>?#% " if char in text]:
            raise ValueError("route %s: must be parts like /text, /*, /<name>, /<int:name>" % route)
        ranks.append(rank)
        names.append(text)
    if not hasattr(router, "patterns"):
        router.patterns = {}  # number of segments → sorted list of [ranks, names, {method: handler}]
        router.find = lambda request, path: find(router, request, path)
    entries = router.patterns.setdefault(len(ranks), [])
    for entry in entries:
        if entry[:2] == [ranks, names]:
            return entry[2]
    handlers = {}
    entries.append([ranks, names, handlers])
    entries.sort(key=lambda entry: entry[:2])
    return handlers


def find(router, request, path):
    """Router.find() where patterns are to be looked at or something is to be decoded."""
    values = [unquote(text) for text in path.split(b"/")]
    request.path = path = "/".join(values)
    # A slash that was encoded belongs to its segment, it does not separate.
    if path.count("/") < len(values) and path in router.exact:
        return router.exact[path]
    for ranks, names, handlers in getattr(router, "patterns", {}).get(len(values), ()):
        request.params = params = []
        request.args = args = {}
        for rank, name, value in zip(ranks, names, values):
            if rank:
                if not value or rank == 1 and not value.isdigit():
                    break
                args[name] = value = value if rank > 1 else int(value)
                params.append(value)
            elif name != value:
                break
        else:
            return handlers
