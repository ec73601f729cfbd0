"""WebREPL's transport: handshakes of every kind, password, terminal, files, clients that do not behave."""

import asyncio
import contextlib
import socket
import struct

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ports.unix import webrepl
from ports.unix.console import Console
from ports.unix.webrepl import Masker, WebReplServer

PASSWORD = "secret"
RECORD = struct.Struct("<2sBBQLH64s")
PUT, GET, VERSION = 1, 2, 3
OK = b"WB\0\0"


class Board:
    """A WebReplServer with a console, and a device that does its jobs in `files` ({name: bytes})."""

    def __init__(self):
        self.typed = b""
        self.files = {}
        self.jobs = []
        self.open = None
        self.operations = {}
        self.console = Console(self._on_input, lambda: None)
        self.said = b""
        self.console.attach(self._on_output)
        self.server = WebReplServer(self.console, self, "127.0.0.1", 0)
        self.server.register(self)
        self.stalled = False

    def _on_input(self, data):
        self.typed += data

    def _on_output(self, data):
        self.said += data

    # What the server knows as the bus

    def register(self, op, handler):
        self.operations[op] = handler

    def notify(self, irq, blob=b""):
        assert irq == {"irq": "webrepl"}
        if not self.stalled:
            asyncio.get_running_loop().call_soon(self.work)

    # The device

    def start(self, password=PASSWORD):
        args = {"port": 8266, "password": password, "version": [1, 28, 0]}
        self.port = self.operations["webrepl.start"](args, b"")["port"]

    def work(self):
        """Do the jobs that there are."""
        result, data = {}, b""
        while True:
            reply = self.operations["webrepl.next"](result, data)
            if not reply:
                return
            job, data = reply
            self.jobs.append(job["do"])
            result, data = self.do(job, data)

    def do(self, job, data):
        if job["do"] == "open":
            if job["mode"] == "wb":
                self.files[job["name"]] = bytearray()
            elif job["name"] not in self.files:
                return {"error": "OSError: [Errno 2] ENOENT"}, b""
            self.open, self.at = job["name"], 0
        elif job["do"] == "write":
            self.files[self.open] += data
        elif job["do"] == "read":
            self.at += job["size"]
            return {}, bytes(self.files[self.open][self.at - job["size"] : self.at])
        else:
            self.open = None
        return {}, b""


class Client:
    """A WebSocket client: `text` and `data` that have come and were not taken."""

    def __init__(self, socket):
        self.socket = socket
        self.text = ""
        self.data = b""

    async def receive(self):
        message = await asyncio.wait_for(self.socket.recv(), 5)
        if isinstance(message, str):
            self.text += message
        else:
            self.data += message

    async def says(self, text):
        while text not in self.text:
            await self.receive()
        self.text = self.text.partition(text)[2]

    async def take(self, size):
        while len(self.data) < size:
            await self.receive()
        data, self.data = self.data[:size], self.data[size:]
        return data

    async def log_in(self):
        await self.says("Password: ")
        await self.socket.send(PASSWORD + "\r")
        await self.says("\r\nWebREPL connected\r\n>>> ")
        return self

    async def record(self, operation, size=0, name=b""):
        await self.socket.send(RECORD.pack(b"WA", operation, 0, 0, size, len(name), name))

    async def put(self, name, data, piece=1024):
        await self.record(PUT, len(data), name)
        assert await self.take(4) == OK
        for at in range(0, len(data), piece):
            await self.socket.send(data[at : at + piece])
        assert await self.take(4) == OK

    async def get(self, name):
        await self.record(GET, 0, name)
        assert await self.take(4) == OK
        data = b""
        while True:
            await self.socket.send(b"\0")
            (size,) = struct.unpack("<H", await self.take(2))
            if not size:
                assert await self.take(4) == OK
                return data
            assert size <= 256
            data += await self.take(size)


@contextlib.asynccontextmanager
async def client_of(board, **options):
    async with connect(f"ws://127.0.0.1:{board.port}/", compression=None, **options) as socket:
        yield Client(socket)


def check(test):
    """Run `test(board)` with a board that listens."""

    async def body():
        board = Board()
        board.start()
        try:
            await test(board)
        finally:
            await board.server.stop()

    asyncio.run(asyncio.wait_for(body(), 30))


async def until(condition):
    deadline = asyncio.get_running_loop().time() + 5
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.005)


def test_terminal_both_ways():
    async def test(board):
        async with client_of(board) as client:
            board.console.emit(b"not for those who have not logged in")
            await client.log_in()
            await client.socket.send("1 + 1\r")
            await until(lambda: board.typed == b"1 + 1\r")
            board.console.emit("2 äö\r\n".encode()[:4])
            board.console.emit("2 äö\r\n".encode()[4:])
            await client.says("2 äö\r\n")
            assert client.text == ""
        assert b"WebREPL connection from: ('127.0.0.1', " in board.said

    check(test)


def test_a_password_may_come_in_pieces_and_be_followed_by_input():
    async def test(board):
        async with client_of(board) as client:
            await client.says("Password: ")
            for piece in ("sec", "r", "et\rfoo"):
                await client.socket.send(piece)
            await client.says("connected")
            await until(lambda: board.typed == b"foo")

    check(test)


@pytest.mark.parametrize("typed", ["wrong\r", "\r", "secret123456789\r", "wrong\rsecret\r", "secrets\nsecret\n"])
def test_wrong_passwords(typed):
    async def test(board):
        async with client_of(board) as client:
            await client.says("Password: ")
            await client.socket.send(typed)
            await client.says("\r\nAccess denied\r\n")
            with pytest.raises(ConnectionClosed):
                await client.receive()
            assert "connected" not in client.text
        async with client_of(board) as client:
            await client.log_in()

    check(test)


def test_one_client_at_a_time():
    async def test(board):
        async with client_of(board) as first:
            await first.log_in()
            async with client_of(board) as second:
                with pytest.raises(ConnectionClosed):
                    await second.receive()
            assert b"Concurrent WebREPL connection from" in board.said
            await first.socket.send("still here")
            await until(lambda: board.typed == b"still here")
        async with client_of(board) as third:
            await third.log_in()

    check(test)


def test_files():
    async def test(board):
        content = bytes(range(256)) * 41 + b"rest"
        async with client_of(board) as client:
            await client.log_in()
            await client.put(b"/data.bin", content)
            assert board.files == {"/data.bin": content}
            assert await client.get(b"/data.bin") == content
            await client.put(b"/empty", b"")
            assert await client.get(b"/empty") == b""
            await client.put(b"/small", b"0123456789", piece=1)
            assert board.files["/small"] == b"0123456789"
            await client.record(VERSION)
            assert await client.take(3) == b"\x01\x1c\x00"
            board.console.emit(b"and the terminal goes on")
            await client.says("goes on")
        assert board.open is None

    check(test)


def test_a_file_that_is_not_there():
    async def test(board):
        async with client_of(board) as client:
            await client.log_in()
            await client.record(GET, 0, b"/nothing")
            with pytest.raises(ConnectionClosed):
                await client.take(4)
        assert b"dupterm: Exception in read() method, deactivating: OSError: [Errno 2] ENOENT" in board.said
        async with client_of(board) as client:
            await client.log_in()

    check(test)


def test_a_client_that_goes_in_the_middle_of_a_file():
    async def test(board):
        async with client_of(board) as client:
            await client.log_in()
            await client.record(PUT, 5000, b"/half")
            await client.take(4)
            await client.socket.send(bytes(2048))
        await until(lambda: board.jobs[-1:] == ["close"])
        assert board.open is None
        async with client_of(board) as client:
            await client.log_in()
            await client.put(b"/whole", b"content")
        assert board.files["/whole"] == b"content"

    check(test)


def test_a_device_that_is_busy_makes_the_client_wait():
    async def test(board):
        piece, count = bytes(32768), 400

        async def send(client):
            for _ in range(count):
                await client.socket.send(piece)

        async with client_of(board) as client:
            await client.log_in()
            await client.record(PUT, len(piece) * count, b"/slow")
            await client.take(4)
            board.stalled = True
            sending = asyncio.create_task(send(client))
            await asyncio.sleep(0.3)
            assert not sending.done()
            board.stalled = False
            board.work()
            await sending
            assert await client.take(4) == OK
        assert len(board.files["/slow"]) == len(piece) * count

    check(test)


def raw(board):
    """A plain TCP connection to the port."""
    return asyncio.open_connection("127.0.0.1", board.port)


def test_the_handshake_and_frames_of_webrepl_cli():
    async def test(board):
        reader, writer = await raw(board)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: echo.websocket.org\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Key: foo\r\n\r\n"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert await reader.readexactly(12) == b"\x81\x0aPassword: "
        # unmasked, and cut where it is awkward
        record = b"\x52" + RECORD.pack(b"WA", VERSION, 0, 0, 0, 0, b"")
        for piece in (b"\x82", b"\x07sec", b"ret\r\x82\x7e", b"\x00", record):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        answer = await reader.readexactly(2 + 25 + 2 + 3)
        assert answer.endswith(b"\x82\x03\x01\x1c\x00")
        writer.close()

    check(test)


def test_a_browser_gets_a_hint():
    async def test(board):
        reader, writer = await raw(board)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 5)
        assert answer.startswith(b"HTTP/1.1 200 ") and b"webrepl_cli" in answer
        writer.close()

    check(test)


@pytest.mark.parametrize("request_", [b"", b"GET / HT", b"\0" * 9000, b"nonsense\r\n\r\n"])
def test_half_open_connections_end(request_, monkeypatch):
    monkeypatch.setattr(webrepl, "HANDSHAKE_TIMEOUT", 0.2)

    async def test(board):
        reader, writer = await raw(board)
        writer.write(request_)
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
        async with client_of(board) as client:
            await client.log_in()

    check(test)


def test_half_open_connections_do_not_lock_others_out():
    async def test(board):
        held = [await raw(board) for _ in range(3)]
        async with client_of(board) as client:
            await client.log_in()
        for _, writer in held:
            writer.close()

    check(test)


def test_who_does_not_log_in_makes_room(monkeypatch):
    monkeypatch.setattr(webrepl, "LOGIN_TIMEOUT", 0.2)

    async def test(board):
        async with client_of(board) as client:
            await client.says("Password: ")
            with pytest.raises(ConnectionClosed):
                await client.receive()
        async with client_of(board) as client:
            await client.log_in()
            await asyncio.sleep(0.3)
            board.console.emit(b"still here")
            await client.says("still here")

    check(test)


def test_a_reset_closes_listener_and_client():
    async def test(board):
        async with client_of(board) as client:
            await client.log_in()
            board.server.reset()
            assert board.server.address is None
            with pytest.raises(ConnectionClosed):
                await client.receive()
            with pytest.raises((ConnectionError, InvalidStatus)):
                async with client_of(board):
                    pass
            board.start(password="another")
            async with client_of(board) as again:
                await again.says("Password: ")
                await again.socket.send("another\r")
                await again.says("connected")

    check(test)


def test_a_taken_port_is_an_error_of_the_device():
    async def test(board):
        with socket.create_server(("127.0.0.1", 0)) as other:
            args = {"port": other.getsockname()[1], "password": "x", "version": [1, 28, 0]}
            with pytest.raises(webrepl.BusError, match="in use"):
                board.operations["webrepl.start"](args, b"")

    check(test)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("piece", [1, 7, 100000])
def test_masker(size, masked, piece):
    if size < 126:
        length = bytes([size])
    else:
        length = b"\x7e" + struct.pack(">H", size) if size < 65536 else b"\x7f" + struct.pack(">Q", size)
    head = b"\x82" + bytes([length[0] | 0x80 * masked]) + length[1:]
    stream = (head + b"\1\2\3\4" * masked + bytes(size)) * 2
    expected_head = b"\x82" + bytes([length[0] | 0x80]) + length[1:] + (b"\1\2\3\4" if masked else bytes(4))
    masker = Masker()
    out = b"".join(masker.feed(stream[at : at + piece]) for at in range(0, len(stream), piece))
    assert out == (expected_head + bytes(size)) * 2
