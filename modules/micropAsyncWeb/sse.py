"""Server-sent events (WHATWG HTML section 9.2): a decorator for handlers, and the stream that they write to.

    from micropAsyncWeb.sse import sse

    @server.route("/events")
    @sse
    async def events(request, stream):
        while True:
            await stream.send(read_sensor(), event="temperature")
            await asyncio.sleep(1)

In the page: `new EventSource("/events").addEventListener("temperature", e => show(e.data))`. The stream ends when the
handler returns; a browser then connects again after a few seconds, as it does when the connection breaks. The stream
counts as one of the server's maxConnections and is never closed to make room for another. Nothing is held back by
the server. A client that goes is noticed at once, even while the handler waits for something else; the next send()
then raises Closed, which the handler need not catch.
"""

import json
from asyncio import core
from time import ticks_diff

from . import Response
from .link import Closed, Link


def sse(handler=None, keep_alive=15):
    """Decorator that makes `async def handler(request, stream)` the handler of a GET route. stream is an EventStream.

    As `@sse` or `@sse(keep_alive=60)`: seconds without an event after which a comment is sent, so that neither side nor
    a proxy takes the connection for dead; 0: never.
    """
    if handler is None:
        return lambda handler: sse(handler, keep_alive)

    async def serve(request):
        Response.start(request)
        request.head += b"Content-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n"
        # No length and no chunks: the end of the connection is the end of the stream.
        request.keep = 0
        head = request.frame(b"")
        if request.method != "GET":
            await request.conn.send(head)
            return
        stream = EventStream(request, keep_alive * 1000)
        link = stream._link
        try:
            await link.write(head)
            await handler(request, stream)
        except Closed:
            pass
        except Exception as error:
            log = link.server.log
            if log:
                log("error", request.line, error)
        finally:
            link.close()
        # The way to tell the server that there is nothing to answer and nothing to keep.
        raise core.CancelledError

    return serve


class EventStream:
    """One client's stream of events, as its handler gets it. Other tasks of the server's loop may use it, too.

    last_event_id: the id of the last event that the client got before it connected again, else "".
    """

    def __init__(self, request, keep_alive):
        self.last_event_id = request.header.get("last-event-id", "")
        # Parsed again should the handler ask for it: what lives as long as the connection is to be small.
        del request.header
        request.head = b""
        self._interval = keep_alive
        self._link = Link(request, self)

    @property
    def closed(self):
        """The client has gone, or the server is about to stop."""
        return self._link.cause is not None

    async def send(self, data=None, event=None, id=None, retry=None):
        """Send an event.

        data: a str, of any number of lines; anything else is sent as JSON; None: no event, but id and retry count.
        event: its type, "message" if there is none. id: what last_event_id will be. retry: ms after which the client is
        to connect again if the connection breaks. ValueError if event or id hold a line break, or id a NUL.

        A client that is slow makes send() wait; one that takes nothing for writeTimeout of the server is disconnected
        (a browser then comes back, with its last_event_id). Closed if the client has gone. To cancel it halfway ends
        the stream.
        """
        await self._link.write(encode(data, event, id, retry))

    async def wait(self):
        """Wait until the stream is closed: for handlers that leave the sending to others."""
        link = self._link
        while link.cause is None:
            await link.wait(link.readers)

    def close(self):
        """End the stream."""
        self._link.close()

    def read(self):
        """Not for handlers: the client has gone, or has sent what nobody asked for."""
        self._link.readinto(self._link.server.buffer)

    def sent(self):
        """Not for handlers: what had to wait has left."""

    def tick(self, now):
        """Not for handlers: the server's sweeper."""
        link = self._link
        if link.server.stopping:
            link.close()
        elif self._interval and not link.busy and not link.out and ticks_diff(now, link.since) > self._interval:
            link.since = now
            link.queue(b":\n\n")


class Broadcast:
    """Sends the same events to any number of streams, and waits for none of them.

        news = Broadcast()

        @server.route("/news")
        @sse
        async def serve(request, stream):
            await news.serve(stream)

        news.send("hello")  # from any task of the server's loop

    limit: bytes that may wait for a slow client. One that gets further behind is disconnected; a browser then comes
    back, and its last_event_id tells what it has missed.
    """

    def __init__(self, limit=1024):
        self.limit = limit
        self.streams = []

    def send(self, data=None, event=None, id=None, retry=None):
        """Send an event, as EventStream.send(), to all. Does not wait."""
        data = encode(data, event, id, retry)
        for stream in list(self.streams):
            link = stream._link
            if link.cause is None:
                # One that keeps up may be sent more than limit at once; only what has to wait counts.
                if link.out and len(link.out) + len(data) > self.limit:
                    link.close()
                else:
                    link.queue(data)
                    if len(link.out) > self.limit:
                        link.close()

    async def serve(self, stream):
        """Add stream until it is closed."""
        self.streams.append(stream)
        try:
            await stream.wait()
        finally:
            self.streams.remove(stream)


def encode(data, event=None, id=None, retry=None):
    """One event as bytes; the arguments are those of EventStream.send()."""
    text = ""
    for name, value in (("event", event), ("id", id)):
        if value is not None:
            value = str(value)
            if "\n" in value or "\r" in value or "\0" in value:
                raise ValueError(name)
            text += "%s: %s\n" % (name, value)
    if retry is not None:
        text += "retry: %d\n" % retry
    if data is not None:
        if not isinstance(data, str):
            data = json.dumps(data)
        # A line ends with CR LF, LF or CR alone.
        data = data.replace("\r\n", "\n").replace("\r", "\n")
        text += "data: %s\n" % data.replace("\n", "\ndata: ")
    return (text + "\n").encode()
