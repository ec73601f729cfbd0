"""The public API, as the reference promises it, over the wire."""

import json
import time

import pytest


def test_ping(server):
    assert server.get("/ping") == (200, {"content-length": "4"}, b"pong")


def test_request_members(server):
    fields = ("User-Agent: me", "Cookie: a=b; c=d=e", "X-Q: 1", "x-q: 2")
    status, _, body = server.get("/what?a=1&b=%20x+y&a=2#part", *fields)
    got = json.loads(body)
    assert status == 200
    assert got["url"] == "/what?a=1&b=%20x+y&a=2#part"
    assert got["path"] == "/what"
    assert got["method"] == "GET"
    assert got["params"] == []
    assert got["query"] == {"a": "2", "b": " x y"}
    assert got["cookies"] == {"a": "b", "c": "d=e"}
    assert got["header"]["x-q"] == "1, 2"
    assert got["agent"] == "me"
    assert got["has"] is True


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_methods_with_spaces(server, method):
    status, _, body = server.ask(f"{method} /what HTTP/1.1\nHost: x\nContent-Length: 0\n\n")
    assert status == 200
    assert json.loads(body)["method"] == method


def test_parameters_are_decoded(server):
    assert json.loads(server.get("/api/a%2Fb%20c/%C3%BC")[2]) == ["two", ["a/b c", "\u00fc"]]


def test_named_parameters(server):
    assert json.loads(server.get("/led/7/red")[2]) == [[7, "red"], 7, "red"]
    assert server.get("/led/x/red")[0] == 404


def test_more_specific_route_wins(server):
    assert server.get("/api/x/fixed")[2] == b"fixed"
    assert json.loads(server.get("/api/x/other")[2]) == ["two", ["x", "other"]]


def test_registered_string_is_a_file(server):
    assert server.get("/registered")[2] == b"0123456789"


@pytest.mark.parametrize(
    "target, status, kind, body",
    [
        ("/iterator", 200, "application/octet-stream", b"part 0\npart 1\npart 2\n"),
        ("/async-iterator", 200, "application/octet-stream", b"tick\n" * 3),
        ("/tuple", 201, "text/x", b"made"),
        ("/set", 200, "text/plain; charset=utf-8", b"set"),
        ("/nothing", 204, None, b""),
        ("/body-only", 200, None, b"body only"),
        ("/error", 403, "text/plain", b"403 Go Away"),
        ("/file", 200, "text/plain; charset=utf-8", b"0123456789"),
        ("/no-file", 404, "text/plain", b"404 Not Found"),
        ("/teapot", 418, "text/plain", b"418 short and stout"),
        ("/boom", 500, "text/plain", b"500 Internal Server Error"),
        ("/half-boom", 500, "text/plain", b"500 Internal Server Error"),
        ("/memory", 503, "text/plain", b"503 Busy"),
        ("/split", 500, "text/plain", b"500 Internal Server Error"),
        ("/split-reason", 500, "text/plain", b"500 Internal Server Error"),
    ],
)
def test_answers(server, target, status, kind, body):
    got = server.get(target)
    assert got[0] == status
    assert got[1].get("content-type") == kind
    assert got[2] == body
    assert "x-half" not in got[1]


def test_redirect_and_cookie(server):
    status, header, _ = server.get("/redirect")
    assert (status, header["location"]) == (302, "/ping")
    assert server.get("/cookie")[1]["set-cookie"].startswith("a=b; ")


def test_exceptions_are_logged_not_printed(start):
    server = start()
    server.get("/boom")
    logged = server.state()["logged"]
    assert logged[-1][0] == "error" and "secret detail" in logged[-1][2]
    assert server.close() == ""


def test_bodies(server):
    def post(target, body, kind="text/plain"):
        return server.ask(f"POST {target} HTTP/1.1\nHost: x\nContent-Length: {len(body)}\n\n{body}")

    assert post("/echo", "hello")[2] == b"hello"
    assert json.loads(post("/json", '{"a": [1]}')[2]) == {"got": {"a": [1]}}
    assert post("/json", '{"a": ')[0] == 400
    assert json.loads(post("/form", "a=1&b=%C3%BC+x&c=")[2]) == {"a": "1", "b": "\u00fc x", "c": ""}
    assert json.loads(post("/parts", "x" * 950)[2]) == [950, True]


def test_save(server, webroot):
    body = "0123456789" * 500
    head = f"POST /save HTTP/1.1\nHost: x\nContent-Length: {len(body)}\n\n"
    assert json.loads(server.ask(head + body)[2]) == [5000]
    assert (webroot / "saved.bin").read_text() == body
    for old in (body, None):
        if not old:
            (webroot / "saved.bin").unlink()
        with server.connect() as client:
            client.send(head + body[:3000])
            deadline = time.monotonic() + 5
            while not (webroot / "saved.bin.uploading").exists():
                assert time.monotonic() < deadline
            # Nobody sees the half of it, and an older file is not touched.
            assert server.get("/saved.bin")[2] == (old.encode() if old else b"404 Not Found")
        while (webroot / "saved.bin.uploading").exists():
            assert time.monotonic() < deadline, "a broken upload left its file"
        assert server.get("/saved.bin")[2] == (old.encode() if old else b"404 Not Found")


def test_two_uploads_to_one_file(server, webroot):
    head = "POST /save HTTP/1.1\nHost: x\nContent-Length: 4000\n\n"
    with server.connect() as first, server.connect() as second:
        first.send(head + "1" * 2000)
        second.send(head + "2" * 2000)
        second.send("2" * 2000).answer()
        assert (webroot / "saved.bin").read_text() == "2" * 4000
        first.send("1" * 2000).answer()
    assert (webroot / "saved.bin").read_text() == "1" * 4000
    assert not list(webroot.glob("*.uploading*"))
    (webroot / "saved.bin").unlink()


def test_save_of_a_body_that_is_larger_than_the_heap(start, webroot):
    server = start(
        source="""
import asyncio
from micropAsyncWeb import MicropAsyncWeb
webserver = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=WEBROOT)
@webserver.route("/save", "POST", maxBody=1000000)
async def save(request):
    return str(await request.save(WEBROOT + "/large.bin"))
asyncio.run(webserver.runAsync())
""",
        heap="120k",
    )
    body = bytes(range(250)) * 2000
    with server.connect() as client:
        client.send("POST /save HTTP/1.1\nHost: x\nContent-Length: 500000\n\n").send(body)
        assert client.answer()[2] == b"500000"
    assert (webroot / "large.bin").read_bytes() == body
    (webroot / "large.bin").unlink()


def test_handlers_may_wait(server):
    began = time.monotonic()
    clients = [server.connect() for _ in range(6)]
    for client in clients:
        client.send("GET /slow?ms=300 HTTP/1.1\nHost: x\n\n")
    assert server.get("/ping")[0] == 200
    assert time.monotonic() - began < 0.25, "a waiting handler held up another request"
    assert [client.answer()[2] for client in clients] == [b"slow"] * 6
    assert time.monotonic() - began < 0.9
    # Each connection goes on as if nothing had been.
    for client in clients:
        assert client.send("GET /ping HTTP/1.1\nHost: x\n\n").answer()[2] == b"pong"
        client.sock.close()


def test_event_between_handlers(server):
    with server.connect() as waiting:
        waiting.send("GET /wait HTTP/1.1\nHost: x\n\n")
        time.sleep(0.05)
        server.get("/set")
        assert waiting.answer()[2] == b"waited"


def test_handler_uses_streams(server):
    assert server.get("/other/api")[2].endswith(b"\r\n\r\npong")


@pytest.mark.parametrize("target", ["/generator", "/returns-generator"])
def test_handler_that_is_a_generator(server, target):
    for _ in range(3):
        assert server.get(target)[2] == b"part 0\npart 1\npart 2\n"
    with server.connect() as client:
        # Behind a handler that has waited, and behind each other.
        client.send("".join(f"GET {path} HTTP/1.1\nHost: x\n\n" for path in ("/slow", target, target, "/ping")))
        assert [len(client.answer()[2]) for _ in range(4)] == [4, 21, 21, 4]


def test_generator_with_its_own_head(server):
    status, header, body = server.get("/generator-started")
    assert (status, header["content-type"], body) == (201, "text/x", b"ab")


def test_arguments_by_name(server):
    assert server.ask("POST /by-name HTTP/1.1\nHost: x\nContent-Length: 9\n\n123456789")[2] == b"12345"


def test_client_address(server):
    with server.connect() as client:
        host, port = client.sock.getsockname()
        assert json.loads(client.send("GET /client HTTP/1.1\nHost: x\n\n").answer()[2]) == [host, port]


@pytest.mark.parametrize("number", range(6))
def test_what_cannot_be_returned_is_500(server, number):
    assert server.get(f"/returns/{number}")[0] == 500
    assert "a handler cannot return" in str(server.state()["logged"][-1])


@pytest.mark.parametrize("number", range(5))
def test_malformed_errors_are_answered(server, number):
    assert server.get(f"/raises/{number}")[0] in (404, 500)


def test_nothing_follows_an_answer(server):
    """What a handler writes behind a file, or a second head, would be taken for the next answer."""
    with server.connect() as client:
        for target, body in (("/file-then-write", b"0123456789"), ("/flush-head", b"later"), ("/ping", b"pong")):
            assert client.send(f"GET {target} HTTP/1.1\nHost: x\n\n").answer()[2] == body
        assert client.data == b""


def test_route_that_is_replaced_is_found_at_once(start):
    server = start()
    with server.connect() as client:
        ping = "GET /ping HTTP/1.1\nHost: x\n\n"
        assert [client.send(ping).answer()[2] for _ in range(3)] == [b"pong"] * 3
        client.send("GET /add HTTP/1.1\nHost: x\n\n").answer()
        assert client.send(ping).answer()[2] == b"added"


def test_empty_lines_before_a_remembered_head(start):
    server = start()
    ping = "GET /ping HTTP/1.1\nHost: x\n\n"
    with server.connect() as client:
        assert client.send("\n" + ping).answer()[2] == b"pong"
        # As long as the first, but its last two bytes belong to the next request.
        assert client.send(ping + "GE").answer()[2] == b"pong"
        assert client.send(ping[2:]).answer()[2] == b"pong"
