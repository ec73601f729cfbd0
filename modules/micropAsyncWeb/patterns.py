"""Routes with placeholders, and percent-encoded paths. The most specific pattern wins, however it was added."""

from binascii import unhexlify

from .parser import HttpError


def unquote(data):
    """Decode %XX once and UTF-8: bytes to str (RFC 3986 section 2.1). HttpError 400 if malformed."""
    try:
        first, *parts = data.split(b"%")
        out = bytearray(first)
        for part in parts:
            if len(part) < 2:
                raise ValueError
            out += unhexlify(part[:2]) + part[2:]
        out = str(out, "utf8")
        if "\0" not in out:
            return out
    except ValueError:
        pass
    raise HttpError(400)


def add(router, route):
    """Add a pattern; gives its {method: handler}. ValueError if it is malformed."""
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
