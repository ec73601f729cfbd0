"""Keeps a cabled network up and tells how it is: the driver itself follows the cable and asks for an address.

It has the face of NetworkService, so that nobody else needs to know which of the two a board has. mDNS is not
available by cable: MicroPython v1.28.0 starts it from the Wi-Fi driver (ports/esp32/network_wlan.c:191).
"""

from asyncio import sleep_ms

import network
from micropython import const

from . import log, loop
from .interface import address_of, moved, set_addresses

# (state, event, next state); docs/network.md shows them.
MOVES = (
    ("off", "started", "connecting"),
    ("connecting", "connected", "connected"),
    ("connecting", "no cable", "waiting"),
    ("connecting", "no address", "waiting"),
    ("waiting", "cable changed", "connecting"),
    ("waiting", "connected", "connected"),
    ("connected", "link lost", "connecting"),
    ("connected", "address lost", "connecting"),
)

_POLL_MS = const(200)
_LINK_MS = const(3000)  # until both ends of a cable have agreed on a speed
_ADDRESS_MS = const(15000)
_NO_ADDRESSES = {"ip": ""}


class EthernetService:
    """`interface` is a network.LAN, `hostname` what DHCP is told (at most 32 characters), `static` fixed addresses.

    state     'off', 'connecting', 'connected' or 'waiting' (for a cable, or for a DHCP server)
    ssid      'Ethernet', where Wi-Fi has a network's name
    problem   why there is no connection, in words, or ''
    settled   whether it is known if there is a connection
    """

    kind = "ethernet"
    ssid = "Ethernet"
    ap_ssid = ""

    def __init__(self, interface, hostname, static=_NO_ADDRESSES):
        self.state = "off"
        self.problem = ""
        self.settled = False
        self._interface = interface
        self._hostname = hostname
        self._static = static
        self._connected_s = None  # uptime
        self._lost = None  # (problem, uptime) of the last connection that was lost

    def prepare(self):
        """Name, addresses and interface: before sockets can be used. Called once, before run(). OSError if it fails."""
        # network.LAN hands the name to DHCP when it becomes active (network_lan.c:356).
        network.hostname(self._hostname)
        set_addresses(self._interface, self._static)
        self._interface.active(True)

    async def run(self):
        """The task: never returns."""
        if self.state == "off":
            self._move("started")
        while True:
            if self.state == "connected":
                await self._while_connected()
            else:
                await self._until_connected()

    def address(self):
        """The board's IPv4 address as text, or ''."""
        return address_of(self._interface)

    def rssi(self):
        """None: a cable has no signal to speak of."""

    def describe(self):
        """The values of /api/status, as docs/network.md lists them; times in seconds."""
        connected = self.state == "connected"
        lost = self._lost
        return {
            "kind": self.kind,
            "state": self.state,
            "ssid": self.ssid,
            "accessPoint": self.ap_ssid,
            "problem": self.problem,
            "rssi": None,
            "mac": self._interface.config("mac").hex(":"),
            "gateway": self._interface.ipconfig("gw4") if connected else "",
            "connectedFor": loop.uptime_s - self._connected_s if connected else None,
            "lastLoss": lost and {"ssid": self.ssid, "problem": lost[0], "ago": loop.uptime_s - lost[1]},
        }

    def _move(self, event):
        self.state = moved(MOVES, self.state, event)

    async def _while_connected(self):
        while self.address():
            await sleep_ms(_POLL_MS)
        if self._interface.isconnected():
            self._move("address lost")
            problem = self.problem = "the address is lost: its DHCP server gives no other"
        else:
            self._move("link lost")
            problem = "the link by cable is lost"  # which is no problem yet: it may only have been plugged elsewhere
        self._lost = problem, loop.uptime_s
        log.warning(problem)

    async def _until_connected(self):
        waited = 0  # ms since the cable was plugged in or pulled out
        linked = self._linked()
        while not self.address():
            if linked != self._linked():
                linked = not linked
                waited = 0
                if self.state == "waiting":
                    self._move("cable changed")
                self.problem = ""
            event = ""
            if linked and waited >= _ADDRESS_MS:
                event, problem = "no address", "no DHCP server gives an address"
            elif not linked and waited >= _LINK_MS:
                event, problem = "no cable", "no cable is plugged in, or nothing is at its other end"
            if event and self.state != "waiting":
                self._move(event)
                self.problem = problem
                self.settled = True
                log.warning("Ethernet: %s", problem)
            waited += _POLL_MS
            await sleep_ms(_POLL_MS)
        self._move("connected")
        self.problem = ""
        self.settled = True
        self._connected_s = loop.uptime_s
        log.info("connected by cable as %s", self.address())

    def _linked(self):
        return self._interface.status() in (network.ETH_CONNECTED, network.ETH_GOT_IP)
