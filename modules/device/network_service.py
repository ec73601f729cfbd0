"""Brings the network up and keeps it up: the first network of boot.json that answers, else an access point.

A small state machine that runs as one task on the server's loop:

    start -> connecting -> connected -> (link lost) -> connecting
                |  no network answered
                v
             waiting, with the access point open unless its mode is 'never' -> (pause over) -> connecting
"""

import os
from asyncio import sleep_ms

import network
from esp32 import NVS
from micropython import const

from . import log

_ATTEMPT_MS = const(15000)  # WPA2 handshake and DHCP on a slow router
_STALE_MS = const(6000)  # an attempt that fails as the last one did has failed by now: a scan takes 2 to 4 s
_POLL_MS = const(200)
_PAUSE_FIRST_S = const(5)
_PAUSE_MAX_S = const(120)
_AP_PASSWORD_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # 32, none that looks like another


class NetworkService:
    """`settings` is device.config['wifi'], `hostname` the board's name (at most 32 characters).

    state     'off', 'connecting', 'connected' or 'waiting'
    ssid      the network in use, or being tried
    problem   why there is no connection, in words, or ''
    """

    kind = "wifi"

    def __init__(self, settings, hostname):
        self.state = "off"
        self.ssid = ""
        self.problem = ""
        self.ap_ssid = ""
        self.settled = False  # whether the first round over all networks has ended
        self._settings = settings
        self._hostname = hostname
        self._station = None
        self._ap = None
        self._pause_s = _PAUSE_FIRST_S

    def prepare(self):
        """Name, country and the interface objects: before sockets can be used. Called once, before run().

        OSError where there is no Wi-Fi.
        """
        if not hasattr(network, "WLAN"):
            raise OSError("this firmware has neither Wi-Fi nor an Ethernet port")
        network.hostname(self._hostname)
        if self._settings["country"]:
            network.country(self._settings["country"])
        self._station = network.WLAN(network.WLAN.IF_STA)
        self._ap = network.WLAN(network.WLAN.IF_AP)

    async def run(self):
        """The task: never returns while there is something to supervise."""
        networks = self._settings["networks"]
        mode = self._settings["ap"]["mode"]
        if mode == "always" or (mode == "fallback" and not networks):
            self._open_ap()
        if not networks:
            self.problem = "boot.json names no network"
            self.settled = True
            return
        self._station.active(True)
        while True:
            if await self._connect_any(networks):
                self._pause_s = _PAUSE_FIRST_S
                if mode != "always":
                    self._close_ap()
                self.settled = True
                await self._while_connected()
                log.warning("the link to %s is lost", self.ssid)
                continue
            if mode == "fallback":
                self._open_ap()
            self.settled = True
            self.state = "waiting"
            await sleep_ms(self._pause_s * 1000)
            self._pause_s = min(self._pause_s * 2, _PAUSE_MAX_S)

    def address(self):
        """The board's IPv4 address as text: the station's, else the access point's, else ''."""
        for interface in (self._station, self._ap):
            if interface is not None and interface.active() and interface.isconnected():
                address = interface.ipconfig("addr4")[0]
                if address != "0.0.0.0":
                    return address
        # An access point counts as connected only while a station is there.
        return self._ap.ipconfig("addr4")[0] if self.ap_ssid else ""

    def rssi(self):
        """Signal of the network in use in dBm, or None."""
        try:
            return self._station.status("rssi") if self.state == "connected" else None
        except OSError:
            return None

    async def _connect_any(self, networks):
        for entry in networks:
            self.ssid = entry["ssid"]
            self.state = "connecting"
            self.problem = await self._connect(entry)
            if not self.problem:
                self.state = "connected"
                log.info("connected to %s as %s", self.ssid, self.address())
                return True
            log.warning("network %s: %s", self.ssid, self.problem)
        return False

    async def _connect(self, entry):
        """'' when connected, else what went wrong in words."""
        station = self._station
        await self._disconnect()
        try:
            # One attempt tells what is wrong; repeating is the task's own work.
            station.config(reconnects=0)
            self._set_addresses()
            # What the last attempt ended with stays the status until this one has ended, too.
            before = station.status()
            station.connect(entry["ssid"], entry["password"])
        except (OSError, RuntimeError) as error:
            return "cannot be tried (%s)" % error
        problem = ""
        for waited in range(0, _ATTEMPT_MS, _POLL_MS):
            if station.isconnected():
                return ""
            status = station.status()
            problem = _FAILURES.get(status, "")
            if problem and (status != before or waited >= _STALE_MS):
                break
            await sleep_ms(_POLL_MS)
        # Else it might still come to a connection that nobody waits for.
        await self._disconnect()
        return problem or "no address within %d s" % (_ATTEMPT_MS // 1000)

    async def _disconnect(self):
        """Leave the network, or end the attempt to join one, and give the driver the time for it.

        connect() during an attempt raises in MicroPython v1.28.0 without having taken the GIL back
        (ports/esp32/network_wlan.c:351), after which two threads run Python at the same time.
        """
        idle = self._station.status() == network.STAT_IDLE
        try:
            self._station.disconnect()
        except (OSError, RuntimeError):
            pass  # was not started
        if not idle:
            await sleep_ms(_POLL_MS)

    def _set_addresses(self):
        static = self._settings["static"]
        if not static["ip"]:
            return
        self._station.ipconfig(addr4=(static["ip"], static["netmask"] or "255.255.255.0"))
        if static["gateway"]:
            self._station.ipconfig(gw4=static["gateway"])
        if static["dns"] or static["gateway"]:
            network.ipconfig(dns=static["dns"] or static["gateway"])

    async def _while_connected(self):
        while self._station.isconnected():
            await sleep_ms(1000)

    def _open_ap(self):
        if self.ap_ssid:
            return
        settings = self._settings["ap"]
        ssid = settings["ssid"] or self._hostname
        try:
            self._ap.active(True)
            self._ap.config(ssid=ssid, security=network.WLAN.SEC_WPA2, password=ap_password(settings))
        except OSError as error:
            log.error("the access point cannot be opened: %s", error)
            return
        self.ap_ssid = ssid
        log.warning("access point %s is on", ssid)

    def _close_ap(self):
        if self.ap_ssid:
            self.ap_ssid = ""
            self._ap.active(False)


def ap_password(settings):
    """The access point's password: of boot.json, else one of this device's own, made once and kept in NVS."""
    if settings["password"]:
        return settings["password"]
    store = NVS("network")
    buffer = bytearray(16)
    try:
        return str(buffer[: store.get_blob("ap", buffer)], "utf-8")
    except OSError:
        password = "".join(_AP_PASSWORD_LETTERS[byte & 31] for byte in os.urandom(10))
        try:
            store.set_blob("ap", password)
            store.commit()
        except OSError as error:
            log.warning("the access point's password cannot be kept: %s", error)
        return password


def _failures():
    words = {
        "STAT_WRONG_PASSWORD": "wrong password",
        "STAT_NO_AP_FOUND": "not found",
        "STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD": "its security is weaker than asked for",
        "STAT_HANDSHAKE_TIMEOUT": "wrong password, or its signal is too weak",
        "STAT_ASSOC_FAIL": "refused the connection",
        "STAT_CONNECT_FAIL": "refused the connection",
    }
    # Which of them exist depends on the port.
    return {getattr(network, name): text for name, text in words.items() if hasattr(network, name)}


_FAILURES = _failures()
