"""The Wi-Fi driver by a simulated clock: what WLAN.status() shows while access points come, go and refuse."""

import pytest

from ports.unix.bus import BusError
from ports.unix.radio import Radio

HOME = {"ssid": "home", "password": "correct horse"}
STA, AP = 0, 1
IDLE, CONNECTING, GOT_IP = 1000, 1001, 1010
NO_AP_FOUND, WRONG_PASSWORD = 201, 202


class Board:
    """A Radio, the device's calls to it, and the clock: `now` in seconds."""

    def __init__(self, air=(HOME,), **options):
        self.now = 0.0
        self.operations = {}
        options = options or {"air": list(air)}
        self.radio = Radio(mac=bytes(range(2, 14, 2)), clock=lambda: self.now, **options)
        self.radio.register(self)

    def register(self, op, handler):
        self.operations[op] = handler

    def call(self, op, **args):
        reply = self.operations["wlan." + op](args, b"")
        return reply or {}

    def fails(self, op, **args):
        """The text of the device's OSError."""
        with pytest.raises(BusError) as error:
            self.call(op, **args)
        assert error.value.errno == 0
        return error.value.text

    def air(self, **args):
        return self.radio.command({"do": "air", **args})

    def up(self, **config):
        self.call("active", id=STA, active=True)
        if config:
            self.call("set", id=STA, **config)
        return self

    def connect(self, ssid="home", key="correct horse"):
        self.call("connect", config=True, ssid=ssid.encode().hex(), key=key.encode().hex())
        return self

    def after(self, seconds):
        self.now += seconds
        return self.status

    @property
    def status(self):
        return self.call("status")["status"]

    @property
    def ip(self):
        return self.call("ip", id=STA)["address"][0]

    @property
    def connected(self):
        return self.call("isconnected", id=STA)["connected"]


def test_connects_in_steps():
    board = Board().up()
    assert board.status == IDLE
    board.connect()
    assert board.after(0.1) == CONNECTING
    assert board.after(0.1) == CONNECTING  # associated, without an address
    assert not board.connected
    assert board.after(0.1) == GOT_IP
    assert board.connected and board.ip == "127.0.0.1"
    assert board.call("rssi")["rssi"] == -50
    assert list(board.radio.addresses()) == ["127.0.0.1"]


def test_wrong_password_is_tried_for_ever():
    board = Board().up().connect(key="wrong password")
    assert board.status == CONNECTING
    assert board.after(0.3) == WRONG_PASSWORD
    assert board.after(86400) == WRONG_PASSWORD
    assert board.fails("connect", config=True, ssid="00") == "Wifi Internal State Error"
    assert board.fails("connect", config=False) == "Wifi Internal Error"
    board.call("disconnect")
    assert board.status == IDLE
    board.connect()
    assert board.after(1) == GOT_IP


def test_the_old_reason_shows_until_there_is_an_address():
    # network_wlan.c forgets wifi_sta_disconn_reason at GOT_IP only
    board = Board().up(reconnects=0).connect(key="wrong password")
    assert board.after(1) == WRONG_PASSWORD
    board.connect()
    assert board.status == WRONG_PASSWORD
    assert board.after(1) == GOT_IP


@pytest.mark.parametrize("reconnects, attempts", [(0, 1), (1, 2), (5, 6)])
def test_reconnects_end(reconnects, attempts):
    board = Board(air=[]).up(reconnects=reconnects).connect()
    board.after(attempts * 0.25 - 0.1)
    assert board.fails("set", id=STA, pm=0) == "Wifi Internal State Error"  # still trying
    assert board.after(0.2) == NO_AP_FOUND
    board.call("set", id=STA, pm=0)  # not any more
    assert board.call("get", id=STA, key="reconnects")["value"] == reconnects


def test_comes_back_after_the_access_point():
    board = Board().up().connect()
    assert board.after(1) == GOT_IP
    board.air(vanish="home")
    assert board.after(0.2) == GOT_IP  # not noticed yet
    assert board.after(0.2) == CONNECTING  # beacon timeout, first attempt
    assert board.ip == "0.0.0.0"
    assert board.after(3600) == NO_AP_FOUND
    board.air(appear="home")
    assert board.after(1) == GOT_IP


def test_a_short_absence_is_not_noticed():
    board = Board().up().connect()
    board.after(1)
    board.air(vanish="home")
    board.after(0.2)
    board.air(appear="home")
    assert board.after(10) == GOT_IP


def test_routers_are_those_of_the_link():
    board = Board([{**HOME, "gateway": "10.0.0.1", "dns": "10.0.0.2"}]).up().connect()
    assert list(board.radio.routers()) == []
    board.after(1)
    assert sorted(board.radio.routers()) == ["10.0.0.1", "10.0.0.2"]
    board.air(vanish="home")
    board.after(1)
    assert list(board.radio.routers()) == []


def test_no_answer_from_dhcp():
    board = Board([{**HOME, "dhcp": "none"}]).up().connect()
    assert board.after(60) == CONNECTING
    assert not board.connected
    board.air(set={"ssid": "home", "dhcp": 5000})
    assert board.after(4.9) == CONNECTING
    assert board.after(0.2) == GOT_IP


def test_a_lost_lease_leaves_the_status():
    board = Board().up().connect()
    board.after(1)
    board.air(set={"ssid": "home", "dhcp": "none"})
    assert board.status == GOT_IP and board.ip == "0.0.0.0"
    board.air(set={"ssid": "home", "dhcp": "ok"})
    board.after(0.2)
    assert board.ip == "127.0.0.1"


def test_a_static_address_needs_no_dhcp():
    board = Board([{**HOME, "dhcp": "none"}]).up()
    board.call("ip", id=STA, address=["10.0.0.5", "255.255.255.0", "10.0.0.1"], dns="9.9.9.9")
    board.connect()
    assert board.after(0.2) == GOT_IP
    reply = board.call("ip", id=STA)
    assert reply == {"address": ["10.0.0.5", "255.255.255.0", "10.0.0.1"], "dns": "9.9.9.9", "dhcp": False}


@pytest.mark.parametrize(
    "reason, status", [(203, CONNECTING), (204, CONNECTING), (15, CONNECTING), (205, WRONG_PASSWORD)]
)
def test_refusals_and_what_the_status_makes_of_them(reason, status):
    board = Board([{**HOME, "refuse": reason}]).up().connect()
    assert board.after(1) == status
    board.call("disconnect")
    board.call("set", id=STA, reconnects=0)
    board.connect()
    assert board.after(1) == (202 if reason == 205 else reason)


@pytest.mark.parametrize(
    "security, key, status",
    [("wpa2", "", 210), ("open", "longenough", 211), ("wep", "longenough", 211), ("open", "", GOT_IP)],
)
def test_security_has_to_fit(security, key, status):
    point = {"ssid": "x", "security": security, "password": None if security == "open" else "whatever"}
    assert Board([point]).up().connect("x", key).after(1) == status


def test_the_strongest_of_a_name_is_taken_and_a_bssid_is_obeyed():
    far = {"ssid": "x", "rssi": -90, "channel": 3, "bssid": "02:00:00:00:00:01"}
    near = {"ssid": "x", "rssi": -40, "channel": 9, "bssid": "02:00:00:00:00:02"}
    board = Board([far, near]).up().connect("x", "")
    board.after(1)
    assert board.call("rssi")["rssi"] == -40
    board.call("disconnect")
    board.call("connect", config=True, ssid=b"x".hex(), bssid="020000000001")
    board.after(1)
    assert board.call("get", id=STA, key="channel")["value"] == 3


def test_what_an_inactive_station_refuses():
    board = Board()
    assert board.fails("connect", config=False) == "Wifi Not Started"
    assert board.fails("disconnect") == "Wifi Not Started"
    assert board.fails("rssi") == "Wifi Not Connected"
    assert board.fails("get", id=STA, key="txpower") == "Wifi Not Started"
    assert board.call("scan")["ms"] == 0
    board.call("active", id=AP, active=True)
    assert board.fails("scan") == "STA must be active"
    assert board.fails("connect", config=True, ssid="78") == "Wifi Invalid Mode"
    board.call("active", id=STA, active=True)
    assert board.fails("connect", config=False) == "Wifi SSID Invalid"


def test_deactivating_ends_the_link_for_good():
    board = Board().up().connect()
    board.after(1)
    board.call("active", id=STA, active=False)
    assert board.status == IDLE and not board.connected
    board.call("active", id=STA, active=True)
    assert board.after(10) == IDLE


def test_a_soft_reset_keeps_the_link_and_a_hard_one_does_not():
    board = Board().up().connect()
    board.after(1)
    board.call("name", hostname="greenhouse")
    board.radio.reset(hard=False)
    assert board.status == GOT_IP and board.radio.hostname == "greenhouse"
    board.radio.reset(hard=True)
    assert board.status == IDLE and board.radio.hostname == "mpy-esp32"
    assert not board.call("active", id=STA)["active"]


def test_scan_shows_what_is_there():
    cafe, secret = {"ssid": "cafe", "rssi": -40}, {"ssid": "secret", "hidden": True, "rssi": -60}
    board = Board([HOME, cafe, secret]).up()
    assert board.call("scan")["ms"] == 200
    found = board.call("found")[1]
    names = [found[at + 1 : at + 1 + found[at]] for at in range(0, len(found), 42)]
    assert names == [b"cafe", b"home", b""]
    board.connect("nowhere")
    assert board.call("scan")["ms"] == 0  # the driver does not scan while it connects
    assert board.call("found")[1] == b""


def test_access_point_configuration():
    board = Board()
    assert board.call("get", id=AP, key="ssid")["value"] == b"ESP_080A0D".hex()
    assert board.call("get", id=AP, key="mac")["value"] == "02040608" + "0a0d"
    assert board.fails("set", id=AP, authmode=3, key=b"short".hex()) == "Wifi Invalid Password"
    assert board.fails("set", id=AP, authmode=1, key=b"longenough".hex()) == "Wifi Unknown Error 0x0102"
    assert board.fails("set", id=AP, channel=15) == "Wifi Unknown Error 0x0102"
    assert board.air()["ap"]["password"] is None
    board.call("set", id=AP, ssid=b"mine".hex(), authmode=3, key=b"longenough".hex(), hidden=True, channel=11)
    ap = board.air()["ap"]
    assert (ap["ssid"], ap["password"], ap["hidden"]) == ("mine", "longenough", True)
    assert board.call("get", id=AP, key="channel")["value"] == 11
    assert board.fails("set", id=STA, mac="010000000000") == "Wifi Invalid MAC Address"


def test_stations_join_and_leave():
    board = Board()
    with pytest.raises(ValueError, match="not active"):
        board.air(join="02:00:00:00:00:09")
    board.call("active", id=AP, active=True)
    board.call("set", id=AP, max_clients=1)
    assert board.air(join="02:00:00:00:00:09")["ap"]["stations"] == ["02:00:00:00:00:09"]
    assert board.call("stations")[1].hex() == "020000000009"
    assert board.call("isconnected", id=AP)["connected"]
    assert list(board.radio.addresses()) == ["192.168.4.1"]
    with pytest.raises(ValueError, match="full"):
        board.air(join="02:00:00:00:00:0a")
    assert board.air(leave="02:00:00:00:00:09")["ap"]["stations"] == []


def test_the_networks_of_boot_json_are_in_the_air_beside_neighbours():
    networks = [HOME, {"ssid": "garage", "password": "another one"}, {"ssid": ""}, {"ssid": 7}, "nonsense"]
    board = Board(networks=networks)
    names = [point["ssid"] for point in board.air()["air"]["access_points"]]
    assert names == ["home", "garage", "Cafe Central", "neighbour"]
    assert board.up().connect("garage", "another one").after(1) == GOT_IP


@pytest.mark.parametrize(
    "args, words",
    [
        ({"nonsense": 1}, ["nonsense", "known are"]),
        ({"add": {"password": "longenough"}}, ["ssid", "missing"]),
        ({"add": {"ssid": "x" * 33}}, ["ssid", "32 bytes"]),
        ({"add": {"ssid": "x", "password": "short"}}, ["password", "8 to 64"]),
        ({"add": {"ssid": "x", "security": "wpa2"}}, ["password", "needed"]),
        ({"add": {"ssid": "x", "channel": "6"}}, ["channel", "wrong type"]),
        ({"add": {"ssid": "x", "dhcp": "maybe"}}, ["dhcp", "milliseconds"]),
        ({"add": {"ssid": "x", "ip": "1.2.3"}}, ["ip", "IPv4"]),
        ({"add": {"ssid": "x", "colour": 1}}, ["colour", "known are"]),
        ({"remove": "nowhere"}, ["nowhere"]),
        ({"set": {"rssi": -3}}, ["no access point"]),
        ({"latency": {"scan": 0}}, ["scan", "at least 1"]),
        ({"air": {"latencies": {}}}, ["latencies"]),
        ({"air": 7}, ["object"]),
        ({"leave": "zz"}, ["MAC"]),
    ],
)
def test_bad_requests_say_what_and_change_nothing(args, words):
    board = Board()
    before = board.air()
    with pytest.raises(ValueError) as error:
        board.air(**args)
    text = str(error.value)
    assert all(word in text for word in words) and "\n" not in text, text
    assert board.air() == before
