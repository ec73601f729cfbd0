"""HTTPS: the server behind TLS, with CPython's ssl as the client."""

import contextlib
import http.client
import json
import pathlib
import socket
import ssl
import subprocess
import time

import pytest

from .conftest import Client, Server, run_vm
from .websocket_client import until

APP = """
import asyncio, gc
from micropAsyncWeb import MicropAsyncWeb, tls

server = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=WEBROOT, **OPTIONS)
tls.enable(server, CERT, KEY)

@server.route("/ping")
def ping(request):
    return "pong"

@server.route("/echo", "POST")
async def echo(request):
    return await request.body()

@server.route("/stream")
async def stream(request):
    for n in range(20000):
        await request.write("%06d\\n" % n)

@server.route("/state")
def state(request):
    gc.collect()
    return [len(server.connections), gc.mem_alloc()]

asyncio.run(server.runAsync())
"""


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """A certificate and its key, both in DER form, made as tls.py says."""
    folder = tmp_path_factory.mktemp("tls")
    text = (pathlib.Path(__file__).parents[3] / "modules" / "micropAsyncWeb" / "tls.py").read_text()
    lines = text[text.index("    openssl req") : text.index("Browsers warn")].replace("\\\\\n", "")
    subprocess.run(["sh", "-ec", lines], cwd=folder, check=True, capture_output=True)
    return folder / "cert.der", folder / "key.der"


class TlsServer(Server):
    """The server with TLS: connect() does the handshake."""

    def __init__(self, webroot, pair, options="", source=APP, heap="600k"):
        self.context = ssl.create_default_context(cadata=pair[0].read_bytes())
        source = f"CERT = {str(pair[0])!r}\nKEY = {str(pair[1])!r}\n" + source
        super().__init__(webroot, options, source, heap)

    def raw(self):
        return Client(self.port)

    def connect(self, timeout=5):
        client = Client(self.port, timeout)
        client.sock = self.context.wrap_socket(client.sock, server_hostname="greenhouse.local")
        return client


@pytest.fixture(scope="module")
def app(webroot, pair):
    server = TlsServer(webroot, pair, "maxConnections=6, headTimeout=1, idleTimeout=2, maxBody=200000")
    yield server
    server.close()


def test_verified_request(app):
    assert app.get("/ping")[::2] == (200, b"pong")


def test_http_client(app):
    conn = http.client.HTTPSConnection("127.0.0.1", app.port, context=app.context, timeout=5)
    conn.sock = app.connect().sock
    for _ in range(3):
        conn.request("GET", "/big.bin")
        assert conn.getresponse().read() == bytes(range(256)) * 400
    conn.close()


def test_keep_alive_and_pipelining(app):
    with app.connect() as client:
        client.send("GET /ping HTTP/1.1\nHost: x\n\n" * 30)
        assert [client.answer()[2] for _ in range(30)] == [b"pong"] * 30


def test_request_larger_than_a_read(app):
    # TLS hands over what it has decrypted in parts: the rest must not wait for more from the network.
    body = bytes(range(256)) * 300
    with app.connect() as client:
        for size in (1, 2000, 15000, len(body)):
            client.send(f"POST /echo HTTP/1.1\nHost: x\nContent-Length: {size}\n\n")
            client.send(body[:size])
            assert client.answer()[2] == body[:size]
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 15000\r\n\r\n" + body[:15000])
        assert client.answer()[2] == body[:15000]


def test_byte_by_byte(app):
    with app.connect() as client:
        for byte in b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n":
            client.send(bytes([byte]))
        assert client.answer()[2] == b"pong"


def test_slow_reader_gets_all(app):
    with app.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        client.send("GET /stream HTTP/1.1\nHost: x\n\n")
        time.sleep(0.3)
        assert app.get("/ping")[0] == 200
        assert client.answer()[2] == b"".join(b"%06d\n" % n for n in range(20000))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2])
def test_versions(app, version):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", app.port), 5) as sock, context.wrap_socket(sock) as client:
        client.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1000).endswith(b"pong")


def test_others_are_served_during_a_handshake_that_stops(app):
    with app.raw() as silent, app.raw() as half:
        half.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        start = time.monotonic()
        assert app.get("/ping")[0] == 200
        assert time.monotonic() - start < 1
        # Both are closed after idleTimeout.
        silent.closed()
        half.closed()


@pytest.mark.parametrize(
    "data",
    [
        b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0" * 100,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\xff" * 20000,
    ],
)
def test_what_is_no_tls_is_closed(app, data):
    with app.raw() as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.send(data)
        assert b"pong" not in client.closed()
    assert app.get("/ping")[0] == 200


def test_silent_clients_do_not_lock_others_out(app):
    silent = [app.raw() for _ in range(10)]
    try:
        for _ in range(3):
            assert app.get("/ping")[0] == 200
    finally:
        for client in silent:
            client.sock.close()


def test_nothing_is_left_behind(app):
    # Handshakes that were not finished, and answers that were not read.
    def round_trip():
        for n in range(30):
            with app.raw() as client:
                client.send(b"\x16\x03\x01"[: n % 4])
            with app.connect() as client:
                client.send("GET /stream HTTP/1.1\nHost: x\n\n")
                assert client.sock.recv(10)

    def settled():
        until(lambda: json.loads(app.get("/state")[2])[0] == 1)
        return json.loads(app.get("/state")[2])[1]

    files = app.files()
    seen = []
    for _ in range(6):
        round_trip()
        seen.append(settled())
    until(lambda: app.files() <= files)
    # A worker that waits may hold the last answer that it has made, so that one is more at times.
    assert min(seen[3:]) < min(seen[:3]) + 2000


@pytest.mark.parametrize("swap", [("cert", "cert"), ("key", "cert"), ("none", "key")])
def test_bad_files(pair, swap):
    names = {"cert": str(pair[0]), "key": str(pair[1]), "none": "/none"}
    out = run_vm(
        "from micropAsyncWeb import MicropAsyncWeb, tls\ntry:\n"
        f"    tls.enable(MicropAsyncWeb(), {names[swap[0]]!r}, {names[swap[1]]!r})\n"
        "except (OSError, ValueError) as error:\n    print(type(error).__name__)\n"
    )
    assert out == ("OSError\n" if "none" in swap else "ValueError\n")


REDIRECT = """
import asyncio
from micropAsyncWeb import tls

asyncio.run(tls.redirector(PORT, TO, "127.0.0.1").runAsync())
"""


@pytest.mark.parametrize(
    "to, host, target, location",
    [
        (443, "device", "/a/b%20?c=1", "https://device/a/b%20?c=1"),
        (443, "device:8080", "/", "https://device/"),
        (8443, "device:8080", "/x", "https://device:8443/x"),
        (443, "192.168.4.1", "/x", "https://192.168.4.1/x"),
        (443, "[fe80::1]:80", "/x", "https://[fe80::1]/x"),
        (443, "device", "http://device/x?y", "https://device/x?y"),
        (443, "device", "//evil/x", "https://device//evil/x"),
    ],
)
def test_redirect(start, to, host, target, location):
    app = start(source=f"TO = {to}\n" + REDIRECT)
    for method in ("GET", "POST"):
        status, header, body = app.ask(f"{method} {target} HTTP/1.1\nHost: {host}\nContent-Length: 0\n\n")
        assert (status, header["location"], body) == (308, location, b"")
    assert app.ask("GET / HTTP/1.1\nHost:\n\n")[0] == 400
