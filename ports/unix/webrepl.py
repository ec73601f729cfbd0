"""WebREPL's transport: a WebSocket end of the serial line (modwebrepl.c, micropython-lib's webrepl)."""

import asyncio
import codecs
import errno
import hmac
import http
import socket

from websockets.exceptions import InvalidUpgrade
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.utils import accept_key

from ports.unix.bus import BusError
from ports.unix.webreplfiles import Files

DEVICE_PORT = 8266

HANDSHAKE_TIMEOUT = 5.0  # seconds for the HTTP request
LOGIN_TIMEOUT = 60.0  # seconds for the password
_CLOSE_TIMEOUT = 1.0  # seconds for a client to take what was sent last
_HEAD_MAX = 8192
_HANDSHAKES_MAX = 4  # at a time
_UNREAD_MAX = 1 << 20  # bytes that a client leaves unread before it is dropped

_PROMPT = b"Password: "
_CONNECTED = b"\r\nWebREPL connected\r\n>>> "
_DENIED = b"\r\nAccess denied\r\n"
_PASSWORD_MAX = 10  # characters that count, modwebrepl.c
_HINT = (
    "This is the WebREPL port of a MicroPython board. Open it with a WebREPL client:\n"
    "https://micropython.org/webrepl/ or webrepl_cli.py\n"
)


class WebReplServer:
    """WebREPL of the board: listens on `host`, `port` from webrepl.start to webrepl.stop or reset().

    `console` is the serial line, `bus` the way to the device. `before_listen()` is called right before the
    port is bound, `on_change()` when `address` has changed.
    """

    def __init__(self, console, bus, host, port):
        self.console = console
        self.address = None  # (host, port) while it listens
        self.before_listen = lambda: None
        self.on_change = lambda: None
        self.files = Files(lambda: bus.notify({"irq": "webrepl"}))
        self._host = host
        self._port = port
        self._password = b""
        self._version = b""  # of the firmware, three bytes
        self._server = None
        self._opening = set()  # connections whose handshake is not done
        self._client = None  # the one that has the terminal
        self._accepted = 0

    def register(self, bus):
        """Bus operations webrepl.start {port, password, version} -> {port}, webrepl.stop,
        webrepl.accepted -> {count} and webrepl.next (see Files.next).
        """
        bus.register("webrepl.start", self._op_start)
        bus.register("webrepl.stop", lambda args, blob: self.reset())
        bus.register("webrepl.accepted", lambda args, blob: {"count": self._accepted})
        bus.register("webrepl.next", self.files.next)

    async def start(self):
        """Nothing to do: the device starts it."""

    async def stop(self):
        """Close everything, at the end."""
        self.reset()

    def reset(self):
        """The board is reset: its sockets are closed."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in (*self._opening, self._client):
            if connection is not None:
                connection.close()
        self._opening.clear()
        self._client = None
        self.files.reset()
        if self.address is not None:
            self.address = None
            self.on_change()

    def check(self, password):
        """Whether `password` (bytes) is the right one."""
        return hmac.compare_digest(password, self._password)

    def opened(self, connection):
        """A handshake begins. False: there are too many."""
        if len(self._opening) >= _HANDSHAKES_MAX:
            return False
        self._opening.add(connection)
        return True

    def accepted(self, connection, peer):
        """A handshake is done. False: somebody has the terminal already."""
        self._opening.discard(connection)
        if self._client is not None:
            self.console.emit(f"\r\nConcurrent WebREPL connection from {peer} rejected\r\n".encode())
            return False
        self.console.emit(f"\r\nWebREPL connection from: {peer}\r\n".encode())
        self._client = connection
        self.files.serve(connection, self._version)
        self._accepted += 1
        return True

    def closed(self, connection):
        """A connection has ended."""
        self._opening.discard(connection)
        if self._client is connection:
            self._client = None
            self.files.abandon()

    def _op_start(self, args, blob):
        self.reset()
        self._password = args["password"].encode()
        self._version = bytes(args["version"])
        port = self._port if args["port"] == DEVICE_PORT else args["port"]
        self.before_listen()
        try:
            listener = socket.create_server((self._host, port), backlog=1)
        except OSError as error:
            raise BusError(errno.EADDRINUSE, f"port {port}: {error.strerror}") from error
        self._server = _Listener(listener, self)
        self.address = listener.getsockname()[:2]
        self.on_change()
        return {"port": self.address[1]}


class _Listener:
    """Accepts connections on a listening socket for `owner` (WebReplServer)."""

    def __init__(self, listener, owner):
        self._listener = listener
        self._owner = owner
        listener.setblocking(False)
        asyncio.get_running_loop().add_reader(listener, self._accept)
        self._tasks = set()

    def close(self):
        """Stop listening."""
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()

    def _accept(self):
        try:
            peer, _ = self._listener.accept()
        except OSError:
            return
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.connect_accepted_socket(lambda: _Connection(self._owner), peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Protocol(ServerProtocol):
    """The handshake that MicroPython's own server accepts: any key will do, and no version is asked for."""

    def process_request(self, request):
        """(Sec-WebSocket-Accept, extensions, subprotocol) for the answer. Raises InvalidUpgrade."""
        upgrade = request.headers.get("Upgrade", "")
        if upgrade.lower() != "websocket" or "Sec-WebSocket-Key" not in request.headers:
            raise InvalidUpgrade("Upgrade", upgrade or None)
        return accept_key(request.headers["Sec-WebSocket-Key"]), None, None


class _Connection(asyncio.Protocol):
    """One TCP connection: handshake, password, then terminal and files."""

    def __init__(self, server):
        self._server = server
        self._protocol = _Protocol(max_size=1 << 20)
        self._head = bytearray()
        self._masker = Masker()
        self._password = None  # what has been typed of it; bytes until it was right
        self._binary = False  # kind of the message that goes on
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._detach = None
        self._timeout = None

    # asyncio.Protocol

    def connection_made(self, transport):
        """The TCP connection stands."""
        self._transport = transport
        if not self._server.opened(self):
            transport.abort()
            return
        self._limit(HANDSHAKE_TIMEOUT)

    def data_received(self, data):
        """Bytes of the handshake or of frames."""
        self._acknowledge()
        if self._head is not None:
            self._head += data
            end = self._head.find(b"\r\n\r\n") + 4
            if end < 4:
                if len(self._head) > _HEAD_MAX:
                    self._transport.abort()
                return
            head, data = bytes(self._head[:end]), bytes(self._head[end:])
            self._head = None
            if not self._handshake(head):
                return
        self._protocol.receive_data(self._masker.feed(data))
        for frame in self._protocol.events_received():
            if frame.opcode is not Opcode.CONT:
                self._binary = frame.opcode is Opcode.BINARY
            if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._receive(bytes(frame.data))
        self._flush()

    def connection_lost(self, exc):
        """The TCP connection has ended."""
        self._limit(None)
        if self._detach is not None:
            self._detach()
        self._server.closed(self)

    # For Files and WebReplServer

    def send_binary(self, data):
        """Send a binary frame."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_binary(data)
            self._flush()

    def hold(self, held):
        """Stop or go on reading from the client."""
        if not self._transport.is_closing():
            (self._transport.pause_reading if held else self._transport.resume_reading)()

    def fail(self, reason):
        """A file operation has failed: as os.dupterm does it, say so on the console and hang up."""
        self._server.console.emit(f"dupterm: Exception in read() method, deactivating: {reason}\r\n".encode())
        self.close()

    def close(self):
        """Hang up with a closing frame."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush()
        self._transport.close()
        asyncio.get_running_loop().call_later(_CLOSE_TIMEOUT, self._transport.abort)

    def _acknowledge(self):
        # webrepl_cli.py sends a frame in two pieces, and by Nagle's algorithm the second only when the first is
        # acknowledged: for which Linux takes 40 ms, at each 256 bytes of a file. The option lasts for one time.
        if hasattr(socket, "TCP_QUICKACK"):
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _limit(self, seconds):
        if self._timeout is not None:
            self._timeout.cancel()
        self._timeout = seconds and asyncio.get_running_loop().call_later(seconds, self.close)

    def _handshake(self, head):
        """Answer the HTTP request. Returns whether frames follow."""
        protocol = self._protocol
        protocol.receive_data(head)
        request = next(iter(protocol.events_received()), None)
        if request is None:
            self._transport.abort()
            return False
        response = protocol.accept(request)
        if response.status_code != http.HTTPStatus.SWITCHING_PROTOCOLS:
            response = protocol.reject(http.HTTPStatus.OK, _HINT)
        protocol.send_response(response)
        self._flush()
        if protocol.state is not State.OPEN:
            self._transport.close()
            return False
        if not self._server.accepted(self, self._transport.get_extra_info("peername")):
            self.close()
            return False
        self._limit(LOGIN_TIMEOUT)
        self._password = b""
        self._write(_PROMPT)
        return True

    def _receive(self, data):
        if self._transport.is_closing():
            return
        if self._password is not None:
            data = self._log_in(data)
        if not data:
            return
        if self._binary:
            self._server.files.receive(data)
        else:
            self._server.console.feed(data)

    def _log_in(self, data):
        """Take the password from `data`. Returns what follows it."""
        for i, byte in enumerate(data):
            if byte not in b"\r\n":
                self._password = (self._password + bytes([byte]))[:_PASSWORD_MAX]
            elif self._server.check(self._password):
                self._password = None
                self._limit(None)
                self._write(_CONNECTED)
                self._detach = self._server.console.attach(self._write)
                return data[i + 1 :]
            else:
                self._write(_DENIED)
                self._server.console.emit(b"dupterm: EOF received, deactivating\r\n")
                self.close()
                return b""
        return b""

    def _write(self, data):
        """Console output: a text frame. A character that is cut in two waits for its rest."""
        if self._protocol.state is not State.OPEN:
            return
        text = self._decoder.decode(data)
        if text:
            self._protocol.send_text(text.encode())
            self._flush()
        if self._transport.get_write_buffer_size() > _UNREAD_MAX:
            self._transport.abort()

    def _flush(self):
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()
        if self._protocol.state is State.CLOSED:
            self._transport.close()


class Masker:
    """Makes a client's frames what RFC 6455 (5.1) asks for, since MicroPython takes unmasked ones too.

    webrepl_cli.py sends them. They get the mask 0, which leaves the payload as it is.
    """

    def __init__(self):
        self._header = bytearray()
        self._payload = 0  # bytes still to come

    def feed(self, data):
        """The bytes of `data`, any part of the stream, with masks put in."""
        out = bytearray()
        at = 0
        while at < len(data):
            if self._payload:
                piece = data[at : at + self._payload]
                out += piece
                at += len(piece)
                self._payload -= len(piece)
                continue
            self._header.append(data[at])
            at += 1
            out += self._finish_header()
        return bytes(out)

    def _finish_header(self):
        """The header of a frame, masked, once all of it is there; b"" until then."""
        header = self._header
        if len(header) < 2:
            return b""
        short = header[1] & 0x7F
        size = {126: 2, 127: 8}.get(short, 0)
        masked = bool(header[1] & 0x80)
        if len(header) < 2 + size + 4 * masked:
            return b""
        self._payload = int.from_bytes(header[2 : 2 + size], "big") if size else short
        if not masked:
            header[1] |= 0x80
            header += bytes(4)
        self._header = bytearray()
        return bytes(header)
