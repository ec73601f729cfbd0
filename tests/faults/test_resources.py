"""Descriptors and memory run out, clients vanish: the server goes on, and nothing is left behind."""

import os
import resource
import socket
import struct
import time

import pytest

PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"


def wait_until(condition, text, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, text
        time.sleep(0.02)


def ping_within_a_second(server):
    began = time.monotonic()
    assert server.get("/ping")[2] == b"pong"
    assert time.monotonic() - began < 1


def limit_files(server, count):
    """Let the process open `count` descriptors more than it has now; None: as many as it likes."""
    most = 1000
    if count is not None:
        # The limit is on the number of a descriptor; a new one gets the lowest that is free.
        used = {int(name) for name in os.listdir(f"/proc/{server.process.pid}/fd")}
        free = [number for number in range(1000) if number not in used]
        most = free[count]
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (most, 1000))


def nothing_kept(server, allocated, margin=8000):
    """The server has no memory of what went wrong; that a client has gone is not a handler's error.

    The last requests may still be ending when it is asked first. The margin is what the worker that polls may hold.
    """
    assert server.state()["logged"] == []
    wait_until(lambda: server.state()["allocated"] < allocated + margin, "memory is kept")


def load_on_demand(server):
    """Have the server load the modules that it loads when they are needed, or they would count as kept."""
    server.ask("DELETE /ping HTTP/1.1\nHost: x\n\n")
    with server.connect() as client:
        client.send("GET /ping HTTP/1.1\nHost: x\n\n" * 2)
        assert client.answer()[0] == client.answer()[0] == 200


def reset(sock):
    """Close with a reset, as a client that is switched off and comes back."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_no_descriptor_for_a_new_connection(start):
    """EMFILE in accept(): no busy loop, no end; the oldest idle connection is closed, as at the connection cap."""
    server = start("maxConnections=50")
    server.state()
    limit_files(server, 5)
    clients = [server.connect() for _ in range(15)]
    answered = 0
    for client in clients[-3:]:
        assert client.send(PING).answer()[0] == 200
        answered += 1
    assert answered == 3
    for client in clients:
        client.sock.close()
    ping_within_a_second(server)
    assert server.process.poll() is None


def test_no_descriptor_and_none_idle(start):
    """Then accepting pauses, without spinning, and goes on when there are descriptors again."""
    server = start("maxConnections=50")
    server.get("/slow?ms=1")
    load_on_demand(server)
    server.state()
    limit_files(server, 3)
    busy = [server.connect().send(b"GET /slow?ms=900 HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(3)]
    time.sleep(0.1)
    waiting = [server.connect().send(PING) for _ in range(5)]
    before = cpu_seconds(server)
    time.sleep(0.6)
    assert cpu_seconds(server) - before < 0.2, "it spins"
    for client in busy:
        assert client.answer()[2] == b"slow"
    # Room is made by closing the idle, and one of these counts as idle until its request has been read.
    assert sum(answered(client) for client in waiting) > 0
    ping_within_a_second(server)
    for client in busy + waiting:
        client.sock.close()


def answered(client):
    try:
        return client.answer()[0] == 200
    except ConnectionError:
        return False


def cpu_seconds(server):
    with open(f"/proc/{server.process.pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_no_descriptor_for_a_file(start):
    """A file cannot be opened: an error answer, and the next request is served."""
    server = start()
    # What is loaded when it is needed first, is loaded now: a board has it in its firmware.
    assert server.get("/small.txt")[0] == 200
    assert server.get("/boom")[0] == 500
    with server.connect() as client:
        limit_files(server, 0)
        status, header, _ = client.send(b"GET /small.txt HTTP/1.1\r\nHost: x\r\n\r\n").answer()
        assert status >= 500
    limit_files(server, None)
    assert server.get("/small.txt")[2] == b"0123456789"


MEMORY = """
import asyncio, gc

from micropAsyncWeb import MicropAsyncWeb

web = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=WEBROOT, maxBody=10000000)
kept = []


@web.route("/ping")
async def ping(request):
    return "pong"


@web.route("/echo", "POST")
async def echo(request):
    return await request.body()


@web.route("/huge")
async def huge(request):
    return bytearray(1 << 24)


@web.route("/eat")
async def eat(request):
    # Leaves hardly anything; what the server needs to say so must still be there.
    size = 1 << 16
    while size >= 64:
        try:
            kept.append(bytearray(size))
        except MemoryError:
            size //= 2
    raise MemoryError


@web.route("/give")
async def give(request):
    kept.clear()
    return "given"


asyncio.run(web.runAsync())
"""


def test_memory_error_in_a_handler(start):
    server = start(source=MEMORY, heap="100k")
    for _ in range(30):
        with server.connect() as client:
            status, header, _ = client.send(b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n").answer()
            assert status == 503
            if "connection" not in header:
                assert client.send(PING).answer()[2] == b"pong"
    ping_within_a_second(server)


def test_body_larger_than_memory(start):
    server = start(source=MEMORY, heap="100k")
    for _ in range(5):
        with server.connect() as client:
            client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n")
            assert client.answer()[0] == 503
    ping_within_a_second(server)


def test_memory_is_eaten_and_comes_back(start):
    server = start(source=MEMORY, heap="150k")
    for _ in range(3):
        with server.connect() as client:
            client.send(b"GET /eat HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            output = client.closed()
            assert output == b"" or output.startswith(b"HTTP/1.1 503 ")
        # Nothing is promised while there is no memory, but that the server is still there afterwards.
        deadline = time.monotonic() + 5
        while True:
            try:
                with server.connect() as client:
                    client.send(b"GET /give HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    if client.closed().endswith(b"given"):
                        break
            except ConnectionError:
                pass
            assert server.process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline
        ping_within_a_second(server)


@pytest.mark.parametrize("target", ["/big.bin", "/stream?n=100000", "/one-big", "/slow?ms=20"])
def test_resets_in_the_middle_of_an_answer(start, target):
    """200 clients vanish: no descriptor, no file and no memory is left with them."""
    server = start("maxConnections=8")
    ping_within_a_second(server)
    for _ in range(10):
        server.get(target.partition("?")[0])
    load_on_demand(server)
    before, allocated = server.files(), server.state()["allocated"]
    for number in range(200):
        sock = socket.create_connection(("127.0.0.1", server.port), 5)
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 3)
        if number % 2:
            sock.recv(100 if number % 4 == 1 else 5000)
        reset(sock)
        if number % 20 == 0:
            ping_within_a_second(server)
    wait_until(lambda: server.files() <= before, "descriptors are left open")
    wait_until(lambda: server.state()["connections"] == 1, "connections are left open")
    nothing_kept(server, allocated)


def test_resets_in_the_middle_of_a_body(start, webroot):
    server = start("maxConnections=8")
    server.ask("POST /save HTTP/1.1\nHost: x\nContent-Length: 5\n\nhello")
    (webroot / "saved.bin").unlink()
    before, allocated = server.files(), server.state()["allocated"]
    for number in range(400):
        sock = socket.create_connection(("127.0.0.1", server.port), 5)
        path = ("/save", "/echo", "/unread", "/form")[number % 4]
        sock.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n".encode() + b"a" * 1000)
        if number % 8 < 4:
            time.sleep(0.002)
        reset(sock)
    wait_until(lambda: server.files() <= before, "descriptors are left open")
    wait_until(lambda: not (webroot / "saved.bin").exists(), "a broken upload has left its file")
    # Two workers at rest may each still hold the body of their last request.
    nothing_kept(server, allocated, 2 * 8000)


def test_handler_is_cancelled(start):
    """A task that cancels the one of a handler takes its connection with it, and nothing else."""
    source = """
import asyncio

from micropAsyncWeb import MicropAsyncWeb

web = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=None)
waiting = []
ended = []


@web.route("/wait")
async def wait(request):
    waiting.append(asyncio.current_task())
    try:
        await asyncio.sleep(60)
    finally:
        ended.append(1)


@web.route("/cancel")
async def cancel(request):
    while waiting:
        waiting.pop().cancel()
    await asyncio.sleep_ms(20)
    return [len(ended), len(web.connections)]


asyncio.run(web.runAsync())
"""
    server = start(source=source)
    server.get("/cancel")
    before = server.files()
    clients = [server.connect().send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(3)]
    time.sleep(0.1)
    assert server.get("/cancel")[2] == b"[3, 1]"
    assert [client.closed() for client in clients] == [b""] * 3
    assert server.get("/cancel")[0] == 200
    wait_until(lambda: server.files() <= before, "descriptors are left open")
