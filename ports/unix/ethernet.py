"""The board's Ethernet as the device drives it: the operations behind `network.LAN`; and the verb `cable`.

As in station.py nothing runs by itself: `advance` works off what was due by now.
"""

import time

from ports.unix.bus import BusError
from ports.unix.ipv4 import is_ipv4

NOWHERE = "0.0.0.0"
_LINK = 0.05  # seconds until both ends of a cable have agreed; a real one takes two
_DHCP = 0.05
_DHCP_WORDS = ("ok", "none")
_DEFAULT_MAC = bytes.fromhex("024d41570003")

# ETH_* of modnetwork.h
_INITIALIZED, _STARTED, _STOPPED, _CONNECTED, _DISCONNECTED, _GOT_IP = range(6)


class Ethernet:
    """One Ethernet port and the cable in it. `mac` is its address, `clock()` counts seconds.

    `get_hostname()` tells what the device calls itself when it asks for an address.
    """

    def __init__(self, get_hostname=lambda: "", *, mac=_DEFAULT_MAC, clock=time.monotonic):
        self._clock = clock
        self._own_mac = mac
        self._get_hostname = get_hostname
        self._cable = {
            "plugged": True,
            "dhcp": "ok",
            "ip": "127.0.0.1",
            "netmask": "255.0.0.0",
            "gateway": "127.0.0.1",
            "dns": "127.0.0.1",
        }
        self.reset(hard=True)

    def reset(self, hard):
        """A reset of the board. The driver is C and outlives a soft one, with the link up."""
        if not hard:
            return
        self._mac = self._own_mac
        self._active = False
        self._status = _INITIALIZED
        self._dhcp = True
        self._static = [NOWHERE] * 3
        self._address = [NOWHERE] * 3  # IP address, netmask, gateway
        self._dns = NOWHERE
        self._hostname = ""
        self._due = None  # when the next step happens: the link is up, or DHCP has answered

    def register(self, bus):
        """Answer the operations `lan.*` of the device."""
        for name in ("active", "status", "mac", "ip"):
            bus.register("lan." + name, self._operation(getattr(self, "_op_" + name)))

    def addresses(self):
        """The board's own IP addresses at this moment."""
        self._advance()
        if self._status == _GOT_IP:
            yield self._address[0]

    def routers(self):
        """The addresses of router and DNS server of the network that the cable leads to."""
        self._advance()
        if self._status == _GOT_IP:
            yield from {self._address[2], self._dns} - {NOWHERE}

    def command(self, args):
        """The control verb `cable`: takes over what `args` says and returns {cable, lan}.

        plugged: whether the cable is; dhcp: "ok", "none" (no answer ever) or the milliseconds until the answer;
        ip, netmask, gateway, dns: what DHCP gives. Raises ValueError (one line).
        """
        changes = {key: value for key, value in args.items() if key != "do"}
        for key, value in changes.items():
            _check(key, value, self._cable)
        self._advance()
        self._cable.update(changes)
        if changes.get("plugged") is False:
            self._unplug()
        elif self._active and self._cable["plugged"] and self._status not in (_CONNECTED, _GOT_IP):
            self._due = self._due or self._clock() + _LINK
        elif self._status == _CONNECTED and "dhcp" in changes:
            self._ask_address(self._clock())
        return {
            "cable": dict(self._cable),
            "lan": {
                "active": self._active,
                "status": self._status,
                "ip": self._address[0],
                "hostname": self._hostname,
            },
        }

    def _advance(self):
        now = self._clock()
        while self._due is not None and self._due <= now:
            at, self._due = self._due, None
            if self._status == _CONNECTED:
                self._give_address([self._cable[name] for name in ("ip", "netmask", "gateway")])
                self._dns = self._cable["dns"]
            else:
                self._status = _CONNECTED
                self._ask_address(at)

    def _ask_address(self, at):
        dhcp = self._cable["dhcp"]
        self._due = None
        if not self._dhcp:
            self._give_address(self._static)
        elif dhcp != "none":
            self._due = at + (_DHCP if dhcp == "ok" else dhcp / 1000)

    def _give_address(self, address):
        self._address = list(address)
        self._status = _GOT_IP

    def _unplug(self):
        # esp_netif takes the address away with the link (esp_netif_down_api).
        self._due = None
        self._address = [NOWHERE] * 3
        if self._status in (_CONNECTED, _GOT_IP):
            self._status = _DISCONNECTED

    def _operation(self, method):
        def handle(args, blob):
            self._advance()
            return method(args)

        return handle

    def _op_active(self, args):
        """{active?} -> {active}: lan_active()."""
        active = args.get("active", self._active)
        if active and not self._active:
            self._hostname = self._get_hostname()
            self._status = _STARTED
            if self._cable["plugged"]:
                self._due = self._clock() + _LINK
        elif self._active and not active:
            self._unplug()
            self._status = _STOPPED
        self._active = active
        return {"active": active}

    def _op_status(self, args):
        """{} -> {status, connected}."""
        return {"status": self._status, "connected": self._active and self._status == _GOT_IP}

    def _op_mac(self, args):
        """{mac?: hex} -> {mac: hex}."""
        if "mac" in args:
            self._mac = bytes.fromhex(args["mac"])
            if len(self._mac) != 6:
                raise BusError(0, "failed setting MAC address")
        return {"mac": self._mac.hex()}

    def _op_ip(self, args):
        """{address?: [ip, netmask, gateway], dns?, dhcp?: bool} -> {address, dns, dhcp}."""
        if "dns" in args:
            self._dns = args["dns"]
        if "address" in args:
            self._static = args["address"]
            self._dhcp = False
        elif "dhcp" in args and args["dhcp"] != self._dhcp:
            self._dhcp = args["dhcp"]
            self._static = list(self._address)
        linked = self._status in (_CONNECTED, _GOT_IP)
        if linked and ("address" in args or "dhcp" in args):
            self._status = _CONNECTED
            self._address = [NOWHERE] * 3
            self._ask_address(self._clock())
        return {
            "address": self._address if linked or self._dhcp else self._static,
            "dns": self._dns,
            "dhcp": self._dhcp,
        }


def _check(key, value, known):
    """Raise ValueError unless `value` can be that field of the cable."""
    if key not in known:
        raise ValueError(f"cable: unknown key {key!r}; known are {', '.join(known)}")
    if key == "plugged":
        good, remedy = isinstance(value, bool), "true or false"
    elif key == "dhcp":
        good = value in _DHCP_WORDS or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
        remedy = "ok, none or milliseconds"
    else:
        good, remedy = is_ipv4(value), "an IPv4 address"
    if not good:
        raise ValueError(f"cable: {key}: {value!r}: {remedy}")
