"""Takes a connection over from HTTP, for protocols that read and write in their own time (websocket.py, sse.py)."""

from asyncio import core
from time import ticks_diff, ticks_ms

from micropython import const

_BUSY = const(5)  # the state of a Connection at which the reactor does not look
_WRITE = const(4)  # index into MicropAsyncWeb.limits
_POLLIN = const(1)
_POLLOUT = const(4)


class Closed(Exception):
    """Closed(code, reason): the client has gone, or one side has ended the conversation.

    A handler need not catch it: the connection ends with the handler in any case, and nothing is logged.
    """


class Link:
    """A connection whose bytes belong to its owner. Takes the Connection's place with the server and the reactor.

    The owner has read(), called when bytes have come, sent(), called when what queue() had to keep has left, and
    tick(now), called every 250 ms. None of them waits. Nothing is buffered but what queue() could not send at once.
    """

    # Above all states of HTTP: neither evicted nor closed by the sweeper, which calls tick() instead.
    state = const(6)
    events = 0  # that poll() waits for
    busy = False  # a task is in the middle of write()
    last = False  # close when all is sent
    cause = None  # arguments of Closed, once nothing more may be written
    out = b""  # what queue() has still to send
    refused = 0  # bytes of it that the socket was offered and took nothing of

    def __init__(self, request, owner):
        conn = request.conn
        conn.watch(_BUSY)
        self.owner = owner
        self.server = conn.server
        self.rest = conn.rest  # what the client has sent behind its request
        conn.rest = b""
        self.readers = core.TaskQueue()
        self.writers = core.TaskQueue()
        self.heard = self.since = ticks_ms()  # when something has come, and when something has left
        self.sock = sock = conn.sock
        # The worker that runs the handler is left with a connection that is closed.
        conn.sock = None
        self.server.connections.remove(conn)
        self.server.connections.append(self)
        self.reactor = core._io_queue.poller
        self.reactor.ready[id(sock)] = self
        self.watch(_POLLIN)

    def watch(self, events):
        """Wait for these events. With none the socket leaves the poll set: a hang-up would be told without end."""
        if self.sock and events != self.events:
            if events:
                self.reactor.register(self.sock, events)
            else:
                self.reactor.unregister(self.sock)
            self.events = events

    def listen(self, on):
        """Ask for bytes from the client, or let it wait. Its silence counts from here."""
        self.heard = ticks_ms()
        self.watch(self.events | _POLLIN if on else self.events & ~_POLLIN)

    def receive(self):
        """The reactor has seen an event."""
        events = self.events
        try:
            if events & _POLLOUT:
                self.watch(events & ~_POLLOUT)
                self._sent()
            if events & _POLLIN and self.sock:
                self.owner.read()
        except Exception as error:
            self._broken(error)

    def readinto(self, buffer):
        """Read what has come: number of bytes, 0 if there is nothing. Closes at the end of the stream."""
        try:
            count = self.sock.readinto(buffer)
        except OSError:
            count = 0
        if count == 0:
            self.close()
        elif count:
            self.heard = ticks_ms()
        return count or 0

    def wait(self, queue):
        """Wait until wake(queue); for a condition that is looked at again then. May be cancelled."""
        task = core.cur_task
        queue.push(task)
        task.data = queue
        yield

    def _put(self, data):
        # Sends what the socket takes; gives what is left. Closed if there is no connection any more.
        try:
            count = self.sock.write(data) or 0 if self.sock else -1
        except OSError:
            count = -1
        if count < 0:
            self.close()
            raise Closed(*self.cause)
        if count or not self.events & _POLLOUT:
            self.since = ticks_ms()
        if count < len(data):
            self.watch(self.events | _POLLOUT)
        return data[count:]

    async def write(self, data, more=b""):
        """Send data and more, whole, after what others are sending; waits while the client takes nothing.

        Closed if there is no connection any more, or none that takes data, or if the client has taken nothing for
        writeTimeout. To cancel it when a part has left ends the connection.
        """
        while self.cause is None and (self.busy or self.out):
            await self.wait(self.writers)
        if self.cause is not None:
            raise Closed(*self.cause)
        self.busy = True
        try:
            for part in (data, more):
                part = self._put(memoryview(part))
                while len(part):
                    await self.wait(self.writers)
                    part = self._put(part)
        except core.CancelledError:
            self.close()
            raise
        finally:
            self.busy = False
            self._sent()

    def _sent(self):
        # There may be room in the socket again.
        if self.out:
            self.flush()
            if not self.out and self.sock:
                self.owner.sent()
        wake(self.writers)

    def queue(self, data):
        """Send data as soon as possible, without waiting; what the socket does not take is kept in memory."""
        self.out += data
        if not self.events & _POLLOUT:
            self.flush()

    def flush(self):
        """Send what is queued, unless a task is in the middle of its own data; and close after the last of it."""
        while self.out and not self.busy:
            # TLS has what it was offered in a record already: it wants the same again, or what was added is lost.
            part = self.out[: self.refused] if self.refused else self.out
            try:
                left = len(self._put(part))
            except Closed:
                self.out = b""
                return
            sent = len(part) - left
            self.refused = 0 if sent else left
            self.out = self.out[sent:]
            if left:
                return
            if self.last and not self.out:
                # Bytes that nobody has read would make close() a reset, which can eat what was just sent.
                self.readinto(self.server.buffer)
                self.close()

    def end(self, cause):
        """From here on only queue() sends; whoever waits gets Closed(*cause)."""
        if self.cause is None:
            self.cause = cause
            wake(self.readers)
            wake(self.writers)

    def close(self):
        """Close the socket, and let everybody who waits know."""
        sock = self.sock
        if sock:
            self.watch(0)
            self.sock = None
            del self.reactor.ready[id(sock)]
            sock.close()
            self.server.connections.remove(self)
            self.end((1006, ""))
            wake(self.readers)
            wake(self.writers)

    def tick(self):
        """The server's sweeper: every 250 ms."""
        now = ticks_ms()
        if self.events & _POLLOUT and ticks_diff(now, self.since) > self.server.limits[_WRITE] * 1000:
            self.close()
            return
        try:
            self.owner.tick(now)
        except Exception as error:
            self._broken(error)

    def _broken(self, error):
        # No memory, most likely. The server has to live on.
        if self.server.log:
            self.server.log("error", "link", error)
        self.close()


def wake(queue):
    """Let all tasks in queue run."""
    while queue.peek():
        core._task_queue.push(queue.pop())
