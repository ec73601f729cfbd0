"""Protection against cross-site request forgery."""

import pytest

from .conftest import Server

APP = """
import asyncio
from micropAsyncWeb import MicropAsyncWeb
from micropAsyncWeb.csrf import Csrf

server = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=None, **OPTIONS)
csrf = Csrf(server, "/a", trusted=["https://app.example"])
strict = Csrf(server, "/strict", strict=True, cookie="other", secure=True)
Csrf(server, "/named", hosts=["greenhouse.local", "192.168.4.1:8080"])

async def form(request):
    return (await request.form()).get("x", "done")

@server.route("/page")
async def page(request):
    assert csrf.token(request) == csrf.token(request)
    return csrf.token(request)

@server.route("/strict-page")
async def strict_page(request):
    return strict.token(request)

for path in ("/a/x", "/strict/x", "/named/x"):
    server.appendRoutes([[path, form, "GET, POST, PUT, DELETE"]])
asyncio.run(server.runAsync())
"""
FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def app(webroot):
    server = Server(webroot, "maxConnections=16", APP)
    yield server
    server.close()


def post(app, target, *fields, body="", method="POST", host="device:8080"):
    text = f"{method} {target} HTTP/1.1\nHost: {host}\nContent-Length: {len(body)}\n"
    return app.ask((text + "".join(f + "\n" for f in fields) + "\n").replace("\n", "\r\n").encode() + body.encode())[0]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "fields, status",
    [
        (["Sec-Fetch-Site: same-origin", "Origin: http://device:8080"], 200),
        (["Sec-Fetch-Site: none"], 200),
        (["Sec-Fetch-Site: cross-site", "Origin: https://evil"], 403),
        (["Sec-Fetch-Site: same-site", "Origin: http://other.device:8080"], 403),
        (["Sec-Fetch-Site: cross-site", "Origin: http://device:8080"], 403),
        (["Sec-Fetch-Site: cross-site", "Origin: https://app.example"], 200),
        (["Sec-Fetch-Site: cross-site"], 403),
        (["Sec-Fetch-Site:"], 403),
        (["Origin: http://device:8080"], 200),
        (["Origin: HTTP://DEVICE:8080"], 200),
        (["Origin: https://device:8080"], 200),
        (["Origin: http://device"], 403),
        (["Origin: http://device:8080.evil"], 403),
        (["Origin: https://app.example"], 200),
        (["Origin: https://app.example.evil"], 403),
        (["Origin: null"], 403),
        (["Origin:"], 403),
        (["Origin: device:8080"], 403),
        (["Origin: http://device:8080", "Origin: https://evil"], 403),
        ([], 200),
        (["Cookie: a=b"], 403),
        (["Authorization: Basic eDp5"], 403),
    ],
)
def test_where_it_comes_from(app, method, fields, status):
    assert post(app, "/a/x", *fields, method=method) == status


def test_safe_methods_pass(app):
    assert app.get("/a/x", "Sec-Fetch-Site: cross-site", "Origin: https://evil", "Cookie: a=b")[0] == 200


def test_elsewhere_nothing_is_checked(app):
    assert post(app, "/page", "Origin: https://evil") == 405


def take(app, target="/page"):
    _, header, body = app.get(target)
    cookie, _, options = header["set-cookie"].partition("; ")
    assert cookie.endswith("=" + body.decode())
    return body.decode(), "Cookie: " + cookie, options


def test_token(app):
    token, cookie, options = take(app)
    assert options == "Path=/; HttpOnly; SameSite=Strict"
    assert post(app, "/a/x", cookie, "X-CSRF-Token: " + token) == 200
    assert post(app, "/a/x", cookie, FORM, body="csrf=" + token) == 200
    assert post(app, "/a/x", cookie) == 403
    assert post(app, "/a/x", cookie, "X-CSRF-Token: ") == 403
    assert post(app, "/a/x", cookie, "X-CSRF-Token: " + token[:-1]) == 403
    assert post(app, "/a/x", cookie, body="csrf=" + token) == 403
    assert post(app, "/a/x", "Cookie: a=b", "X-CSRF-Token: " + token) == 403
    assert post(app, "/a/x", "Cookie: csrf=" + take(app)[0], "X-CSRF-Token: " + token) == 403


def test_made_up_token_is_refused(app):
    for token in ("x" * 36, "x", "ä", ""):
        assert post(app, "/a/x", "Cookie: csrf=" + token, "X-CSRF-Token: " + token) == 403


def test_token_is_kept_while_it_is_valid(app):
    token, cookie, _ = take(app)
    status, header, body = app.get("/page", cookie)
    assert body.decode() == token
    assert "set-cookie" not in header
    assert "set-cookie" in app.get("/page", "Cookie: csrf=forged")[1]


def test_handler_still_has_its_form(app):
    token, cookie, _ = take(app)
    body = f"csrf={token}&x=handled"
    with app.connect() as client:
        client.send(f"POST /a/x HTTP/1.1\nHost: d\n{cookie}\n{FORM}\nContent-Length: {len(body)}\n\n{body}")
        assert client.answer()[2] == b"handled"


def test_strict_asks_everyone_for_the_token(app):
    token, cookie, options = take(app, "/strict-page")
    assert options == "Path=/; HttpOnly; SameSite=Strict; Secure"
    here = "Origin: http://device:8080"
    assert post(app, "/strict/x", here) == 403
    assert post(app, "/strict/x") == 403
    assert post(app, "/strict/x", here, cookie, "X-CSRF-Token: " + token) == 200
    assert post(app, "/strict/x", "Origin: http://evil", cookie, "X-CSRF-Token: " + token) == 403


def test_host_names(app):
    assert post(app, "/named/x", host="greenhouse.local") == 200
    assert post(app, "/named/x", host="GREENHOUSE.local") == 200
    assert post(app, "/named/x", host="192.168.4.1:8080") == 200
    assert post(app, "/named/x", "Origin: http://evil", host="evil") == 421
    assert post(app, "/named/x", method="GET", host="192.168.4.1") == 421
