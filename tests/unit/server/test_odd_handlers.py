"""Handlers and registrations as they should not be: each gets an answer or a clear error, and the server lives."""

import pytest

from .conftest import Server, run_vm

PING = "GET /ping HTTP/1.1\nHost: x\n\n"

SOURCE = """
import asyncio, sys
from micropAsyncWeb import HttpError, MicropAsyncWeb, Response

webserver = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=None)
logged = []
webserver.log = lambda level, text, error: logged.append(repr(error))
held = []

@webserver.route("/ping")
def ping(request):
    return "pong"

@webserver.route("/logged")
def log(request):
    return logged.pop() if logged else ""

@webserver.route("/exit")
def leave(request):
    sys.exit()

@webserver.route("/exit-later")
async def leave_later(request):
    await asyncio.sleep_ms(1)
    sys.exit()

@webserver.route("/base")
def base(request):
    raise BaseException("base")

async def value():
    return "value"

async def sleep(ms):
    await asyncio.sleep_ms(ms)

async def waits():
    await asyncio.sleep_ms(1)
    return "waited"

async def answers(request):
    await request.write("written")

@webserver.route("/returns-value")
async def returns_value(request):
    return value()

@webserver.route("/returns-waiting")
async def returns_waiting(request):
    return waits()

@webserver.route("/returns-answer")
async def returns_answer(request):
    return answers(request)

@webserver.route("/returns-nothing")
async def returns_nothing(request):
    return (part for part in ())

@webserver.route("/yields-at-first")
async def yields_at_first(request):
    yield "a"
    await asyncio.sleep_ms(1)
    yield "b"

@webserver.route("/sleeps")
async def sleeps(request):
    await asyncio.sleep_ms(900)
    event = asyncio.Event()
    async def other():
        await asyncio.sleep_ms(600)
        event.set()
    task = asyncio.create_task(other())
    await event.wait()
    await task
    await asyncio.gather(waits(), asyncio.wait_for(sleep(600), 1))
    return "slept"

@webserver.route("/bytearray")
def bytearray_(request):
    return bytearray(b"abc")

@webserver.route("/memoryview")
def memoryview_(request):
    return memoryview(b"abcdef")[1:4]

@webserver.route("/text")
async def text(request):
    await Response.sendText(request, "text", 201)

@webserver.route("/read", "POST")
async def read(request):
    return b"|".join([await request.read(4), await request.read(4), await request.read(), await request.read(1)])

@webserver.route("/keep")
async def keep(request):
    held.append(request)
    return "kept"

@webserver.route("/late")
async def late(request):
    found = []
    old = held.pop()
    for use in (
        lambda: old.write("x"),
        lambda: old.flush(),
        lambda: Response.start(old, 200),
        lambda: old.header,
        lambda: Response.sendJson(old, 1),
    ):
        try:
            await use()
            found.append("taken")
        except RuntimeError as error:
            found.append(str(error))
    return found

def raw(*parts):
    async def handler(request):
        for part in parts:
            await request.write(part)
    return handler

def started(*parts):
    async def handler(request):
        await Response.start(request, 200, "OK")
        for part in parts:
            await request.write(part)
    return handler

webserver.appendRoutes([
    ["/raw/1", raw("HTTP/1.1 200 OK\\n", "X-A: 1\\n", "\\n", "body")],
    ["/raw/2", raw("HTTP/1.1 200 OK\\nX-A: 1\\n\\nbody")],
    ["/raw/3", started("X-A: 1\\n\\nbody")],
    ["/raw/4", started("X-A: 1\\n", "\\r\\n", "body")],
    ["/raw/5", started("X-A: 1\\r\\n\\nbo", "dy")],
    ["/raw/6", started("X-A: 1\\n\\r\\nbody")],
    ["/raw/cr", started("X-A: 1\\rX-B: 2\\n\\nbody")],
    ["/raw/close", started("X-A: 1\\nConnection: Upgrade, close\\n\\nbody")],
])

asyncio.run(webserver.runAsync())
"""


@pytest.fixture(scope="module")
def odd(webroot):
    server = Server(webroot, source=SOURCE)
    yield server
    assert server.close() == ""


@pytest.mark.parametrize("number", range(1, 7))
def test_head_as_text_with_any_line_ends(odd, number):
    with odd.connect() as client:
        status, header, body = client.send(f"GET /raw/{number} HTTP/1.1\nHost: x\n\n").answer()
        header.pop("date", None)
        assert (status, header, body) == (200, {"x-a": "1", "content-length": "4"}, b"body")
        assert client.send(PING).answer()[2] == b"pong"


def test_bare_cr_in_a_head_as_text(odd):
    assert odd.get("/raw/cr")[0] == 500


def test_close_in_a_list_of_a_head_as_text(odd):
    with odd.connect() as client:
        assert client.send("GET /raw/close HTTP/1.1\nHost: x\n\n").answer()[1]["connection"] == "close"
        assert client.closed() == b""


@pytest.mark.parametrize("target", ["/exit", "/exit-later", "/base"])
def test_nothing_that_a_handler_raises_ends_the_server(odd, target):
    with odd.connect() as client:
        assert client.send(f"GET {target} HTTP/1.1\nHost: x\n\n").answer()[0] == 500
        assert client.send(PING).answer()[2] == b"pong"
    assert odd.get("/logged")[2][:4] in (b"Syst", b"Base")


def test_keyboard_interrupt_ends_the_server():
    source = """
import asyncio
from micropAsyncWeb import MicropAsyncWeb
web = MicropAsyncWeb(port=0, webroot=None)
async def main():
    task = asyncio.create_task(web.runAsync())
    await asyncio.sleep_ms(50)
    web.route("/x")(interrupt)
    reader, writer = await asyncio.open_connection("127.0.0.1", web.sock_port())
    writer.write(b"GET /x HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    await writer.drain()
    await reader.read()
def interrupt(request):
    raise KeyboardInterrupt
web.sock_port = lambda: PORT
web.port = PORT
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""
    from .conftest import free_port

    assert run_vm(f"PORT = {free_port()}\n" + source).strip() == "interrupted"


@pytest.mark.parametrize("target", ["/returns-value", "/returns-waiting", "/returns-answer"])
def test_await_forgotten(odd, target):
    assert odd.get(target)[0] == 500
    assert b"must await" in odd.get("/logged")[2]


def test_iterator_that_gives_nothing(odd):
    status, header, body = odd.get("/returns-nothing")
    assert (status, header["content-length"], body) == (200, "0", b"")


def test_yields_before_it_waits(odd):
    """It has begun as an iterator, so None is a part that cannot be sent."""
    assert odd.get("/yields-at-first")[0] == 500
    assert b"buffer protocol" in odd.get("/logged")[2]


def test_handlers_that_wait_are_left_alone(odd):
    while odd.get("/logged")[2]:
        pass
    assert odd.get("/sleeps")[2] == b"slept"
    assert odd.get("/logged")[2] == b""


@pytest.mark.parametrize("target, body", [("/bytearray", b"abc"), ("/memoryview", b"bcd")])
def test_buffers_are_returned(odd, target, body):
    status, header, got = odd.get(target)
    assert (status, header["content-type"], got) == (200, "application/octet-stream", body)


def test_send_text(odd):
    status, header, body = odd.get("/text")
    assert (status, header["content-type"], body) == (201, "text/plain; charset=utf-8", b"text")


def test_read_in_pieces(odd):
    assert odd.ask("POST /read HTTP/1.1\nHost: x\nContent-Length: 10\n\n0123456789")[2] == b"0123|4567|89|"
    assert odd.ask("POST /read HTTP/1.1\nHost: x\nContent-Length: 2\n\n01")[2] == b"01|||"


def test_use_after_the_end(odd):
    import json

    odd.get("/keep")
    found = json.loads(odd.get("/late")[2])
    assert all("answered" in text for text in found), found


def test_missing_path_keeps_the_connection_without_a_webroot(odd):
    with odd.connect() as client:
        for method in ("GET", "POST", "HEAD"):
            status, header, _ = client.send(f"{method} /nothing HTTP/1.1\nHost: x\nContent-Length: 0\n\n").answer(
                head=method == "HEAD"
            )
            assert (status, "connection" in header) == (404, False)
        assert client.send("OPTIONS * HTTP/1.1\nHost: x\n\n").answer()[0] == 204
        assert client.send(PING).answer()[2] == b"pong"


WRONG = {
    'appendRoutes(["/x", handler])': "TypeError route /x: its handler must be a function or a file name",
    'appendRoutes([["/x", None]])': "TypeError route /x: its handler must be a function or a file name, not None",
    'appendRoutes([["/x"]])': "TypeError route /x: its handler must be a function",
    'appendRoutes([["/x", 5]])': "TypeError route /x: its handler must be a function or a file name, not 5",
    'appendRoutes([["/x", handler()]])': "TypeError route /x: its handler must be a function",
    'appendRoutes([["/x/*", handler()]])': "TypeError route /x/*: its handler must be a function",
    'appendRoutes([[handler, "/x"]])': "TypeError <",
    'appendRoutes([["/x", handler, "GET POST"]])': 'ValueError route /x: methods must be like "GET, POST"',
    'appendRoutes([["/x", handler, "GET, POST,"]])': 'ValueError route /x: methods must be like "GET, POST"',
    'appendRoutes([["/x", handler, ""]])': 'ValueError route /x: methods must be like "GET, POST"',
    'appendRoutes([["/x", handler, ["GET"]]])': 'TypeError route /x: methods must be a str like "GET, POST"',
    "route(handler)": "TypeError <",
    'route("/x", "GET POST")(handler)': "ValueError route /x: methods",
    'route("x")(handler)': "ValueError route x: must be parts like",
}


def test_wrong_registrations_are_refused_and_change_nothing():
    source = f"""
from micropAsyncWeb import MicropAsyncWeb
async def handler(request=None):
    pass
for call in {list(WRONG)!r}:
    web = MicropAsyncWeb(webroot=None)
    try:
        eval("web." + call)
        print("taken")
    except (TypeError, ValueError) as error:
        print(type(error).__name__, error, web.router.exact, web.router.lines)
"""
    lines = run_vm(source).split("\n")
    for line, (call, expected) in zip(lines, WRONG.items(), strict=False):
        assert line.startswith(expected), call
        assert line.endswith(" {} {}"), call


def test_any_spelling_of_methods():
    source = """
from micropAsyncWeb import MicropAsyncWeb
for methods in ("GET", "get", "GET, POST", "get,post", " GET , POST "):
    web = MicropAsyncWeb(webroot=None)
    web.route("/x", methods)(print)
    print(sorted(web.router.exact["/x"]))
"""
    assert run_vm(source).split("\n")[:5] == ["['GET']"] * 2 + ["['GET', 'POST']"] * 3
