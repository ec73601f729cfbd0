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
is never closed to make room for another. MicropAsyncWeb.stop() closes it with code 1001.
"""

from asyncio import core
from binascii import a2b_base64, b2a_base64
from hashlib import sha1
from time import ticks_diff, ticks_ms

from micropython import const

from . import HttpError, Response
from .link import Closed, Link, wake

_TEXT = const(1)
_BINARY = const(2)
_CLOSE = const(8)
_PING = const(9)
_PONG = const(10)
_FIN = const(128)

_CLOSE_MS = const(2000)  # for the client to answer our Close
_JOIN = const(1024)  # up to this size a message is copied, to leave in one piece with the head of its frame
_STEP = const(512)  # bytes unmasked at a time; a multiple of 4


def websocket(handler=None, protocols=(), origins=None, maxMessage=4096, pingInterval=20, pingTimeout=20):
    """Decorator that makes `async def handler(request, ws)` the handler of a GET route. ws is a WebSocket.

    As `@websocket` or with any of these, as `@websocket(maxMessage=1024)`:
    protocols: names of the subprotocols that the handler speaks. The first one of the client's list that is among
        them is agreed on and is ws.protocol, which is None where there is no such.
    origins: the web pages that may connect, as a browser names them, e.g. ("https://example.org",). None: those that
        came from this server, which is to say that the host and port of their Origin are those of the Host field.
        "*": all. Any other page gets 403 (RFC 6455 section 10.2). Programs send no Origin, and are always let in.
    maxMessage: bytes of a message from the client at most, all its fragments together; more ends the connection
        with code 1009. Twice as much memory is needed while a message is complete.
    pingInterval: seconds of silence after which the client is sent a Ping; 0: never.
    pingTimeout: seconds that it has to send anything then, before the connection is given up.

    A request that is no handshake is answered with 426 or 400 and never gets to the handler.
    """
    if handler is None:
        return lambda handler: websocket(handler, protocols, origins, maxMessage, pingInterval, pingTimeout)

    async def serve(request):
        head = _handshake(request, protocols, origins)
        if not head:
            return
        ws = WebSocket(request, maxMessage, pingInterval * 1000, pingTimeout * 1000)
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
    _opcode = 0  # of the message that is coming in,
    _data = None  # what has come of it, and the room for the rest of the frame
    _at = _left = 0  # bytes that have come; bytes of the frame that have not

    def __init__(self, request, maxMessage, pingInterval, pingTimeout):
        self._most = maxMessage
        self._interval = pingInterval
        self._timeout = pingTimeout
        self._link = Link(request, self)
        self._rest = self._link.rest  # frames not taken apart yet
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
            if self._rest:
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
        head = _head(first, len(view))
        if len(view) <= _JOIN:
            return self._link.write(head + view)
        return self._link.write(head + view[:_JOIN], view[_JOIN:])

    async def close(self, code=1000, reason=""):
        """Close, with a code that may be sent (RFC 6455 section 7.4) and up to 123 bytes of UTF-8 text.

        Returns when the client has answered or 2 s have passed. Messages that come meanwhile are lost. If it is closed
        already, code and reason do not count. ValueError for another code, or a longer reason.
        """
        if not _may_be_sent(code) or len(reason.encode()) > 123:
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
        self._message = self._data = None
        link.queue(_head(_FIN | _CLOSE, len(data)) + data)
        link.listen(True)

    def _fail(self, code):
        self._end(code, "", code.to_bytes(2, "big"))

    def read(self):
        """Not for handlers: the link has bytes."""
        try:
            self._read()
        except MemoryError:
            self._fail(1009)

    def _read(self):
        link = self._link
        if self._rest:
            self._parse()
        if self._waits():
            # It goes on when the message is taken, or the answer to a control frame sent.
            link.listen(False)
        elif self._left and self._data is not None:
            count = link.readinto(memoryview(self._data)[self._at :])
            self._at += count
            self._left -= count
            if count and not self._left:
                self._complete()
        else:
            view = link.server.view
            start = len(self._rest)
            view[:start] = self._rest
            count = link.readinto(view[start:])
            if count:
                self._rest = bytes(view[: start + count])
                self._parse()

    def sent(self):
        """Not for handlers: the link can take more."""
        self._parse()
        self._link.listen(True)

    def tick(self, now):
        """Not for handlers: the server's sweeper."""
        link = self._link
        if self._rest:
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
                link.queue(_head(_FIN | _PING, 0))
        else:
            self._fail(1001)
            self._parse()

    def _waits(self):
        # The client has to wait until a message is received or an answer sent.
        return self._ending is None and (self._message is not None or self._link.out)

    def _parse(self):
        # Takes frames out of _rest until a message is complete or more has to come (RFC 6455 section 5.2).
        link = self._link
        rest = self._rest
        end = len(rest)
        at = 0
        while link.sock and not link.last and not self._waits():
            if self._left:
                count = min(self._left, end - at)
                if not count:
                    break
                if self._data is not None:
                    self._data[self._at : self._at + count] = rest[at : at + count]
                at += count
                self._at += count
                self._left -= count
                if not self._left and self._data is not None:
                    self._complete()
                continue
            if end - at < 2:
                break
            first = rest[at]
            length = rest[at + 1] & 127
            opcode = first & 15
            ending = self._ending is not None
            if not ending and (
                first & 0x70
                or rest[at + 1] < 128  # not masked
                or opcode & 7 > 2
                # A control frame is short and whole; a fragment has the message that it belongs to.
                or (length > 125 or first < 128 if opcode & 8 else (opcode > 0) == (self._opcode > 0))
            ):
                self._fail(1002)
                continue
            start = at + 2 + (0 if length < 126 else 2 if length < 127 else 8)
            if end < start + 4:
                break
            if length > 125:
                length = int.from_bytes(rest[at + 2 : start], "big")
            mask = rest[start : start + 4]
            if ending:
                if opcode == _CLOSE:
                    link.last = True
                    if not link.out:
                        link.close()
                # The frame that was the reason may be one without a mask.
                at = start + (4 if rest[at + 1] > 127 else 0)
                self._left = length
                continue
            start += 4
            if opcode & 8:
                if end < start + length:
                    break
                at = start + length
                self._control(opcode, _xor(rest[start:at], mask))
                continue
            have = self._at if self._opcode else 0
            if have + length > self._most:
                self._fail(1009)
                continue
            if opcode:
                self._opcode = opcode
            self._final = first & _FIN
            if self._final and not have and start + length <= end and length <= _STEP:
                at = start + length
                self._deliver(_xor(rest[start:at], mask))
                continue
            data = bytearray(have + length)
            if have:
                data[:have] = self._data
            self._data = data
            self._from = self._at = have  # where the frame begins
            self._left = length
            self._mask = mask
            at = start
            if not length:
                self._complete()
        self._rest = rest[at:]

    def _complete(self):
        # A frame of a message has come in.
        data = self._data
        _unmask(data, self._from, self._mask)
        if self._final:
            self._data = None
            self._deliver(data)

    def _deliver(self, data):
        message = _utf8(data) if self._opcode == _TEXT else bytes(data)
        self._opcode = 0
        if message is None:
            self._fail(1007)
        else:
            self._message = message
            wake(self._link.readers)

    def _control(self, opcode, data):
        link = self._link
        if opcode == _PING:
            link.queue(_head(_FIN | _PONG, len(data)) + data)
        elif opcode == _CLOSE:
            # Our answer is the last that leaves, and the client's Close the last that is looked at.
            link.last = True
            code = int.from_bytes(data[:2], "big") if data else 1005
            reason = _utf8(data[2:])
            if data and (len(data) < 2 or not _may_be_sent(code)):
                self._fail(1002)
            elif reason is None:
                self._fail(1007)
            else:
                link.end((code, reason))
                link.queue(_head(_FIN | _CLOSE, len(data[:2])) + data[:2])


def _opcode(data):
    return _TEXT if isinstance(data, str) else _BINARY


def _head(first, size):
    # The head of a frame of ours, which has no mask.
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return bytes((first, 126, size >> 8, size & 255))
    return bytes((first, 127)) + size.to_bytes(8, "big")


def _may_be_sent(code):
    # RFC 6455 section 7.4, with what IANA has registered since.
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def _xor(data, mask):
    # As one large integer: forty times as fast as a loop over the bytes.
    size = len(data)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "little")
    return (int.from_bytes(data, "little") ^ key).to_bytes(size, "little")


def _unmask(data, start, mask):
    # In place from start on, in steps that bound the memory that the integers take.
    view = memoryview(data)[start:]
    end = len(view) // _STEP * _STEP
    key = int.from_bytes(mask * (_STEP // 4), "little") if end else 0
    for at in range(0, end, _STEP):
        part = view[at : at + _STEP]
        part[:] = (int.from_bytes(part, "little") ^ key).to_bytes(_STEP, "little")
    part = view[end:]
    part[:] = _xor(part, mask)


def _utf8(data):
    # To str, or None if it is not UTF-8 (RFC 3629). MicroPython itself lets overlong forms, surrogates and what is
    # beyond U+10FFFF pass.
    try:
        text = str(data, "utf8")
    except UnicodeError:
        return None
    if len(text) < len(data):
        for lead, low, high in _LIMITED:
            at = data.find(lead)
            while at >= 0:
                if not low <= data[at + 1] <= high:
                    return None
                at = data.find(lead, at + 1)
    return text


# The first bytes of a character that do not allow every second byte: which they allow.
_LIMITED = (
    (b"\xc0", 1, 0),
    (b"\xc1", 1, 0),
    (b"\xe0", 0xA0, 0xBF),
    (b"\xed", 0x80, 0x9F),
    (b"\xf0", 0x90, 0xBF),
    (b"\xf4", 0x80, 0x8F),
    (b"\xf5", 1, 0),
    (b"\xf6", 1, 0),
    (b"\xf7", 1, 0),
)
