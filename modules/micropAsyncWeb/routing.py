"""Routes: exact paths by dict, patterns by segments; the most specific pattern wins, however it was added."""

from .parser import unquote


class Router:
    """Maps paths to {method: handler}."""

    def __init__(self):
        self.lines = {}  # request line of a plain GET → handler: the fast way
        self.exact = {}
        self.patterns = {}  # number of segments → sorted list of [ranks, names, {method: handler}]

    def add(self, route, handler, methods="GET"):
        """Add one route. ValueError if it is malformed."""
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
            for char in "*<>?#% ":
                if char in text:
                    rank = 3
            if rank > 2 or route[:1] != "/":
                raise ValueError("route %s: must be parts like /text, /*, /<name>, /<int:name>" % route)
            ranks.append(rank)
            names.append(text)
        if any(ranks):
            entries = self.patterns.setdefault(len(ranks), [])
            entry = [ranks, names]
            for handlers in entries:
                if handlers[:2] == entry:
                    entry = handlers
            if len(entry) < 3:
                entry.append({})
                entries.append(entry)
                entries.sort(key=lambda entry: entry[:2])
            handlers = entry[2]
        else:
            handlers = self.exact.setdefault(route, {})
        for method in methods.upper().split(","):
            method = method.strip()
            handlers[method] = handler
            if method == "GET" and route in self.exact and callable(handler):
                self.lines[("GET %s HTTP/1.1" % route).encode()] = handler

    def find(self, request, path):
        """Look up a path (bytes, percent-encoded). Gives {method: handler} or None; sets request.path (decoded),
        request.params (list) and request.args (dict of the named ones)."""
        values = [unquote(text) for text in path.split(b"/")]
        request.path = path = "/".join(values)
        # A slash that was encoded belongs to its segment, it does not separate.
        if path.count("/") < len(values) and path in self.exact:
            return self.exact[path]
        for ranks, names, handlers in self.patterns.get(len(values), ()):
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
