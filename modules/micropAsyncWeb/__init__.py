"""The server: accepts, keeps connections alive, bounds them, and runs handlers.

asyncio asks its IOQueue for events between any two tasks. A subclass of it (Reactor) answers requests right there:
one worker coroutine polls, parses and calls handlers one after another, with no task switch between. A worker is the
coroutine of a real asyncio task. When a handler waits for something, that task stays behind with it, asyncio resumes
it like any other, and the reactor goes on with another worker. So there is no task per connection and none per
request, and handlers may await whatever they like.
"""

import socket
from asyncio import core
from errno import EAGAIN
from time import ticks_diff, ticks_ms
from micropython import const

from .parser import HttpError, parse_fields, parse_line
from .exchange import DONE, Request
from . import exchange as Response
from .routing import Router

# Flags of parse_fields().
_HOST = const(1)
_CLOSE = const(2)
_EXPECT = const(4)

# What a connection waits for: index into MicropAsyncWeb._limits. The reactor looks at the first three.
_IDLE = const(0)
_HEAD = const(1)
_LINGER = const(2)  # for the client to take the last answer; what it still sends is thrown away
_BODY = const(3)
_WRITE = const(4)
_BUSY = const(5)  # for its handler

_SENT = const(3)  # a phase of a request: its head has left
_POLLIN = const(1)
_SWEEP_MS = const(250)
_MEMO = const(6)  # header blocks remembered, and their size at most
_MEMO_SIZE = const(640)


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
        """Wait dt ms at most for events. asyncio calls this between tasks; it gets the events of other sockets."""
        self.dt = dt
        self.others = []
        core.cur_task = task = self.idle.pop() if self.idle else core.Task(self.work())
        for _ in task.coro:
            break
        conn = self.conn
        if conn:
            # Its handler waits for something. While it does, nobody looks at the socket.
            self.conn = None
            conn.watch(_BUSY)
        return self.others

    def work(self):
        """A worker: runs until a handler waits, or nothing is ready."""
        while True:
            for sock, event in self.poller.ipoll(self.dt):
                conn = self.ready.get(id(sock))
                if not conn:
                    self.others.append((sock, event))
                    continue
                try:
                    request = conn.receive()
                except Exception:
                    request = conn.close()
                while request:
                    if conn.state < _BODY:
                        self.conn = conn
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
                if self.conn:
                    self.conn = None
                elif conn.state == _BUSY:
                    conn.watch(_IDLE)
                    # Another worker has polled meanwhile.
                    break
            if len(self.idle) > 1:
                return
            self.idle.append(core.cur_task)
            yield


class Connection:
    """One accepted connection. Between requests it holds no buffer."""

    rest = b""  # bytes received and not yet used
    state = _BUSY
    task = None  # the task that waits for the socket inside a request
    late = False  # and has done so for too long

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
            self.watch(_BUSY)
            if self.task:
                self.late = True
                core._io_queue.remove(self.task)
                core._task_queue.push(self.task)
            self.sock.close()
            self.sock = None
            self.server.connections.remove(self)

    def receive(self):
        """Read what has come. Gives a Request that is complete up to its body, or None."""
        server = self.server
        rest = self.rest
        start = len(rest)
        try:
            server.buffer[:start] = rest
            count = self.sock.readinto(server.view[start:] if start else server.buffer)
        except OSError:
            count = 0
        request = None
        if self.state != _LINGER and (start or count):
            request = self.parse(start + (count or 0))
        if count == 0 and not request:
            self.close()
        return request

    def parse(self, count):
        """Find a request in the first count bytes of the server's buffer."""
        server = self.server
        buffer = server.buffer
        view = server.view
        start = 0
        while buffer[start : start + 2] == b"\r\n":
            start += 2
        split = buffer.find(b"\n", start, count)
        # Finds the blank line also where a lone LF ends the line before it, which is then refused.
        end = buffer.find(b"\n\r\n", start, count)
        if end < 0:
            end = buffer.find(b"\n\n", start, count)
        self.rest = b""
        if end < 0 and count < len(buffer):
            self.rest = bytes(view[start:count])
            if not self.state:
                self.watch(_HEAD)
            return
        block = bytes(view[split + 1 : end + 1])
        request = Request(self, bytes(view[start : split + 1]), block)
        try:
            if end < 0:
                raise HttpError(414 if split < 0 else 431)
            if end + 3 < count:
                self.rest = bytes(view[end + 3 : count])
            memo = server.memo
            flags = memo.get(block)
            if flags is None:
                flags, request.left = parse_fields(block)
                if not request.left and len(block) < _MEMO_SIZE:
                    if len(memo) >= _MEMO:
                        memo.clear()
                    memo[block] = flags
            request.handler = server.router.lines.get(request.line)
            if flags != _HOST or request.left or not request.handler:
                server.prepare(request, flags)
            return request
        except Exception as error:
            request.keep = 0
            return self.fail(request, error)

    def done(self, request):
        """A request has been answered. Gives the next one if it has come already."""
        request.conn = None
        if not request.keep:
            if not request.left and not request.error:
                return self.close()
            # To close now might reset the connection before the client has read the answer.
            self.watch(_BUSY)
            self.watch(_LINGER)
            self.rest = b""
        else:
            self.watch(self.state if self.state == _BUSY else _IDLE)
        if self.rest:
            return self.receive()

    def fail(self, request, error):
        """Make a request end with the error answer for an exception; again an exception: close."""
        server = self.server
        args = (500,)
        if isinstance(error, HttpError):
            args = error.args
        elif isinstance(error, MemoryError):
            args = (503,)
        elif server.log:
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
        queue = core._io_queue
        yield queue.queue_write(self.sock) if state == _WRITE else queue.queue_read(self.sock)
        self.task = None
        if self.late:
            raise OSError(110)
        self.watch(_BUSY)


class MicropAsyncWeb:
    """An HTTP/1.1 server. Delivers files from webroot where no route matches; webroot=None: routes only.

    Limits: connections at once, bytes of a request's head and body, and times in seconds.
    """

    log = thread = None
    running = False

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
        bufferSize=4096,
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
        self.pool = []

    def route(self, route, methods="GET"):
        """Decorator that adds a route; methods is a list with commas."""

        def add(handler):
            self.router.add(route, handler, methods)
            return handler

        return add

    def appendRoutes(self, routes):
        """Add routes: [route, handler] or [route, handler, methods] each. A handler may be a file name."""
        for entry in routes:
            self.router.add(*entry)

    def prepare(self, request, flags):
        """Check a request that is not plain, and find its handler."""
        request.method, target, minor = parse_line(request.line)
        request.minor = minor
        request.bare = request.method == "HEAD"
        request.expect = flags & _EXPECT
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
            handlers = {"GET": self.file}
        handler = handlers.get(request.method) or request.bare and handlers.get("GET")
        if not handler:
            from .refuse import refuse as handler

            request.name = handlers
        elif isinstance(handler, str):
            request.name = handler
            handler = self.file
        request.handler = handler

    def file(self, request):
        """Answer with a file below webroot."""
        from .files import serve

        return serve(self, request)

    def error(self, request):
        """Answer with request.error: status, and reason if the standard one will not do."""
        return Response.error(request, *request.error)

    # The reactor treats the listening socket like a connection.
    state = _LINGER

    def receive(self):
        """Accept a connection."""
        try:
            sock, peer = self.sock.accept()
            sock.setblocking(False)
            if len(self.connections) < self.maxConnections or self.evict():
                # An answer that takes more than one write must not wait for the client's acknowledgement.
                sock.setsockopt(6, 1, 1)
                conn = Connection(self, sock, peer)
                self.connections.append(conn)
                conn.watch(_IDLE)
            else:
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
            sock.listen(self.maxConnections)
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
        sock.write(Response.status_line(status) + b"Connection: close\r\nContent-Length: 0\r\n\r\n")
    except OSError:
        pass
