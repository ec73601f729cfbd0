"""Clients that mean no good, or are broken, or simply many: a normal request is answered all the while."""

import contextlib
import selectors
import socket
import time

import pytest

PING = "GET /ping HTTP/1.1\nHost: x\n\n"


@pytest.fixture(scope="module")
def server(webroot):
    from .conftest import Server

    server = Server(webroot, "maxConnections=8, headTimeout=0.6, bodyTimeout=1, idleTimeout=2")
    yield server
    server.close()


@pytest.fixture(autouse=True)
def unharmed(server):
    """After each test: the server answers, and has nothing left of what the test did to it."""
    ping_within_a_second(server)
    server.get("/missing")
    server.get("/")
    files, before = server.files(), server.state()
    yield
    ping_within_a_second(server)
    deadline = time.monotonic() + 5
    while server.files() > files or server.state()["connections"] > 1:
        assert time.monotonic() < deadline, "connections are left open"
        time.sleep(0.05)
    after = server.state()
    assert after["logged"] == before["logged"]
    assert after["allocated"] < before["allocated"] + 16000


def ping_within_a_second(server):
    began = time.monotonic()
    assert server.get("/ping")[2] == b"pong"
    assert time.monotonic() - began < 1


def test_twenty_silent_connections(server):
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(server.connect())
        ping_within_a_second(server)


def test_twenty_half_requests(server):
    with contextlib.ExitStack() as stack:
        for number in range(20):
            stack.enter_context(server.connect()).send(PING[: number + 1])
        ping_within_a_second(server)


@pytest.mark.parametrize("begun", ["", "POST /echo HTTP/1.1\nHost: x\nContent-Length: 500\n\n"])
def test_byte_after_byte(server, begun):
    """Clients that send a byte now and then hold a connection no longer than the time-out says."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()).send(begun) for _ in range(6)]
        began = time.monotonic()
        while clients:
            for client in clients[:]:
                try:
                    client.send("x")
                except ConnectionError:
                    clients.remove(client)
            ping_within_a_second(server)
            time.sleep(0.05)
            if begun and time.monotonic() - began > 1.5:
                # Each byte of a body is progress: the handler may go on waiting for it, others are served.
                break
            assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    "head, status",
    [
        ("GET /ping HTTP/1.1\nHost: x\nX: " + "a" * 1000000 + "\n\n", 431),
        ("GET /ping HTTP/1.1\nHost: x\n" + "".join(f"X-{n}: {n}\n" for n in range(1000)) + "\n", 431),
        ("GET /" + "a" * 1000000 + " HTTP/1.1\nHost: x\n\n", 414),
        ("G" * 1000000, 414),
    ],
    ids=["header of 1 MB", "1000 headers", "target of 1 MB", "method of 1 MB"],
)
def test_enormous_heads(server, head, status):
    """Are answered as soon as they are too long. What the client still sends may make the system send a reset then."""
    for _ in range(3):
        with server.connect() as client, contextlib.suppress(ConnectionError):
            client.sock.settimeout(2)
            client.send(head)
        ping_within_a_second(server)
    with server.connect() as client:
        client.send(head[:2048] if len(head) > 2048 else head)
        assert client.answer()[0] == status


def test_empty_lines_without_end(server):
    with server.connect() as client, contextlib.suppress(ConnectionError):
        for _ in range(300):
            client.send("\n" * 1000)
        ping_within_a_second(server)


def test_fifty_at_once(start):
    """With room for all, all are answered; with less room all get an answer or a close, and it takes no time."""
    for room in (50, 4):
        server = start(f"maxConnections={room}")
        clients = [server.connect() for _ in range(50)]
        for client in clients:
            with contextlib.suppress(ConnectionError):
                client.send("GET /slow?ms=100 HTTP/1.1\nHost: x\nConnection: close\n\n")
        began = time.monotonic()
        answers = [client.closed() for client in clients]
        assert time.monotonic() - began < 1.5
        served = sum(answer.endswith(b"slow") for answer in answers)
        turned_away = sum(answer.startswith(b"HTTP/1.1 503 ") for answer in answers)
        dropped = sum(answer == b"" for answer in answers)
        assert served + turned_away + dropped == 50
        assert served >= min(room, 50)
        for client in clients:
            client.sock.close()


def test_fifty_keep_alive_clients_at_once(start):
    server = start("maxConnections=50")
    clients = [server.connect() for _ in range(50)]
    for _ in range(20):
        for client in clients:
            client.send(PING)
        for client in clients:
            assert client.answer()[2] == b"pong"
    for client in clients:
        client.sock.close()


def test_connect_and_close_a_thousand_times(server):
    for number in range(1000):
        sock = socket.create_connection(("127.0.0.1", server.port), 5)
        if number % 3 == 0:
            sock.send(b"G")
        sock.close()
        if number % 20 == 0:
            ping_within_a_second(server)


def test_two_hundred_half_closed_before_the_answer(server):
    for number in range(200):
        with server.connect() as client:
            client.send("GET /big.bin HTTP/1.1\nHost: x\n\n")
            client.sock.shutdown(socket.SHUT_WR)
            if number % 5 == 0:
                assert len(client.closed().partition(b"\r\n\r\n")[2]) == 102400


def test_many_clients_at_a_time_come_and_go(server):
    """A thousand connections from one client that keeps thirty in flight."""
    selector = selectors.DefaultSelector()
    left = 1000
    served = 0
    deadline = time.monotonic() + 20
    while left or selector.get_map():
        assert time.monotonic() < deadline
        while left and len(selector.get_map()) < 30:
            left -= 1
            sock = socket.create_connection(("127.0.0.1", server.port), 5)
            sock.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            selector.register(sock, selectors.EVENT_READ)
        for key, _ in selector.select(1):
            with contextlib.suppress(ConnectionError):
                served += key.fileobj.recv(1000).endswith(b"pong")
            selector.unregister(key.fileobj)
            key.fileobj.close()
    assert served > 500


NAMES = ["CON", "nul", "AUX.txt", "com1", "LPT1.html", "small.txt::$DATA", "small.txt.", "small.txt%20", "SMALL~1.TXT",
         "C:%5csecret.txt", "%5c%5chost%5cshare", "c%3a/secret.txt"]  # fmt: skip
ESCAPES = [
    "/%2e%2e%2fsecret.txt", "/%2e%2e/secret.txt", "/..%2f..%2fetc%2fpasswd", "/sub/..%2f..%2fsecret.txt",
    "/%2e%2e%5csecret.txt", "/..\\secret.txt", "/sub\\..\\..\\secret.txt", "/%252e%252e%252fsecret.txt",
    "/%25%32%65%25%32%65/secret.txt", "/..;/secret.txt", "/.%2e/secret.txt", "/....//secret.txt", "/%2fetc/passwd",
    "//etc/passwd", "/./../secret.txt", "/%2e", "/..", "/sub/..", "/sub/../small.txt", "/small.txt/",
    "/small.txt/../../secret.txt", "/%ef%bc%8e%ef%bc%8e/secret.txt", "http://x/%2e%2e/secret.txt",
]  # fmt: skip


@pytest.mark.parametrize("target", ESCAPES + ["/" + name for name in NAMES])
def test_no_way_out_of_the_webroot(server, target):
    status, _, body = server.get(target)
    assert status in (400, 404)
    assert b"secret" not in body and b"root:" not in body


@pytest.mark.parametrize("target", ["/%00", "/small.txt%00", "/small.txt%00.html", "/%2e%2e%00/secret.txt", "/%u002e/"])
def test_nul_and_other_malformed_paths(server, target):
    assert server.get(target)[0] == 400


@pytest.mark.parametrize("target", ["/%c0%ae%c0%ae/secret.txt", "/%c0%afetc/passwd", "/%e0%80%ae%e0%80%ae/secret.txt"])
def test_overlong_utf_8(server, target):
    """MicroPython decodes longer forms of a character than UTF-8 allows; to it and to filesystems they are others."""
    assert server.get(target)[0] in (400, 404)
