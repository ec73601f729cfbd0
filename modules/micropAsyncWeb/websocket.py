"""WebSockets (RFC 6455): a decorator for handlers, and the object through which they talk to the client.

    from micropAsyncWeb.websocket import websocket

    @server.route("/ws")
    @websocket
    async def echo(request, ws):
        async for message in ws:
            await ws.send(message)

The handler runs when the handshake is done. When it returns, the connection is closed with code 1000, when it raises,
with 1011 (the exception goes to the server's log). Pings of the client are answered, and its Close is, whatever the
handler is doing; only a message that nobody receives holds up what comes behind it, so that a client can be made to
wait but cannot fill the memory. An idle WebSocket has no buffer. It counts as one of the server's maxConnections, but
is never closed to make room for another. MicropAsyncWeb.stop() closes it with code 1001. What frames are made of is in
frames.py, how a connection leaves HTTP in link.py.
"""

from asyncio import core
from binascii import a2b_base64, b2a_base64
from hashlib import sha1
from time import ticks_diff, ticks_ms

from micropython import const

from . import HttpError, Response
from .frames import FrameError, Frames, close_status, frame_head, may_be_sent
from .link import Closed, Link, wake

_TEXT = const(1)
_BINARY = const(2)
_CLOSE = const(8)
_PING = const(9)
_PONG = const(10)
_FIN = const(128)

_CLOSE_MS = const(2000)  # for the client to answer our Close
_JOIN = const(1024)  # up to this size a message is copied, to leave in one piece with the head of its frame


def websocket(handler=None, protocols=(), origins=None, max_message=4096, ping_interval=20, ping_timeout=20):
    """Decorator that makes `async def handler(request, ws)` the handler of a GET route. ws is a WebSocket.

    As `@websocket` or with any of these, as `@websocket(max_message=1024)`:
    protocols: names of the subprotocols that the handler speaks. The first one of the client's list that is among
        them is agreed on and is ws.protocol, which is None where there is no such.
    origins: the web pages that may connect, as a browser names them, e.g. ("https://example.org",). None: those that
        came from this server, which is to say that the host and port of their Origin are those of the Host field.
        "*": all. Any other page gets 403 (RFC 6455 section 10.2). Programs send no Origin, and are always let in.
    max_message: bytes of a message from the client at most, all its fragments together; more ends the connection
        with code 1009. Twice as much memory is needed while a message is complete.
    ping_interval: seconds of silence after which the client is sent a Ping; 0: never.
    ping_timeout: seconds that it has to send anything then, before the connection is given up.

    A request that is no handshake is answered with 426 or 400 and never gets to the handler.
    """
    if handler is None:
        return lambda handler: websocket(handler, protocols, origins, max_message, ping_interval, ping_timeout)

    async def serve(request):
        head = _handshake(request, protocols, origins)
        if not head:
            return
        ws = WebSocket(request, max_message, ping_interval * 1000, ping_timeout * 1000)
        link = ws._link
        code = 1000
        try:
            await link.write(head[0])
            ws.protocol = head[1]
            await handler(request, ws)
        except Closed:
            pass
        except Exception as error:
            code = 1011
            log = link.server.log
            if log:
                log("error", request.line, error)
        except core.CancelledError:
            link.close()
        await ws.close(code)
        # The way to tell the server that there is nothing to answer and nothing to keep.
        raise core.CancelledError

    return serve


def _tokens(request, name):
    # A header field that is a list, in lower case.
    return [token.strip() for token in request.header.get(name, "").lower().split(",")]


def _handshake(request, protocols, origins):
    # RFC 6455 section 4.2. Gives the head of the answer and the subprotocol, or None after another answer.
    header = request.header
    upgrade = request.method == "GET" and request.minor and not request.left
    if not upgrade or "websocket" not in _tokens(request, "upgrade") or "upgrade" not in _tokens(request, "connection"):
        return _upgrade_required(request)
    origin = header.get("origin")
    if origin is not None and origins != "*":
        own = origin.lower().partition("://")[2] == header["host"].lower()
        if not (own if origins is None else origin in origins):
            raise HttpError(403)
    if header.get("sec-websocket-version") != "13":
        return _upgrade_required(request)
    key = header.get("sec-websocket-key", "")
    try:
        valid = len(key) == 24 and len(a2b_base64(key)) == 16
    except ValueError:
        valid = False
    if not valid:
        raise HttpError(400)
    protocol = None
    for name in header.get("sec-websocket-protocol", "").split(","):
        if name.strip() in protocols:
            protocol = name.strip()
            break
    Response.start(request, 101, "Switching Protocols")
    accept = sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    request.head += b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    request.head += b2a_base64(accept)[:-1] + b"\r\n"
    if protocol:
        request.head += b"Sec-WebSocket-Protocol: %s\r\n" % protocol
    request.keep = 1
    # Here hooks may add to the head.
    head = request.frame(b"")
    request.keep = 0
    # Parsed again should the handler ask for it: what lives as long as the connection is to be small.
    del request.header
    request.head = b""
    return head, protocol


def _upgrade_required(request):
    Response.start(request, 426)
    request.head += b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    if request.keep:
        request.head += b"Connection: Upgrade\r\n"
    Response.startBody(request)


class WebSocket:
    """One WebSocket, as its handler gets it. Other tasks of the server's loop may use it, too.

    Attributes: protocol, the subprotocol agreed on, or None; code and reason, why it was closed: those of the Close
    that was received, or else sent; 1005 for one without a code, 1006 if the connection broke; None while it is open.
    """

    # Values of most sockets at most times, here rather than in each of them.
    protocol = None
    _pinged = False  # a Ping was sent that nothing has come after
    _ending = None  # when our Close was sent that the client has not yet answered
    _parts = False  # a message is being sent in parts
    _message = None  # a whole one, to be received

    def __init__(self, request, max_message, ping_interval, ping_timeout):
        self._interval = ping_interval
        self._timeout = ping_timeout
        self._link = Link(request, self)
        self._frames = Frames(max_message, self._link.rest)
        self._parse()

    @property
    def closed(self):
        """Nothing more can be sent."""
        return self._link.cause is not None

    @property
    def code(self):
        """Why it was closed (RFC 6455 section 7.4), None if it is open."""
        return self._link.cause and self._link.cause[0]

    @property
    def reason(self):
        """The text that came with the code, None if it is open."""
        return self._link.cause and self._link.cause[1]

    async def receive(self):
        """Wait for a message: str if it is text, bytes if it is binary. Closed if there will be no more."""
        link = self._link
        while self._message is None:
            if link.cause is None:
                # What came with the last message. Not before this one: it could end the connection, and what the
                # handler has sent in answer to the last one is to leave first.
                self._parse()
                if self._message is not None:
                    break
            if link.cause is not None:
                raise Closed(*link.cause)
            await link.wait(link.readers)
        message = self._message
        self._message = None
        link.listen(True)
        return message

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            return await self.receive()
        except Closed:
            raise StopAsyncIteration

    async def send(self, data):
        """Send a message: text from a str, binary from any bytes-like object.

        From an iterator or async iterator of these: one message, a fragment for each, text if the first one is a str.
        It need never be in memory as a whole. Until its end other tasks wait with their messages.

        Waits while the client does not take it (at most writeTimeout of the server), and its turn if another task is
        sending. Closed if the connection is closed. To cancel it halfway ends the connection.
        """
        link = self._link
        while self._parts and link.cause is None:
            await link.wait(link.writers)
        if isinstance(data, (str, bytes, bytearray, memoryview)):
            await self._frame(_FIN | _opcode(data), data)
            return
        self._parts = True
        begun = False
        more = getattr(data, "__anext__", None)
        parts = None if more else iter(data)
        try:
            while True:
                try:
                    part = await more() if more else next(parts)
                except (StopIteration, StopAsyncIteration):
                    break
                await self._frame(0 if begun else _opcode(part), part)
                begun = True
            await self._frame(_FIN if begun else _FIN | _TEXT, b"")
            begun = False
        finally:
            self._parts = False
            if begun:
                # Half a message can neither be ended nor taken back.
                link.close()
            wake(link.writers)

    def _frame(self, first, data):
        # In MicroPython a str is a buffer of its UTF-8.
        view = memoryview(data)
        head = frame_head(first, len(view))
        if len(view) <= _JOIN:
            return self._link.write(head + view)
        return self._link.write(head + view[:_JOIN], view[_JOIN:])

    async def close(self, code=1000, reason=""):
        """Close, with a code that may be sent (RFC 6455 section 7.4) and up to 123 bytes of UTF-8 text.

        Returns when the client has answered or 2 s have passed. Messages that come meanwhile are lost. If it is closed
        already, code and reason do not count. ValueError for another code, or a longer reason.
        """
        if not may_be_sent(code) or len(reason.encode()) > 123:
            raise ValueError("code or reason")
        data = code.to_bytes(2, "big") + reason.encode()
        link = self._link
        if link.cause is None:
            self._end(code, reason, data)
            self._parse()
        while link.sock:
            await link.wait(link.readers)

    def _end(self, code, reason, data):
        # Begins the closing handshake. What still comes is skipped up to the client's Close.
        link = self._link
        link.end((code, reason))
        self._ending = ticks_ms()
        self._message = None
        self._frames.skip()
        link.queue(frame_head(_FIN | _CLOSE, len(data)) + data)
        link.listen(True)

    def _fail(self, code):
        self._end(code, "", code.to_bytes(2, "big"))

    def read(self):
        """Not for handlers: the link has bytes."""
        link = self._link
        frames = self._frames
        self._parse()
        if self._waits():
            # It goes on when the message is taken, or the answer to a control frame sent.
            link.listen(False)
        elif link.sock:
            room = frames.room()
            if room:
                frames.filled(link.readinto(room))
            else:
                count = link.readinto(link.server.buffer)
                if count:
                    frames.feed(bytes(link.server.view[:count]))
            self._parse()

    def sent(self):
        """Not for handlers: the link can take more."""
        self._parse()
        self._link.listen(True)

    def tick(self, now):
        """Not for handlers: the server's sweeper."""
        link = self._link
        self._parse()
        silence = ticks_diff(now, link.heard)
        if self._ending is not None:
            if ticks_diff(now, self._ending) > _CLOSE_MS:
                link.close()
        elif link.cause is not None or not link.server.stopping:
            if not self._interval or self._waits() or silence <= self._interval:
                if self._pinged:
                    self._pinged = False
            elif silence > self._interval + self._timeout:
                link.close()
            elif not self._pinged:
                self._pinged = True
                link.queue(frame_head(_FIN | _PING, 0))
        else:
            self._fail(1001)
            self._parse()

    def _waits(self):
        # The client has to wait until a message is received or an answer sent.
        return self._ending is None and (self._message is not None or self._link.out)

    def _parse(self):
        # Takes what has come apart until a message is there, an answer has to leave first, or more has to come.
        link = self._link
        while link.sock and not link.last and not self._waits():
            try:
                event = self._frames.next()
                if not event:
                    break
                opcode, data = event
                if opcode < _CLOSE:
                    self._message = data
                    wake(link.readers)
                elif opcode == _CLOSE:
                    self._closing(data)
                elif opcode == _PING:
                    link.queue(frame_head(_FIN | _PONG, len(data)) + data)
            except FrameError as error:
                self._fail(error.args[0])
            except MemoryError:
                if self._ending is None:
                    self._fail(1009)
                else:
                    link.close()

    def _closing(self, data):
        # The client's Close is the last that is looked at; our answer, if it is one, is the last that leaves.
        link = self._link
        link.last = True
        if self._ending is None:
            link.end(close_status(data))
            link.queue(frame_head(_FIN | _CLOSE, len(data[:2])) + data[:2])
        elif not link.out:
            link.close()


def _opcode(data):
    return _TEXT if isinstance(data, str) else _BINARY
