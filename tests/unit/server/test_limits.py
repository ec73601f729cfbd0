"""Time-outs, sizes and the number of connections: what the server does at each limit."""

import socket
import time

import pytest

PING = "GET /ping HTTP/1.1\nHost: x\n\n"
POST = "POST /echo HTTP/1.1\nHost: x\nContent-Length: 10\n\n"
CHUNKED = "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n"
# The server looks four times a second for what has waited too long.
SWEEP = 0.25


@pytest.fixture(scope="module")
def quick(webroot):
    """A server with short time-outs, each of its own length."""
    from .conftest import Server

    server = Server(
        webroot, "maxConnections=8, headTimeout=0.3, bodyTimeout=0.6, idleTimeout=0.9, writeTimeout=0.5, maxBody=200000"
    )
    yield server
    server.close()


def wait_until(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("begun", ["G", "GET /ping HTTP/1.1\n", "GET /ping HTTP/1.1\nHost: x\n", PING[:-12]])
def test_head_timeout(quick, begun):
    with quick.connect() as client:
        began = time.monotonic()
        client.send(begun)
        status, header, _ = client.answer()
        assert (status, header["connection"]) == (408, "close")
        assert client.closed() == b""
        assert 0.3 <= time.monotonic() - began < 0.3 + SWEEP + 0.3


def test_one_byte_at_a_time_does_not_extend_it(quick):
    with quick.connect() as client:
        began = time.monotonic()
        client.sock.settimeout(0.05)
        head = iter(PING.replace("\n", "\r\n").encode() * 9)
        got = b""
        while not got:
            client.send(bytes((next(head),)))
            try:
                got = client.sock.recv(100)
            except TimeoutError:
                assert time.monotonic() - began < 2
        assert got.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("begun", [POST, POST + "12345", CHUNKED, CHUNKED + "5", CHUNKED + "5\nab", CHUNKED + "0\n"])
def test_body_timeout_closes(quick, begun):
    with quick.connect() as client:
        began = time.monotonic()
        client.send(begun)
        assert client.closed().startswith(b"HTTP/1.1 408 ")
        assert 0.6 <= time.monotonic() - began < 0.6 + SWEEP + 0.4


def test_idle_close_is_silent(quick):
    with quick.connect() as fresh, quick.connect() as used:
        began = time.monotonic()
        assert used.send(PING).answer()[0] == 200
        assert fresh.closed() == used.closed() == b""
        assert 0.9 <= time.monotonic() - began < 0.9 + SWEEP + 0.4


def test_used_connection_stays(quick):
    with quick.connect() as client:
        for _ in range(4):
            assert client.send(PING).answer()[0] == 200
            time.sleep(0.4)


def test_waiting_handler_is_not_timed(quick):
    assert quick.get("/slow?ms=1300")[2] == b"slow"


@pytest.mark.parametrize("target", ["/big.bin", "/stream?n=100000", "/one-big"])
def test_reader_that_never_reads(quick, target):
    files = quick.files()
    clients = []
    for _ in range(3):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", quick.port))
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 40)
        clients.append(sock)
    wait_until(lambda: quick.files() > files)
    # The time counts from the last byte that the system took, and its buffers grow.
    wait_until(lambda: quick.files() <= files, 8)
    assert quick.get("/ping")[0] == 200
    for sock in clients:
        sock.close()


def test_slow_reader_gets_everything(quick, webroot):
    with quick.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send("GET /big.bin HTTP/1.1\nHost: x\nConnection: close\n\n")
        data = b""
        while part := client.sock.recv(5000):
            data += part
            time.sleep(0.02)
        assert data.partition(b"\r\n\r\n")[2] == (webroot / "big.bin").read_bytes()


@pytest.mark.parametrize("drained", [True, False])
def test_unread_body_never_eats_the_answer(quick, drained):
    """However much the client still sends: it gets the answer, not a reset."""
    size = 8000 if drained else 150000
    with quick.connect() as client:
        client.send(f"POST /unread HTTP/1.1\nHost: x\nContent-Length: {size}\n\n")
        for _ in range(size // 1000):
            try:
                client.send("a" * 1000)
            except ConnectionError:
                assert not drained
                break
            time.sleep(0.001)
        status, header, body = client.answer()
        assert (status, body) == (200, b"done")
        assert ("connection" in header) is not drained
        if drained:
            assert client.send(PING).answer()[0] == 200


@pytest.mark.parametrize("begun, status", [("POST /echo HTTP/1.1\nHost: x\nContent-Length: 200001\n\n", 413),
                                           ("GET /" + "a" * 9000 + " HTTP/1.1\nHost: x\n\n", 414),
                                           (PING[:-1] + "X: " + "a" * 9000 + "\n\n", 431)])  # fmt: skip
def test_too_large_is_answered_before_it_has_come(quick, begun, status):
    with quick.connect() as client:
        client.send(begun + "b" * 5000)
        answer = client.answer()
        assert (answer[0], answer[1]["connection"]) == (status, "close")


def test_oldest_idle_connection_makes_room(start):
    server = start("maxConnections=4")
    clients = []
    for _ in range(4):
        clients.append(server.connect())
        assert clients[-1].send(PING).answer()[0] == 200
        time.sleep(0.02)
    clients[0].send(PING).answer()
    # Now the second one has been idle for the longest time.
    with server.connect() as client:
        assert client.send(PING).answer()[0] == 200
        assert clients[1].closed() == b""
        for other in (clients[0], clients[2], clients[3], client):
            assert other.send(PING).answer()[0] == 200
    for client in clients:
        client.sock.close()


def test_silent_clients_do_not_lock_others_out(start):
    server = start("maxConnections=3")
    silent = [server.connect() for _ in range(20)]
    began = time.monotonic()
    assert server.get("/ping")[0] == 200
    assert time.monotonic() - began < 1
    for client in silent:
        client.sock.close()


def test_none_idle_is_503(start):
    server = start("maxConnections=3")
    busy = [server.connect().send("GET /slow?ms=700 HTTP/1.1\nHost: x\n\n") for _ in range(3)]
    time.sleep(0.1)
    with server.connect() as client:
        status, header, _ = client.answer()
        assert (status, header["connection"]) == (503, "close")
        assert header["retry-after"].isdigit()
        assert client.closed() == b""
    # Those who were in are served, and then there is room again.
    for client in busy:
        assert client.answer()[2] == b"slow"
        client.sock.close()
    assert server.get("/ping")[0] == 200


def test_503_reaches_a_client_that_has_sent_its_request(start):
    server = start("maxConnections=1")
    with server.connect() as busy:
        busy.send("GET /slow?ms=600 HTTP/1.1\nHost: x\n\n")
        time.sleep(0.1)
        for _ in range(20):
            with server.connect() as client:
                assert client.send(PING).answer()[0] == 503


def test_trickling_body_has_a_limit(start):
    server = start("bodyTimeout=0.6")
    with server.connect() as client:
        client.send("POST /echo HTTP/1.1\nHost: x\nContent-Length: 1000\n\n")
        client.sock.settimeout(0.2)
        began = time.monotonic()
        got = b""
        while not got:
            assert time.monotonic() - began < 5
            try:
                client.send("a")
                got = client.sock.recv(100)
            except TimeoutError:
                pass
        assert got.startswith(b"HTTP/1.1 408 ")


def test_slow_body_in_large_steps_is_taken(start):
    """More than 500 bytes a second, for longer than bodyTimeout."""
    server = start("bodyTimeout=0.6")
    with server.connect() as client:
        client.send("POST /echo HTTP/1.1\nHost: x\nContent-Length: 10000\n\n")
        for _ in range(10):
            client.send("a" * 1000)
            time.sleep(0.15)
        assert client.answer()[2] == b"a" * 10000


@pytest.mark.parametrize("size, status", [(300000, 200), (300001, 413)])
def test_route_with_its_own_max_body(server, webroot, size, status):
    with server.connect() as client:
        client.send(f"POST /upload HTTP/1.1\nHost: x\nContent-Length: {size}\n\n")
        if status == 200:
            client.send(b"u" * size)
        assert client.answer()[0] == status
    with server.connect() as client:
        client.send("POST /upload HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n")
        try:
            client.send(b"%x\r\n" % size + b"u" * size + b"\r\n0\r\n\r\n")
        except ConnectionError:
            assert status == 413
        assert client.answer()[0] == status
    if status == 200:
        assert (webroot / "upload.bin").stat().st_size == size
    assert server.ask("POST /echo HTTP/1.1\nHost: x\nContent-Length: 16385\n\n")[0] == 413


def test_burst_above_the_cap_is_served(start):
    """A connection whose request is on its way is not closed in favour of the next one."""
    server = start("maxConnections=4")
    clients = [server.connect() for _ in range(12)]
    for number in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11):
        client = clients[number]
        assert client.send(PING[:-1] + "Connection: close\n\n").answer()[2] == b"pong"
    for client in clients:
        client.sock.close()


def test_pipelining_client_leaves_others_their_turn(server):
    with server.connect() as greedy, server.connect() as other:
        greedy.send(PING * 2000)
        assert other.send(PING).answer()[2] == b"pong"
        for _ in range(2000):
            assert greedy.answer()[2] == b"pong"


def test_stale_connection_goes_before_busy_ones(start):
    """Eight clients that send request after request, beside one that is silent: it is the one that is closed."""
    server = start("maxConnections=8")
    stale = server.connect()
    assert stale.send(PING).answer()[0] == 200
    time.sleep(0.1)
    clients = [server.connect() for _ in range(8)]
    for _ in range(50):
        for client in clients:
            client.send(PING)
        for client in clients:
            assert client.answer()[0] == 200
    assert stale.closed() == b""
    for client in [*clients, stale]:
        client.sock.close()
