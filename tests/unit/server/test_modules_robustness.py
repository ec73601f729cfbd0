"""The optional modules with clients that mean harm or vanish: others are served, and nothing is lost."""

import contextlib
import json
import socket
import struct

import pytest

from .conftest import Server
from .test_multipart import encode, file, head
from .test_sse import Stream
from .websocket_client import CLOSE, HANDSHAKE, PING, TEXT, Raw, close_frame, frame, until

APP = """
import asyncio, gc
from micropAsyncWeb import MicropAsyncWeb, auth, multipart
from micropAsyncWeb.session import Sessions
from micropAsyncWeb.sse import Broadcast, sse
from micropAsyncWeb.websocket import websocket

server = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=None, maxConnections=16, maxBody=200000, **OPTIONS)
logged = []
server.log = lambda level, text, error: logged.append([level, str(text), repr(error)])
news = Broadcast()
sessions = Sessions()

@server.route("/echo")
@websocket
async def echo(request, ws):
    async for message in ws:
        await ws.send(message)

@server.route("/flood")
@websocket
async def flood(request, ws):
    while True:
        await ws.send(bytes(3000))

@server.route("/events")
@sse
async def events(request, stream):
    while True:
        await stream.send("x" * 500)

@server.route("/news")
@sse
async def serve_news(request, stream):
    await news.serve(stream)

@server.route("/upload", "POST")
async def upload(request):
    await multipart.save(request, WEBROOT)

@server.route("/digest")
@auth.digest({"admin": "secret"})
async def digest(request):
    return request.user

@server.route("/bearer")
@auth.bearer({"token": "me"})
async def bearer(request):
    return request.user

@server.route("/session")
async def session(request):
    sessions.open(request)["n"] = 1

@server.route("/state")
async def state(request):
    gc.collect()
    return {"connections": len(server.connections), "logged": logged, "allocated": gc.mem_alloc()}

asyncio.run(server.runAsync())
"""


# Bytes that 600 clients may leave: the one message that a worker still touches, lists that had to grow, lines that the
# parser remembers. 130 bytes left by each client would be more.
HELD = 75000


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    root = tmp_path_factory.mktemp("robustness")
    server = Server(root, source=APP)
    server.folder = root
    for path in ("/digest", "/bearer", "/session"):
        server.get(path)
    yield server
    assert server.close() == ""


@pytest.fixture(autouse=True)
def nothing_is_lost(app):
    """Afterwards no connection, descriptor or file is left, and nothing was logged."""
    app.state()
    files = app.files()
    yield
    until(lambda: idle(app))
    until(lambda: app.files() <= files)
    assert app.state()["logged"] == []
    assert list(app.folder.iterdir()) == []


def reset(client):
    """Close with a reset instead of an end."""
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sock.close()


def idle(app):
    """Whether all connections but the one that asks are gone. While too many are there, the answer is 503."""
    status, _, body = app.get("/state")
    return status == 200 and json.loads(body)["connections"] == 1


def held(app, rounds):
    """What twelve calls of rounds() leave allocated, in bytes, once four others have given every list its size.

    The unused part of a suspended worker's stack may keep the last thing alive that it touched, up to a whole message
    of 60 KB, which then comes and goes. A leak grows with each client: the least of four samples at either end counts.
    """
    seen = []
    for _ in range(16):
        rounds()
        until(lambda: idle(app))
        seen.append(app.state()["allocated"])
    return min(seen[-4:]) - min(seen[:4])


def test_frame_head_that_promises_a_megabyte(app):
    """It is refused by its head: no room is made for it, and what follows is not read for longer than 2 s."""
    allocated = app.state()["allocated"]
    clients = [Raw(app) for _ in range(5)]
    for client in clients:
        client.send(b"\x82\xff" + (1 << 20).to_bytes(8, "big") + b"mask")
        assert client.message() == (CLOSE, b"\x03\xf1")
    assert app.state()["allocated"] < allocated + 30000
    for client in clients:
        assert client.client.closed() == b""


def test_ping_flood_of_a_client_that_does_not_read(app):
    """The first pong that does not leave stops the reading; others are served, and the memory stays as it is."""
    allocated = app.state()["allocated"]
    with Raw(app) as client:
        client.client.sock.settimeout(0.3)
        pings = frame(PING, "x" * 125) * 200
        with contextlib.suppress(TimeoutError):
            while True:
                client.client.sock.sendall(pings)
        assert app.get("/bearer", "Authorization: Bearer token")[0] == 200
        assert app.state()["allocated"] < allocated + 12000


def test_ping_flood_of_a_client_that_reads(app):
    with Raw(app) as client, app.connect() as other:
        for _ in range(20):
            client.send(frame(PING) * 500)
            assert other.send("GET /bearer HTTP/1.1\nHost: x\nAuthorization: Bearer token\n\n").answer()[0] == 200
            assert client.client._take(1000) == b"\x8a\x00" * 500
        client.send(close_frame(1000)).ended(1000)


@pytest.mark.parametrize("sent", [b"\x81", frame(TEXT, "x" * 50)[:20], frame(TEXT, "x", fin=0), frame(PING)])
def test_half_closed_websocket(app, sent):
    """A client that will send no more has gone: there can be no Close from it."""
    with Raw(app) as client:
        client.send(sent)
        client.client.sock.shutdown(socket.SHUT_WR)
        assert client.client.closed() in (b"", b"\x8a\x00")


def test_half_closed_stream(app):
    with Stream(app, "/news") as stream:
        stream.client.sock.shutdown(socket.SHUT_WR)
        assert stream.event() is None


def test_resets_in_the_middle_of_messages(app):
    """200 of them, in frames that come in and in messages that go out."""

    def rounds():
        for number in range(50):
            client = Raw(app, ("/echo", "/flood")[number % 2])
            client.send(frame(TEXT, "x" * 3000)[: number * 40 + 1])
            if number % 2:
                client.client._more()
            reset(client.client)

    assert held(app, rounds) < HELD


def test_resets_of_handshakes(app):
    def rounds():
        for number in range(50):
            client = app.connect()
            client.send(HANDSHAKE.format("/echo", "").replace("\n", "\r\n")[: number * 4 + 2].encode())
            reset(client)

    assert held(app, rounds) < HELD


def test_resets_of_streams(app):
    def rounds():
        for number in range(50):
            stream = Stream(app, ("/events", "/news")[number % 2])
            if not number % 3:
                stream.client.sock.close()
            else:
                reset(stream.client)

    assert held(app, rounds) < HELD


def test_resets_of_uploads(app):
    body = encode([file("f", "x.bin", b"1" * 3000), file("g", "y.bin", b"2" * 3000)])

    def rounds():
        for number in range(50):
            client = app.connect()
            client.send(head("/upload", len(body)) + body[: number * 100 + 1])
            reset(client)

    assert held(app, rounds) < HELD


def test_strangers_leave_nothing_behind(app):
    """No proof, cookie or nonce that a client makes up takes memory on the device."""

    def rounds():
        with app.connect() as client:
            for number in range(300):
                client.send(
                    f"GET /digest HTTP/1.1\nHost: x\nAuthorization: Digest username={number}, nonce={number:048x}\n\n"
                    f"GET /bearer HTTP/1.1\nHost: x\nAuthorization: Bearer {number}\n\n"
                    f"GET /session HTTP/1.1\nHost: x\nCookie: session=u{number:08x}e30.{number}; a{number}=b\n\n"
                )
                assert [client.answer()[0] for _ in range(3)] == [401, 401, 204]

    assert held(app, rounds) < HELD
