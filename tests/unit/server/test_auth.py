"""Basic, Digest and bearer authentication, over the wire, and their parts on the VM."""

import base64
import hashlib
import json
import re

import pytest

from .conftest import Server, run_vm

APP = """
import asyncio
from micropAsyncWeb import MicropAsyncWeb, auth

server = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=WEBROOT, **OPTIONS)
users = {"admin": "secret", "j\\u00f6rg": "p:\\u00e4ss"}
hashed = {"admin": auth.hash_password("secret", 40)}

async def whom(request):
    return request.user

async def slow_check(user, password):
    await asyncio.sleep_ms(1)
    return user == "slow" and password == "poke"

async def token_check(token):
    return {"id": 7} if token == "abc.def" else None

server.appendRoutes([
    ["/basic", auth.basic(users)(whom), "GET, POST"],
    ["/sync", auth.basic(users)(lambda request: "sync " + request.user)],
    ["/hashed", auth.basic(hashed, hashed=True)(whom)],
    ["/function", auth.basic(slow_check)(whom)],
    ["/empty", auth.basic({})(whom)],
    ["/guest", auth.basic({"admin": "secret", "guest": ""})(whom)],
    ["/bearer", auth.bearer({"t0ken-": "me", "-odd=": "odd"})(whom)],
    ["/bearer-function", auth.bearer(token_check)(whom)],
    ["/digest", auth.digest(users, realm="dig")(whom), "GET, POST"],
    ["/digest-hashed", auth.digest({"admin": auth.hash_digest("admin", "dig", "secret")}, "dig", True)(whom)],
    ["/digest-short", auth.digest(users, realm="dig", max_age=-1)(whom)],
])
server.before(auth.basic(users, realm="all below").check, "/sub")
asyncio.run(server.runAsync())
"""


@pytest.fixture(scope="module")
def app(webroot):
    server = Server(webroot, "maxConnections=16", APP)
    yield server
    server.close()


def basic(user, password):
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_basic_challenge(app):
    status, header, body = app.get("/basic")
    assert (status, body) == (401, b"401 Unauthorized")
    assert header["www-authenticate"] == 'Basic realm="device", charset="UTF-8"'


@pytest.mark.parametrize("target", ["/basic", "/hashed"])
def test_basic(app, target):
    for _ in range(2):
        assert app.get(target, basic("admin", "secret"))[::2] == (200, b"admin")
        assert app.get(target, basic("admin", "Secret"))[0] == 401


def test_basic_utf8_and_colon_in_the_password(app):
    assert app.get("/basic", basic("jörg", "p:äss"))[2].decode() == "jörg"


def test_basic_scheme_in_any_case(app):
    assert app.get("/basic", basic("admin", "secret").replace("Basic", "bASIC "))[0] == 200


def test_basic_function(app):
    assert app.get("/function", basic("slow", "poke"))[2] == b"slow"
    assert app.get("/function", basic("slow", ""))[0] == 401


def test_sync_handler(app):
    assert app.get("/sync", basic("admin", "secret"))[2] == b"sync admin"


@pytest.mark.parametrize(
    "value",
    [
        "Authorization:",
        "Authorization: Basic",
        "Authorization: Basic ",
        "Authorization: Basic !!!!",
        "Authorization: Basic YWRtaW4=",
        "Authorization: Basic YWRtaW46",
        "Authorization: Basic " + base64.b64encode(b":secret").decode(),
        "Authorization: Basic " + base64.b64encode(b"admin:\xff").decode(),
        "Authorization: Basic " + base64.b64encode(b"admin:secret\0").decode(),
        "Authorization: Basic " + base64.b64encode(b"\xff:").decode(),
        "Authorization: Bearer " + base64.b64encode(b"admin:secret").decode(),
        basic("nobody", ""),
        basic("nobody", "secret"),
        basic("admin", ""),
        basic("admin", "x" * 1000),
        basic("admin", "secret") + "\nAuthorization: Basic eA==",
    ],
)
@pytest.mark.parametrize("target", ["/basic", "/hashed", "/empty"])
def test_basic_refused(app, target, value):
    assert app.get(target, value)[0] in (400, 401)


def test_basic_of_a_user_without_password(app):
    """An empty password is a password as others are: it is not that of somebody else."""
    assert app.get("/guest", basic("guest", ""))[2] == b"guest"
    assert app.get("/guest", basic("guest", "secret"))[0] == 401
    assert app.get("/guest", basic("admin", "secret"))[2] == b"admin"
    assert app.get("/guest", basic("admin", ""))[0] == 401
    assert app.get("/guest", basic("nobody", ""))[0] == 401


def test_basic_guards_a_prefix(app):
    assert app.get("/sub/page.htm")[0] == 401
    assert app.get("/sub/page.htm")[1]["www-authenticate"].startswith('Basic realm="all below"')
    assert app.get("/%73ub/none")[0] == 401
    assert app.get("/sub")[0] == 401
    assert app.get("/sub/page.htm", basic("admin", "secret"))[::2] == (200, b"page")
    assert app.get("/small.txt")[0] == 200


def test_unread_body_keeps_the_connection(app):
    with app.connect() as client:
        client.send("POST /basic HTTP/1.1\nHost: x\nContent-Length: 5\n\nabcde")
        assert client.answer()[0] == 401
        client.send(f"POST /basic HTTP/1.1\nHost: x\nContent-Length: 0\n{basic('admin', 'secret')}\n\n")
        assert client.answer()[0] == 200


def test_bearer(app):
    assert app.get("/bearer")[1]["www-authenticate"] == 'Bearer realm="device"'
    status, header, _ = app.get("/bearer", "Authorization: Bearer wrong")
    assert (status, header["www-authenticate"]) == (401, 'Bearer realm="device", error="invalid_token"')
    assert app.get("/bearer", "Authorization: Bearer t0ken-")[2] == b"me"
    assert app.get("/bearer", "Authorization: bearer -odd=")[2] == b"odd"
    assert app.get("/bearer", "Authorization: Basic t0ken-")[0] == 401
    assert json.loads(app.get("/bearer-function", "Authorization: Bearer abc.def")[2]) == {"id": 7}
    assert app.get("/bearer-function", "Authorization: Bearer abc")[0] == 401


@pytest.mark.parametrize("token", ["", '"quoted"', "two words", "a=b", "ümlaut", "=", "a,b"])
def test_bearer_malformed(app, token):
    status, header, _ = app.get("/bearer", "Authorization: Bearer " + token)
    assert (status, header["www-authenticate"]) == (400, 'Bearer realm="device", error="invalid_request"')


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Digest:
    """A client of RFC 7616."""

    def __init__(self, app, target="/digest", user="admin", password="secret"):
        self.app, self.target, self.user, self.password = app, target, user, password
        self.count = 0
        self.challenge()

    def challenge(self, header=None):
        value = (header or self.app.get(self.target)[1])["www-authenticate"]
        assert value.startswith("Digest ")
        self.fields = {
            name: quoted or token for name, quoted, token in re.findall(r'(\w+)=(?:"([^"]*)"|([^",\s]+))', value)
        }
        self.count = 0
        return self.fields

    def proof(self, count=None, method="GET", **changes):
        if count is None:
            self.count += 1
            count = self.count
        values = {
            "username": self.user,
            "realm": self.fields["realm"],
            "nonce": self.fields["nonce"],
            "uri": self.target,
            "qop": "auth",
            "nc": f"{count:08x}",
            "cnonce": "f2/wE4q74E6z",
            "algorithm": "SHA-256",
        }
        values.update({name: value for name, value in changes.items() if name != "response"})
        first = sha(f"{self.user}:{values['realm']}:{self.password}")
        second = sha(f"{method}:{values['uri']}")
        values["response"] = sha(f"{first}:{values['nonce']}:{values['nc']}:{values['cnonce']}:auth:{second}")
        values.update(changes)
        bare = ("qop", "nc", "algorithm", "username*")
        return "Authorization: Digest " + ", ".join(
            f"{name}={value}" if name in bare else f'{name}="{value}"'
            for name, value in values.items()
            if value is not None
        )

    def get(self, *args, **changes):
        return self.app.get(self.target, self.proof(*args, **changes))


def test_digest_challenge(app):
    fields = Digest(app).fields
    assert fields["realm"] == "dig"
    assert fields["qop"] == "auth"
    assert fields["algorithm"] == "SHA-256"
    assert "stale" not in fields
    assert Digest(app).fields["nonce"] != fields["nonce"]


@pytest.mark.parametrize("target", ["/digest", "/digest-hashed"])
def test_digest(app, target):
    client = Digest(app, target)
    for _ in range(3):
        assert client.get()[::2] == (200, b"admin")
    client.password = "Secret"
    status, header, _ = client.get()
    assert status == 401
    assert "stale" not in client.challenge(header)


def test_digest_post(app):
    client = Digest(app)
    ask = "POST /digest HTTP/1.1\nHost: x\nContent-Length: 0\n%s\n\n"
    assert app.ask(ask % client.proof(method="POST"))[0] == 200
    assert app.ask(ask % client.proof(method="GET"))[0] == 401


def test_digest_utf8(app):
    client = Digest(app, user="jörg", password="p:äss")
    assert client.get()[2].decode() == "jörg"
    assert client.get(username=None, **{"username*": "UTF-8''j%C3%B6rg"})[2].decode() == "jörg"


def test_digest_same_request_twice_is_stale(app):
    client = Digest(app)
    proof = client.proof()
    assert app.get("/digest", proof)[0] == 200
    status, header, _ = app.get("/digest", proof)
    assert status == 401
    assert client.challenge(header)["stale"] == "true"
    assert client.get()[0] == 200


def test_digest_requests_may_overtake_each_other(app):
    client = Digest(app)
    got = [client.get(count)[0] for count in (2, 1, 1, 5, 3, 4, 5, 4, 40, 39, 24, 23, 25, 40, 39)]
    assert got == [200, 200, 401, 200, 200, 200, 401, 401, 200, 200, 200, 401, 200, 401, 401]


def test_digest_replay_after_many_other_nonces(app):
    old = Digest(app)
    proof = old.proof()
    assert app.get("/digest", proof)[0] == 200
    unused = Digest(app)
    for _ in range(12):
        assert Digest(app).get()[0] == 200
    assert app.get("/digest", proof)[0] == 401
    assert old.get()[0] == 401
    # What was issued before those that had to go ends with them.
    assert unused.get()[0] == 401
    assert Digest(app).get()[0] == 200


def test_digest_expires(app):
    client = Digest(app, "/digest-short")
    status, header, _ = client.get()
    assert status == 401
    assert client.challenge(header)["stale"] == "true"


@pytest.mark.parametrize(
    "changes",
    [
        {"response": "0" * 64},
        {"response": ""},
        {"response": None},
        {"username": "nobody"},
        {"username": None},
        {"username": ""},
        {"realm": "other"},
        {"nonce": "0" * 48},
        {"nonce": ""},
        {"nonce": None},
        {"nc": "zz"},
        {"nc": "00000000"},
        {"nc": "1"},
        {"nc": None},
        {"cnonce": ""},
        {"cnonce": None},
        {"uri": "/other"},
        {"uri": None},
        {"qop": "auth-int"},
        {"qop": None},
        {"algorithm": "MD5"},
        {"algorithm": "SHA-256-sess"},
        {"algorithm": None},
    ],
)
def test_digest_refused(app, changes):
    assert Digest(app).get(**changes)[0] == 401


@pytest.mark.parametrize("tail", [", nonce=x", ', "', ", =", ",,x", ' x="'])
def test_digest_malformed(app, tail):
    assert app.get("/digest", Digest(app).proof() + tail)[0] == 401


def test_digest_for_another_nonce_is_refused(app):
    client = Digest(app)
    nonce = client.fields["nonce"]
    flipped = ("0" if nonce[0] != "0" else "1") + nonce[1:]
    assert client.get(nonce=flipped)[0] == 401


def test_hmac_like_rfc_4231():
    out = run_vm(
        "from micropAsyncWeb.secret import hmac\n"
        "print(hmac(b'\\x0b' * 20, b'Hi There').hex())\n"
        "print(hmac(b'Jefe', b'what do ya want for nothing?').hex())\n"
    )
    assert out.split() == [
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ]


@pytest.mark.parametrize("password", ["secret", "", "ü" * 40])
def test_hashed_password_is_pbkdf2(password):
    out = run_vm(
        "import sys\nfrom micropAsyncWeb.auth import hash_password\n"
        f"print(hash_password({password!r}, 30), hash_password({password!r}, 1))\n"
    )
    assert len(set(out.split())) == 2
    for text in out.split():
        kind, rounds, salt, proof = text.split("$")
        assert kind == "pbkdf2-sha256"
        assert hashlib.pbkdf2_hmac("sha256", password.encode(), bytes.fromhex(salt), int(rounds)).hex() == proof


def test_verify_password_of_malformed_text_is_false():
    out = run_vm(
        "import asyncio\nfrom micropAsyncWeb.auth import verify_password\n"
        "for text in ('', 'x', '$$$', 'pbkdf2-sha256$x$00$00', 'pbkdf2-sha256$1$0$00', 'pbkdf2-sha256$0$00$'):\n"
        "    print(asyncio.run(verify_password('x', text)))\n"
    )
    assert out.split() == ["False"] * 6


def test_base64url():
    out = run_vm(
        "from micropAsyncWeb.secret import to_bytes, to_text\n"
        "for n in range(40):\n    data = bytes(range(200, 200 + n))\n    assert to_bytes(to_text(data)) == data\n"
        "print(to_text(b'\\xff\\xfe\\xfd\\xfc'))\n"
        "for text in ('a', 'ab=', 'a b', 'ab==', 'ac', '!!!!', 'YWJj\\n', '\\xfc\\xfc\\xfc\\xfc'):\n"
        "    try:\n        print(to_bytes(text))\n    except ValueError:\n        print('bad')\n"
    )
    assert out.split() == ["__79_A"] + ["bad"] * 8


def test_uptime_ignores_a_clock_that_is_set_and_long_gaps():
    out = run_vm(
        "from micropAsyncWeb import secret\n"
        "wrap, half = 2**30, 2**29\nticks, wall = [wrap - 5000], [0]\n"  # ticks of a 32-bit chip
        "secret.ticks_ms = lambda: ticks[0] % wrap\nsecret.time = lambda: wall[0]\n"
        "secret.ticks_diff = lambda a, b: (a - b + half) % wrap - half\n"
        "secret._last, secret._wall = ticks[0], 0\n"
        "def step(ms, seconds):\n    ticks[0] += ms\n    wall[0] += seconds\n    print(secret.uptime())\n"
        "step(1500, 1)\nstep(600, 1)\nstep(10000, 10)\nstep(1000, 800000000)\n"
        "step(8 * 86400000, 8 * 86400)\nstep(wrap + 1000, wrap // 1000)\n"
    )
    up = [int(line) for line in out.split()]
    assert up[:4] == [1, 2, 12, 13]
    assert up[4] - up[3] > 6 * 86400
    assert up[5] - up[4] > 6 * 86400


def test_realm_can_not_break_out():
    source = "from micropAsyncWeb import auth\ntry:\n    auth.basic({}, 'a\"b')\n"
    source += "except ValueError as error:\n    print(error)\n"
    assert "realm" in run_vm(source)
