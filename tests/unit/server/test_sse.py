"""micropAsyncWeb.sse on the VM, read by a parser written after WHATWG HTML section 9.2.6."""

import itertools
import socket
import struct
import time

import pytest

from .conftest import Server
from .websocket_client import until

APP = """
import asyncio, gc
from micropAsyncWeb import MicropAsyncWeb, Response
from micropAsyncWeb.sse import Broadcast, Closed, sse

limits = dict(maxConnections=16, idleTimeout=1, webroot=None)
limits.update(OPTIONS)
web = MicropAsyncWeb(port=PORT, address="127.0.0.1", **limits)
logged = []
web.log = lambda level, text, error: logged.append([level, str(text), repr(error)])
seen = []
news = Broadcast(limit=3000)

@web.route("/events")
@sse
async def events(request, stream):
    await stream.send("one")
    await stream.send("two\\nlines\\r\\nand\\rmore\\n", event="kind", id=7, retry=2500)
    await stream.send("")
    await stream.send({"a": [1, None]}, id="\u00fc")
    await stream.send(id="")
    await stream.send(" x: y")

@web.route("/last")
@sse
async def last(request, stream):
    await stream.send([stream.last_event_id, request.path, request.header.get("host")])

@web.route("/refused")
@sse
async def refused(request, stream):
    for fields in ({"event": "a\\nb"}, {"id": "a\\rb"}, {"id": "a\\0b"}):
        try:
            await stream.send("x", **fields)
        except ValueError as error:
            await stream.send(str(error))

@web.route("/ticks")
@sse
async def ticks(request, stream):
    for number in range(4):
        await stream.send(number)
        await asyncio.sleep_ms(150)

@web.route("/quiet")
@sse(keep_alive=0.3)
async def quiet(request, stream):
    try:
        await stream.wait()
        await stream.send("x")
    except Closed:
        seen.append(["closed", stream.closed])
        raise

@web.route("/flood")
@sse
async def flood(request, stream):
    try:
        while True:
            await stream.send("x" * 1000)
    finally:
        seen.append("flooded")

@web.route("/count")
@sse
async def count(request, stream):
    for number in range(3000):
        await stream.send("y" * 3000, id=number)

@web.route("/boom")
@sse
async def boom(request, stream):
    await stream.send("begun")
    raise ValueError("secret detail")

@web.route("/news")
@sse
async def serve_news(request, stream):
    await news.serve(stream)

@web.route("/say/*")
def say(request):
    for number in range(int(request.query.get("n", 1))):
        news.send(request.params[0] * int(request.query.get("size", 1)), id=number)
    return [len(news.streams)]

@web.route("/state")
async def state(request):
    gc.collect()
    return {"connections": len(web.connections), "logged": logged, "seen": seen, "allocated": gc.mem_alloc(),
            "streams": len(news.streams), "waits": any(getattr(conn, "busy", False) for conn in web.connections)}

@web.route("/stop")
def stop(request):
    web.stop()

asyncio.run(web.runAsync())
"""


@pytest.fixture(scope="module")
def app(webroot):
    server = Server(webroot, source=APP)
    yield server
    assert server.close() == ""


class Stream:
    """A client of a stream, as a browser's EventSource."""

    def __init__(self, server, path, fields="", version="1.1"):
        self.client = server.connect()
        self.client.send(f"GET {path} HTTP/{version}\nHost: x\nAccept: text/event-stream\n{fields}\n")
        self.status, self.header, _ = self.client.answer(head=True)
        self.last = fields.partition(": ")[2].strip()
        self.retry = None
        self.comments = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.sock.close()

    def event(self):
        """The next event: (type, data, last event id); None at the end."""
        kind, data = "message", None
        while True:
            while b"\n" not in self.client.data:
                if not self.client._more():
                    assert self.client.data == b""
                    return None
            line, _, self.client.data = self.client.data.partition(b"\n")
            assert b"\r" not in line
            name, _, value = line.decode().partition(":")
            value = value[1:] if value[:1] == " " else value
            if not line:
                if data is not None:
                    return kind, data[:-1], self.last
                kind = "message"
            elif not name:
                self.comments += 1
            elif name == "data":
                data = (data or "") + value + "\n"
            elif name == "event":
                kind = value
            elif name == "id":
                self.last = value
            elif name == "retry":
                self.retry = int(value)


def test_head(app):
    with Stream(app, "/events") as stream:
        assert stream.status == 200
        assert stream.header == {
            "content-type": "text/event-stream",
            "cache-control": "no-store",
            "x-accel-buffering": "no",
            "connection": "close",
        }


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_events(app, version):
    with Stream(app, "/events", version=version) as stream:
        assert stream.event() == ("message", "one", "")
        assert stream.event() == ("kind", "two\nlines\nand\nmore\n", "7")
        assert stream.retry == 2500
        assert stream.event() == ("message", "", "7")
        assert stream.event() == ("message", '{"a": [1, null]}', "\u00fc")
        assert stream.event() == ("message", " x: y", "")
        assert stream.event() is None
    until(lambda: app.state()["connections"] == 1)


@pytest.mark.parametrize("last", ["", "41", "\u00fc/1"])
def test_last_event_id(app, last):
    with Stream(app, "/last", last and f"Last-Event-ID: {last}\n") as stream:
        assert stream.event()[1] == f'["{last}", "/last", "x"]'


def test_bytes_of_a_stream(app):
    with app.connect() as client:
        data = client.send("GET /events HTTP/1.1\nHost: x\n\n").closed()
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"Content-Type: text/event-stream",
        b"Cache-Control: no-store",
        b"X-Accel-Buffering: no",
        b"Connection: close",
    ]
    assert body == (
        b"data: one\n\n"
        b"event: kind\nid: 7\nretry: 2500\ndata: two\ndata: lines\ndata: and\ndata: more\ndata: \n\n"
        b"data: \n\n"
        b'id: \xc3\xbc\ndata: {"a": [1, null]}\n\n'
        b"id: \n\n"
        b"data:  x: y\n\n"
    )


def test_bytes_of_the_keep_alive(app):
    """Comments, and nothing but comments, until the client goes."""
    with app.connect() as client:
        client.send("GET /quiet HTTP/1.1\nHost: x\n\n").answer(head=True)
        while len(client.data) < 12:
            client._more()
        assert client.data == b":\n\n" * (len(client.data) // 3)


def test_reader_that_is_slow_gets_every_byte(app):
    """send() waits for it; nothing is lost, doubled or cut while it does."""
    with app.connect() as client:
        client.send("GET /count HTTP/1.1\nHost: x\n\n").answer(head=True)
        until(lambda: app.state()["waits"])
        assert client.closed() == b"".join(b"id: %d\ndata: %s\n\n" % (n, b"y" * 3000) for n in range(3000))


@pytest.mark.parametrize("fields", ["Last-Event-ID: 41\n", "last-event-id:41\n"])
def test_bytes_of_the_last_event_id(app, fields):
    with app.connect() as client:
        data = client.send(f"GET /last HTTP/1.1\nHost: x\n{fields}\n").closed()
    assert data.endswith(b'\r\n\r\ndata: ["41", "/last", "x"]\n\n')


def test_fields_cannot_be_smuggled(app):
    with Stream(app, "/refused") as stream:
        assert [stream.event()[1] for _ in range(3)] == ["event", "id", "id"]


def test_each_event_leaves_at_once(app):
    with Stream(app, "/ticks") as stream:
        times = []
        while event := stream.event():
            times.append(time.monotonic())
            assert event[1] == str(len(times) - 1)
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert len(gaps) == 3 and min(gaps) > 0.1


def test_head_and_other_methods(app):
    head = app.ask("HEAD /quiet HTTP/1.1\nHost: x\n\n", head=True)
    assert (head[0], head[1]["content-type"]) == (200, "text/event-stream")
    assert app.ask("POST /quiet HTTP/1.1\nHost: x\nContent-Length: 0\n\n")[0] == 405


def test_keep_alive_and_client_that_goes(app):
    with Stream(app, "/quiet") as stream:
        deadline = time.monotonic() + 3
        while stream.client.data.count(b":\n\n") < 3:
            stream.client._more()
            assert time.monotonic() < deadline
    until(lambda: app.state()["seen"][-1:] == [["closed", True]], 1)
    until(lambda: app.state()["connections"] == 1)


def test_exception_ends_the_stream_and_is_logged(app):
    with Stream(app, "/boom") as stream:
        assert stream.event()[1] == "begun"
        assert stream.event() is None
    assert "secret detail" in app.state()["logged"][-1][2]


def test_slow_client_is_disconnected(start):
    server = start("writeTimeout=1", source=APP)
    with Stream(server, "/flood"):
        until(lambda: server.state()["seen"] == ["flooded"])
        until(lambda: server.state()["connections"] == 1)


def test_broadcast(app):
    streams = [Stream(app, "/news") for _ in range(5)]
    assert app.get("/say/hello?n=3")[2] == b"[5]"
    for stream in streams:
        assert [stream.event() for _ in range(3)] == [("message", "hello", str(number)) for number in range(3)]
        stream.client.sock.close()
    until(lambda: app.state()["streams"] == 0)
    assert app.get("/say/hello")[2] == b"[0]"


def test_broadcast_disconnects_who_is_too_slow(app):
    allocated = app.state()["allocated"]
    with Stream(app, "/news") as slow, Stream(app, "/news") as fast:
        count = 0
        while app.state()["streams"] == 2:
            app.get("/say/x?n=50&size=1000")
            for _ in range(50):
                assert fast.event()[1] == "x" * 1000
            count += 1
            assert count < 400
        assert app.state()["allocated"] < allocated + 20000
        assert slow.client.closed()
        app.get("/say/on")
        assert fast.event()[1] == "on"
    until(lambda: app.state()["streams"] == 0)


def test_broadcast_of_more_than_the_limit_reaches_who_keeps_up(app):
    """The limit is for what has to wait: 3000 bytes here."""
    with Stream(app, "/news") as stream:
        for _ in range(3):
            assert app.get("/say/x?size=20000")[2] == b"[1]"
            assert stream.event()[1] == "x" * 20000


def test_stop_ends_streams(start):
    server = start(source=APP)
    with Stream(server, "/quiet") as quiet, Stream(server, "/news") as news:
        began = time.monotonic()
        server.get("/stop")
        assert quiet.event() is None
        assert news.event() is None
        server.process.wait(5)
        assert time.monotonic() - began < 2
    assert server.process.returncode == 0


def test_streams_are_not_idle(start):
    server = start("maxConnections=2", source=APP)
    with Stream(server, "/quiet") as quiet, Stream(server, "/news"):
        time.sleep(1.6)  # idleTimeout is 1
        assert server.get("/state")[0] == 503
        quiet.client.sock.close()
        until(lambda: server.get("/state")[0] == 200)


def test_abrupt_disconnects(app):
    files = app.files()
    logged = app.state()["logged"]
    for number in range(60):
        stream = Stream(app, ("/flood", "/news", "/quiet", "/ticks")[number % 4])
        if number % 3:
            stream.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.client.sock.close()
        if not number % 8:
            app.get("/say/x")
    until(lambda: app.files() == files)
    until(lambda: app.state()["connections"] == 1 and app.state()["streams"] == 0)
    assert app.state()["logged"] == logged


def test_memory_of_many_events(start):
    server = start(source=APP, heap="160k")
    with Stream(server, "/news") as stream:

        def burst(count):
            for _ in range(count):
                server.get("/say/x?n=20&size=50")
                for _ in range(20):
                    assert stream.event()[1] == "x" * 50

        burst(10)
        before = server.state()["allocated"]
        burst(300)
        assert abs(server.state()["allocated"] - before) < 2000
