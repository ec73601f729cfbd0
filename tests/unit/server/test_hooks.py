"""Hooks before and after handlers, error handlers and mounts, over the wire."""

import json

import pytest

from .conftest import Server, run_vm

APP = """
import asyncio
from micropAsyncWeb import HttpError, MicropAsyncWeb, Response

server = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=WEBROOT, **OPTIONS)
order = []
logged = []
server.log = lambda level, text, error: logged.append(repr(error))

@server.route("/ping")
def ping(request):
    order.append("handler")
    return "pong"

@server.route("/order")
async def show(request):
    before = list(order)
    order.clear()
    return before

@server.route("/stream")
async def stream(request):
    for _ in range(1000):
        await request.write("0123456789")

@server.route("/raw")
async def raw(request):
    await Response.start(request, 200, "OK")
    await request.write("X-Raw: 1")
    await Response.startBody(request)
    await request.write("raw")

@server.route("/os-error")
async def os_error(request):
    raise OSError(28)

@server.route("/late-os-error")
async def late(request):
    await request.write("begun")
    await request.flush()
    raise OSError(28)

@server.route("/value-error")
async def value_error(request):
    raise ValueError("secret")

@server.route("/index-error")
async def index_error(request):
    raise IndexError

@server.route("/teapot")
async def teapot(request):
    raise HttpError(418)

@server.route("/conflict")
async def conflict(request):
    raise HttpError(409, "Twice")

@server.route("/logged")
async def show_log(request):
    return logged

@server.route("/private/x")
async def private(request):
    return "x"

@server.route("/privateer")
async def privateer(request):
    return "er"

@server.before
def first(request):
    order.append("first")

@server.before
async def second(request):
    await asyncio.sleep_ms(1)
    order.append("second")

def stop(request):
    if request.query.get("how") == "raise":
        raise HttpError(403)
    if request.query.get("how") == "redirect":
        return Response.redirect(request, "/login")
    if request.query.get("how") == "write":
        return Response.sendText(request, "written")
    if request.query.get("how") == "return":
        return {"no": 1}, 401
    order.append("stop")

server.before(stop, "/private/")

@server.after
def mark(request):
    Response.header(request, "X-Status", request.head[9:12].decode())

server.after(lambda request: 1 // (0 if "burst" in request.query else 1), "/private")

@server.errorHandler(404)
def missing(request, error):
    return "<h1>missing</h1>", 404, {"Content-Type": "text/html"}

@server.errorHandler(418)
async def short(request, error):
    await asyncio.sleep_ms(1)
    return {"error": error.args[0]}

@server.errorHandler(OSError)
async def storage(request, error):
    return "storage: %d" % error.errno, 507

@server.errorHandler(LookupError)
def nothing(request, error):
    pass

@server.errorHandler(409)
def broken(request, error):
    raise RuntimeError

@server.errorHandler(431)
def large(request, error):
    return "large"

api = MicropAsyncWeb(webroot=None)
pages = MicropAsyncWeb(webroot=WEBROOT + "/sub", indexFile="page.htm")
deep = MicropAsyncWeb(webroot=None)
server.mount("/api/v1", api)
server.mount("/pages", pages)
api.mount("/deep", deep)
pages.appendRoutes([["/start", "index.html"]])

@api.route("/led/<int:n>", "POST, GET")
async def led(request):
    return [request.args["n"], request.path, request.mount, request.url]

@api.route("/")
async def root(request):
    return "root"

@api.route("/open")
async def open_(request):
    return "open"

@deep.route("/x")
async def x(request):
    return [request.path, request.mount]

def need_key(request):
    if "key" not in request.query:
        raise HttpError(403)

api.before(need_key, "/led")
deep.before(need_key)

@api.after
def api_mark(request):
    Response.header(request, "X-Api", 1)

@api.errorHandler(404)
def api_missing(request, error):
    return {"error": "no such thing"}

@server.route("/api/v1/late")
def covered(request):
    return "covered"

asyncio.run(server.runAsync())
"""


@pytest.fixture(scope="module")
def app(webroot):
    server = Server(webroot, "maxConnections=16", APP)
    yield server
    server.close()


def test_before_hooks_run_in_order_then_the_handler(app):
    app.get("/order")
    assert app.get("/ping")[2] == b"pong"
    assert json.loads(app.get("/order")[2]) == ["first", "second", "handler", "first", "second"]


def test_pipelined_requests_are_answered_in_order(app):
    with app.connect() as client:
        client.send("GET /ping HTTP/1.1\nHost: x\n\nGET /private/x HTTP/1.1\nHost: x\n\n" * 3)
        assert [client.answer()[2] for _ in range(6)] == [b"pong", b"x"] * 3


@pytest.mark.parametrize(
    "target, status, body",
    [
        ("/private/x", 200, b"x"),
        ("/private/x?how=raise", 403, b"403 Forbidden"),
        ("/private?how=raise", 403, b"403 Forbidden"),
        ("/private/none?how=raise", 403, b"403 Forbidden"),
        ("/%70rivate%2fx?how=raise", 403, b"403 Forbidden"),
        ("/private/x?how=redirect", 302, b""),
        ("/private/x?how=write", 200, b"written"),
        ("/private/x?how=return", 401, b'{"no": 1}'),
        ("/privateer?how=raise", 200, b"er"),
        ("/sub/?how=raise", 200, b"<h1>sub</h1>"),
    ],
)
def test_before_with_prefix(app, target, status, body):
    assert app.get(target)[::2] == (status, body)


@pytest.mark.parametrize(
    "target", ["/ping", "/small.txt", "/stream", "/raw", "/missing", "/order", "/private/x?how=raise"]
)
def test_after_sees_every_answer(app, target):
    status, header, _ = app.get(target)
    assert header["x-status"] == str(status)


def test_after_sees_answers_to_what_is_refused(app):
    assert app.ask("GET /ping HTTP/1.1\n\n")[1]["x-status"] == "400"
    assert app.ask("BREW /ping HTTP/1.1\nHost: x\n\n")[1]["x-status"] == "501"
    assert app.ask("no request\n\n")[1]["x-status"] == "400"
    status, header, body = app.ask("GET / HTTP/1.1\nX: " + "x" * 3000 + "\n\n")
    assert (status, header["x-status"], body) == (431, "431", b"large")


def test_streamed_answer_is_whole(app):
    status, header, body = app.get("/stream")
    assert (header["transfer-encoding"], body) == ("chunked", b"0123456789" * 1000)
    assert app.get("/raw")[1]["x-raw"] == "1"


def test_head_has_no_body(app):
    status, header, _ = app.ask("HEAD /ping HTTP/1.1\nHost: x\n\n", head=True)
    assert (status, header["content-length"], header["x-status"]) == (200, "4", "200")


def test_after_hook_that_raises_becomes_an_error_answer(app):
    assert app.get("/private/x?burst")[0] == 500
    assert app.get("/private/x")[0] == 200


@pytest.mark.parametrize(
    "target, status, body",
    [
        ("/missing", 404, b"<h1>missing</h1>"),
        ("/teapot", 418, b'{"error": 418}'),
        ("/os-error", 507, b"storage: 28"),
        ("/value-error", 500, b"500 Internal Server Error"),
        ("/index-error", 500, b"500 Internal Server Error"),
        ("/conflict", 409, b"409 Twice"),
    ],
)
def test_error_handlers(app, target, status, body):
    assert app.get(target)[::2] == (status, body)


def test_error_after_the_head_closes(app):
    with app.connect() as client:
        data = client.send("GET /late-os-error HTTP/1.1\nHost: x\n\n").closed()
    assert data.endswith(b"begun\r\n")


def test_what_no_handler_took_is_logged(app):
    app.get("/value-error")
    app.get("/conflict")
    logged = json.loads(app.get("/logged")[2])
    assert "ValueError('secret',)" in logged
    assert "RuntimeError()" in logged
    assert not [text for text in logged if "28" in text and "secret" in text]


@pytest.mark.parametrize(
    "target, status, body",
    [
        ("/api/v1/led/7?key", 200, ["7", "/api/v1/led/7", "/api/v1", "/api/v1/led/7?key"]),
        ("/api/v1/led/7", 403, b"403 Forbidden"),
        ("/%61pi/v1/led/7", 403, b"403 Forbidden"),
        ("/api/v1", 200, b"root"),
        ("/api/v1/", 200, b"root"),
        ("/api/v1/open", 200, b"open"),
        ("/api/v1/late", 404, b'{"error": "no such thing"}'),
        ("/api/v1/deep/x?key", 200, ["/api/v1/deep/x", "/api/v1/deep"]),
        ("/api/v1/deep/x", 403, b"403 Forbidden"),
        ("/api/v10", 404, b"<h1>missing</h1>"),
        ("/pages/", 200, b"page"),
        ("/pages/index.html", 200, b"<h1>sub</h1>"),
        ("/pages/start", 200, b"<h1>sub</h1>"),
        ("/pages/small.txt", 404, b"<h1>missing</h1>"),
        ("/pages/%2e%2e/small.txt", 404, b"<h1>missing</h1>"),
        ("/pages/..%2fsmall.txt", 404, b"<h1>missing</h1>"),
    ],
)
def test_mounts(app, target, status, body):
    got = app.get(target)
    if isinstance(body, list):
        assert json.loads(got[2]) == [int(body[0]), *body[1:]] if body[0].isdigit() else body
    else:
        assert got[2] == body
    assert got[0] == status
    assert ("x-api" in got[1]) == target.replace("%61", "a").startswith("/api/v1") or target == "/api/v10"


def test_mount_knows_methods(app):
    status, header, _ = app.ask("PUT /api/v1/led/7?key HTTP/1.1\nHost: x\nContent-Length: 0\n\n")
    assert (status, header["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert app.ask("POST /api/v1/led/7?key HTTP/1.1\nHost: x\nContent-Length: 0\n\n")[0] == 200
    # A file that is not there has no methods.
    assert app.ask("POST /pages/index.html HTTP/1.1\nHost: x\nContent-Length: 0\n\n")[0] == 405
    assert app.ask("POST /pages/nothing HTTP/1.1\nHost: x\nContent-Length: 0\n\n")[0] == 404
    assert app.ask("POST /api/v1/nothing HTTP/1.1\nHost: x\nContent-Length: 0\n\n")[0] == 404


@pytest.mark.parametrize(
    "line",
    [
        'server.mount("/", other)',
        'server.mount("api", other)',
        'server.mount("/api", server)',
        'server.before(print, "x")',
        'server.after(hook=print, prefix="x")',
    ],
)
def test_bad_prefix_is_refused(line):
    source = "from micropAsyncWeb import MicropAsyncWeb\nserver, other = MicropAsyncWeb(), MicropAsyncWeb()\n"
    assert "prefix" in run_vm(source + f"try:\n    {line}\nexcept ValueError as error:\n    print(error)\n")


def test_unknown_member_is_an_attribute_error():
    source = "from micropAsyncWeb import MicropAsyncWeb\nserver = MicropAsyncWeb()\n"
    assert run_vm(source + "print(hasattr(server, 'befor'), hasattr(server, 'before'))") == "False True\n"


def test_costs_nothing_until_used():
    source = "from micropAsyncWeb import MicropAsyncWeb\nMicropAsyncWeb()\n"
    assert "hooks" not in run_vm(source + "print(sorted(sys.modules))")
