"""The fields Date and Last-Modified: in every answer once the clock is right, in none before."""

import contextlib
import email.utils
import os
import time

import pytest

SOURCE = """
import asyncio
from micropAsyncWeb import HttpError, MicropAsyncWeb, Response
from micropAsyncWeb.sse import sse
from micropAsyncWeb.websocket import websocket

webserver = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=WEBROOT, **OPTIONS)

@webserver.route("/date/<seconds>")
async def set_date(request):
    seconds = request.args["seconds"]
    Response.setDate(None if seconds == "none" else int(seconds))
    return "set"

@webserver.route("/plain")
async def plain(request):
    await request.write("x")

@webserver.route("/text", "GET, POST")
async def text(request):
    return "x"

@webserver.route("/json")
async def json(request):
    return {"x": 1}, 201, {"X-A": "b"}

@webserver.route("/chunks")
async def chunks(request):
    return iter(["x"] * 3)

@webserver.route("/large")
async def large(request):
    await request.write("x" * 5000)

@webserver.route("/nothing")
async def nothing(request):
    pass

@webserver.route("/raw")
async def raw(request):
    await request.write("HTTP/1.1 299 Raw\\nX-A: b\\n\\nx")

@webserver.route("/own")
async def own(request):
    await Response.start(request)
    await Response.header(request, "date", "Sun, 06 Nov 1994 08:49:37 GMT")
    await Response.startBody(request)
    await request.write("x")

@webserver.route("/wait")
async def wait(request):
    await asyncio.sleep(60)

@webserver.route("/fails")
async def fails(request):
    1 // 0

@webserver.route("/begun")
async def begun(request):
    await Response.start(request)
    raise HttpError(409)

@webserver.route("/away")
async def away(request):
    await Response.redirect(request, "/text")

@webserver.route("/events")
@sse
async def events(request, stream):
    await stream.send("x")

@webserver.route("/socket")
@websocket
async def socket(request, ws):
    pass

webserver.appendRoutes([["/page", "small.txt", "GET, POST"]])
asyncio.run(webserver.runAsync())
"""
NOON = 1_790_000_000
UPGRADE = (
    "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
)
ANSWERS = [
    ("GET /plain", 200),
    ("GET /text", 200),
    ("HEAD /text", 200),
    ("GET /json", 201),
    ("GET /chunks", 200),
    ("GET /large", 200),
    ("GET /nothing", 204),
    ("GET /raw", 299),
    ("GET /away", 302),
    ("GET /begun", 409),
    ("GET /fails", 500),
    ("GET /missing", 404),
    ("DELETE /text", 405),
    ("OPTIONS /text", 204),
    ("GET /sub", 301),
    ("GET /small.txt", 200),
    ("HEAD /small.txt", 200),
    ("GET /big.bin", 200),
    ("GET /small.txt HTTP/1.1\nRange: bytes=2-3", 206),
    ("GET /small.txt HTTP/1.1\nRange: bytes=99-", 416),
    ("GET /small.txt HTTP/1.1\nIf-None-Match: *", 304),
    ("GET /small.txt HTTP/1.1\nIf-Match: x", 412),
    ("GET /a b", 400),
    ("GET /text HTTP/2.0", 505),
    ("GET /" + "x" * 3000, 414),
    ("GET /events", 200),
    ("GET /socket HTTP/1.1\n" + UPGRADE, 101),
    ("GET /socket", 426),
]


@pytest.fixture
def server(start):
    return start("maxConnections=4, headTimeout=0.2", SOURCE)


def ask(server, request):
    """(status, header) of the answer to a request without its last lines."""
    line, _, fields = request.partition("\n")
    if " HTTP/" not in line:
        line += " HTTP/1.1"
    text = f"{line}\nHost: x\n{fields}\n\n" if fields else f"{line}\nHost: x\n\n"
    status, header, _ = server.ask(text, head=True)
    return status, header


def test_every_answer_has_it_or_none(server):
    for seconds, date in (("none", None), (NOON, "Mon, 21 Sep 2026 14:13:20 GMT"), ("none", None)):
        server.get(f"/date/{seconds}")
        for request, status in ANSWERS:
            # Twice, because the second head of a kind may be that of the first.
            for _ in range(2):
                got, header = ask(server, request)
                assert (got, header.get("date")) == (status, date), request


def test_clients_that_are_turned_away(server):
    server.get(f"/date/{NOON}")
    with server.connect() as client:
        assert client.send("GET /te").answer()[1]["date"] == "Mon, 21 Sep 2026 14:13:20 GMT"
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(server.connect()).send("GET /wait HTTP/1.1\nHost: x\n\n")
        status, header, _ = stack.enter_context(server.connect()).answer()
        assert (status, header["date"]) == (503, "Mon, 21 Sep 2026 14:13:20 GMT")


def test_it_moves_on(server):
    for seconds in (NOON, NOON + 1, NOON + 86400 * 365):
        server.get(f"/date/{seconds}")
        for target in ("/plain", "/text", "/small.txt", "/missing"):
            assert server.get(target)[1]["date"] == email.utils.formatdate(seconds, usegmt=True)


def test_handler_with_a_date_of_its_own(server):
    for seconds in ("none", NOON):
        server.get(f"/date/{seconds}")
        assert ask(server, "GET /own")[1]["date"] == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_file_from_the_future_was_modified_now(server, webroot):
    """RFC 9110 section 8.8.2.1."""
    path = webroot / "future.txt"
    path.write_bytes(b"x")
    for seconds in (4_000_000_000, 1_700_000_000):
        os.utime(path, (seconds, seconds))
        header = server.get("/future.txt")[1]
        modified = email.utils.parsedate_to_datetime(header["last-modified"]).timestamp()
        assert min(seconds, time.time() - 60) <= modified <= min(seconds, time.time())
        assert "etag" in header
    path.unlink()


def test_conditions_of_other_methods(server):
    """RFC 9110 sections 13.1.2 and 13.1.3: not modified is an answer to GET and HEAD only."""
    header = server.get("/page")[1]
    for method, status in (("GET", 304), ("HEAD", 304), ("POST", 200)):
        got, _ = ask(server, f"{method} /page HTTP/1.1\nIf-Modified-Since: {header['last-modified']}")
        assert got == status
    for method, status in (("GET", 304), ("HEAD", 304), ("POST", 412)):
        assert ask(server, f"{method} /page HTTP/1.1\nIf-None-Match: {header['etag']}")[0] == status
