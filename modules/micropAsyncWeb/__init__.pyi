"""Types of the public API, for editors and type checkers. Not installed on a board; described in docs/server.md."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

_Data = str | bytes | bytearray | memoryview
_Handler = TypeVar("_Handler", bound=Callable[[Request], Any])
_Hook = TypeVar("_Hook", bound=Callable[[Request], Any])
_ErrorHandler = TypeVar("_ErrorHandler", bound=Callable[[Request, Any], Any])

class HttpError(Exception):
    """HttpError(status, reason=None): raised by a handler, ends its request with that error answer."""

    def __init__(self, status: int, reason: str | None = None, /) -> None: ...

class Request:
    """One request, as its handler gets it. Valid until the handler has returned."""

    method: str
    url: str
    """The target as the client sent it, with its query."""
    path: str
    """The path of the target, percent-decoded."""
    params: list[Any]
    """Values of the route's placeholders in their order: str, int for <int:name>."""
    args: dict[str, Any]
    """Values of the route's named placeholders."""
    header: dict[str, str]
    """All header fields, parsed when first used; names in any case."""
    headers: dict[str, str]
    """The same as header."""
    query: dict[str, str]
    """Parameters after the question mark, decoded."""
    cookies: dict[str, str]
    client: Any
    """The client's address: (ip, port)."""
    server: MicropAsyncWeb
    maxBody: int
    """Largest body that is taken: the route's or the server's."""
    user: Any
    """Set by a guard of the auth module."""
    mount: str
    """Prefix of the mounted server that the request went to."""

    def write(self, data: _Data) -> Awaitable[None]:
        """Write header lines before Response.startBody(), the body after it."""

    def flush(self) -> Awaitable[None]:
        """Send what was written so far."""

    def body(self) -> Awaitable[bytes]:
        """The whole body. HttpError 413 if it is longer than maxBody."""

    def json(self) -> Awaitable[Any]:
        """The body as JSON. HttpError 400 if it is not."""

    def form(self) -> Awaitable[dict[str, str]]:
        """The body of a form (application/x-www-form-urlencoded)."""

    def read(self, size: int = -1) -> Awaitable[bytes]:
        """The next size bytes of the body, less only at its end; without size all that is left."""

    def readinto(self, buffer: bytearray | memoryview) -> Awaitable[int]:
        """Read a part of the body into buffer. Gives the number of bytes, 0 at the end."""

    def save(self, path: str) -> Awaitable[int]:
        """Write the body to a file in blocks; gives its size. An older file stays until all has come."""

class Response:
    """Functions that answer a request; await each of them. Never instantiated."""

    @staticmethod
    def start(request: Request, statusCode: int = 200, statusText: str | None = None) -> Awaitable[None]:
        """Start an answer; header fields may follow. RuntimeError if an answer has left already."""

    @staticmethod
    def header(request: Request, name: str, value: object) -> Awaitable[None]:
        """Add a header field. ValueError if it contains a line break."""

    @staticmethod
    def setCookie(
        request: Request, name: str, value: str, options: str = "Path=/; HttpOnly; SameSite=Lax"
    ) -> Awaitable[None]:
        """Set a cookie; between start() and startBody()."""

    @staticmethod
    def startBody(request: Request) -> Awaitable[None]:
        """End the head; what is written from here on is the body."""

    @staticmethod
    def write(request: Request, data: _Data) -> Awaitable[None]:
        """Write a part of the body: the same as request.write(data)."""

    @staticmethod
    def send(
        request: Request, body: _Data, contentType: str, status: int = 200, reason: str | None = None
    ) -> Awaitable[None]:
        """A whole answer from str or bytes."""

    @staticmethod
    def sendText(request: Request, text: str, status: int = 200) -> Awaitable[None]:
        """A whole plain text answer."""

    @staticmethod
    def sendJson(request: Request, data: Any, status: int = 200) -> Awaitable[None]:
        """A whole JSON answer."""

    @staticmethod
    def sendFile(request: Request, filename: str) -> Awaitable[None]:
        """A whole answer from a file of the filesystem. HttpError 404 if there is none."""

    @staticmethod
    def redirect(request: Request, location: str, status: int = 302) -> Awaitable[None]:
        """Send the client to another URL."""

    @staticmethod
    def error(request: Request, code: int, reason: str | None = None) -> Awaitable[None]:
        """A whole error answer."""

    @staticmethod
    def setDate(seconds: float | None) -> None:
        """The Date field of all answers from now on, of every server, as time.time() gives it; None: they have none."""

class MicropAsyncWeb:
    """An HTTP/1.1 server. Delivers files from webroot where no route matches; webroot=None: routes only."""

    port: int
    address: str
    webroot: str | None
    indexFile: str
    maxConnections: int
    maxBody: int
    bufferSize: int
    cacheControl: dict[str, str]
    """Cache-Control of files, by prefix of the path; the longest prefix counts."""
    log: Callable[[str, Any, BaseException | None], Any] | None
    """log(level, text, exception), called in the server's thread."""
    running: bool
    """It listens."""
    connections: list[Any]
    """One entry for each open connection."""

    def __init__(
        self,
        port: int = 80,
        address: str = "0.0.0.0",
        webroot: str | None = ".",
        indexFile: str = "index.html",
        maxConnections: int = 8,
        maxHead: int = 2048,
        maxBody: int = 16384,
        headTimeout: float = 10,
        bodyTimeout: float = 20,
        idleTimeout: float = 30,
        writeTimeout: float = 20,
        bufferSize: int = 2880,
    ) -> None:
        """Limits: connections at once, bytes of a request's head and body, and times in seconds."""

    def route(self, route: str, methods: str = "GET", maxBody: int | None = None) -> Callable[[_Handler], _Handler]:
        """Decorator that adds a route; methods is a list with commas. ValueError or TypeError if it is malformed.

        maxBody: largest body of a request to this route, in place of the server's.
        """

    def appendRoutes(self, routes: list[Any]) -> None:
        """Add routes: [route, handler, methods, maxBody] each, the last two if needed. handler may be a file name."""

    def before(self, hook: _Hook, prefix: str = "") -> _Hook:
        """Call hook(request) before the handler of each request to prefix or a path below it."""

    def after(self, hook: _Hook, prefix: str = "") -> _Hook:
        """Call hook(request), a plain function, just before the head of each answer leaves."""

    def errorHandler(self, what: int | type[BaseException]) -> Callable[[_ErrorHandler], _ErrorHandler]:
        """Decorator: handler(request, error) makes the answer for a status or an exception class."""

    def mount(self, prefix: str, other: MicropAsyncWeb) -> None:
        """Answer requests to prefix and all paths below it as other would without prefix."""

    async def runAsync(self) -> None:
        """Serve until stop() is called or the task is cancelled. OSError if the address is taken."""

    def runThread(self, core: int | None = None) -> None:
        """Serve in a thread of its own; ValueError if a core is given and the firmware has no choice of cores."""

    def stop(self) -> Awaitable[None]:
        """Stop listening, let running handlers finish, close all.

        In the server's own loop: await the result. After runThread(), from another thread: returns when it has stopped.
        """
