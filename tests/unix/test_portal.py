"""First contact on a whole desktop board, as a phone in its access point meets it."""

import base64
import http.client
import json
import random
import re
import socket
import struct
import urllib.parse

import pytest

HOST = "127.0.0.1"
ACCESS_POINT = "192.168.4.1"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ODD = "<i>&amp; \"cafe\" 'ü'"
# None of them is in the board's boot.json.
AIR = [
    {"ssid": "lab", "password": "secret of the lab", "rssi": -50},
    {"ssid": ODD, "rssi": -70},
    {"ssid": "dumb", "password": "secret of the dumb", "rssi": -80, "dhcp": "none"},
    {"ssid": "cellar", "password": "secret of the cellar", "rssi": -66, "hidden": True},
]
PROBES = [
    ("connectivitycheck.gstatic.com", "/generate_204", (204, b"")),
    (
        "captive.apple.com",
        "/hotspot-detect.html",
        (200, b"<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"),
    ),
    ("www.msftconnecttest.com", "/connecttest.txt", (200, b"Microsoft Connect Test")),
    ("detectportal.firefox.com", "/success.txt", (200, b"success\n")),
    ("nmcheck.gnome.org", "/check_network_status.txt", (200, b"NetworkManager is online\n")),
]


class Phone:
    """Somebody with a phone in the board's access point."""

    def __init__(self, board):
        self.board = board

    def status(self):
        """What /api/status says."""
        return json.loads(self.board.get("/api/status")[2])

    def get(self, path, host=ACCESS_POINT, **headers):
        """(status, where it leads to, text of the page)."""
        return self._answer("GET", path, None, Host=host, **headers)

    def post(self, path, host=ACCESS_POINT, body=None, headers=FORM, **fields):
        """The same for a form with these fields."""
        body = urllib.parse.urlencode(fields).encode() if body is None else body
        return self._answer("POST", path, body, Host=host, **headers)

    def _answer(self, method, path, body, **headers):
        status, fields, body = self.board.request(method, path, body, headers)
        return status, fields["Location"], body.decode()

    def join(self, **fields):
        """Send the form; the text of the page with the outcome."""
        assert self.post("/setup", **fields)[:2] == (303, "/setup/result")
        pages = []

        def known():
            pages.append(self.get("/setup/result")[2])
            return "<h1>Connecting</h1>" not in pages[-1]

        assert self.status()["network"]["accessPoint"]
        self.board.until(known, within=60)
        return text_of(pages[-1])

    def send(self, query, timeout=None):
        """Send these bytes to the DNS server; with a `timeout`: what it answers, None if it does not."""
        port = self.board.control("info")["listening"]["53/udp"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((HOST, port))
            sock.settimeout(timeout)
            try:
                sock.send(query)
                return timeout and sock.recv(512)
            except (TimeoutError, ConnectionRefusedError):
                return None

    def resolve(self, query):
        """What the DNS server answers to these bytes."""
        return self.send(query, 10 * self.board.factor)


def text_of(page):
    """What a page says, without its markup."""
    return " ".join(re.sub("<[^>]*>", " ", page.partition("<main>")[2].partition("<script>")[0]).split())


def question(name, kind=1, ident=0x1234):
    """A DNS request."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", ident, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


@pytest.fixture
def start_phone(start_board, tmp_path):
    """Start a board that finds none of its networks, and wait until its portal is open."""

    def start():
        air = tmp_path / "air.json"
        air.write_text(json.dumps(AIR))
        board = start_board("--air", str(air))
        board.wait_http()
        phone = Phone(board)
        board.until(lambda: phone.status()["portal"], within=60)
        return phone

    return start


@pytest.fixture
def phone(start_phone):
    return start_phone()


def test_a_phone_is_led_to_the_page(phone):
    base = f"http://{ACCESS_POINT}:8080"
    for host, path, _ in PROBES:
        assert phone.get(path, host)[:2] == (302, base + "/setup"), host
    for path in ("/", "/index.html", "/whatever"):
        assert phone.get(path)[:2] == (302, "/setup")
    assert phone.get("/health")[0] == phone.get("/setup")[0] == 200
    # Its server is at 8080; whoever looks for a portal asks at port 80.
    connection = http.client.HTTPConnection(HOST, phone.board.control("info")["listening"]["80/tcp"], timeout=10)
    connection.request("GET", "/generate_204", headers={"Host": "x.gstatic.com"})
    assert connection.getresponse().headers["Location"] == base + "/setup"
    connection.close()
    address = bytes(map(int, ACCESS_POINT.split(".")))
    for name in ("captive.apple.com", "example.org", "desktop"):
        reply = phone.resolve(question(name))
        assert reply[:2] == b"\x12\x34" and reply[6:8] == b"\0\1" and reply.endswith(b"\0\4" + address)
    assert phone.resolve(question("example.org", kind=28))[3:8] == b"\x80\0\1\0\0"  # AAAA: no error, no address
    chance = random.Random(53)
    for size in range(0, 600, 20):
        phone.send(chance.randbytes(size))
    # The empty one has cost the socket, see captive.py. Resolvers ask again.
    phone.board.until(lambda: phone.resolve(question("still.there")) is not None, within=10)


def test_the_form_shows_the_air(phone):
    status, _, page = phone.get("/setup")
    text = text_of(page)
    assert status == 200
    assert "lab ●●●● very good signal, locked" in text
    assert "dumb ●○○○ weak signal, locked" in text
    assert "<i>" not in page and "&lt;i&gt;&amp;amp; &quot;cafe&quot; &#39;ü&#39;" in page
    assert "fair signal, open" in text
    assert "cellar" not in page
    assert "Administrator" not in text  # its boot.json has a password
    assert "Now it is in" not in text
    # Before the button that looks again, since the Enter key presses the first.
    assert page.index("Connect</button>") < page.index("Look again</button>")


def test_looking_again_keeps_what_was_typed(phone):
    board = phone.board
    board.control("air", add={"ssid": "new", "rssi": -60})
    board.skip(60)  # what was seen is forgotten
    fields = {"ssid": "lab", "password": "secret of the lab", "hostname": "Shed", "action": "look"}
    status, _, page = phone.post("/setup", **fields)
    assert status == 200 and 'role="alert"' not in page
    assert 'value="lab" checked' in page and 'value="Shed"' in page and 'value="new"' in page
    assert "http://shed.local:8080/" in page
    assert "secret of the lab" not in page
    assert 'value="nowhere"' in phone.post("/setup", other="nowhere", action="look")[2]
    assert phone.get("/setup/result")[:2] == (303, "/setup")  # nothing was tried


def test_what_goes_wrong_is_said_in_words_and_the_access_point_stays(phone):
    wrong = phone.join(ssid="lab", password="not the secret", hostname="shed")
    assert "No connection to lab: wrong password" in wrong and "Capitals" in wrong and "5 GHz" not in wrong
    form = phone.get("/setup")[2]
    assert 'value="lab" checked' in form and 'value="shed"' in form and "not the secret" not in form
    missing = phone.join(ssid="", other="nowhere", password="whatever it is")
    assert "nowhere: not found" in missing and "5 GHz" in missing and "Capitals" not in missing
    assert 'name="other" maxlength="32"' in phone.get("/setup")[2] and 'value="nowhere"' in phone.get("/setup")[2]
    silent = phone.join(ssid="dumb", password="secret of the dumb")
    assert "no address" in silent and "DHCP" in silent and "5 GHz" not in silent
    status = phone.status()
    assert status["portal"] and status["network"]["accessPoint"] == "desktop"
    assert status["hostname"] == "desktop"
    assert "lab" not in phone.board.read_file("/boot.json").decode()


def test_a_network_that_works_is_kept(phone):
    board = phone.board
    text = phone.join(ssid="", other="cellar", password="secret of the cellar", hostname="Shed")
    assert "The board is in cellar" in text and "http://shed.local:8080/" in text and "Finish" in text
    status = phone.status()
    assert status["network"]["state"] == "connected" and status["network"]["ssid"] == "cellar"
    assert f"http://{status['address']}:8080/" in text
    assert "managed at http://shed.local:8080/admin as user admin" in text
    # Those who have not read it yet are led to it, and the board's pages are there again.
    assert phone.get("/generate_204", "x.gstatic.com")[:2] == (302, f"http://{ACCESS_POINT}:8080/setup/result")
    assert phone.get("/")[0] == 200
    assert phone.get("/setup")[0] == 401
    status, _, done = phone.post("/setup/result")
    assert status == 200 and "http://shed.local:8080/" in done
    for host, path, (code, body) in PROBES:
        assert board.get(path, Host=host)[::2] == (code, body), host
    saved = json.loads(board.read_file("/boot.json"))
    assert saved["hostname"] == "Shed"
    assert saved["wifi"]["networks"] == [
        {"ssid": "cellar", "password": "secret of the cellar"},
        {"ssid": "home", "password": "correct horse"},
    ]
    board.until(lambda: not phone.status()["network"]["accessPoint"], within=300)
    assert not phone.status()["portal"]
    board.until(lambda: phone.get("/generate_204", "x.gstatic.com")[0] == 404, within=5)
    board.hard_reset()
    board.wait_http()
    assert phone.status()["network"]["ssid"] == "cellar" and phone.status()["hostname"] == "Shed"


def test_a_network_that_works_but_cannot_be_saved(phone):
    phone.board.exec("""
from device import bootjson
bootjson.add_network = lambda *_: ["the settings cannot be saved: the filesystem is full"]
""")
    text = phone.join(**GOOD)
    assert "The board is in lab" in text
    assert "Not all of it could be saved the settings cannot be saved: the filesystem is full" in text


def test_it_closes_when_one_of_its_networks_is_there_again(phone):
    board = phone.board
    board.control("air", add={"ssid": "home", "password": "correct horse"})
    board.until(lambda: phone.status()["network"]["state"] == "connected", within=300)
    board.until(lambda: phone.get("/")[0] == 200 and not phone.status()["portal"], within=5)
    assert phone.resolve(question("example.org")) is None
    assert phone.get("/generate_204", "x.gstatic.com")[0] == 404
    assert phone.get("/setup")[0] == 401


def test_routes_and_passwords_of_the_user_do_not_hide_it(phone):
    phone.board.exec("""
from device import server
from micropAsyncWeb import auth
server.route("/")(lambda request: "mine")
server.route("/setup")(lambda request: "mine")
server.before(auth.basic({"me": "mine"}).check)
""")
    assert phone.get("/")[:2] == (302, "/setup")
    assert phone.get("/generate_204", "x.gstatic.com")[0] == 302
    assert phone.get("/setup")[0] == 200
    assert phone.get("/api/status")[0] == 401
    assert phone.post("/setup", ssid="lab", password="secret of the lab")[0] == 303
    authorized = {"Authorization": "Basic " + base64.b64encode(b"me:mine").decode()}

    def there():
        status, _, page = phone.get("/", **authorized)
        return (status, page) == (200, "mine")

    phone.board.until(there, within=60)
    assert phone.get("/")[0] == 401


def test_without_wifi_until_the_next_start(phone):
    assert "Use it without Wi-Fi" in phone.get("/setup")[2]
    status, _, page = phone.post("/setup", action="skip")
    assert status == 200 and f"http://{ACCESS_POINT}:8080/" in page
    assert not phone.status()["portal"]
    assert phone.get("/")[0] == 200
    assert phone.get("/setup")[0] == 401
    assert phone.get("/generate_204", "x.gstatic.com")[0] == 204
    phone.board.hard_reset()
    phone.board.wait_http()
    phone.board.until(lambda: phone.status()["portal"], within=60)


GOOD = {"ssid": "lab", "password": "secret of the lab", "hostname": "shed"}


def test_what_cannot_be_is_refused_with_a_reason(phone):
    phone.get("/setup")  # it knows then what asks for a password
    for changed, reason in [
        ({"ssid": ""}, "Choose a network"),
        ({"other": "second"}, "You have chosen lab and typed second"),
        ({"ssid": "", "other": "ü" * 17}, "1 to 32 bytes, this one has 34"),
        ({"ssid": "x" * 33}, "has 33"),
        ({"password": "short"}, "8 to 63 characters, this one has 5"),
        ({"password": "x" * 64}, "8 to 63 characters, this one has 64"),
        ({"password": "ü" * 32}, "this one has 32; other characters than A to Z count more"),
        ({"password": ""}, "lab asks for a password"),
        ({"password": "with\ttabulator"}, "control character"),
        ({"ssid": "a\nb"}, "control character"),
        ({"hostname": "my shed"}, "letters A to Z, digits and inner hyphens; my shed has others"),
        ({"hostname": "-shed"}, "-shed has others"),
        ({"hostname": "x" * 33}, "1 to 32 letters"),
        ({"hostname": "<b>"}, "&lt;b&gt; has others"),
    ]:
        fields = {**GOOD, **changed}
        status, _, page = phone.post("/setup", **fields)
        assert (status, reason in page) == (400, True), changed
        assert 'role="alert"' in page and "secret of the lab" not in page
    page = phone.post("/setup", ssid="lab", password="short", hostname="my shed")[2]
    assert "this one has 5" in page and "my shed has others" in page
    for body, code in [(b"ssid=%FF%FE", 400), (b"ssid=a%00b", 400), (b"ssid=%zz", 400), (b"", 400), (b"&&=&", 400)]:
        assert phone.post("/setup", body=body)[0] == code, body
    assert phone.post("/setup", body=b"ssid=" + b"x" * 5000)[0] == 413
    assert phone.post("/setup", body=b'{"ssid": "lab"}', headers={"Content-Type": "application/json"})[0] == 415
    assert phone.get("/setup/result")[:2] == (303, "/setup")  # nothing was tried


def test_pages_of_other_sites_are_refused(phone):
    origin = {**FORM, "Origin": "http://evil.example"}
    assert phone.post("/setup", headers=origin, **GOOD)[0] == 403
    assert phone.post("/setup", headers={**FORM, "Sec-Fetch-Site": "cross-site"}, **GOOD)[0] == 403
    assert phone.post("/setup/result", headers=origin)[0] == 403
    # One that was made to have our address (DNS rebinding), which is what the portal's DNS says.
    status, location, _ = phone.post("/setup", "evil.example", headers=origin, **GOOD)
    assert (status, location) == (302, f"http://{ACCESS_POINT}:8080/setup")
    own = {**FORM, "Origin": f"http://{ACCESS_POINT}"}
    assert phone.post("/setup", headers=own, **GOOD)[:2] == (303, "/setup/result")


SECRET = "Über secret"


@pytest.fixture
def fresh(phone):
    """Somebody at a board without an administrator's password."""
    board = phone.board
    board.write_file("/boot.json", b'{"server": {"port": 8080}}')
    board.hard_reset()
    board.wait_http()
    board.until(lambda: phone.status()["portal"], within=60)
    return phone


def test_an_administrators_password_is_typed_once(fresh):
    board = fresh.board
    assert "Administrator's password (optional)" in fresh.get("/setup")[2]
    # It stays when something else in the form is wrong, and when the network cannot be joined.
    assert fresh.post("/setup", **{**GOOD, "hostname": "my shed"}, admin=SECRET)[0] == 400
    assert "No connection" in fresh.join(**{**GOOD, "password": "not the secret"})
    form = fresh.get("/setup")[2]
    assert "Administrator's password (kept, type to change it)" in form and SECRET not in form
    assert fresh.post("/setup", **GOOD, admin="x" * 65)[0] == 400
    text = fresh.join(**GOOD)
    assert "The board is in lab" in text and "/admin as user admin" in text
    assert json.loads(board.read_file("/boot.json"))["admin"] == {"password": SECRET}
    assert fresh.get("/setup")[0] == 401
    proof = base64.b64encode(f"admin:{SECRET}".encode()).decode()
    assert "Now it is in lab" in text_of(fresh.get("/setup", Authorization="Basic " + proof)[2])


def test_a_board_that_nobody_administers_says_so(fresh):
    board = fresh.board
    assert "no administrator's password, so it cannot be managed over the network" in fresh.join(**GOOD)
    # What was set does not have to wait for the next start to be safe.
    board.until(lambda: board.read_file("/boot.good.json") == board.read_file("/boot.json"), within=60)
    assert b'"lab"' in board.read_file("/boot.good.json")


def test_closed_it_is_the_administrators(board):
    phone = Phone(board)
    assert not phone.status()["portal"]
    assert phone.get("/setup")[0] == phone.get("/setup/result")[0] == phone.post("/setup", **GOOD)[0] == 401
    assert phone.get("/generate_204", "x.gstatic.com")[0] == 404
    proof = {"Authorization": "Basic " + base64.b64encode(b"admin:desktop").decode()}
    status, _, page = phone.get("/setup", **proof)
    assert status == 200 and "home" in page and "Use it without Wi-Fi" not in page
    board.control("air", add=AIR[0])
    assert phone.post("/setup", headers={**FORM, **proof}, ssid="lab", password="secret of the lab")[0] == 303
    board.until(lambda: phone.status()["network"]["ssid"] == "lab", within=60)
    board.until(lambda: "The board is in lab" in phone.get("/setup/result", **proof)[2], within=60)
