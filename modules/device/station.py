"""The Wi-Fi station's driver and its peculiarities: one attempt to join a network, and what comes of it."""

from asyncio import sleep_ms
from time import ticks_diff, ticks_ms

import network
from micropython import const

from . import log, wifi_reasons
from .interface import set_addresses

_ATTEMPT_MS = const(15000)  # association, WPA2 handshake and DHCP on a slow router
_STALE_MS = const(6000)  # an attempt that fails as the last one did has failed by now: a scan takes 2 to 4 s
_LEAVE_MS = const(200)


class Station:
    """`wlan` is the driver's object. OSError where there is no Wi-Fi."""

    def __init__(self):
        self.wlan = network.WLAN(network.WLAN.IF_STA)
        self._began = 0  # ticks of the attempt
        self._before = 0  # WLAN.status() when it began

    def ensure_on(self):
        """Switch it on if a program has switched it off, for nobody else would. OSError or RuntimeError if it fails."""
        if not self.wlan.active():
            log.warning("a program has switched Wi-Fi off: it is on again")
            self.wlan.active(True)

    def switch_off(self):
        """Let it be off, whatever it is now."""
        try:
            self.wlan.active(False)
        except (OSError, RuntimeError):
            pass  # it does not run, which is what was wanted

    def rssi(self):
        """Its signal in dBm if an access point has taken it in, with an address or without; else None."""
        try:
            return self.wlan.status("rssi")
        except (OSError, RuntimeError):
            return None

    def channel(self):
        """The channel that it is on, or None."""
        try:
            return self.wlan.config("channel")
        except (OSError, RuntimeError):
            return None

    def ssid(self):
        """The network that it was told to join last, whoever did; '' if that is no text."""
        try:
            # With 32 bytes it is not ended, and MicroPython reads on into the password (network_wlan.c:665).
            return str(self.wlan.config("ssid").encode()[:32], "utf-8")
        except (OSError, RuntimeError, UnicodeError):
            return ""

    async def leave(self):
        """Leave the network, or end the attempt to join one, and give the driver the time for it.

        connect() during an attempt raises.
        """
        idle = self.wlan.status() == network.STAT_IDLE
        try:
            self.wlan.disconnect()
        except (OSError, RuntimeError):
            pass  # was not started
        if not idle:
            await sleep_ms(_LEAVE_MS)

    def join(self, ssid, password, static):
        """Begin an attempt; `static` as for set_addresses(). OSError or RuntimeError if the driver refuses."""
        # One attempt tells what is wrong; repeating is the service's work.
        self.wlan.config(reconnects=0)
        set_addresses(self.wlan, static)
        # What the last attempt ended with stays the status until this one has ended, too.
        self._before = self.wlan.status()
        self.wlan.connect(ssid, password)
        self._began = ticks_ms()

    def outcome(self):
        """What has come of the attempt: event of network_service.MOVES and problem; None while it is under way."""
        if self.wlan.isconnected():
            return "connected", ""
        waited = ticks_diff(ticks_ms(), self._began)
        code = self.wlan.status()
        if wifi_reasons.is_reason(code) and (
            code != self._before or not wifi_reasons.stays(code) or waited >= _STALE_MS and self.rssi() is None
        ):
            return wifi_reasons.failure(code)
        if waited < _ATTEMPT_MS:
            return None
        if self.rssi() is None:
            return "no answer", "it does not answer"
        return "no address", "no address: its DHCP server does not answer"

    def loss(self):
        """Why there is no connection any more, in words; '' while there is one."""
        if not self.wlan.active():
            return "a program has switched Wi-Fi off"
        return "" if self.wlan.isconnected() else wifi_reasons.loss(self.wlan.status())
