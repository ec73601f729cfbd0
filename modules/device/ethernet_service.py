"""Keeps a cabled network up and tells how it is: the address comes by DHCP, the driver itself follows the cable.

It has the face of NetworkService, so that nobody else needs to know which of the two a board has. mDNS is not
available by cable: MicroPython v1.28.0 starts it from the Wi-Fi driver (ports/esp32/network_wlan.c:191).
"""

from asyncio import sleep_ms

import network
from micropython import const

from . import log

_POLL_MS = const(200)
_LINK_MS = const(3000)  # until both ends of a cable have agreed on a speed
_ADDRESS_MS = const(15000)


class EthernetService:
    """`interface` is a network.LAN that is not yet active, `hostname` what DHCP is told (at most 32 characters).

    state     'off', 'connecting', 'connected' or 'waiting' (for a cable, or for a DHCP server)
    ssid      'Ethernet', where Wi-Fi has a network's name
    problem   why there is no connection, in words, or ''
    """

    kind = "ethernet"
    ssid = "Ethernet"
    ap_ssid = ""

    def __init__(self, interface, hostname):
        self.state = "off"
        self.problem = ""
        self.settled = False  # whether it is known if there is a connection
        self._interface = interface
        self._hostname = hostname

    def prepare(self):
        """Name and interface: before sockets can be used. Called once, before run(). OSError if it cannot be used."""
        # network.LAN hands the name to DHCP when it becomes active (network_lan.c:356).
        network.hostname(self._hostname)
        self._interface.active(True)

    async def run(self):
        """The task: never returns."""
        while True:
            self.state = "connecting"
            await self._until_connected()
            self.state = "connected"
            self.problem = ""
            self.settled = True
            log.info("connected by cable as %s", self.address())
            while self._interface.isconnected():
                await sleep_ms(_POLL_MS)
            log.warning("the link by cable is lost")

    def address(self):
        """The board's IPv4 address as text, or ''."""
        address = self._interface.ipconfig("addr4")[0] if self._interface.isconnected() else ""
        return "" if address == "0.0.0.0" else address

    def rssi(self):
        """None: a cable has no signal to speak of."""

    async def _until_connected(self):
        waited = 0  # ms since the cable was plugged in or pulled out
        linked = False
        while not self._interface.isconnected():
            if linked != self._linked():
                linked = not linked
                waited = 0
                self.state = "connecting"
                self.problem = ""
            problem = ""
            if linked and waited >= _ADDRESS_MS:
                problem = "no DHCP server gives an address"
            elif not linked and waited >= _LINK_MS:
                problem = "no cable is plugged in, or nothing is at its other end"
            if problem and self.state != "waiting":
                self.state = "waiting"
                self.problem = problem
                self.settled = True
                log.warning("Ethernet: %s", problem)
            waited += _POLL_MS
            await sleep_ms(_POLL_MS)

    def _linked(self):
        return self._interface.status() in (network.ETH_CONNECTED, network.ETH_GOT_IP)
