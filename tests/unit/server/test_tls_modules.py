"""The optional modules behind TLS: WebSockets, server-sent events, uploads and authentication."""

import base64
import hashlib
import json
import os
import re
import socket
import time

import pytest
from websockets.sync.client import connect

from .test_multipart import encode, field, file, head
from .test_sse import Stream
from .test_tls import TlsServer, pair  # noqa: F401
from .websocket_client import CLOSE, PING, PONG, TEXT, Raw, close_frame, frame, until

APP = """
import asyncio, gc
from micropAsyncWeb import MicropAsyncWeb, auth, multipart, tls
from micropAsyncWeb.sse import Broadcast, sse
from micropAsyncWeb.websocket import websocket

server = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=WEBROOT, maxBody=500000, **OPTIONS)
tls.enable(server, CERT, KEY)
logged = []
server.log = lambda level, text, error: logged.append([level, str(text), repr(error)])
news = Broadcast(limit=50000)

@server.route("/echo")
@websocket(max_message=70000)
async def echo(request, ws):
    async for message in ws:
        await ws.send(message)

@server.route("/flood")
@websocket
async def flood(request, ws):
    for number in range(100):
        await ws.send(b"%06d" % number * 1000)

@server.route("/ticks")
@sse
async def ticks(request, stream):
    for number in range(int(request.query["n"])):
        await stream.send("%d " % number * 20, id=number)

@server.route("/quiet")
@sse(keep_alive=0.3)
async def quiet(request, stream):
    await stream.wait()

@server.route("/news")
@sse
async def serve_news(request, stream):
    await news.serve(stream)

@server.route("/say")
def say(request):
    news.send("%s %s" % ("x" * int(request.query["size"]), request.query["from"]))
    return [len(news.streams), sum(len(stream._link.out) for stream in news.streams)]

@server.route("/upload", "POST")
async def upload(request):
    form = await multipart.save(request, WEBROOT)
    return [form.fields, [[file.path[len(WEBROOT):], file.size] for file in form.files]]

async def whom(request):
    return request.user

server.appendRoutes([
    ["/basic", auth.basic({"admin": "secret"})(whom)],
    ["/bearer", auth.bearer({"t0ken": "me"})(whom)],
    ["/digest", auth.digest({"admin": "secret"})(whom)],
])

@server.route("/state")
def state(request):
    gc.collect()
    return {"connections": len(server.connections), "logged": logged, "allocated": gc.mem_alloc()}

asyncio.run(server.runAsync())
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory, pair):  # noqa: F811
    root = tmp_path_factory.mktemp("tls-modules")
    server = TlsServer(root, pair, "maxConnections=8", APP, "800k")
    server.folder = root
    yield server
    assert server.close() == ""


@pytest.fixture(autouse=True)
def settled(app):
    """Nothing is left open, and nothing was logged."""
    yield
    until(lambda: app.state()["connections"] == 1)
    assert app.state()["logged"] == []


def websocket(app, path="/echo", **options):
    """PyPI's client, over TLS."""
    sock = socket.create_connection(("127.0.0.1", app.port), 5)
    return connect(f"wss://greenhouse.local:{app.port}{path}", ssl=app.context, sock=sock, compression=None, **options)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 3000, 16384, 65536])
def test_websocket_echo(app, size):
    with websocket(app) as client:
        data = os.urandom(size)
        client.send(data)
        assert client.recv() == data
        client.send("\u20ac" * (size // 3))
        assert client.recv() == "\u20ac" * (size // 3)
        assert client.ping().wait(2)
    assert client.close_code == 1000


def test_websocket_many_frames_in_one_record(app):
    """What TLS has decrypted and the server not yet read must not wait for more from the network."""
    with Raw(app) as client:
        client.send(*[frame(TEXT, f"message {number}") + frame(PING, f"{number}") for number in range(300)])
        for number in range(300):
            assert client.message() == (TEXT, b"message %d" % number)
            assert client.frame() == (128 | PONG, b"%d" % number)
        client.send(close_frame(1000)).ended(1000)


def test_websocket_byte_by_byte(app):
    with Raw(app) as client:
        client.send(frame(TEXT, "\u20ac" * 50), chop=1)
        assert client.message() == (TEXT, ("\u20ac" * 50).encode())
        client.send(close_frame(1000)).ended(1000)


def test_websocket_slow_reader_gets_all(app):
    with websocket(app, "/flood") as client:
        time.sleep(0.5)
        got = list(client)
    assert got == [b"%06d" % number * 1000 for number in range(100)]


def test_pongs_to_a_client_that_reads_late(app):
    """What is queued while TLS holds a record that it could not send comes whole and in order behind it."""
    sent = 0
    with Raw(app) as client:
        client.client.sock.settimeout(0.5)
        try:
            while True:
                client.send(*[frame(PING, b"%06d" % number * 20) for number in range(sent, sent + 50)])
                sent += 50
        except TimeoutError:
            pass
        for number in range(sent):
            assert client.frame() == (128 | PONG, b"%06d" % number * 20)


def test_events(app):
    with Stream(app, "/ticks?n=300") as stream:
        for number in range(300):
            assert stream.event() == ("message", f"{number} " * 20, str(number))
        assert stream.event() is None


def test_keep_alive_comment_and_client_that_goes(app):
    with Stream(app, "/quiet") as stream:
        while stream.client.data.count(b":\n\n") < 2:
            stream.client._more()


@pytest.mark.parametrize("size", [3000, 9000])
def test_broadcast_to_a_client_that_reads_late(app, size):
    """A record that TLS holds back is followed by all that was queued behind it: none is lost, none comes twice."""

    sent = 0
    with Stream(app, "/news") as stream, app.connect() as other:
        behind = 0
        while behind < 4:
            streams, waiting = json.loads(
                other.send(f"GET /say?from={sent}&size={size} HTTP/1.1\nHost: x\n\n").answer()[2]
            )
            assert streams == 1
            sent += 1
            behind += waiting > 0
        for number in range(sent):
            assert stream.event()[1] == "x" * size + f" {number}"


def test_upload(app):
    data = os.urandom(100000)
    body = encode([field("note", b"bed 3"), file("f", "plan.bin", data)])
    with app.connect() as client:
        answer = client.send(head("/upload", len(body)) + body).answer()
        assert (answer[0], json.loads(answer[2])) == (200, [{"note": "bed 3"}, [["/plan.bin", len(data)]]])
        assert (app.folder / "plan.bin").read_bytes() == data
        client.send("GET /state HTTP/1.1\nHost: x\n\n")
        assert client.answer()[0] == 200


def test_upload_that_breaks_off_leaves_nothing(app):
    before = set(app.folder.iterdir())
    body = encode([file("f", "half.bin", b"x" * 20000)])
    with app.connect() as client:
        client.send(head("/upload", len(body)) + body[:15000])
        until(lambda: set(app.folder.iterdir()) != before)
    until(lambda: set(app.folder.iterdir()) == before)


def test_authentication(app):
    proof = base64.b64encode(b"admin:secret").decode()
    assert app.get("/basic", f"Authorization: Basic {proof}")[::2] == (200, b"admin")
    assert app.get("/basic")[0] == 401
    assert app.get("/bearer", "Authorization: Bearer t0ken")[::2] == (200, b"me")
    challenge = app.get("/digest")[1]["www-authenticate"]
    nonce = re.search('nonce="(.*?)"', challenge)[1]

    def sha(text):
        return hashlib.sha256(text.encode()).hexdigest()

    response = sha(f"{sha('admin:device:secret')}:{nonce}:00000001:c:auth:{sha('GET:/digest')}")
    fields = f'username="admin", realm="device", nonce="{nonce}", uri="/digest", response="{response}"'
    fields += ', algorithm=SHA-256, qop=auth, nc=00000001, cnonce="c"'
    assert app.get("/digest", f"Authorization: Digest {fields}")[::2] == (200, b"admin")
    assert app.get("/digest", f"Authorization: Digest {fields}")[0] == 401


def test_clients_that_vanish(app):
    """Neither a descriptor nor memory is lost."""

    def rounds():
        for number in range(20):
            with Stream(app, "/ticks?n=2000"):
                pass
            with Raw(app, ("/echo", "/flood")[number % 2]) as client:
                client.send(frame(TEXT, "x" * 500)[: number * 20 + 2])
        until(lambda: app.state()["connections"] == 1)
        return app.state()["allocated"]

    app.state()
    files = app.files()
    seen = [rounds() for _ in range(6)]
    until(lambda: app.files() <= files)
    # A worker that waits may hold the last answer that it has made, so that one is more at times.
    assert min(seen[3:]) < min(seen[:3]) + 2000


def test_stop_says_1001(tmp_path, pair):  # noqa: F811
    source = APP.replace("def state(request):", "def state(request):\n    server.stop()")
    server = TlsServer(tmp_path, pair, source=source)
    try:
        with Raw(server) as client, Stream(server, "/quiet") as stream:
            server.get("/state")
            assert client.message() == (CLOSE, b"\x03\xe9")
            client.send(frame(CLOSE, b"\x03\xe9"))
            assert stream.event() is None
        server.process.wait(5)
    finally:
        assert server.close() == ""
