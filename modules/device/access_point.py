"""The board's own access point: opens when it is asked for, and closes by itself some time after it is not needed."""

import os
from time import ticks_add, ticks_diff, ticks_ms

import network
from micropython import const

from . import log, nvs
from .interface import moved

_LINGER_MS = const(120000)  # for a phone that is on it to see what came of the setup
_GUEST_MS = const(60000)  # a phone that was there by then comes back: the access point moves to the network's channel
_PASSWORD_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # 32, none that looks like another

_own_password = ""  # as soon as it was read

# (state, event, next state); docs/network.md shows them.
MOVES = (
    ("closed", "open", "open"),
    ("open", "close", "closed"),
    ("open", "linger", "lingering"),
    ("lingering", "connection lost", "open"),
    ("lingering", "close", "closed"),
)


class AccessPoint:
    """`settings` is device.config['wifi']['ap'], `hostname` its name if they have none.

    state   'closed', 'open', or 'lingering': open, but the station is connected, so that it closes soon
    ssid    its name while it is not closed, else ''
    mode    'fallback', 'always' or 'never'
    """

    def __init__(self, settings, hostname):
        self.state = "closed"
        self.ssid = ""
        self.mode = settings["mode"]
        self._settings = settings
        self._name = settings["ssid"] or hostname
        self._interface = None
        self._problem = ""  # why it could not be opened
        self._guest_seen = None  # ticks
        self._closes = 0  # ticks, while lingering

    def prepare(self):
        """The interface object; one that was open before a soft reset is closed. OSError where there is no Wi-Fi."""
        self._interface = network.WLAN(network.WLAN.IF_AP)
        if self._interface.active():
            self._interface.active(False)

    def open(self):
        """Open it if its mode allows. False if that failed, which is logged once."""
        if self.mode == "never" or self.state == "open":
            return True
        if self.state == "lingering":
            self.state = moved(MOVES, self.state, "connection lost")
            return True
        try:
            self._interface.active(True)
            self._interface.config(ssid=self._name, security=network.WLAN.SEC_WPA2, password=self.password())
        except (OSError, RuntimeError) as error:
            problem = str(error)
            if problem != self._problem:
                self._problem = problem
                log.error("the access point cannot be opened: %s", problem)
            self._switch_off()  # it may be on, open for everybody and with a name of the driver's
            return False
        self._problem = ""
        self.state = moved(MOVES, self.state, "open")
        self.ssid = self._name
        self._guest_seen = None
        log.info("access point %s is on", self.ssid)
        return True

    def connected(self, hold=False):
        """The station has a connection: close at once, but later with `hold` or if somebody was here just now."""
        self.watch()
        if self.mode == "always" or self.state != "open":
            return
        now = ticks_ms()
        if hold or self._guest_seen is not None and ticks_diff(now, self._guest_seen) < _GUEST_MS:
            self.state = moved(MOVES, self.state, "linger")
            self._closes = ticks_add(now, _LINGER_MS)
        else:
            self._close()

    def lost(self):
        """The station has lost its connection: one that would have been closed stays."""
        if self.state == "lingering":
            self.state = moved(MOVES, self.state, "connection lost")

    def watch(self):
        """To be called about every second. Whether somebody is on it."""
        if self.state == "closed":
            return False
        if not self._interface.active():
            log.warning("a program has switched the access point off")
            self._close()
            return False
        if self.state == "lingering" and ticks_diff(ticks_ms(), self._closes) >= 0:
            self._close()
            return False
        guests = self._interface.isconnected()
        if guests:
            self._guest_seen = ticks_ms()
        return guests

    def guests(self):
        """How many stations are on it."""
        try:
            return len(self._interface.status("stations")) if self.state != "closed" else 0
        except (OSError, RuntimeError):
            return 0  # a program has switched it off

    def address(self):
        """Its IPv4 address as text while it is not closed, else ''."""
        return self._interface.ipconfig("addr4")[0] if self.state != "closed" else ""

    def password(self):
        """What a phone has to enter."""
        return ap_password(self._settings)

    def _close(self):
        self.state = moved(MOVES, self.state, "close")
        log.info("access point %s is off", self.ssid)
        self.ssid = ""
        self._switch_off()

    def _switch_off(self):
        try:
            self._interface.active(False)
        except (OSError, RuntimeError) as error:
            log.error("the access point cannot be closed: %s", error)


def ap_password(settings):
    """The access point's password: of boot.json, else one of this device's own, made once and kept in NVS."""
    global _own_password
    if settings["password"]:
        return settings["password"]
    if not _own_password:
        _own_password = _kept_password()
    return _own_password


def _kept_password():
    buffer = bytearray(16)
    try:
        return str(buffer[: nvs.store("network").get_blob("ap", buffer)], "utf-8")
    except OSError:
        password = "".join(_PASSWORD_LETTERS[byte & 31] for byte in os.urandom(10))
        try:
            store = nvs.store("network")
            store.set_blob("ap", password)
            store.commit()
        except OSError as error:
            log.warning("the access point's password cannot be kept: %s", error)
        return password
