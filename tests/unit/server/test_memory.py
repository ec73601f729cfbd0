"""Memory of a server as the firmware ships it, its code in a ROMFS: a small heap, many requests, bytes per request."""

import json
import os
import subprocess
import sys
import time

import pytest

from firmware import budget, modules, romfs

from .conftest import Client, free_port

# The ROMFS lies outside the heap, as in the flash of a board: bytecode stays where it is.
LAUNCH = """
import ctypes, mmap, sys
import micropython_run
heap, image, code = sys.argv[1:]
with open(image, "rb") as file:
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
address = ctypes.addressof(ctypes.c_char.from_buffer(data))
mount = f"import sys, uctypes, vfs; vfs.mount(vfs.VfsRom(uctypes.bytearray_at({address}, {len(data)})), '/rom');"
code = mount + "sys.path[:] = ['.frozen', '/rom']\\n" + code
sys.exit(micropython_run.run_main(["micropython", "-X", "heapsize=" + heap, "-c", code]))
"""

# Ten routes and a webroot, compiled like the server itself.
APP = """
import asyncio, gc
from micropAsyncWeb import MicropAsyncWeb, Response

async def ping(request):
    await Response.start(request, 200, "OK")
    await Response.startBody(request)
    await request.write("pong")

async def data(request):
    await Response.sendJson(request, {"value": 1, "text": "x" * 50})

async def echo(request):
    return await request.body()

def allocated(request):
    # Without a collection: what the requests between two of these have allocated.
    return str(gc.mem_alloc())

def held(request):
    gc.collect()
    return str(gc.mem_alloc())

def start(port, webroot, collect=True, threshold=-1, **options):
    web = MicropAsyncWeb(port=port, address="127.0.0.1", webroot=webroot, **options)
    web.log = lambda level, text, error: print(level, text, repr(error))
    web.appendRoutes([
        ["/ping", ping],
        ["/json", data],
        ["/echo", echo, "POST"],
        ["/page", "index.html"],
        ["/allocated", allocated],
        ["/held", held],
        ["/more/1", ping],
        ["/more/2", ping],
        ["/more/3", ping],
        ["/more/4", ping],
    ])
    gc.collect()
    gc.threshold(threshold)
    if not collect:
        gc.disable()
    asyncio.run(web.runAsync())
"""

PING = "GET /ping HTTP/1.1\nHost: x\n\n"
BROWSER = "".join(
    f"{name}: {value}\n"
    for name, value in {
        "Connection": "keep-alive",
        "sec-ch-ua": '"Chromium";v="128", "Not;A=Brand";v="24"',
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0",
        "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "Sec-Fetch-Site": "same-origin",
        "Referer": "http://192.168.4.1/index.html",
        "Accept-Encoding": "gzip, deflate",
        "Accept-Language": "en-US,en;q=0.9",
    }.items()
)
BROWSER_PING = PING[:-1] + BROWSER + "\n"


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The server's modules and the application as the firmware packs them."""
    folder = tmp_path_factory.mktemp("rom")
    (folder / "app.py").write_text(APP)
    rows = [*budget.server_modules().values(), modules.Module(folder / "app.py", "app.py", 3)]
    (folder / "romfs.img").write_bytes(romfs.build(modules.compile_all(rows)))
    return folder / "romfs.img"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    root = tmp_path_factory.mktemp("pages")
    (root / "index.html").write_bytes(b"<p>0123456789ABC" * 64)
    (root / "app.js").write_bytes(b"let x = 1; // 20 KB\n" * 1024)
    return root


class Small:
    """A process that serves app.py."""

    def __init__(self, heap, image, pages, options):
        self.port = free_port()
        code = f"import app; app.start({self.port}, {str(pages)!r}{options})"
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, heap, str(image), code],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                self.connect().sock.close()
                return
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.process.stdout.read()
                assert time.monotonic() < deadline
                time.sleep(0.01)

    def connect(self):
        return Client(self.port)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


@pytest.fixture
def serve(image, pages):
    """serve(heap, options=""): a Small. Nothing may have been printed in the end."""
    servers = []

    def serve(heap, options=""):
        servers.append(Small(heap, image, pages, options))
        return servers[-1]

    yield serve
    for server in servers:
        server.process.kill()
        assert server.process.communicate()[0] == ""


def number(client, path):
    """What /allocated or /held says."""
    return int(client.send(f"GET {path} HTTP/1.1\nHost: x\n\n").answer()[2])


def mixed(client, turn, pages):
    """Eight requests of all kinds, some with header values that no other has."""
    differs = BROWSER + f"X-Request: {turn}\n"
    assert client.send(PING).answer()[2] == b"pong"
    assert client.send(BROWSER_PING).answer()[2] == b"pong"
    assert client.send(PING[:-1] + differs + "\n").answer()[2] == b"pong"
    assert json.loads(client.send(f"GET /json HTTP/1.1\nHost: x\n{BROWSER}\n").answer()[2])["value"] == 1
    assert client.send(f"GET /app.js HTTP/1.1\nHost: x\n{differs}\n").answer()[2] == (pages / "app.js").read_bytes()
    assert client.send("GET / HTTP/1.1\nHost: x\n\n").answer()[2] == (pages / "index.html").read_bytes()
    assert client.send(f"GET /missing{turn} HTTP/1.1\nHost: x\n\n").answer()[0] == 404
    body = "a" * 300
    assert client.send(f"POST /echo HTTP/1.1\nHost: x\nContent-Length: 300\n\n{body}").answer()[2] == body.encode()


def plain(client, turn, pages):
    """What needs the core only: pings, a browser's fields, files, 404."""
    assert client.send(PING).answer()[2] == b"pong"
    assert client.send(BROWSER_PING).answer()[2] == b"pong"
    assert client.send(f"GET /app.js HTTP/1.1\nHost: x\n{BROWSER}\n").answer()[2] == (pages / "app.js").read_bytes()
    assert client.send("GET /page HTTP/1.1\nHost: x\n\n").answer()[2] == (pages / "index.html").read_bytes()
    assert client.send(f"GET /missing{turn} HTTP/1.1\nHost: x\n\n").answer()[0] == 404


@pytest.mark.parametrize("heap, requests", [("36k", plain), ("46k", mixed)])
def test_small_heaps(serve, pages, heap, requests):
    """The settings that the reference names for small heaps; objects have twice the size they have on a chip."""
    server = serve(heap, ", maxConnections=4, maxHead=640, bufferSize=256, threshold=1024")
    clients = [server.connect() for _ in range(4)]
    for turn in range(60):
        for client in clients:
            requests(client, turn, pages)
    for client in clients:
        client.sock.close()


def test_low_water_mark_stays(serve, pages):
    """What is in use after a collection does not grow in 3000 requests, and no descriptor is left."""
    server = serve("200k")

    def lowest():
        """Of 30 samples: what the server remembers of the last heads differs from one to the next."""
        samples = []
        for turn in range(30):
            with server.connect() as client:
                mixed(client, turn, pages)
                samples.append(number(client, "/held"))
        return min(samples)

    lowest()
    before = lowest()
    descriptors = server.descriptors()
    for turn in range(375):
        with server.connect() as client:
            mixed(client, turn, pages)
    after = lowest()
    # Old addresses on the C stack can keep the last worker or two for a while: a fixed amount, however many requests.
    assert after <= before + 1024, (before, after)
    deadline = time.monotonic() + 5
    while server.descriptors() > descriptors:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_idle_connection(serve):
    """At most 700 bytes for a connection between two requests."""
    server = serve("400k", ", maxConnections=32")
    with server.connect() as client:
        number(client, "/held")
        first = number(client, "/held")
        clients = [server.connect() for _ in range(20)]
        for other in clients:
            assert other.send(PING).answer()[2] == b"pong"
        assert (number(client, "/held") - first) / 20 <= 700
    for other in clients:
        other.sock.close()


@pytest.mark.parametrize(
    "request_of, limit",
    [
        (lambda turn: PING, 1500),
        (lambda turn: BROWSER_PING, 2000),
        # One field with a value of its own, so the head is parsed each time.
        (lambda turn: f"GET /ping HTTP/1.1\nHost: x\nX-Request: {turn:05}\n\n", 1500),
    ],
    ids=["ping", "browser", "differing"],
)
def test_allocated_per_request(serve, request_of, limit):
    """Counted, not estimated: the collector is off."""
    server = serve("4M", ", collect=False")
    with server.connect() as client:
        # Two heads in turn, so that none is remembered from the time before.
        for turn in range(3):
            client.send(request_of(turn)).answer()
        number(client, "/allocated")
        own = -number(client, "/allocated") + number(client, "/allocated")
        before = number(client, "/allocated")
        for turn in range(100):
            client.send(request_of(turn)).answer()
        assert (number(client, "/allocated") - before - own) / 100 <= limit
