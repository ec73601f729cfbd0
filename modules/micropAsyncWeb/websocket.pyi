"""Types of micropAsyncWeb.websocket; described in docs/websocket.md."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, overload

from . import Request

_Data = str | bytes | bytearray | memoryview
_Handler = Callable[[Request, WebSocket], Awaitable[Any]]
_Route = Callable[[Request], Awaitable[Any]]

@overload
def websocket(handler: _Handler) -> _Route:
    """Decorator that makes `async def handler(request, ws)` the handler of a GET route."""

@overload
def websocket(
    handler: None = None,
    protocols: Iterable[str] = (),
    origins: Iterable[str] | str | None = None,
    max_message: int = 4096,
    ping_interval: float = 20,
    ping_timeout: float = 20,
) -> Callable[[_Handler], _Route]:
    """The same with settings. Sizes in bytes, times in seconds."""

class WebSocket:
    """One WebSocket, as its handler gets it."""

    protocol: str | None
    """The subprotocol agreed on."""

    @property
    def closed(self) -> bool:
        """Nothing more can be sent."""

    @property
    def code(self) -> int | None:
        """Why it was closed (RFC 6455 section 7.4), None if it is open."""

    @property
    def reason(self) -> str | None:
        """The text that came with the code, None if it is open."""

    async def receive(self) -> Any:
        """Wait for a message: str or bytes. Closed if there will be no more."""

    def __aiter__(self) -> AsyncIterator[Any]: ...
    async def __anext__(self) -> Any: ...
    async def send(self, data: _Data | Iterable[_Data] | AsyncIterable[_Data]) -> None:
        """Send a message; an iterator's parts become fragments of one."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close; returns when the client has answered or 2 s have passed."""
