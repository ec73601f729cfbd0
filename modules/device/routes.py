"""The board's own routes. Each names the module and the function that answer it; the first request loads the module."""

from micropython import const

_UPDATE = const(1 << 24)  # bytes; the slot's real size is looked at when an update comes

# Path, methods, module of this package, function, bytes that a body may have if more than usual.
_TABLE = (
    ("/health", "GET", "vitals", "answer_health", None),
    ("/api/status", "GET", "vitals", "answer_status", None),
    ("/api/update", "GET, PUT", "update", "answer", _UPDATE),
)


class _Handler:
    """A handler that stands for one in a module not loaded yet."""

    def __init__(self, module, function):
        self._module = module
        self._function = function

    def __call__(self, request):
        package = __import__("device." + self._module)
        return getattr(getattr(package, self._module), self._function)(request)


def add(server):
    """Add all routes to the server, a MicropAsyncWeb."""
    server.appendRoutes(
        [path, _Handler(module, function), methods, size] for path, methods, module, function, size in _TABLE
    )
