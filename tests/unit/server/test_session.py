"""Signed sessions in cookies."""

import base64
import hashlib
import hmac
import json

import pytest

from .conftest import run_vm

APP = """
import asyncio
from micropAsyncWeb import MicropAsyncWeb, session as module
from micropAsyncWeb.session import Sessions

server = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=None, maxHead=4096)
sessions = Sessions(max_age=1000)
filed = Sessions(max_age=1000, key_file=WEBROOT + "/session.key", cookie="filed", secure=True)
later = [0]
clock = [True]
module.uptime = lambda: 100 + later[0]
module.clock_set = lambda: clock[0]

@server.route("/count")
async def count(request):
    session = sessions.open(request)
    assert session is sessions.open(request)
    session["count"] = session.get("count", 0) + 1
    return session

@server.route("/show")
async def show(request):
    return sessions.open(request)

@server.route("/nested")
async def nested(request):
    sessions.open(request).setdefault("list", []).append(1)
    return sessions.open(request)

@server.route("/big")
async def big(request):
    sessions.open(request)["x"] = "x" * 600

@server.route("/end")
async def end(request):
    sessions.open(request).clear()

@server.route("/late")
async def late(request):
    session = sessions.open(request)
    session["early"] = 1
    await request.write("x")
    await request.flush()
    session["late"] = 1

@server.route("/not-opened")
async def not_opened(request):
    return "x"

@server.route("/filed")
async def in_file(request):
    session = filed.open(request)
    session["n"] = session.get("n", 0) + 1
    return session

@server.route("/rotate")
async def rotate(request):
    filed.rotate()

@server.route("/set")
async def set_time(request):
    later[0] = int(request.query.get("later", 0))
    clock[0] = "unset" not in request.query

asyncio.run(server.runAsync())
"""


@pytest.fixture
def app(start, webroot):
    (webroot / "session.key").unlink(missing_ok=True)
    return start(source=APP)


def visit(app, target, cookie=""):
    """→ (answer, the cookie from then on, Set-Cookie's options)."""
    status, header, body = app.get(target, "Cookie: " + cookie)
    assert status in (200, 204)
    cookie, _, options = header.get("set-cookie", cookie).partition("; ")
    return json.loads(body or "null"), cookie, options


def test_counts(app):
    got, cookie, options = visit(app, "/count")
    assert got == {"count": 1}
    assert options == "Max-Age=1000; Path=/; HttpOnly; SameSite=Lax"
    got, cookie, _ = visit(app, "/count", cookie)
    assert got == {"count": 2}
    assert visit(app, "/show", cookie)[::2] == ({"count": 2}, "")


def test_change_inside_is_kept(app):
    _, cookie, _ = visit(app, "/nested")
    assert visit(app, "/nested", cookie)[0] == {"list": [1, 1]}


def test_untouched_sets_nothing(app):
    assert visit(app, "/show") == ({}, "", "")
    assert visit(app, "/end") == (None, "", "")
    assert "set-cookie" not in app.get("/not-opened")[1]


def test_end(app):
    _, cookie, _ = visit(app, "/count")
    assert visit(app, "/end", cookie)[1:] == ("session=", "Max-Age=0; Path=/; HttpOnly; SameSite=Lax")


def test_too_large_is_an_error(app):
    status, header, _ = app.get("/big")
    assert status == 500
    assert "set-cookie" not in header


def test_change_after_the_head_is_lost(app):
    status, header, _ = app.get("/late")
    cookie = header["set-cookie"].partition(";")[0]
    assert visit(app, "/show", cookie)[0] == {"early": 1}


def test_every_changed_character_gives_an_empty_session(app):
    _, cookie, _ = visit(app, "/count")
    name, _, value = cookie.partition("=")
    with app.connect() as client:
        for at in range(len(value)):
            for other in {"A", "b", ".", "-"} - {value[at]}:
                bad = value[:at] + other + value[at + 1 :]
                client.send(f"GET /show HTTP/1.1\nHost: x\nCookie: {name}={bad}\n\n")
                assert client.answer()[2] == b"{}", bad
    for bad in (
        "",
        ".",
        "u",
        value[:-1],
        value + "A",
        value + "=",
        value + "." + value,
        "x" * 500,
        "u" + "f" * 8 + ".",
    ):
        assert visit(app, "/show", f"session={bad}")[0] == {}
    assert visit(app, "/show", cookie)[0] == {"count": 1}


def test_cookie_of_another_name_does_not_count(app):
    _, cookie, _ = visit(app, "/count")
    assert visit(app, "/filed", cookie.replace("session=", "filed="))[0] == {"n": 1}


def test_expires_and_is_renewed(app):
    _, cookie, _ = visit(app, "/count")
    app.get("/set?later=400")
    assert visit(app, "/show", cookie)[::2] == ({"count": 1}, "")
    app.get("/set?later=600")
    _, newer, options = visit(app, "/show", cookie)
    assert options.startswith("Max-Age=1000")
    app.get("/set?later=1000")
    assert visit(app, "/show", cookie)[0] == {}
    assert visit(app, "/show", newer)[0] == {"count": 1}


def test_restart_ends_it(app, start):
    _, cookie, _ = visit(app, "/count")
    assert visit(start(source=APP), "/show", cookie)[0] == {}


def test_key_file_outlives_a_restart(app, start):
    _, cookie, options = visit(app, "/filed")
    assert options == "Max-Age=1000; Path=/; HttpOnly; SameSite=Lax; Secure"
    assert visit(start(source=APP), "/filed", cookie)[0] == {"n": 2}


def test_signature_is_hmac_sha256_of_the_file_s_key(app, webroot):
    _, cookie, _ = visit(app, "/filed")
    body, _, proof = cookie.partition(".")
    key = (webroot / "session.key").read_bytes()
    assert len(key) == 32
    digest = hmac.new(key, body.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == proof
    assert json.loads(base64.urlsafe_b64decode(body[len("filed=") + 9 :] + "==")) == {"n": 1}


def test_rotation_keeps_one_key(app):
    _, cookie, _ = visit(app, "/filed")
    visit(app, "/rotate")
    _, newer, _ = visit(app, "/filed", cookie)
    visit(app, "/rotate")
    assert visit(app, "/filed", cookie)[0] == {"n": 1}
    assert visit(app, "/filed", newer)[0] == {"n": 3}


def test_without_a_clock_it_ends_with_the_restart(app, start):
    app.get("/set?unset")
    _, cookie, _ = visit(app, "/filed")
    assert visit(app, "/filed", cookie)[0] == {"n": 2}
    app.get("/set?later=1000&unset")
    assert visit(app, "/filed", cookie)[0] == {"n": 1}
    app.get("/set")
    assert visit(app, "/filed", cookie)[0] == {"n": 2}
    assert visit(start(source=APP), "/filed", cookie)[0] == {"n": 1}


def test_made_with_a_clock_does_not_count_without_one(app):
    _, cookie, _ = visit(app, "/filed")
    app.get("/set?unset")
    assert visit(app, "/filed", cookie)[0] == {"n": 1}


def test_bad_key_file(tmp_path):
    (tmp_path / "key").write_bytes(b"short")
    source = "from micropAsyncWeb.session import Sessions\ntry:\n    Sessions(key_file=%r)\n"
    source += "except ValueError as error:\n    print(error)\n"
    assert "key: is no key file" in run_vm(source % str(tmp_path / "key"))
    assert (tmp_path / "key").read_bytes() == b"short"
