"""The board's own routes. Each names the module and the function that answer it; the first request loads the module."""

import gc
import sys

from micropython import const

import device

from . import storage

_FORM = const(4096)  # bytes
_UPDATE = const(1 << 24)  # bytes; the slot's real size is looked at when an update comes
_DEPTH = const(8)  # segments of a path below /api/files

# Path, methods, module of this package, function, bytes that a body may have if more than usual.
_TABLE = (
    ("/health", "GET", "vitals", "answer_health", None),
    ("/api/status", "GET", "vitals", "answer_status", None),
    ("/api/update", "GET, PUT", "update", "answer", _UPDATE),
    ("/api/log", "GET", "log_api", "answer", None),
    ("/logs", "GET", "log_api", "answer_page", None),
    ("/api/settings", "GET, PUT, PATCH", "settings_api", "answer", None),
    ("/api/settings/confirm", "POST", "settings_api", "answer_confirm", None),
    ("/api/files", "GET", "files_api", "answer", None),
    ("/api/files/", "GET", "files_api", "answer", None),
    ("/admin", "GET, POST", "admin_page", "answer", None),
    ("/api/restart", "POST", "admin_page", "answer_restart", None),
    ("/api/factory-reset", "POST", "factory", "answer", None),
    ("/repair", "GET", "repair", "show", None),
    ("/api/repair", "POST", "repair", "answer", None),
    ("/api/repair/image", "GET", "repair", "image", None),
    ("/setup", "GET, POST", "setup", "answer", _FORM),
    ("/setup/result", "GET, POST", "setup", "answer_result", _FORM),
)
# A placeholder stands for one segment.
_FILES = [("/api/files" + "/*" * n, "GET, PUT, DELETE", "files_api", "answer", _UPDATE) for n in range(1, _DEPTH + 1)]
# While there are no files, and so neither pages nor routes of the user's.
_WITHOUT_FILES = ("/", "GET", "repair", "home", None)


class _Handler:
    """A handler that stands for one in a module not loaded yet."""

    def __init__(self, module, function):
        self._module = module
        self._function = function

    def __call__(self, request):
        name = "device." + self._module
        if name not in sys.modules:
            gc.collect()  # the module stays, garbage before it would be a hole in the heap
            __import__(name)
        return getattr(getattr(device, self._module), self._function)(request)


def add(server):
    """Add all routes to the server, a MicropAsyncWeb."""
    rows = list(_TABLE) + _FILES
    if storage.state in storage.LOST:
        rows.append(_WITHOUT_FILES)
    for path, methods, module, function, size in rows:
        server.appendRoutes([[path, _Handler(module, function), methods, size]])
