"""Routes: exact paths by dict. Those with placeholders, and percent-encoded paths, are in patterns.py."""


class Router:
    """Maps paths to {method: handler, None: maxBody of the path if it has its own}."""

    def __init__(self):
        self.lines = {}  # request line of a plain GET → handler: the fast way
        self.exact = {}

    def add(self, route, handler, methods="GET", maxBody=None):
        """Add one route. ValueError if it is malformed."""
        if route[:1] == "/" and set("*<>?#% ").isdisjoint(route):
            handlers = self.exact.setdefault(route, {})
        else:
            from .patterns import add

            handlers = add(self, route)
        if maxBody is not None:
            handlers[None] = maxBody
        for method in methods.upper().split(","):
            method = method.strip()
            handlers[method] = handler
            if method == "GET" and route in self.exact and callable(handler):
                self.lines[("GET %s HTTP/1.1" % route).encode()] = handler

    def find(self, request, path):
        """Look up a path (bytes, percent-encoded). Gives {method: handler} or None; sets request.path (decoded), and
        if the route has placeholders request.params (list) and request.args (dict of the named ones)."""
        if b"%" in path:
            from .patterns import find

            return find(self, request, path)
        request.path = path = str(path, "utf8")
        return self.exact.get(path)
