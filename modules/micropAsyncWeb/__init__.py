"""The server: accepts, keeps connections alive, bounds them, and runs handlers.

asyncio polls its sockets between any two tasks. Reactor stands in for that poller and answers requests right there:
one worker coroutine polls, parses and calls handlers one after another, with no task switch between. A worker is
the coroutine of a real asyncio task. When a handler waits for something, that task stays behind with it, asyncio
resumes it like any other, and the reactor goes on with another worker. So there is no task per connection and none
per request, and handlers may await whatever they like.
"""

import socket
from asyncio import core
from time import sleep_ms, ticks_diff, ticks_ms

from micropython import const

from . import exchange as Response
from .exchange import DONE, Request
from .parser import HttpError, Router, parse_fields, parse_line

# Flags of parse_fields().
_HOST = const(1)
_CLOSE = const(2)
_UNKNOWN = const(16)

# What a connection waits for: index into MicropAsyncWeb.limits. The reactor looks at those below _BODY.
_NEW = const(-1)  # for its first request
_IDLE = const(0)
_HEAD = const(1)
_LINGER = const(2)  # for the client to take the last answer; what it still sends is thrown away
_BODY = const(3)  # for the rest of a request
_WRITE = const(4)  # to send the rest of an answer
_BUSY = const(5)  # for its handler

# Phases of a request: its handler has ended, its head has left.
_ENDED = const(5)
_SENT = const(3)
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
        self.idle = None  # task of the worker that polls, when it is not running

    def ipoll(self, dt):
        """Wait dt ms at most for events. asyncio calls this between tasks and gets those of its own sockets."""
        self.dt = dt
        self.others = others = {}  # id(socket) → (socket, event): each once, asyncio insists on that
        self.request = part = None
        try:
            core.cur_task = task = self.idle or core.Task(self.work())
            self.idle = None
            self.polling = True
            for part in task.coro:  # noqa: B007
                break
            self.polling = False
            request = self.request
            if request and request.conn and request.conn.state < _BODY:
                # Its handler waits for something. While it does, nobody looks at the socket.
                request.conn.watch(_BUSY)
            if part is not None:
                # asyncio yields nothing but None: this is a part of the answer. Its worker is given up.
                from .stream import iterate

                iterate(request, part)
            for key in list(others):
                if key not in core._io_queue.map:
                    # A handler has taken it back meanwhile.
                    del others[key]
            return others.values()
        except MemoryError:
            # A worker is lost, the loop must not be: there may be memory again when others have run.
            self.polling = False
            sleep_ms(5)
            return ()

    def work(self):
        """A worker: polls and serves until a handler waits; then it ends with that request."""
        ready = self.ready
        while True:
            # Sockets come and go while this iterates: one may be named twice, or not until the next round.
            for sock, event in self.poller.ipoll(self.dt):
                conn = ready.get(id(sock))
                if not conn:
                    self.others[id(sock)] = sock, event
                    continue
                request = conn.receive()
                while request:
                    self.request = request
                    conn = request.conn
                    try:
                        result = request.handler(request)
                        if hasattr(result, "send"):
                            request.handler = result
                            result = yield from result
                        if result is not None and result is not DONE:
                            yield from request.reply(result)
                        if request.left and request.keep:
                            yield from request.drain()
                        yield from request.flush(True)
                        request = conn.done(request)
                    except core.CancelledError:
                        request = conn.close()
                    except BaseException as error:
                        request = conn.fail(request, error)
                if not self.polling:
                    # The handler has waited for something. Another worker has taken its place meanwhile.
                    # asyncio may refer to a task that has ended for long, by way of others: nothing of the request may
                    # hang on its frame, neither by a variable nor in a place of its stack that was in use.
                    result = sock = None
                    conn = [None, None, None, None, None, None, None, None]
                    return
            # Nothing of the last request is held while this waits.
            self.request = result = sock = conn = None
            if not self.others:
                # asyncio has nothing to do until its next task is due.
                task = core._task_queue.peek()
                if task:
                    self.dt = ticks_diff(task.ph_key, ticks_ms())
                if not task or self.dt > 0:
                    continue
            self.idle = core.cur_task
            yield


class Connection:
    """One accepted connection. Between requests it holds no buffer."""

    rest = b""  # bytes received and not yet used
    state = _BUSY
    task = None  # the task that waits for the socket inside a request; set to None if it has waited too long

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
                from .stream import interrupt

                interrupt(self)
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
            self.watch(_NEW)

    def parse(self, count):
        """Find a request in the first count bytes of the server's buffer."""
        server = self.server
        text = bytes(server.view[:count])
        start = 0
        while text.startswith(b"\r\n", start):
            start += 2
        if start:
            text = text[start:]
        end = text.find(b"\n\r\n") + 3
        if end < 3:
            # A lone LF ends the line before the blank one: to be refused.
            end = text.find(b"\n\n") + 2
        self.rest = b""
        if end < 2:
            if len(text) < len(server.buffer):
                self.rest = text
                if text and self.state != _HEAD:
                    self.watch(_HEAD)
                return
        elif end < len(text):
            self.rest = text[end:]
            text = text[:end]
        request = Request()
        request.conn = self
        request.text = text
        try:
            if end < 2:
                raise HttpError(431 if b"\n" in text else 414)
            lines = text.split(b"\r\n")
            flags, request.left = parse_fields(lines, server.memo)
            request.handler = handler = server.router.lines.get(lines[0])
            if flags & ~_CLOSE != _HOST or not handler:
                request.plain = False
                request.line = lines[0]
                server.prepare(request, flags)
            else:
                if flags & _CLOSE:
                    request.keep = request.plain = False
                if not self.rest and end < _SAME_SIZE:
                    server.text = text
                    server.size = end
                    server.handler = handler
                    server.closes = flags & _CLOSE
            return request
        except Exception as error:
            request.keep = request.plain = False
            return self.fail(request, error)

    def done(self, request):
        """A request has been answered. Gives None."""
        # Whoever still has the request must not hold all that its handler had.
        request.conn = request.handler = None
        request.phase = _ENDED
        if not request.keep:
            if request.error == (408,) or not (request.left or request.error or self.rest):
                return self.close()
            # To close now might reset the connection before the client has read the answer.
            self.watch(_BUSY)
            self.watch(_LINGER)
            self.rest = b""
        elif self.rest:
            # The next one has come already. Others get their turn before it.
            from .stream import postpone

            postpone(self)
        elif self.state:
            self.watch(_IDLE)
        else:
            self.since = ticks_ms()

    def fail(self, request, error):
        """Make a request end with the error answer for an exception; again an exception: close."""
        server = self.server
        args = (500,)
        if isinstance(error, HttpError):
            if not request.error and error.args:
                args = error.args
        elif isinstance(error, MemoryError):
            args = (503, "Busy")  # a standard phrase would have to be loaded
        else:
            from .refuse import report

            report(request, self, error)
        if self.sock and request.phase < _SENT and request.error != args:
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
        if count == len(data):
            return DONE
        from .stream import send_rest

        return send_rest(self, memoryview(data)[count:])


class MicropAsyncWeb:
    """An HTTP/1.1 server. Delivers files from webroot where no route matches; webroot=None: routes only.

    Limits: connections at once, bytes of a request's head and body, and times in seconds.
    """

    log = thread = None
    running = False
    # Of the last plain request that was parsed: the size of its head, -1 if there is none. With it come
    # text (the head), handler, and closes (_CLOSE or 0).
    size = -1

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
        self.limits = idleTimeout, headTimeout, 1, bodyTimeout, writeTimeout, idleTimeout
        self.buffer = bytearray(maxHead)
        self.view = memoryview(self.buffer)
        self.router = Router()
        self.memo = {}
        self.connections = []
        self.pool = [bytearray(bufferSize)]  # for files; now, while memory is in one piece

    def route(self, route, methods="GET", maxBody=None):
        """Decorator that adds a route; methods is a list with commas. maxBody: for this route, not the server's."""
        if callable(route):
            # The decorator without its parentheses: refused.
            self.router.add(route)
        return lambda handler: self.appendRoutes([[route, handler, methods, maxBody]]) or handler

    def appendRoutes(self, routes):
        """Add routes: [route, handler, methods, maxBody] each, the last two if needed. handler may be a file name."""
        for entry in routes:
            self.router.add(*([entry] if isinstance(entry, str) else entry))
        # The next request is looked up in the routes, whatever the last one was.
        self.size = -1

    def prepare(self, request, flags):
        """Check a request that is not plain, and find its handler."""
        request.method, target, minor = parse_line(request.line)
        request.minor = minor
        request.bare = request.method == "HEAD"
        if flags & _CLOSE or not minor:
            request.keep = 0
        # HTTP/1.1 needs Host, HTTP/1.0 has no chunked bodies.
        if not (flags & _HOST if minor else request.left >= 0):
            raise HttpError(400)
        if flags & _UNKNOWN or target[:1] != b"/":
            from .refuse import unusual

            target = unusual(request, target, flags)
        handlers = self.router.find(request, target.split(b"#")[0].split(b"?")[0])
        if handlers is None:
            # The file that the path names.
            handlers = {} if self.webroot is None else {"GET": ""}
        request.maxBody = limit = handlers.get(None, self.maxBody)
        if request.left > limit:
            raise HttpError(413)
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
            if len(self.connections) >= self.maxConnections:
                from .refuse import make_room

                if not make_room(self):
                    return
            sock, peer = self.sock.accept()
            sock.setblocking(False)
            # An answer that takes more than one write must not wait for the client's acknowledgement.
            sock.setsockopt(6, 1, 1)
            conn = Connection(self, sock, peer)
            self.connections.append(conn)
            return conn
        except Exception as error:
            # Otherwise the client has gone already, or poll() named the socket twice in a round.
            if getattr(error, "errno", 12) in (12, 23, 24, 105):
                # MemoryError, ENOMEM, ENFILE, EMFILE, ENOBUFS. The sweeper looks again.
                core._io_queue.poller.modify(self.sock, 0)
                for conn in self.connections:
                    if conn.state < _BODY:
                        return conn.close()

    def sweep(self):
        """Close what has waited for too long."""
        for conn in list(self.connections):
            state = conn.state
            if state < _BUSY and ticks_diff(ticks_ms(), conn.since) > self.limits[state] * 1000:
                if state in (_HEAD, _BODY):
                    from .refuse import late

                    late(conn)
                else:
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
                try:
                    self.sweep()
                except MemoryError:
                    # Others may give some back until the next time.
                    pass
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
        # Methods that are called once if at all: runThread() and stop(), and those of hooks.py.
        from .control import attribute

        return attribute(self, name)
