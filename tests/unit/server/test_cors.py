"""Cross-origin resource sharing, as the Fetch standard's CORS protocol has it."""

import pytest

from .conftest import Server, run_vm

APP = """
import asyncio
from micropAsyncWeb import MicropAsyncWeb
from micropAsyncWeb.cors import Cors

server = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=WEBROOT, **OPTIONS)
Cors(server, ["https://app.example", "http://localhost:3000"], "/api", "GET, PUT", "Content-Type, Authorization",
     "X-Total", True, 60)
Cors(server, "*", "/open")
server.appendRoutes([
    ["/api/x", lambda request: "x", "GET, PUT"],
    ["/open/x", lambda request: "x"],
    ["/apix", lambda request: "x"],
    ["/api/file", "small.txt"],
])
asyncio.run(server.runAsync())
"""
ASK = "access-control-request-method: PUT"
NAMES = (
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-max-age",
    "access-control-expose-headers",
    "vary",
)


@pytest.fixture(scope="module")
def app(webroot):
    server = Server(webroot, "maxConnections=16", APP)
    yield server
    server.close()


def ask(app, method, target, *fields):
    status, header, _ = app.ask(f"{method} {target} HTTP/1.1\nHost: x\n" + "".join(f + "\n" for f in fields) + "\n")
    return status, *(header.get(name) for name in NAMES)


@pytest.mark.parametrize("origin", ["https://app.example", "http://localhost:3000"])
def test_allowed(app, origin):
    assert ask(app, "GET", "/api/x", "Origin: " + origin) == (
        200,
        origin,
        "true",
        None,
        None,
        None,
        "X-Total",
        "Origin",
    )
    got = ask(app, "OPTIONS", "/api/x", "Origin: " + origin, ASK, "Access-Control-Request-Headers: content-type")
    assert got == (204, origin, "true", "GET, PUT", "Content-Type, Authorization", "60", "X-Total", "Origin")


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.evil",
        "https://evil-app.example",
        "http://app.example",
        "https://app.example:8443",
        "HTTPS://APP.EXAMPLE",
        "https://app.example, https://evil",
        "https://app.example/",
        "null",
        "*",
        "",
    ],
)
def test_other_origins(app, origin):
    assert ask(app, "GET", "/api/x", "Origin: " + origin) == (200, None, None, None, None, None, None, "Origin")
    assert ask(app, "OPTIONS", "/api/x", "Origin: " + origin, ASK)[:5] == (403, None, None, None, None)


def test_two_origins_are_none(app):
    assert ask(app, "GET", "/api/x", "Origin: https://app.example", "Origin: https://app.example")[1] is None


def test_without_origin_only_vary(app):
    assert ask(app, "GET", "/api/x") == (200, None, None, None, None, None, None, "Origin")


def test_error_answers_can_be_read(app):
    assert ask(app, "GET", "/api/none", "Origin: https://app.example")[:2] == (404, "https://app.example")
    assert ask(app, "DELETE", "/api/x", "Origin: https://app.example")[:2] == (405, "https://app.example")
    got = ask(app, "PUT", "/api/x", "Origin: https://app.example", "Content-Length: 99999999")
    assert got[:2] == (413, "https://app.example")


def test_files(app):
    with app.connect() as client:
        data = client.send("GET /api/file HTTP/1.0\nOrigin: https://app.example\n\n").closed()
    head = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert b"Access-Control-Allow-Origin: https://app.example" in head
    assert b"Vary: Origin" in head
    assert b"Vary: Accept-Encoding" in head
    assert data.endswith(b"\r\n\r\n0123456789")


def test_every_origin(app):
    for fields in (["Origin: https://anyone"], ["Origin: null"], []):
        assert ask(app, "GET", "/open/x", *fields) == (200, "*", None, None, None, None, None, None)
    status, origin, credentials, methods, *_ = ask(app, "OPTIONS", "/open/x", "Origin: https://anyone", ASK)
    assert (status, origin, credentials) == (204, "*", None)
    assert "PUT" in methods


def test_options_that_is_no_preflight(app):
    assert ask(app, "OPTIONS", "/api/x", "Origin: https://app.example")[:4] == (
        204,
        "https://app.example",
        "true",
        None,
    )
    assert ask(app, "OPTIONS", "/api/x", ASK)[:2] == (204, None)


def test_elsewhere_nothing(app):
    for target in ("/apix", "/small.txt"):
        assert ask(app, "GET", target, "Origin: https://app.example")[1] is None


@pytest.mark.parametrize(
    "args",
    [
        "'*', credentials=True",
        "['app.example']",
        "['https://app.example/']",
        "['https://*.example']",
        "['https://App.example']",
    ],
)
def test_origins_that_can_not_work_are_refused(args):
    out = run_vm(
        "from micropAsyncWeb import MicropAsyncWeb\nfrom micropAsyncWeb.cors import Cors\n"
        f"try:\n    Cors(MicropAsyncWeb(), {args})\nexcept ValueError as error:\n    print(error)\n"
    )
    assert out.startswith("origin")
