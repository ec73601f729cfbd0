"""HTTP/1.1 at the level of bytes (RFC 9110, RFC 9112)."""

import time

import pytest

PING = "GET /ping HTTP/1.1\nHost: x\n\n"
PONG = (200, {"content-length": "4"}, b"pong")


def test_whole_answer_is_one_segment_of_known_bytes(server):
    with server.connect() as client:
        client.send(PING)
        assert client.sock.recv(1000) == b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong"


def test_keep_alive_and_close(server):
    with server.connect() as client:
        for _ in range(3):
            assert client.send(PING).answer() == PONG
        status, header, body = client.send("GET /ping HTTP/1.1\nHost: x\nConnection: foo, Close\n\n").answer()
        assert header["connection"] == "close"
        assert client.closed() == b""


@pytest.mark.parametrize("fields", ["", "Host: x\n", "Connection: keep-alive\n"])
def test_http_1_0_closes(server, fields):
    with server.connect() as client:
        client.send(f"GET /ping HTTP/1.0\n{fields}\n")
        assert client.closed() == b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npong"


def test_http_1_0_stream_ends_with_the_connection(server):
    with server.connect() as client:
        client.send("GET /stream?n=2000 HTTP/1.0\n\n")
        status, header, body = client.answer()
        assert "transfer-encoding" not in header and "content-length" not in header
        assert body == b"".join(b"%06d\n" % number for number in range(2000))


def test_pipelining(server):
    with server.connect() as client:
        slow = "GET /slow HTTP/1.1\nHost: x\n\n"
        echo = "POST /echo HTTP/1.1\nHost: x\nContent-Length: 3\n\nabc"
        client.send(PING + slow + echo + PING)
        assert client.answer() == PONG
        assert client.answer()[2] == b"slow"
        assert client.answer()[2] == b"abc"
        assert client.answer() == PONG


def test_pipelined_then_half_closed(server):
    import socket

    with server.connect() as client:
        client.send(PING * 3)
        client.sock.shutdown(socket.SHUT_WR)
        for _ in range(3):
            assert client.answer() == PONG
        assert client.closed() == b""


def test_every_split_gives_the_same_answer(server):
    request = b"\r\nPOST /echo?x=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    request += b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
    with server.connect() as client:
        for cut in range(1, len(request)):
            client.send(request[:cut])
            time.sleep(0.002)
            client.send(request[cut:])
            assert client.answer()[2] == b"hello"
            assert client.answer() == PONG


def test_byte_by_byte(server):
    with server.connect() as client:
        for byte in b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
            client.send(bytes((byte,)))
            time.sleep(0.001)
        assert client.answer()[2] == b"abc"


@pytest.mark.parametrize("target", ["/ping", "/small.txt", "/stream", "/api/a/b"])
def test_head_is_get_without_body(server, target):
    _, expected, body = server.get(target)
    with server.connect() as client:
        client.send(f"HEAD {target} HTTP/1.1\nHost: x\n\n")
        status, header, _ = client.answer(head=True)
        assert (status, header) == (200, expected)
        assert client.send(PING).answer() == PONG


@pytest.mark.parametrize(
    "host", ["", "greenhouse.local", "192.168.4.1:80", "x:", "[fe80::1]", "[::1]:8080", "a_b.example", "x%41", "a+b"]
)
def test_hosts(server, host):
    assert server.ask(f"GET /ping HTTP/1.1\nHost: {host}\n\n") == PONG


def test_letters_beyond_ascii_in_a_route(server):
    assert server.get("/gr%c3%bcn")[2] == b"green"


@pytest.mark.parametrize(
    "target",
    ["/sub", "/redirect", "/nothing", "/cookie", "/missing", "/iterator", "/registered", "/raw-all", "/teapot"],
)
def test_head_of_other_answers(server, target):
    status, expected, _ = server.get(target)
    assert server.ask(f"HEAD {target} HTTP/1.1\nHost: x\n\n", head=True)[:2] == (status, expected)


def test_empty_lines_after_a_request_are_no_head(start):
    server = start("headTimeout=0.3, idleTimeout=1")
    with server.connect() as client:
        assert client.send(PING).answer() == PONG
        client.send("\n\n")
        time.sleep(0.7)
        assert client.send(PING).answer() == PONG
        client.send("\n")
        assert client.closed() == b""


def test_options(server):
    status, header, _ = server.ask("OPTIONS /what HTTP/1.1\nHost: x\n\n")
    assert (status, header["allow"]) == (204, "GET, HEAD, OPTIONS, POST, PUT")
    assert server.ask("OPTIONS * HTTP/1.1\nHost: x\n\n")[0] == 204


def test_method_not_allowed(server):
    status, header, _ = server.ask("DELETE /ping HTTP/1.1\nHost: x\n\n")
    assert (status, header["allow"]) == (405, "GET, HEAD, OPTIONS")
    status, header, _ = server.ask("POST /small.txt HTTP/1.1\nHost: x\nContent-Length: 0\n\n")
    assert (status, header["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("method", ["BREW", "CONNECT", "get", "TRACE"])
def test_unknown_method(server, method):
    assert server.ask(f"{method} /ping HTTP/1.1\nHost: x\n\n")[0] == 501


@pytest.mark.parametrize("target", ["http://x/ping", "HTTP://x:80/ping", "https://x/ping?a=b"])
def test_absolute_form(server, target):
    assert server.get(target)[2] == b"pong"


def test_absolute_form_without_path(server):
    assert server.get("http://x")[2] == b"<h1>index</h1>"


def test_minor_version_above_1(server):
    assert server.ask("GET /ping HTTP/1.9\nHost: x\n\n")[2] == b"pong"


@pytest.mark.parametrize("target", ["/%70ing", "/pin%67?x", "/ping#x"])
def test_percent_decoding(server, target):
    assert server.get(target)[2] == b"pong"


def test_no_double_decoding(server):
    assert server.get("/%2570ing")[0] == 404


REFUSED = {
    "both lengths": (400, "POST /echo HTTP/1.1\nHost: x\nContent-Length: 3\nTransfer-Encoding: chunked\n\nabc"),
    "other order": (400, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nContent-Length: 3\n\nabc"),
    "two lengths": (400, "POST /echo HTTP/1.1\nHost: x\nContent-Length: 3\nContent-Length: 4\n\nabcd"),
    "list of lengths": (400, "POST /echo HTTP/1.1\nHost: x\nContent-Length: 3, 3\n\nabc"),
    "negative length": (400, "POST /echo HTTP/1.1\nHost: x\nContent-Length: -3\n\nabc"),
    "plus length": (400, "POST /echo HTTP/1.1\nHost: x\nContent-Length: +3\n\nabc"),
    "hex length": (400, "POST /echo HTTP/1.1\nHost: x\nContent-Length: 0x3\n\nabc"),
    "empty length": (400, "POST /echo HTTP/1.1\nHost: x\nContent-Length:\n\nabc"),
    "underscored length": (400, "POST /echo HTTP/1.1\nHost: x\nContent-Length: 1_0\n\nabc"),
    "two codings": (400, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n"),
    "gzip alone": (400, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: gzip\n\n"),
    "chunked first": (400, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked, gzip\n\n"),
    "chunked first, two fields": (
        400,
        "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nTransfer-Encoding: gzip\n\n",
    ),
    "empty coding": (400, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding:\n\n"),
    "coding and length": (
        400,
        "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: gzip, chunked\nContent-Length: 3\n\nabc",
    ),
    "two codings in two fields": (
        501,
        "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: gzip\nTransfer-Encoding: chunked\n\n",
    ),
    "space in host": (400, "GET /ping HTTP/1.1\nHost: a b\n\n"),
    "user in host": (400, "GET /ping HTTP/1.1\nHost: u@x\n\n"),
    "path in host": (400, "GET /ping HTTP/1.1\nHost: x/evil\n\n"),
    "letters in port": (400, "GET /ping HTTP/1.1\nHost: x:abc\n\n"),
    "two ports": (400, "GET /ping HTTP/1.1\nHost: x:80:80\n\n"),
    "list of hosts": (400, "GET /ping HTTP/1.1\nHost: x y\n\n"),
    "open bracket in host": (400, "GET /ping HTTP/1.1\nHost: [::1\n\n"),
    "cut percent in host": (400, "GET /ping HTTP/1.1\nHost: x%2\n\n"),
    "overlong UTF-8": (400, "GET /a%c0%af HTTP/1.1\nHost: x\n\n"),
    "overlong UTF-8, three bytes": (400, "GET /a%e0%80%af HTTP/1.1\nHost: x\n\n"),
    "surrogate": (400, "GET /a%ed%a0%80 HTTP/1.1\nHost: x\n\n"),
    "beyond Unicode": (400, "GET /a%f4%90%80%80 HTTP/1.1\nHost: x\n\n"),
    "bare CR in a chunk extension": (
        400,
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a\rb\r\nabc\r\n0\r\n\r\n",
    ),
    "registered letters beyond ASCII in target": (400, "GET /gr\u00fcn HTTP/1.1\r\nHost: x\r\n\r\n".encode()),
    "chunked twice": (501, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked, chunked\n\n"),
    "unknown coding": (501, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: gzip, chunked\n\n"),
    "chunked in 1.0": (400, "POST /echo HTTP/1.0\nTransfer-Encoding: chunked\n\n0\n\n"),
    "space before colon": (400, "GET /ping HTTP/1.1\nHost: x\nX-Y : 1\n\n"),
    "tab before colon": (400, "GET /ping HTTP/1.1\nHost: x\nX-Y\t: 1\n\n"),
    "folded": (400, "GET /ping HTTP/1.1\nHost: x\nX-Y: 1\n 2\n\n"),
    "folded first": (400, "GET /ping HTTP/1.1\n Host: x\n\n"),
    "no colon": (400, "GET /ping HTTP/1.1\nHost: x\nX-Y\n\n"),
    "empty name": (400, "GET /ping HTTP/1.1\nHost: x\n: 1\n\n"),
    "name with brackets": (400, "GET /ping HTTP/1.1\nHost: x\nX(Y): 1\n\n"),
    "bare CR": (400, b"GET /ping HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n"),
    "bare LF": (400, b"GET /ping HTTP/1.1\r\nHost: x\nX: a\r\n\r\n"),
    "bare LF after request line": (400, b"GET /ping HTTP/1.1\nHost: x\r\n\r\n"),
    "extra letter, bare LF": (400, b"GET /ping HTTP/1.1x\nHost: x\r\n\r\n"),
    "bare LFs": (400, b"GET /ping HTTP/1.1\nHost: x\n\n"),
    "NUL in value": (400, b"GET /ping HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"),
    "NUL in name": (400, b"GET /ping HTTP/1.1\r\nHost: x\r\nX\0: ab\r\n\r\n"),
    "NUL in target": (400, b"GET /pi\0ng HTTP/1.1\r\nHost: x\r\n\r\n"),
    "letters beyond ASCII in target": (400, "GET /p\u00efng HTTP/1.1\nHost: x\n\n"),
    "no host": (400, "GET /ping HTTP/1.1\n\n"),
    "two hosts": (400, "GET /ping HTTP/1.1\nHost: x\nHost: x\n\n"),
    "no version": (400, "GET /ping\nHost: x\n\n"),
    "two spaces": (400, "GET  /ping HTTP/1.1\nHost: x\n\n"),
    "space in target": (400, "GET /pi ng HTTP/1.1\nHost: x\n\n"),
    "space at end": (400, "GET /ping HTTP/1.1 \nHost: x\n\n"),
    "space at start": (400, " GET /ping HTTP/1.1\nHost: x\n\n"),
    "lower case version": (400, "GET /ping http/1.1\nHost: x\n\n"),
    "long version": (400, "GET /ping HTTP/1.10\nHost: x\n\n"),
    "no minor version": (400, "GET /ping HTTP/1\nHost: x\n\n"),
    "method with a colon": (400, "GE:T /ping HTTP/1.1\nHost: x\n\n"),
    "relative target": (400, "GET ping HTTP/1.1\nHost: x\n\n"),
    "other scheme": (400, "GET ftp://x/ping HTTP/1.1\nHost: x\n\n"),
    "cut percent": (400, "GET /a%2 HTTP/1.1\nHost: x\n\n"),
    "bad percent": (400, "GET /a%zz HTTP/1.1\nHost: x\n\n"),
    "not UTF-8": (400, "GET /a%ff HTTP/1.1\nHost: x\n\n"),
    "encoded NUL": (400, "GET /a%00 HTTP/1.1\nHost: x\n\n"),
    "HTTP/2": (505, "GET /ping HTTP/2.0\nHost: x\n\n"),
    "HTTP/0": (505, "GET /ping HTTP/0.9\nHost: x\n\n"),
    "long target": (414, "GET /" + "a" * 3000 + " HTTP/1.1\nHost: x\n\n"),
    "long head": (431, "GET /ping HTTP/1.1\nHost: x\nX: " + "a" * 3000 + "\n\n"),
    "many fields": (431, "GET /ping HTTP/1.1\nHost: x\n" + "X: a\n" * 1000 + "\n"),
    "long body": (413, "POST /echo HTTP/1.1\nHost: x\nContent-Length: 16385\n\n"),
    "very long body": (413, "POST /echo HTTP/1.1\nHost: x\nContent-Length: 99999999999999999999999\n\n"),
    "chunk size letters": (400, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\nxyz\nabc\n0\n\n"),
    "chunk size sign": (400, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n+3\nabc\n0\n\n"),
    "chunk size 0x": (400, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n0x3\nabc\n0\n\n"),
    "chunk size missing": (400, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n\nabc\n0\n\n"),
    "chunk size huge": (400, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\nfffffffffffffffff\n"),
    "chunk too long": (413, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n4001\n"),
    "chunk longer than said": (400, "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n3\nabcd\n0\n\n"),
    "chunk line bare LF": (
        400,
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
    ),
    "chunk extension without end": (
        400,
        "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n3;" + "a" * 2000,
    ),
    "trailers without end": (
        431,
        "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n0\n" + "a: b\n" * 500,
    ),
}


@pytest.fixture(scope="module")
def refused(webroot):
    """Clients whose bad requests have been sent, all at once since the server lingers a second on each."""
    from .conftest import Server

    server = Server(webroot, "maxConnections=200")
    clients = {}
    for name, (_, request) in REFUSED.items():
        clients[name] = server.connect().send(request)
    yield clients
    server.close()


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_closed(refused, name):
    status, header, _ = refused[name].answer()
    assert status == REFUSED[name][0]
    assert header["connection"] == "close"
    assert refused[name].closed() == b""


def test_serves_on_after_refusals(server):
    for name in ("bare CR", "chunk size letters", "long head"):
        server.ask(REFUSED[name][1])
    assert server.get("/ping") == PONG


def test_chunked_body(server):
    head = "POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: Chunked\n\n"
    with server.connect() as client:
        client.send(head + "5\nhello\n1;a=b;c=\"d\"\n \n00A\n0123456789\n0\nX-Trailer: 1\n\n" + PING)
        assert client.answer()[2] == b"hello 0123456789"
        assert client.answer() == PONG


def test_expect_continue(server):
    head = "POST /echo HTTP/1.1\nHost: x\nContent-Length: 5\nExpect: 100-continue\n\n"
    with server.connect() as client:
        assert client.send(head).answer()[0] == 100
        assert client.send("hello").answer()[2] == b"hello"
        assert client.send(PING).answer() == PONG
    # A handler that does not read lets the client keep its body.
    with server.connect() as client:
        status, header, _ = client.send(head.replace("/echo", "/unread")).answer()
        assert (status, header["connection"]) == (200, "close")
    with server.connect() as client:
        assert client.send(head.replace("5", "99999")).answer()[0] == 413


def test_unread_body_is_drained(server):
    with server.connect() as client:
        client.send("POST /unread HTTP/1.1\nHost: x\nContent-Length: 5000\n\n" + "a" * 5000 + PING)
        assert client.answer()[2] == b"done"
        assert client.answer() == PONG


def test_large_unread_body_does_not_eat_the_answer(server):
    with server.connect() as client:
        client.send("POST /unread HTTP/1.1\nHost: x\nContent-Length: 16000\n\n" + "a" * 8000)
        time.sleep(0.1)
        client.send("a" * 8000)
        time.sleep(0.1)
        status, header, body = client.answer()
        assert (status, body, header["connection"]) == (200, b"done", "close")


def test_streamed_answer_is_chunked(server):
    with server.connect() as client:
        status, header, body = client.send("GET /stream HTTP/1.1\nHost: x\n\n").answer()
        assert header == {"transfer-encoding": "chunked"}
        assert body == b"".join(b"%06d\n" % number for number in range(2000))
        assert client.send(PING).answer() == PONG


def test_large_answer_of_known_length(server):
    with server.connect() as client:
        status, header, body = client.send("GET /one-big HTTP/1.1\nHost: x\n\n").answer()
        assert header["content-length"] == "50000" and body == b"x" * 50000
        assert client.send(PING).answer() == PONG


@pytest.mark.parametrize(
    "target, expected, body",
    [
        ("/raw-lf", {"content-type": "text/x", "x-one": "1", "content-length": "3"}, b"abc"),
        ("/raw-chunked", {"content-length": "3"}, b"abc"),
        ("/raw-all", {"content-type": "text/x", "x-two": "2", "content-length": "4"}, b"body"),
        ("/raw-close", {"connection": "close", "content-length": "3"}, b"bye"),
        ("/raw-length?is=20&n=2", {"content-length": "20"}, b"0123456789" * 2),
        ("/raw-length?is=15&n=2", {"content-length": "20"}, b"0123456789" * 2),
        ("/raw-length?is=10000&n=1000", {"content-length": "10000"}, b"0123456789" * 1000),
        ("/raw-length?is=9000&n=1000", {"content-length": "9000"}, b"0123456789" * 900),
    ],
)
def test_raw_style_is_framed(server, target, expected, body):
    with server.connect() as client:
        status, header, got = client.send(f"GET {target} HTTP/1.1\nHost: x\n\n").answer()
        assert (header, got) == (expected, body)
        if "connection" not in expected:
            assert client.send(PING).answer() == PONG


def test_too_short_a_stream_closes(server):
    with server.connect() as client:
        data = client.send("GET /raw-length?is=10001&n=1000 HTTP/1.1\nHost: x\n\n").closed()
        assert data.partition(b"\r\n\r\n")[2] == b"0123456789" * 1000


def test_exception_after_the_head_closes(server):
    with server.connect() as client:
        data = client.send("GET /late-boom HTTP/1.1\nHost: x\n\n").closed()
        assert data.endswith(b"5\r\nbegun\r\n")
