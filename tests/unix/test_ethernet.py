"""network.LAN: the port and its cable by a simulated clock, and as a script on a whole board sees them."""

import pytest

from ports.unix.ethernet import Ethernet
from tests.unix.scripted import check

INITIALIZED, STARTED, STOPPED, CONNECTED, DISCONNECTED, GOT_IP = range(6)
NOWHERE = ["0.0.0.0"] * 3
HERE = ["127.0.0.1", "255.0.0.0", "127.0.0.1"]


class Board:
    """An Ethernet port, the device's calls to it, and the clock: `now` in seconds."""

    def __init__(self):
        self.now = 0.0
        self.operations = {}
        self.port = Ethernet(lambda: "shed", clock=lambda: self.now)
        self.port.register(self)

    def register(self, op, handler):
        self.operations[op] = handler

    def call(self, op, **args):
        return self.operations["lan." + op](args, b"")

    def cable(self, **args):
        return self.port.command({"do": "cable", **args})

    def after(self, seconds):
        self.now += seconds
        return self.call("status")["status"]

    @property
    def address(self):
        return self.call("ip")["address"]


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def up(board):
    """A board with an address."""
    board.call("active", active=True)
    assert board.after(1) == GOT_IP
    return board


def test_from_power_on_to_an_address(board):
    assert board.after(0) == INITIALIZED
    assert board.call("active") == {"active": False}
    assert board.call("active", active=True) == {"active": True}
    assert board.after(0) == STARTED
    assert board.after(0.06) == CONNECTED
    assert board.address == NOWHERE and not list(board.port.addresses())
    assert board.after(0.06) == GOT_IP
    assert board.address == HERE and list(board.port.addresses()) == ["127.0.0.1"]
    assert board.call("status")["connected"]
    assert board.cable()["lan"] == {"active": True, "status": GOT_IP, "ip": "127.0.0.1", "hostname": "shed"}


def test_without_a_cable(board):
    board.cable(plugged=False)
    board.call("active", active=True)
    assert board.after(100) == STARTED
    board.cable(plugged=True)
    assert board.after(1) == GOT_IP


def test_pulled_out_and_plugged_in_again(up):
    up.cable(plugged=False)
    assert up.after(0) == DISCONNECTED
    assert up.address == NOWHERE and not up.call("status")["connected"]
    up.cable(plugged=True, ip="127.0.0.9")
    assert up.after(1) == GOT_IP
    assert up.address[0] == "127.0.0.9"


def test_switched_off(up):
    assert up.call("active", active=False) == {"active": False}
    assert up.after(0) == STOPPED and up.address == NOWHERE
    up.cable(plugged=False)
    up.cable(plugged=True)
    assert up.after(1) == STOPPED


def test_no_dhcp_server_then_a_slow_one(board):
    board.cable(dhcp="none")
    board.call("active", active=True)
    assert board.after(100) == CONNECTED
    board.cable(dhcp=5000)
    assert board.after(4.9) == CONNECTED
    assert board.after(0.2) == GOT_IP


def test_static_address_needs_no_dhcp_server(board):
    board.cable(dhcp="none")
    board.call("active", active=True)
    board.call("ip", address=["127.0.0.5", "255.0.0.0", "127.0.0.1"])
    assert board.after(0.06) == GOT_IP
    assert board.address[0] == "127.0.0.5"
    board.call("ip", dhcp=True)
    board.cable(dhcp="ok")
    assert board.after(1) == GOT_IP and board.address == HERE


def test_resets(up):
    up.port.reset(hard=False)
    assert up.after(0) == GOT_IP
    up.port.reset(hard=True)
    assert up.after(1) == INITIALIZED and up.address == NOWHERE


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"plug": True}, "cable: unknown key 'plug'; known are plugged, dhcp, ip, netmask, gateway, dns"),
        ({"plugged": 1}, "cable: plugged: 1: true or false"),
        ({"dhcp": "yes"}, "cable: dhcp: 'yes': ok, none or milliseconds"),
        ({"dhcp": -1}, "cable: dhcp: -1: ok, none or milliseconds"),
        ({"ip": "1.2.3"}, "cable: ip: '1.2.3': an IPv4 address"),
        ({"ip": 7}, "cable: ip: 7: an IPv4 address"),
    ],
)
def test_wrong_cable(board, change, text):
    with pytest.raises(ValueError) as error:
        board.cable(**change)
    assert str(error.value) == text


def test_lan_on_the_board(tmp_path):
    script = """
import network, _board
for name in ("WLAN", "STA_IF", "AP_IF", "AUTH_OPEN", "MODE_11B"):
    assert not hasattr(network, name), name
assert network.STAT_GOT_IP == 1010
lan = _board.ethernet()
assert lan is network.LAN(phy_addr=0, phy_type=0) is _board.ethernet()
assert not lan.active() and lan.status() == network.ETH_INITIALIZED
assert lan.ipconfig("addr4") == ("0.0.0.0", "0.0.0.0") and lan.ipconfig("dhcp4")
network.hostname("shed")
assert lan.active(True)
until(lan.isconnected)
assert lan.status() == network.ETH_GOT_IP
assert lan.ifconfig() == ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")
assert network.ipconfig("dns") == "127.0.0.1" and lan.ipconfig("gw4") == "127.0.0.1"
network.ipconfig(dns="9.9.9.9")
assert network.ipconfig("dns") == "9.9.9.9"
assert len(lan.config("mac")) == 6
lan.config(mac=b"\\x02abcde")
assert lan.config("mac") == b"\\x02abcde"
assert fails(OSError, lan.config, mac=b"\\x01abcde") == ("failed setting MAC address",)
assert fails(ValueError, lan.config, mac=b"a") == ("invalid buffer length",)
assert fails(ValueError, lan.config, "ssid") == ("unknown config param",)
lan.ipconfig(addr4="127.0.0.5/8")
assert lan.isconnected() and lan.ipconfig("addr4") == ("127.0.0.5", "255.0.0.0") and not lan.ipconfig("dhcp4")
lan.ipconfig(dhcp4=True)
until(lambda: lan.ipconfig("addr4")[0] == "127.0.0.1")
print("pull")
until(lambda: not lan.isconnected())
assert lan.status() == network.ETH_DISCONNECTED
print("plug")
until(lan.isconnected)
assert not lan.active(False) and lan.status() == network.ETH_STOPPED
"""

    async def drive(it):
        await it.says(b"pull")
        it.board.ethernet.command({"plugged": False})
        await it.says(b"plug")
        it.board.ethernet.command({"plugged": True})

    check(tmp_path, script, drive, link="ethernet")


def test_board_with_wifi_has_no_ethernet(tmp_path):
    check(
        tmp_path,
        """
import network, _board
assert _board.ethernet() is None
right = {"phy_addr": 1, "phy_type": network.PHY_DP83848, "mdc": 23, "mdio": 18}
assert fails(OSError, network.LAN, **right) == ("esp_eth_driver_install failed",)
assert fails(ValueError, network.LAN, 1, **right) == ("invalid LAN interface identifier",)
assert fails(ValueError, network.LAN, phy_addr=32, phy_type=0) == ("invalid phy address",)
assert fails(ValueError, network.LAN, phy_addr=1, phy_type=7) == ("invalid phy type",)
assert fails(ValueError, network.LAN, phy_addr=1, phy_type=0) == ("mdc and mdio must be specified",)
""",
    )
