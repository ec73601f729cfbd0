"""Puts the routes, the files and the hooks of one server below a path of another."""

from . import hooks as _hooks
from .files import inside, send_file, stat_of
from .patterns import unquote


def mount(server, prefix, other):
    """server.mount(prefix, other): answer requests to prefix and all paths below it as other would without prefix.

    other is a MicropAsyncWeb that does not run itself: its routes, webroot, index file, hooks and error handlers
    count, also those added later; for all else, as limits, log and cacheControl, server's. Paths of other's hooks
    begin below prefix. A mount comes before all routes of server. request.path and url stay whole, request.mount is
    the prefix. ValueError: prefix does not begin with "/" or is "/", or other is server itself.
    """
    if not prefix or other is server:
        raise ValueError("mount: prefix must be a path below /, and other another server")
    _hooks.of(server)
    _hooks.of(other)
    if not isinstance(server.router, Mounts):
        server.router = Mounts(server.router)
    server.router.mounts.append((prefix, other))


class Mounts:
    """Looks up paths in mounted servers, then in a Router."""

    def __init__(self, router):
        self.router = router
        self.lines = router.lines
        self.add = router.add
        self.mounts = []

    def find(self, request, path):
        """See Router.find()."""
        parts = path.split(b"/")
        values = [unquote(part) for part in parts]
        for prefix, other in self.mounts:
            count = prefix.count("/") + 1
            if "/".join(values[:count]) == prefix:
                request.mount = request.__dict__.get("mount", "") + prefix
                request.chain += ((len(request.mount), other.hooks),)
                handlers = _files(request, other, other.router.find(request, b"/" + b"/".join(parts[count:])))
                request.path = "/".join(values)
                return handlers
        return self.router.find(request, path)


def _files(request, other, handlers):
    # Files are to come from other's webroot.
    if handlers is None:
        handlers = {} if other.webroot is None else {"GET": ""}
        if handlers and request.method != "GET":
            name = other.webroot + "/" + inside(request.path, other.indexFile)
            if not stat_of(name) and not stat_of(name + ".gz"):
                handlers = {}
    found = {}
    for method in handlers:
        handler = handlers[method]
        found[method] = _file(other, handler or request.path) if isinstance(handler, str) else handler
    return found


def _file(other, path):
    # A registered name has no slash in front, as the path of an URL has.
    name = inside(path, other.indexFile) if path[0] == "/" else path
    return lambda request: send_file(request, other.webroot + "/" + name)
