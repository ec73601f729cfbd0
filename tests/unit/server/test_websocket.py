"""micropAsyncWeb.websocket on the VM: handshake, API and limits, mostly against the client of PyPI's `websockets`."""

import os
import socket
import struct
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from .conftest import Server
from .websocket_client import APP, CLOSE, HANDSHAKE, PING, PONG, TEXT, Raw, close_frame, frame, until


@pytest.fixture(scope="module")
def app(webroot):
    server = Server(webroot, source=APP, heap="1600k")
    yield server
    assert server.close() == ""


def url(server, path="/echo"):
    """The WebSocket URL of a path."""
    return f"ws://127.0.0.1:{server.port}{path}"


# The handshake


def test_handshake(app):
    assert Raw(app).header == {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    }


@pytest.mark.parametrize(
    "old, new, status",
    [
        ("Version: 13", "Version: 8", 426),
        ("Sec-WebSocket-Version: 13\n", "", 426),
        ("Upgrade: websocket", "Upgrade: h2c", 426),
        ("keep-alive, Upgrade", "keep-alive", 426),
        ("HTTP/1.1", "HTTP/1.0", 426),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "!GhlIHNhbXBsZSBub25jZQ==", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n", "", 400),
        ("GET", "POST", 405),
    ],
)
def test_refused_handshakes(app, old, new, status):
    got = app.ask(HANDSHAKE.format("/echo", "").replace(old, new))
    assert got[0] == status
    if status == 426:
        assert got[1]["sec-websocket-version"] == "13"
        assert got[1]["upgrade"] == "websocket"


def test_names_and_tokens_in_any_case(app):
    text = HANDSHAKE.format("/echo", "").replace("websocket\n", "WebSocket\n").replace("Upgrade\n", "uPGRADE\n")
    assert app.ask(text.replace("Sec-WebSocket-Key", "sec-websocket-KEY"), head=True)[0] == 101


def test_plain_request(app):
    with app.connect() as client:
        assert client.send("GET /echo HTTP/1.1\nHost: x\n\n").answer()[0] == 426
        assert client.send("HEAD /echo HTTP/1.1\nHost: x\n\n").answer(head=True)[0] == 426
        assert client.send("GET /state HTTP/1.1\nHost: x\n\n").answer()[0] == 200


@pytest.mark.parametrize(
    "path, origin, status",
    [
        ("/echo", "http://x", 101),
        ("/echo", "https://X", 101),
        ("/echo", "http://evil.example", 403),
        ("/echo", "http://x:81", 403),
        ("/echo", "null", 403),
        ("/origins", "https://good.example", 101),
        ("/origins", "http://good.example", 403),
        ("/origins", "http://x", 403),
        ("/any", "null", 101),
    ],
)
def test_origin(app, path, origin, status):
    with Raw(app, path, f"Origin: {origin}\n") as client:
        assert client.status == status


@pytest.mark.parametrize("offered, chosen", [(["a", "c", "b"], "c"), (["b"], "b"), (["a"], None), (None, None)])
def test_subprotocols(app, offered, chosen):
    with connect(url(app, "/protocol"), subprotocols=offered) as client:
        assert client.subprotocol == chosen
        assert client.recv() == str(chosen)


def test_frames_behind_the_handshake(app):
    with Raw(app, early=frame(TEXT, "early") + frame(PING, "p") + frame(TEXT, "bird")[:5]) as client:
        client.send(frame(TEXT, "bird")[5:])
        assert [client.message() for _ in range(3)] == [(TEXT, b"early"), (PONG, b"p"), (TEXT, b"bird")]


# With an independent client


@pytest.mark.parametrize("size", [0, 1, 125, 126, 511, 512, 513, 2047, 5000, 65535, 65536])
def test_echo(app, size):
    with connect(url(app), compression=None) as client:
        text = "\u00e9\u4e16\U0001f600" * (size // 9) + "x" * (size % 9)
        client.send(text)
        assert client.recv() == text
        data = os.urandom(size)
        client.send(data)
        assert client.recv() == data
        if size:
            client.send([text[: size // 3], text[size // 3 :], ""])
            assert client.recv() == text
        assert client.ping().wait(2)
    assert (client.close_code, client.close_reason) == (1000, "")


def test_compression_is_declined(app):
    with connect(url(app)) as client:
        client.send("x" * 1000)
        assert client.recv() == "x" * 1000
        assert client.protocol.extensions == []


def test_client_closes(app):
    with connect(url(app)) as client:
        client.close(3001, "b\u00fce")
    until(lambda: app.state()["seen"][-1] == [3001, "b\u00fce", True])


@pytest.mark.parametrize("code, reason", [(1000, ""), (1001, "away"), (4999, "\u00fc" * 61)])
def test_handler_closes(app, code, reason):
    with connect(url(app, "/close")) as client:
        client.send(f"{code} {reason}")
        with pytest.raises(ConnectionClosed) as caught:
            client.recv()
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (code, reason)
    until(lambda: app.state()["seen"][-1] == [code, reason])


@pytest.mark.parametrize("text", ["1005", "1006", "999", "1015", "5000", "1000 " + "x" * 124])
def test_codes_that_cannot_be_sent(app, text):
    with connect(url(app, "/close")) as client:
        client.send(text)
        assert client.recv() == "ValueError"


def test_handler_returns(app):
    with connect(url(app, "/protocol")) as client:
        client.recv()
        with pytest.raises(ConnectionClosed) as caught:
            client.recv()
    assert caught.value.rcvd.code == 1000


def test_handler_raises(app):
    with connect(url(app, "/boom")) as client, pytest.raises(ConnectionClosed) as caught:
        client.recv()
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1011, "")
    assert "secret detail" in app.state()["logged"][-1][2]


def test_closed_is_not_logged(app):
    before = app.state()
    with connect(url(app, "/receive")) as client:
        client.send("hello")
        assert client.recv() == "hello"
    until(lambda: app.state()["seen"][-1] == [1000, ""])
    assert app.state()["logged"] == before["logged"]


def test_parts(app):
    with connect(url(app, "/parts")) as client:
        assert client.ping().wait(0.25), "a pong waits for the end of a message"
        assert list(client.recv_streaming()) == [b"part", b"part", b"part", b""]
        assert client.recv() == ""
        assert client.recv() == b"view"
        assert client.recv() == bytes(2000)


def test_message_that_cannot_be_ended_ends_the_connection(app):
    with Raw(app, "/broken-parts") as client:
        assert client.frame() == (TEXT, b"one")
        assert client.client.closed() == b""


def test_senders_do_not_mix(app):
    with connect(url(app, "/crowd"), max_size=None) as client:
        time.sleep(0.3)  # so that the socket fills up in the middle of a frame
        got = []
        while (message := client.recv()) != "end":
            assert len(set(message)) == 1
            got.append((message[0], len(message)))
        sizes = [size for count in (1, 300, 5000, 20000, 70000) for size in (count, 200)]
        for letter in "abcd":
            assert [size for first, size in got if first == letter] == sizes


def test_receive_with_timeout(app):
    with connect(url(app, "/timeout")) as client:
        assert [client.recv() for _ in range(3)] == ["nothing"] * 3
        client.send("something")
        assert client.recv() == "something"


# Limits of the server


def test_idle_websocket_stays_and_is_not_evicted(start):
    server = start("maxConnections=2", source=APP)
    with Raw(server) as one, Raw(server) as two:
        time.sleep(1.6)  # idleTimeout is 1
        assert server.get("/state")[0] == 503
        for client in (one, two):
            client.send(frame(TEXT, "still"))
            assert client.message() == (TEXT, b"still")
        one.send(close_frame(1000)).ended(1000)
        assert server.get("/state")[0] == 200


def test_stop_says_1001(start):
    server = start(source=APP)
    with Raw(server) as busy, Raw(server, "/only-sends") as sends:
        server.get("/stop")
        busy.ended(1001)
        while (got := sends.message())[0] == TEXT:
            pass
        assert got == (CLOSE, b"\x03\xe9")
        sends.send(frame(CLOSE, got[1]))
        assert sends.client.closed() == b""
    server.process.wait(5)
    assert server.process.returncode == 0


def test_slow_reader(start):
    server = start("writeTimeout=1", source=APP)
    with Raw(server, "/flood") as client:
        until(lambda: server.state()["seen"] == [[1006, ""]])
        until(lambda: server.state()["connections"] == 1)
        assert client.client.closed()


def test_large_frame_begun_and_never_ended(app):
    files = app.files()
    with Raw(app) as client:
        client.send(frame(TEXT, "x" * 60000)[:30000])
        time.sleep(0.1)
    until(lambda: app.files() == files)


def test_abrupt_disconnects(app):
    files = app.files()
    logged = app.state()["logged"]
    for number in range(60):
        client = Raw(app, ("/echo", "/only-sends", "/parts")[number % 3])
        client.send(frame(TEXT, "x" * 50)[: number + 2])
        if number % 2:
            client.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.client.sock.close()
    until(lambda: app.files() == files)
    until(lambda: app.state()["connections"] == 1)
    until(lambda: app.state()["sockets"] == 0)
    assert app.state()["logged"] == logged


def test_pings_are_answered_while_the_handler_does_something_else(app):
    with Raw(app, "/only-sends") as client:
        client.frame()
        began = time.monotonic()
        client.send(frame(PING, "now"))
        assert client.frame() == (128 | PONG, b"now")
        assert time.monotonic() - began < 0.2
        client.send(close_frame(1000))
        assert client.message() == (CLOSE, b"\x03\xe8")
        assert client.client.closed() == b""


def test_unread_messages_make_the_client_wait(app):
    allocated = app.state()["allocated"]
    with Raw(app, "/deaf") as client:
        client.client.sock.settimeout(0.3)
        data = frame(TEXT, "x" * 1000) * 20000
        with pytest.raises(TimeoutError):
            client.client.sock.sendall(data)
        assert app.state()["allocated"] < allocated + 8000
        client.client.sock.settimeout(5)
        assert client.message() == (TEXT, b"x" * 1000)


def test_keep_alive(app):
    with connect(url(app, "/ping"), ping_interval=None) as client:
        with pytest.raises(TimeoutError):
            client.recv(2)  # the library answers the pings
        client.send("")
    with Raw(app, "/ping") as client:
        assert client.frame() == (128 | PING, b"")
        began = time.monotonic()
        assert client.client.closed() == b""
        assert time.monotonic() - began < 1.5
    until(lambda: app.state()["seen"][-1] == [1006, ""])


def test_memory_of_many_messages(start):
    server = start(source=APP, heap="160k")
    with connect(url(server), compression=None) as client:

        def burst(count):
            sender = threading.Thread(target=lambda: [client.send(f"message {n}") for n in range(count)])
            sender.start()
            for number in range(count):
                assert client.recv() == f"message {number}"
            sender.join()

        burst(500)  # until every list and dict has its size
        before = server.state()["allocated"]
        burst(20000)
        assert abs(server.state()["allocated"] - before) < 2000


def test_memory_of_an_idle_websocket(start):
    server = start(source=APP)
    for _ in range(3):
        with Raw(server):
            pass
    before = server.state()["allocated"]
    clients = [Raw(server) for _ in range(10)]
    assert (server.state()["allocated"] - before) / 10 < 3500  # about half of it on a 32-bit chip
    for client in clients:
        client.client.sock.close()


def test_hooks_see_the_head(start):
    server = start(source=APP)
    server.get("/hooked")
    with Raw(server) as client:
        assert client.header["x-hook"] == "yes"
        client.send(frame(TEXT, "a"))
        assert client.message() == (TEXT, b"a")
        client.send(close_frame(1000)).ended(1000)
    assert server.state()["logged"] == []


def test_refused_by_the_library(app):
    with pytest.raises(InvalidStatus) as caught:
        connect(url(app), origin="http://evil.example")
    assert caught.value.response.status_code == 403
