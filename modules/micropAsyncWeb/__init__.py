"""The server: accepts, keeps connections alive, bounds them, and runs handlers.

asyncio polls its sockets between any two tasks. Reactor stands in for that poller and answers requests right there:
one worker coroutine polls, parses and calls handlers one after another, with no task switch between. A worker is
the coroutine of a real asyncio task. When a handler waits for something, that task stays behind with it, asyncio
resumes it like any other, and the reactor goes on with another worker. So there is no task per connection and none
per request, and handlers may await whatever they like.
"""

import socket
from asyncio import core
from errno import EAGAIN
from time import sleep_ms as pause_ms
from time import ticks_diff, ticks_ms

from micropython import const

from . import exchange as Response
from .exchange import DONE, Request
from .parser import HttpError, parse_fields, parse_line
from .routing import Router

# Flags of parse_fields().
_HOST = const(1)
_CLOSE = const(2)
_UNKNOWN = const(16)

# What a connection waits for: index into MicropAsyncWeb._limits. The reactor looks at the first three.
_IDLE = const(0)
_HEAD = const(1)
_LINGER = const(2)  # for the client to take the last answer; what it still sends is thrown away
_BODY = const(3)  # for the rest of a request
_WRITE = const(4)  # to send the rest of an answer
_BUSY = const(5)  # for its handler

_SENT = const(3)  # a phase of a request: its head has left
_POLLIN = const(1)
_SWEEP_MS = const(250)
_BACKLOG = const(64)  # clients that the system holds until accept(): those beyond would try again a second later
_SAME_SIZE = const(1024)  # a head up to this size is compared with the next one


class Reactor:
    """Stands in for the poller of asyncio: keeps the events of our sockets to itself, and serves them."""

    def __init__(self, poller):
        self.poller = poller
        self.register = poller.register
        self.unregister = poller.unregister
        self.modify = poller.modify
        self.ready = {}  # id(socket) → the Connection or server that gets its events
        self.idle = []  # tasks of workers with nothing to do
        self.conn = None  # the connection whose handler runs on the fast way

    def ipoll(self, dt):
        """Wait dt ms at most for events. asyncio calls this between tasks and gets those of its own sockets."""
        try:
            return self.serve(dt)
        except MemoryError:
            # A worker is lost, the loop must not be: there may be memory again when others have run.
            self.polling = False
            pause_ms(5)
            return ()

    def serve(self, dt):
        self.dt = dt
        self.others = []
        self.conn = None
        core.cur_task = task = self.idle.pop() if self.idle else core.Task(self.work())
        self.polling = True
        for _ in task.coro:
            break
        self.polling = False
        conn = self.conn
        if conn and conn.state < _BODY:
            # Its handler waits for something. While it does, nobody looks at the socket.
            conn.watch(_BUSY)
        if self.others:
            # Of each socket once, and only if no handler has taken it back meanwhile: asyncio insists on that.
            known = core._io_queue.map
            return {id(entry[0]): entry for entry in self.others if id(entry[0]) in known}.values()
        return self.others

    def work(self):
        """A worker: runs until a handler waits, or nothing is ready."""
        ready = self.ready
        while True:
            # Sockets come and go while this iterates: one may be named twice, or not until the next round.
            for sock, event in self.poller.ipoll(self.dt):
                conn = ready.get(id(sock))
                if not conn:
                    self.others.append((sock, event))
                    continue
                request = conn.receive()
                while request:
                    self.conn = conn = request.conn
                    try:
                        result = request.handler(request)
                        if hasattr(result, "send"):
                            result = yield from result
                        if result is not None and result is not DONE:
                            yield from request.reply(result)
                        if request.left and request.keep:
                            yield from request.drain()
                        yield from request.flush(True)
                        request = conn.done(request)
                    except core.CancelledError:
                        request = conn.close()
                    except Exception as error:
                        request = conn.fail(request, error)
                if not self.polling:
                    # The handler has waited for something. Another worker has polled meanwhile.
                    break
            self.conn = None
            if self.polling and not self.others:
                # asyncio has nothing to do until its next task is due.
                task = core._task_queue.peek()
                if task:
                    self.dt = ticks_diff(task.ph_key, ticks_ms())
                if not task or self.dt > 0:
                    continue
            if len(self.idle) > 1:
                return
            self.idle.append(core.cur_task)
            yield


class Connection:
    """One accepted connection. Between requests it holds no buffer."""

    rest = b""  # bytes received and not yet used
    state = _BUSY
    task = None  # the task that waits for the socket inside a request

    def __init__(self, server, sock, peer):
        self.server = server
        self.sock = sock
        self.peer = peer

    def watch(self, state):
        """Enter a state; in the first three the reactor looks for requests."""
        reactor = core._io_queue.poller
        sock = self.sock
        if sock and (self.state < _BODY) != (state < _BODY):
            if state < _BODY:
                reactor.ready[id(sock)] = self
                reactor.register(sock, _POLLIN)
            else:
                del reactor.ready[id(sock)]
                reactor.unregister(sock)
        self.state = state
        self.since = ticks_ms()

    def close(self):
        """Close the socket; a task that waits for it gets OSError."""
        if self.sock:
            if self.state < _BODY:
                self.watch(_BUSY)
            if self.task:
                core._io_queue.remove(self.task)
                core._task_queue.push(self.task)
            self.sock.close()
            self.sock = None
            self.server.connections.remove(self)

    def receive(self):
        """Read what has come. Gives a Request that is complete up to its body, or None."""
        server = self.server
        buffer = server.buffer
        request = None
        try:
            rest = self.rest
            if rest:
                start = len(rest)
                buffer[:start] = rest
                count = self.sock.readinto(server.view[start:])
                request = self.parse(start + (count or 0))
            else:
                count = self.sock.readinto(buffer)
                if self.state == _LINGER:
                    pass
                elif count == server.size and buffer.startswith(server.text):
                    # The same head as before: it is parsed already.
                    request = Request()
                    request.conn = self
                    request.text = server.text
                    request.handler = server.handler
                    if server.closes:
                        request.keep = request.plain = False
                    return request
                elif count:
                    request = self.parse(count)
        except Exception:
            count = 0
        if request:
            return request
        if count == 0:
            self.close()
        elif self.state == _BUSY:
            self.watch(_IDLE)

    def parse(self, count):
        """Find a request in the first count bytes of the server's buffer."""
        server = self.server
        buffer = server.buffer
        view = server.view
        start = 0
        while start + 1 < count and buffer[start] == 13 and buffer[start + 1] == 10:
            start += 2
        end = buffer.find(b"\n\r\n", start, count) + 3
        if end < 3:
            # A lone LF ends the line before the blank one: to be refused.
            end = buffer.find(b"\n\n", start, count) + 2
        self.rest = b""
        if end < 2 and (start or count < len(buffer)):
            self.rest = bytes(view[start:count])
            if self.state != _HEAD:
                self.watch(_HEAD)
            return
        text = bytes(view[start : end if end > 1 else count])
        request = Request()
        request.conn = self
        request.text = text
        try:
            if end < 2:
                raise HttpError(431 if b"\n" in text else 414)
            if end < count:
                self.rest = bytes(view[end:count])
            lines = text.split(b"\r\n")
            flags, request.left = parse_fields(lines, server.memo)
            request.handler = handler = server.router.lines.get(lines[0])
            if flags & ~_CLOSE != _HOST or not handler:
                request.plain = False
                server.prepare(request, flags)
            else:
                if flags & _CLOSE:
                    request.keep = request.plain = False
                if not self.rest and len(text) < _SAME_SIZE:
                    server.text = text
                    server.size = count
                    server.handler = handler
                    server.closes = flags & _CLOSE
            return request
        except Exception as error:
            request.keep = request.plain = False
            return self.fail(request, error)

    def done(self, request):
        """A request has been answered. Gives the next one if it has come already."""
        request.conn = None
        server = self.server
        server.requests += 1
        if not request.keep:
            if not request.left and not request.error and not self.rest:
                return self.close()
            # To close now might reset the connection before the client has read the answer.
            self.watch(_BUSY)
            self.watch(_LINGER)
            self.rest = b""
        elif self.rest:
            return self.receive()
        elif self.state:
            self.watch(_IDLE)
        else:
            self.since = ticks_ms()

    def fail(self, request, error):
        """Make a request end with the error answer for an exception; again an exception: close."""
        server = self.server
        args = (500,)
        if isinstance(error, HttpError):
            args = error.args
        elif isinstance(error, MemoryError):
            args = (503, "Busy")  # a standard phrase would have to be loaded
        elif server.log and self.sock:
            server.log("error", request.line, error)
        if self.sock and request.phase < _SENT and not request.error:
            request.error = args
            request.handler = server.error
            return request
        self.close()

    def send(self, data):
        """Send bytes. Gives DONE, or an awaitable if the socket is full."""
        try:
            count = self.sock.write(data) or 0
        except OSError:
            self.close()
            raise
        return DONE if count == len(data) else self.send_rest(memoryview(data)[count:])

    def send_rest(self, data):
        while len(data):
            yield from self.wait(_WRITE)
            data = data[self.sock.write(data) or 0 :]

    def wait(self, state):
        """Wait until the socket can be written (_WRITE) or read (_BODY)."""
        self.watch(state)
        self.task = core.cur_task
        try:
            yield core._io_queue._enqueue(self.sock, state - _BODY)
        finally:
            self.task = None
        if not self.sock:
            raise OSError(110)
        self.watch(_BUSY)


class MicropAsyncWeb:
    """An HTTP/1.1 server. Delivers files from webroot where no route matches; webroot=None: routes only.

    Limits: connections at once, bytes of a request's head and body, and times in seconds.
    """

    log = thread = None
    running = False
    requests = 0  # answered so far
    # The last head of a plain request that was parsed; the number of bytes it came in, its handler, _CLOSE or 0.
    text = b""
    size = closes = -1
    handler = None

    def __init__(
        self,
        port=80,
        address="0.0.0.0",
        webroot=".",
        indexFile="index.html",
        maxConnections=8,
        maxHead=2048,
        maxBody=16384,
        headTimeout=10,
        bodyTimeout=20,
        idleTimeout=30,
        writeTimeout=20,
        bufferSize=2880,
    ):
        self.port = port
        self.address = address
        self.webroot = webroot
        self.indexFile = indexFile
        self.maxConnections = maxConnections
        self.maxBody = maxBody
        self.bufferSize = bufferSize
        self.cacheControl = {}
        self.limits = idleTimeout, headTimeout, 1, bodyTimeout, writeTimeout
        self.buffer = bytearray(maxHead)
        self.view = memoryview(self.buffer)
        self.router = Router()
        self.memo = {}
        self.connections = []
        self.pool = [bytearray(bufferSize)]  # for files; now, while memory is in one piece

    def route(self, route, methods="GET"):
        """Decorator that adds a route; methods is a list with commas."""

        def add(handler):
            self.appendRoutes([[route, handler, methods]])
            return handler

        return add

    def appendRoutes(self, routes):
        """Add routes: [route, handler] or [route, handler, methods] each. A handler may be a file name."""
        for entry in routes:
            self.router.add(*entry)
        self.forget()

    def forget(self):
        """Look up the next request in the routes, whatever the last one was."""
        self.size = -1

    def prepare(self, request, flags):
        """Check a request that is not plain, and find its handler."""
        request.method, target, minor = parse_line(request.line)
        if flags & _UNKNOWN:
            raise HttpError(501)
        request.minor = minor
        request.bare = request.method == "HEAD"
        if flags & _CLOSE or not minor:
            request.keep = 0
        # HTTP/1.1 needs Host, HTTP/1.0 has no chunked bodies.
        if not (flags & _HOST if minor else request.left >= 0):
            raise HttpError(400)
        if request.left > self.maxBody:
            raise HttpError(413)
        if target[:1] != b"/":
            from .refuse import absolute

            target = absolute(target)
        handlers = self.router.find(request, target.split(b"#")[0].split(b"?")[0])
        if not handlers:
            if self.webroot is None:
                raise HttpError(404)
            # The file that the path names.
            handlers = {"GET": ""}
        handler = handlers.get(request.method, handlers.get("GET") if request.bare else None)
        if handler is None:
            from .refuse import refuse as handler

            request.name = handlers
        elif isinstance(handler, str):
            request.name = handler
            from .files import serve as handler
        request.handler = handler

    def error(self, request):
        """Answer with request.error: status, and reason if the standard one will not do."""
        return Response.error(request, *request.error)

    # The reactor treats the listening socket like a connection.
    state = _LINGER

    def receive(self):
        """Accept a connection. Gives the first request if it has come already, as often as not."""
        conn = self.accept()
        if conn:
            return conn.receive()

    def accept(self):
        """Give a new Connection that nobody watches yet, or None."""
        try:
            sock, peer = self.sock.accept()
            sock.setblocking(False)
            if len(self.connections) < self.maxConnections or self.evict():
                # An answer that takes more than one write must not wait for the client's acknowledgement.
                sock.setsockopt(6, 1, 1)
                conn = Connection(self, sock, peer)
                self.connections.append(conn)
                return conn
            turn_away(sock, 503)
            sock.close()
        except Exception as error:
            # poll() names the socket twice in a round in which others were added to it.
            if getattr(error, "errno", 0) == EAGAIN:
                return
            # No socket or no memory left, most likely. The sweeper looks again.
            if not self.evict():
                core._io_queue.poller.modify(self.sock, 0)

    def evict(self):
        """Close the connection that has been idle longest. Gives it, or None."""
        oldest = None
        for conn in self.connections:
            if conn.state < _BODY and (not oldest or ticks_diff(oldest.since, conn.since) > 0):
                oldest = conn
        if oldest:
            oldest.close()
        return oldest

    def sweep(self):
        """Close what has waited for too long."""
        for conn in list(self.connections):
            state = conn.state
            if state < _BUSY and ticks_diff(ticks_ms(), conn.since) > self.limits[state] * 1000:
                if state == _HEAD:
                    turn_away(conn.sock, 408)
                conn.close()
            elif state > _BUSY:
                # It has left HTTP (link.py) and looks after its own times.
                conn.tick()

    async def runAsync(self):
        """Serve until stop() is called or the task is cancelled. OSError if the address is taken."""
        queue = core._io_queue
        if not isinstance(queue.poller, Reactor):
            queue.poller = Reactor(queue.poller)
        reactor = queue.poller
        self.stopping = False
        self.sock = sock = socket.socket()
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(socket.getaddrinfo(self.address, self.port)[0][-1])
            sock.listen(_BACKLOG)
            sock.setblocking(False)
            reactor.ready[id(sock)] = self
            reactor.register(sock, _POLLIN)
            self.running = True
            while not self.stopping:
                await core.sleep_ms(_SWEEP_MS)
                self.sweep()
                reactor.modify(sock, _POLLIN)
            from .control import finish

            reactor.modify(sock, 0)
            await finish(self)
        finally:
            if self.running:
                reactor.unregister(sock)
                del reactor.ready[id(sock)]
            sock.close()
            while self.connections:
                self.connections[0].close()
            self.running = False

    def __getattr__(self, name):
        # before(), after(), errorHandler() and mount().
        from .hooks import attribute

        return attribute(self, name)

    def runThread(self, core=None):
        """Serve in a thread of its own; core: on that core, where the firmware lets one choose."""
        from .control import start

        start(self, core)

    def stop(self):
        """Stop listening, let running handlers finish, close all.

        In the server's own loop: await the result. From another thread: returns when the server has stopped.
        """
        from .control import stop

        return stop(self)


def turn_away(sock, status):
    """Send an error answer to a client that gets no Request."""
    try:
        head = Response.status_line(status)
        sock.write(head + b"Connection: close\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n")
    except OSError:
        pass
