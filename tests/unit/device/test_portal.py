"""The captive portal on the VM: what systems get that look for the Internet, and what goes before what."""

import json

import pytest

from unit.bare_vm import free_port
from unit.device import vm

HEAD = """
import asyncio, json
import device
from device import captive, log, portal
from micropAsyncWeb import HttpError, MicropAsyncWeb

async def no_dns(address):
    pass
answer_names = captive._answer_names
captive._answer_names = no_dns  # its port is the system's here

front_port = {front}
def front(port, **limits):
    assert port == 80
    return MicropAsyncWeb(port=front_port, address="127.0.0.1", **limits)
captive.MicropAsyncWeb = front

class Service:
    state = "waiting"
    address = "192.168.4.1"
    def ap_address(self):
        return self.address
service = Service()

server = MicropAsyncWeb(port={port}, address="127.0.0.1", webroot=None)
device.server = server

@server.route("/")
def index(request):
    return "index"

@server.route("/api/door", "GET, POST")
def door(request):
    return "door " + request.method

class Attempt:
    pending = finished = read = False
    problem = ""

class Setup:
    attempt = None
    async def form(request):
        return "form " + (await request.body()).decode()
    def result(request):
        return "result"
    HANDLERS = {{"/setup": form, "/setup/result": result}}

def load_setup():
    import sys
    sys.modules["device.setup"] = device.setup = Setup

async def ask(path, host="192.168.4.1", method="GET", body="", port={port}, version="1.1"):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "%s %s HTTP/%s\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n" % (method, path, version, len(body))
    if host:
        head += "Host: %s\\r\\n" % host
    writer.write((head + "\\r\\n" + body).encode())
    await writer.drain()
    answer = (await reader.read(-1)).decode()
    writer.close()
    head, _, body = answer.partition("\\r\\n\\r\\n")
    fields = dict([line.split(": ", 1) for line in head.split("\\r\\n")[1:]])
    return int(head.split(" ")[1]), fields, body

async def short(*args, **names):
    status, fields, body = await ask(*args, **names)
    return "%d %s" % (status, fields.get("Location", body))

async def main():
    task = asyncio.create_task(server.runAsync())
    load_setup()
    await until(lambda: server.running)
    await test()
    await server.stop()

async def until(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep_ms(10)
    raise AssertionError("it does not come")

async def opened():
    task = asyncio.create_task(portal.run(service))
    await until(lambda: portal.opened)
    return task
"""

BASE = "http://192.168.4.1"
APPLE = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"
# Who asks, what for, and what it takes for "there is an Internet": status and body.
PROBES = [
    ("connectivitycheck.gstatic.com", "/generate_204", 204, ""),
    ("www.google.com", "/gen_204", 204, ""),
    ("play.googleapis.com", "/generate_204", 204, ""),
    ("connectivity.samsung.com.cn", "/generate_204", 204, ""),
    ("connect.rom.miui.com", "/generate_204", 204, ""),
    ("captive.apple.com", "/hotspot-detect.html", 200, APPLE),
    ("www.apple.com", "/library/test/success.html", 200, APPLE),
    ("www.msftconnecttest.com", "/connecttest.txt", 200, "Microsoft Connect Test"),
    ("www.msftncsi.com", "/ncsi.txt", 200, "Microsoft NCSI"),
    (
        "detectportal.firefox.com",
        "/canonical.html",
        200,
        '<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>',
    ),
    ("detectportal.firefox.com", "/success.txt?ipv4", 200, "success\n"),
    ("nmcheck.gnome.org", "/check_network_status.txt", 200, "NetworkManager is online\n"),
    ("ping.archlinux.org", "/nm-check.txt", 200, "NetworkManager is online\n"),
    ("nmcheck.gnome.org", "/nm", 200, "NetworkManager is online\n"),
    ("fedoraproject.org", "/static/hotspot.txt", 200, "OK\n"),
    ("spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html", 200, "81ce4465-7167-4dcb-835b-dcc9e44c112a"),
]


@pytest.fixture
def run(tmp_path):
    """Run a program on the VM; the JSON that it prints last."""

    def run(program):
        port, front = free_port(), free_port()
        head = HEAD.format(port=port, front=front)
        printed = vm.run(head + program + "\nasyncio.run(main())\n", tmp_path).splitlines()
        return json.loads(printed[-1].replace(f":{port}", ""))

    return run


def test_each_system_sees_a_portal_and_then_none(run):
    program = f"""
async def test():
    probes = {[probe[:2] for probe in PROBES]!r}
    await opened()
    answers = []
    for host, path in probes:
        answers.append(await ask(path, host))
    portal.dismiss()
    for host, path in probes:
        answers.append(await ask(path, host))
    print(json.dumps(answers))
"""
    answers = run(program)
    before, after = answers[: len(PROBES)], answers[len(PROBES) :]
    for (host, path, status, body), there, gone in zip(PROBES, before, after, strict=True):
        where = f"{host}{path}"
        assert there[0] == 302, where
        assert there[1]["Location"] == BASE + "/setup", where
        assert there[1]["Cache-Control"] == "no-store", where
        # Android takes an answer of 200 without a body for a failure, others show what they get.
        assert there[2] and "Success" not in there[2], where
        assert gone[0] == status, where
        assert body in gone[2] if "kindle" in path else body == gone[2], where
        assert gone[1]["X-NetworkManager-Status"] == "online", where


def test_windows_browser_is_led_to_the_page_and_its_proxy_search_is_not(run):
    program = """
async def test():
    await opened()
    print(json.dumps([await short("/redirect", "www.msftconnecttest.com"), await short("/wpad.dat", "wpad")]))
"""
    assert run(program) == ["302 http://192.168.4.1/setup", "404 404 Not Found"]


def test_own_requests(run):
    program = """
async def test():
    closed = [await short("/"), await short("/api/door"), await short("/generate_204", "x.gstatic.com")]
    await opened()
    print(json.dumps([
        closed,
        await short("/"),
        await short("/", "greenhouse"),
        await short("/", "greenhouse.local"),
        await short("/", "localhost:8080"),
        await short("/", ""  , version="1.0"),
        await short("/", "[fe80::1]"),
        await short("/index.html"),
        await short("/", method="POST", body="x"),
        await short("/no/such%20page"),
        await short("http://captive.apple.com/x", "captive.apple.com"),
        await short("/setup"),
        await short("/setup", method="POST", body="ssid=a"),
        await short("/setup?x=1"),
        await short("/setup/result"),
        await short("/setup/other"),
        await short("/api/door"),
        await short("/api/door", method="POST"),
        await short("/api/missing"),
        await short("/health"),
        await short("/favicon.ico"),
        await short("/api/door", "api.example.org"),
        await short("/setup", method="POST", body="x" * 5000),
    ]))
"""
    assert run(program) == [
        ["200 index", "200 door GET", "404 404 Not Found"],
        *["302 /setup"] * 9,
        "302 http://192.168.4.1/setup",
        "200 form ",
        "200 form ssid=a",
        "200 form ",
        "200 result",
        "404 404 Not Found",
        "200 door GET",
        "200 door POST",
        "404 404 Not Found",
        "404 404 Not Found",
        "404 404 Not Found",
        "302 http://192.168.4.1/setup",
        "413 413 Content Too Large",
    ]


HOOKS = """
seen = []
def add_hooks():
    def password(request):
        seen.append(request.path)
        raise HttpError(401)
    server.before(password)
    server.after(lambda request: seen.append("after"))
"""


@pytest.mark.parametrize("first", ["hooks", "portal"])
def test_hooks_hide_nothing_of_it_and_are_back_afterwards(run, first):
    program = f"""
async def test():
    if {first == "hooks"}:
        add_hooks()
    task = await opened()
    if {first == "portal"}:
        add_hooks()
    open = [await short("/"), await short("/generate_204", "x.gstatic.com"), await short("/setup"), list(seen)]
    api = await short("/api/door")
    service.address = ""
    portal.update()
    closed = [await short("/"), await short("/setup")]
    plain = server.prepare == server.hooks.find and server.hooks.prepare == type(server).prepare
    print(json.dumps([open, api, closed, seen[-4:]]))
    assert "_Lines" not in type(server.router.lines).__name__
    assert not isinstance(server.prepare, captive._Gate) and not isinstance(server.hooks.prepare, captive._Gate)
"""
    assert run(HOOKS + program) == [
        ["302 /setup", "302 http://192.168.4.1/setup", "200 form ", []],
        "401 401 Unauthorized",
        ["401 401 Unauthorized", "401 401 Unauthorized"],
        ["/", "after", "/setup", "after"],
    ]


def test_user_routes_and_mounts_do_not_hide_it(run):
    program = """
async def test():
    server.route("/setup")(lambda request: "mine")
    server.route("/<a>/<b>")(lambda request: "two")
    other = MicropAsyncWeb(webroot=None, maxHead=0, bufferSize=0)
    other.route("/")(lambda request: "mounted")
    server.mount("/setup", other)
    server.mount("/sub", other)
    task = await opened()
    server.route("/later")(lambda request: "later")
    open = [await short("/setup"), await short("/setup/result"), await short("/later"), await short("/sub/")]
    service.address = ""
    portal.update()
    closed = [await short("/setup/"), await short("/later"), await short("/sub/"), await short("/a/b")]
    print(json.dumps([open, closed]))
"""
    assert run(program) == [
        ["200 form ", "200 result", "302 /setup", "302 /setup"],
        ["200 mounted", "200 later", "200 mounted", "200 two"],
    ]


def test_nothing_is_left_when_it_is_closed(run):
    program = """
async def test():
    import sys
    lines, prepare = server.router.lines, server.prepare
    size = len(lines)
    task = await opened()
    server.route("/later")(lambda request: "later")
    service.state = "connected"
    portal.update()
    print(json.dumps([
        portal.opened,
        server.router.lines is lines,
        len(lines) - size,
        type(server.prepare) is type(prepare),
        [name for name in ("captive", "setup") if hasattr(device, name) or "device." + name in sys.modules],
    ]))
"""
    assert run(program) == [False, True, 1, True, []]


def test_phases(run):
    program = """
async def test():
    said = []
    async def say(*_):
        said.append([portal.opened, await short("/"), await short("/ncsi.txt", "www.msftncsi.com")])
    task = await opened()
    await say()
    Setup.attempt = Attempt()
    Setup.attempt.pending = True
    service.state = "connected"
    portal.update()
    await say("connected, not saved yet")
    Setup.attempt.pending = False
    portal.update()
    await say("connected by the page")
    said.append(await short("/", "greenhouse.example.net"))
    Setup.attempt.finished = True
    portal.update()
    await say("its result was read")
    service.state = "waiting"
    portal.update()
    await say("lost")
    service.address = ""
    portal.update()
    await say("access point off")
    service.address = "192.168.4.1"
    portal.update()
    await say("access point on, the success is forgotten")
    service.state = "connected"
    portal.update()
    await say("connected by itself")
    print(json.dumps(said))
"""
    there = [True, "302 /setup", "302 http://192.168.4.1/setup"]
    closed = [False, "200 index", "404 404 Not Found"]
    assert run(program) == [
        there,
        there,
        [False, "200 index", "302 http://192.168.4.1/setup/result"],
        "200 index",
        [False, "200 index", "200 Microsoft NCSI"],
        there,
        closed,
        there,
        closed,
    ]


def test_dismissed_until_the_next_start_and_quiet_after_ten_minutes(run):
    program = """
async def test():
    said = []
    async def say():
        portal.update()
        said.append([portal.opened, await short("/"), await short("/gen_204", "www.google.com")])
    await opened()
    portal.dismiss()
    await say()
    offset = [0]
    now = portal.ticks_ms
    portal.ticks_ms = lambda: now() + offset[0]
    offset[0] += 599_000
    await say()
    offset[0] += 2_000
    await say()
    service.address = ""
    await say()
    service.address = "192.168.4.1"
    await say()
    print(json.dumps(said))
"""
    closed = [False, "200 index", "404 404 Not Found"]
    assert run(program) == [[False, "200 index", "204 "]] * 2 + [closed] * 3


def test_server_on_another_port_is_found_from_port_80(run):
    program = """
async def test():
    task = await opened()
    at = {"port": front_port}
    said = [
        await short("/generate_204", "x.gstatic.com", **at),
        await short("/page?x=1", "192.168.4.1", **at),
        await short("/page", "greenhouse.local:80", **at),
        await short("/page", "", version="1.0", **at),
    ]
    portal.dismiss()
    said.append(await short("/generate_204", "x.gstatic.com", **at))
    said.append(await short("/page", "greenhouse.example.net", **at))
    task.cancel()
    while not task.done():
        await asyncio.sleep_ms(0)
    try:
        await short("/", **at)
    except OSError:
        said.append("closed")
    print(json.dumps(said))
"""
    assert run(program) == [
        "302 http://192.168.4.1/setup",
        "302 http://192.168.4.1/page?x=1",
        "302 http://greenhouse.local/page",
        "302 http://192.168.4.1/page",
        "204 ",
        "302 http://greenhouse.example.net/page",
        "closed",
    ]


@pytest.mark.parametrize(
    ("host", "foreign"),
    [
        ("connectivitycheck.gstatic.com", True),
        ("captive.apple.com:80", True),
        ("captive.apple.com.", True),
        ("1.example", True),
        ("", False),
        ("192.168.4.1", False),
        ("192.168.4.1:8080", False),
        ("127.0.0.1:8080", False),
        ("greenhouse", False),
        ("greenhouse.local", False),
        ("greenhouse.local.:80", False),
        ("localhost:8080", False),
        ("[::1]:80", False),
    ],
)
def test_foreign_names(run, host, foreign):
    program = f"""
async def test():
    print(json.dumps(captive.is_foreign({host!r})))
"""
    assert run(program) is foreign


def test_board_without_access_point(run):
    program = """
async def test():
    await portal.run(object())
    print(json.dumps(portal.opened))
"""
    assert run(program) is False


def test_an_empty_datagram_does_not_end_the_dns(run):
    """On the ESP32 a socket that has got one gives nothing any more, and says at once that it could (modsocket.c)."""
    program = """
from device import dns
query = dns.query("example.org", 7)
made, sent = [], []

class Socket:
    waiting = [b"", query, b"", query]
    ended = closed = False
    def __init__(self, *_):
        made.append(self)
    def setsockopt(self, *_):
        pass
    def bind(self, address):
        if len(made) == 3:
            raise OSError(23)
    def setblocking(self, _):
        pass
    def recvfrom(self, size):
        if self.ended:
            return b"", None
        request = Socket.waiting.pop(0)
        self.ended = not request
        return request, "client"
    def sendto(self, reply, client):
        sent.append(client)
    def close(self):
        self.closed = True

async def readable(sock):
    while not (sock.ended or Socket.waiting):
        await asyncio.sleep_ms(10)

async def test():
    captive.socket = type("Sockets", (), {"socket": Socket, "AF_INET": 0, "SOCK_DGRAM": 0, "SOL_SOCKET": 0,
        "SO_REUSEADDR": 0, "getaddrinfo": lambda *_: [("address",)]})
    captive._readable = readable
    task = asyncio.create_task(answer_names("192.168.4.1"))
    await until(lambda: len(sent) == 2)
    task.cancel()
    await until(task.done)
    print(json.dumps([sent, [sock.closed for sock in made]]))
"""
    # The third one could not be opened at once.
    assert run(program) == [["client", "client"], [True, True, True, True]]
