"""Hooks before and after handlers, and handlers for errors. Loaded when the first of them is added.

    @server.before                      # or server.before(hook, "/admin"): for this path and all below it
    async def count(request): ...

    @server.after                       # or server.after(hook, "/api")
    def mark(request): Response.header(request, "X-Served-By", "greenhouse")

    @server.errorHandler(404)           # or an exception: @server.errorHandler(OSError)
    def missing(request, error): return "no such page"

`server.mount()` is in mount.py. A server with hooks looks each request up in its routes; one without any has a
shorter way for plain requests.
"""

from . import exchange as Response
from .exchange import DONE
from .parser import HttpError


def at_head(request, hook):
    """Call hook(request), a plain function, once: just before the head of this request's answer leaves.

    It is the last moment to add header fields, whatever kind of answer it is (with Response.header). The first bytes
    of request.head tell the status. The hooks of one request are called last one first. One that raises is not
    called again for the error answer.
    """
    frame = request.frame

    def last(field):
        request.frame = frame
        # Of an answer without a body that nobody has begun: it has a head now.
        request.phase = request.phase or 1
        hook(request)
        return frame(field)

    request.frame = last


def before(server, hook, prefix=""):
    """Call hook(request), plain or async, before the handler of each request to prefix or a path below it.

    If it begins an answer or returns one (all that a handler may return), or raises HttpError, neither the handler
    nor further hooks run. Hooks run in the order in which they were added, also for files, and for OPTIONS and 405;
    not for requests that the server itself refuses (malformed, too large, or 404 without a webroot). Prefixes tell
    upper from lower case, as LittleFS does and FAT does not.
    """
    of(server).befores.append((_prefix(prefix), hook))
    return hook


def after(server, hook, prefix=""):
    """Call hook(request), a plain function, just before the head of each answer leaves, error answers included.

    See at_head(). Not called for the 408 and 503 that a client gets without a request.
    """
    of(server).afters.append((_prefix(prefix), hook))
    return hook


def errorHandler(server, what):
    """Decorator: handler(request, error) makes the error answer. what: a status, or an exception class.

    It may return all that a handler may; without a status of its own, the answer has that of the error, 500 for
    other exceptions. None: the standard answer. An exception that a class handler took is not logged. It is taken
    only before the head of an answer has left. A status handler gets an HttpError with (status, reason or None).
    """

    def add(handler):
        of(server).errors[what] = handler
        return handler

    return add


def mount(server, prefix, other):
    """See mount.py."""
    from .mount import mount

    mount(server, _prefix(prefix), other)


_METHODS = {"before": before, "after": after, "errorHandler": errorHandler, "mount": mount}


def attribute(server, name):
    """Give a method of MicropAsyncWeb that is defined here."""
    method = _METHODS.get(name)
    if not method:
        raise AttributeError(name)
    return lambda *args, **names: method(server, *args, **names)


def of(server):
    """The Hooks of a server; installs them the first time."""
    hooks = server.__dict__.get("hooks")
    if not hooks:
        server.hooks = hooks = Hooks(server)
    return hooks


def _prefix(prefix):
    prefix = prefix.rstrip("/")
    if prefix and prefix[0] != "/":
        raise ValueError("prefix %s: must begin with /" % prefix)
    return prefix


class NoLines:
    """Stands in for Router.lines: with hooks, no request takes the short way."""

    def get(self, line):
        """Always None."""

    def __setitem__(self, line, handler):
        """Nothing is kept."""


class Hooks:
    """The hooks of one server; takes the place of its prepare() and error()."""

    def __init__(self, server):
        self.server = server
        self.befores = []
        self.afters = []
        self.errors = {}
        self.prepare = server.prepare
        server.prepare = self.find
        server.error = self.answer
        server.router.lines = NoLines()
        server.size = -1

    def begin(self, request):
        """Note whose hooks apply: (length of the mount's prefix, Hooks) each, the outer server's first."""
        request.chain = ((0, self),)
        at_head(request, self.finish)

    def find(self, request, flags):
        """server.prepare: find the handler, and put the hooks around it."""
        self.begin(request)
        self.prepare(request, flags)
        request.inner = request.handler
        request.handler = self.run

    async def run(self, request):
        """The handler of every request: hooks, then the handler proper."""
        try:
            for base, hooks in request.chain:
                for prefix, hook in hooks.befores:
                    if within(request, base, prefix) and await _call(request, hook(request)):
                        return
            await _call(request, request.inner(request))
        except HttpError:
            raise
        except Exception as error:
            if request.phase > 2:
                raise
            for _, hooks in reversed(request.chain):
                for kind in hooks.errors:
                    if not isinstance(kind, type) or not isinstance(error, kind):
                        continue
                    if await _reply(request, hooks.errors[kind](request, error), 500):
                        return
            raise

    def finish(self, request):
        """Run the hooks for the head that is about to leave."""
        for base, hooks in reversed(request.chain):
            for prefix, hook in hooks.afters:
                if within(request, base, prefix):
                    hook(request)

    async def answer(self, request):
        """server.error: the error answer for request.error."""
        if "chain" not in request.__dict__:
            # The server refused its head.
            self.begin(request)
        error = HttpError(*request.error)
        status = request.error[0]
        for _, hooks in reversed(request.chain):
            handler = hooks.errors.get(status) or hooks.errors.get(HttpError) or hooks.errors.get(Exception)
            if handler:
                try:
                    if await _reply(request, handler(request, error), status):
                        return
                except Exception as fault:
                    if self.server.log:
                        self.server.log("error", request.line, fault)
                    if request.phase > 2:
                        raise
                break
        await Response.error(request, *request.error)


def within(request, base, prefix):
    """Whether the request's path, without the first base characters, is prefix or below it."""
    if not prefix:
        return True
    try:
        path = request.path[base:]
    except Exception:
        # A request line that has none.
        return False
    return path == prefix or path.startswith(prefix + "/")


async def _call(request, result):
    # Complete what a hook or handler has returned. Gives whether there is an answer now.
    if hasattr(result, "send"):
        result = await result
    if result is not None and result is not DONE:
        await request.reply(result)
    return request.phase


async def _reply(request, result, status):
    if hasattr(result, "send"):
        result = await result
    if result is not None and result is not DONE:
        await request.reply(result if isinstance(result, tuple) else (result, status))
    return request.phase
