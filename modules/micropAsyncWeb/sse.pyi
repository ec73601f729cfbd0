"""Types of micropAsyncWeb.sse; described in docs/sse.md."""

from collections.abc import Awaitable, Callable
from typing import Any, overload

from . import Request

_Handler = Callable[[Request, EventStream], Awaitable[Any]]
_Route = Callable[[Request], Awaitable[Any]]

@overload
def sse(handler: _Handler) -> _Route:
    """Decorator that makes `async def handler(request, stream)` the handler of a GET route."""

@overload
def sse(handler: None = None, keep_alive: float = 15) -> Callable[[_Handler], _Route]:
    """The same with the seconds of silence after which a comment is sent; 0: never."""

class EventStream:
    """One client's stream of events, as its handler gets it."""

    last_event_id: str
    """The id of the last event that the client got before it connected again, else ""."""

    @property
    def closed(self) -> bool:
        """The client has gone, or the server is about to stop."""

    async def send(
        self, data: Any = None, event: str | None = None, id: object = None, retry: int | None = None
    ) -> None:
        """Send an event; data that is no str is sent as JSON. Closed if the client has gone."""

    async def wait(self) -> None:
        """Wait until the stream is closed."""

    def close(self) -> None:
        """End the stream."""

class Broadcast:
    """Sends the same events to any number of streams, and waits for none of them."""

    limit: int
    streams: list[EventStream]

    def __init__(self, limit: int = 1024) -> None:
        """limit: bytes that may wait for a slow client."""

    def send(self, data: Any = None, event: str | None = None, id: object = None, retry: int | None = None) -> None:
        """Send an event to all. Does not wait."""

    async def serve(self, stream: EventStream) -> None:
        """Add stream until it is closed."""
