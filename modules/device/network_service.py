"""Brings Wi-Fi up and keeps it up: the best network of boot.json, for ever, and the board's own access point.

One task on the server's loop, run(), owns the station. It moves by the table MOVES only; what others want of the
station (to try a network, to look at the air) it takes from them between two steps. docs/network.md says what the
states mean, when it tries what, and how long it takes at most.
"""

import os
from asyncio import sleep_ms
from time import ticks_add, ticks_diff, ticks_ms

import network
from micropython import const

from . import log, loop
from .access_point import AccessPoint
from .air import Air
from .candidates import Candidate, Candidates
from .interface import address_of, moved
from .station import Station

# (state, event, next state); docs/network.md shows them.
MOVES = (
    ("off", "started", "waiting"),
    ("waiting", "joined by a program", "connected"),
    ("waiting", "attempt", "connecting"),
    ("connecting", "connected", "connected"),
    ("connecting", "wrong password", "waiting"),
    ("connecting", "not found", "waiting"),
    ("connecting", "refused", "waiting"),
    ("connecting", "no answer", "waiting"),
    ("connecting", "no address", "waiting"),
    ("connecting", "not possible", "waiting"),
    ("connecting", "put off", "waiting"),
    ("connected", "link lost", "waiting"),
    ("connected", "address lost", "waiting"),
    ("connected", "put off", "waiting"),
    ("waiting", "driver failed", "off"),
    ("connecting", "driver failed", "off"),
    ("connected", "driver failed", "off"),
)

# docs/network.md adds these up, with those of station.py, to the 30 s within which the board is back.
_FRESH_MS = const(2000)  # a look at the air older than this is repeated before an attempt
_GAP_MS = const(16000)  # at most, from one look at the air to the next; alone, an attempt is that look
_PAUSE_MIN_MS = const(500)
_PAUSE_FIRST_MS = const(1000)
_PAUSE_MAX_MS = const(8000)  # without the jitter, up to a quarter more
_GUEST_PAUSE_MS = const(120000)  # every attempt takes the access point to other channels, away from a phone

_POLL_MS = const(200)
_SUPERVISE_MS = const(500)
_ADDRESS_LOST_MS = const(5000)
_START_GRACE_MS = const(30000)  # the access point opens then even if not all networks were tried yet
_LOSS_GRACE_MS = const(60000)
_REPEAT_MS = const(30000)  # if the access point cannot be opened
_RESTART_MS = const(5000)
_SCAN_PATIENCE_MS = const(30000)
_TRIAL_PATIENCE_MS = const(40000)  # ESP Web Tools gives up after 45 s


class _Trial:
    """A network that somebody wants tried, and what came of it: None while that is open, else as try_network()."""

    def __init__(self, ssid, password):
        self.candidate = Candidate(ssid, password)
        self.result = None


class NetworkService:
    """`settings` is device.config['wifi'], `hostname` the board's name (at most 32 characters).

    state     'off', 'waiting', 'connecting' or 'connected'
    ssid      the network in use, or the one that was tried last
    problem   why there is no connection, in words, or ''
    settled   whether it is known if there is a connection: the first round over all networks has ended
    """

    kind = "wifi"

    def __init__(self, settings, hostname):
        self.state = "off"
        self.ssid = ""
        self.problem = ""
        self.settled = False
        self._settings = settings
        self._hostname = hostname
        self._candidates = Candidates(settings["networks"])
        self._access_point = AccessPoint(settings["ap"], hostname)
        self._station = None
        self._current = None  # the Candidate in use, or being tried; None for a program's own network
        self._failed = 0  # attempts since the last connection
        self._air = Air()
        self._next_at = None  # ticks of the next attempt
        self._fallback_at = 0  # ticks when the access point opens
        self._trial = None
        self._scan_wanted = False
        self._renewed = False  # by use()
        self._connected_s = None  # uptime
        self._lost = None  # (ssid, problem, uptime, channel) of the last connection that was lost
        self._away = False  # there was none since
        self._channel = None

    @property
    def ap_ssid(self):
        """The name of the access point while it is open, else ''."""
        return self._access_point.ssid

    def prepare(self):
        """Name, country and the interface objects: before sockets can be used. Called once, before run().

        OSError where there is no Wi-Fi.
        """
        if not hasattr(network, "WLAN"):
            raise OSError("this firmware has neither Wi-Fi nor an Ethernet port")
        # DHCP hears it at each connect() (network_wlan.c:347), mDNS at the first connection since power-on (:194).
        network.hostname(self._hostname)
        if self._settings["country"]:
            network.country(self._settings["country"])
        self._station = Station()
        self._access_point.prepare()

    async def run(self):
        """The task: never returns. It can be started again after it has raised."""
        if self.state != "off":
            self._stop_driver()
        if self._access_point.mode == "always":
            self._access_point.open()
        while True:
            try:
                await self._live()
            except (OSError, RuntimeError) as error:
                problem = "the Wi-Fi driver failed: %s" % error
                if problem != self.problem:
                    log.exception("Wi-Fi", error)
                    self.problem = problem
                self.settled = True
                self._stop_driver()
            await sleep_ms(_RESTART_MS)

    def _stop_driver(self):
        if self.state != "off":
            self._move("driver failed")
        self._station.switch_off()

    # What others may call, on the loop's thread.

    def address(self):
        """The board's IPv4 address as text: the station's, else the access point's, else ''."""
        try:
            return address_of(self._station.wlan) or self.ap_address()
        except (OSError, RuntimeError):
            return ""  # the driver does not run

    def ap_address(self):
        """The access point's IPv4 address as text while it is open, else ''."""
        return self._access_point.address()

    def ap_password(self):
        """The access point's password, open or not."""
        return self._access_point.password()

    def rssi(self):
        """Signal of the network in use in dBm, or None."""
        return self._station.rssi() if self.state == "connected" else None

    def describe(self):
        """The values of /api/status, as docs/network.md lists them; times in seconds."""
        connected = self.state == "connected"
        lost = self._lost
        waits = None
        if self.state == "waiting" and self._next_at is not None:
            waits = max(0, (ticks_diff(self._next_at, ticks_ms()) + 999) // 1000)
        return {
            "kind": self.kind,
            "state": self.state,
            "ssid": self.ssid,
            "accessPoint": self.ap_ssid,
            "guests": self._access_point.guests(),
            "problem": self.problem,
            "rssi": self.rssi(),
            "channel": self._channel if connected else None,
            "mac": self._station.wlan.config("mac").hex(":"),
            "gateway": self._station.wlan.ipconfig("gw4") if connected else "",
            "attempts": self._failed,
            "nextAttempt": waits,
            "connectedFor": loop.uptime_s - self._connected_s if connected else None,
            "lastLoss": lost and {"ssid": lost[0], "problem": lost[1], "ago": loop.uptime_s - lost[2]},
            "networks": [{"ssid": known.ssid, "problem": known.problem} for known in self._candidates],
        }

    def use(self, networks):
        """Take over the list wifi.networks of new settings. A connection that there is stays."""
        self._candidates = Candidates(networks)
        self._failed = 0
        self._renewed = True

    async def try_network(self, ssid, password):
        """Try a network: '' if the board is connected to it now, else what went wrong in words, after 40 s at most.

        The access point, if it is open, stays so during it and for two minutes after success. Before others are
        tried again the network that works goes before those of the list, until use() brings a new one.
        """
        end = ticks_add(ticks_ms(), _TRIAL_PATIENCE_MS)
        if not await self._until(lambda: self._trial is None, end):
            return "other networks are being tried"
        trial = self._trial = _Trial(ssid, password)
        try:
            await self._until(lambda: trial.result is not None, end)
        finally:
            if self._trial is trial:
                self._trial = None
        return "the network service does not answer" if trial.result is None else trial.result

    async def scan(self):
        """The networks in the air, the strongest first: a list of {"ssid", "rssi": dBm, "lock": bool}, one per name.

        Looking takes about two seconds, in which the server answers nobody. An attempt to connect is put off for it.
        """
        self._air.fade()
        if self._air.networks is None:
            self._scan_wanted = True
            await self._until(lambda: not self._scan_wanted, ticks_add(ticks_ms(), _SCAN_PATIENCE_MS))
        return [{"ssid": ssid, "rssi": rssi, "lock": lock} for ssid, rssi, lock in self._air.networks or ()]

    async def _until(self, condition, end):
        """Wait for `condition`, until the ticks `end` at most. Whether it holds."""
        while not condition():
            if ticks_diff(end, ticks_ms()) <= 0:
                return False
            await sleep_ms(_POLL_MS)
        return True

    # The task's own.

    def _move(self, event):
        self.state = moved(MOVES, self.state, event)

    async def _live(self):
        """From a driver that is off to one that has failed, which raises OSError or RuntimeError."""
        self._station.wlan.active(True)
        self._move("started")
        self._fallback_at = ticks_add(ticks_ms(), _START_GRACE_MS if len(self._candidates) else 0)
        while True:
            self._renewed = False
            if self._trial is not None:
                await self._try(self._trial)
            elif len(self._candidates):
                await self._turn()
            else:
                self.problem = "boot.json names no network"
                await self._rest(None)
                if self._station.wlan.isconnected():
                    await self._adopt()

    async def _adopt(self):
        """Watch over a connection that a program has made: it may while boot.json names no network."""
        self._move("joined by a program")
        self._current = None
        self.ssid = self._station.ssid()
        await self._supervise()

    async def _turn(self):
        """One attempt with the network that is to be tried next, and what comes after it."""
        several = len(self._candidates) > 1
        age = self._air.age()
        if not several:
            self._air.sought()
        elif age is None or age > _FRESH_MS:
            self._look()
        candidate = self._candidates.first()
        event, problem = await self._attempt(candidate)
        if event == "connected":
            await self._supervise()
        elif event == "put off":
            if self._scan_wanted:
                self._look()
        else:
            news = self._candidates.failed(candidate, problem, event == "wrong password")
            log.write(log.WARNING if news else log.DEBUG, "network %s: %s", candidate.ssid, problem)
            self.problem = problem
            self._failed += 1
            if self._failed >= len(self._candidates) and not self.settled:
                self._fallback_at = ticks_ms()  # the first round has ended
            await self._rest(self._pause_ms())

    def _pause_ms(self):
        """Until the next attempt: little in the first round, then growing, and never longer than the bound allows."""
        rounds = self._failed - len(self._candidates)
        if rounds < 0:
            return _POLL_MS
        pause = min(_PAUSE_FIRST_MS << min(rounds, 8), _PAUSE_MAX_MS)
        pause += pause * os.urandom(1)[0] // 1024
        return max(_PAUSE_MIN_MS, min(pause, _GAP_MS - (self._air.age() or 0)))

    async def _try(self, trial):
        event, problem = await self._attempt(trial.candidate, trial)
        if event == "connected":
            trial.result = ""
            self._access_point.connected(hold=True)
        elif event != "put off":  # for who has asked has gone
            trial.result = problem
            log.warning("network %s: %s", trial.candidate.ssid, problem)
            self.problem = problem
        if self._trial is trial:
            self._trial = None
        if event == "connected":
            await self._supervise()
        elif self._failed:
            # Not at once, if there was no connection before either: a phone on the access point wants to read this.
            await self._rest(self._pause_ms())

    async def _attempt(self, candidate, trial=None):
        """(event, problem): ('connected', ''), or why it is not, as an event of MOVES and in words."""
        self._move("attempt")
        self._current = candidate
        self.ssid = candidate.ssid
        self._next_at = None
        event, problem = await self._join(candidate, trial)
        if event != "connected":
            # Else it might still come to a connection that nobody waits for.
            await self._station.leave()
        self._move(event)
        return event, problem

    async def _join(self, candidate, trial):
        station = self._station
        station.ensure_on()
        await station.leave()
        try:
            station.join(candidate.ssid, candidate.password, self._settings["static"])
        except (OSError, RuntimeError) as error:
            return "not possible", "cannot be tried (%s)" % error
        while True:
            await sleep_ms(_POLL_MS)
            self._access_point.watch()
            outcome = station.outcome()
            if outcome:
                return outcome
            if self._interrupted(trial) or self._scan_wanted and trial is None:
                return "put off", ""

    def _interrupted(self, trial):
        """Whether there is something that goes before what is being done, which is `trial` or None."""
        return self._trial is not trial or trial is None and self._renewed

    def _look(self):
        """Look at the air, for the candidates and for scan()."""
        self._scan_wanted = False
        self._station.ensure_on()
        seen = self._air.look(self._station.wlan)
        if len(self._candidates) > 1:
            self._candidates.look(*seen)

    async def _supervise(self):
        """From the moment that there is a connection until it is lost, or given up for something else."""
        self._note_connection()
        without = None  # ticks since when there is no address
        while True:
            await sleep_ms(_SUPERVISE_MS)
            self._access_point.watch()
            problem = self._station.loss()
            if problem:
                event = "link lost"
                break
            now = ticks_ms()
            if address_of(self._station.wlan):
                without = None
            elif without is None:
                without = now
            elif ticks_diff(now, without) >= _ADDRESS_LOST_MS:
                event, problem = "address lost", "the address is lost: its DHCP server gives no other"
                break
            if self._trial is not None:
                event = "put off"
                break
            if self._scan_wanted:
                self._look()
            self._air.fade()
            if self._access_point.mode == "always":
                self._open_access_point()  # if that has failed until now
        self._air.forget()
        self._move(event)
        self._access_point.lost()
        self._fallback_at = ticks_add(ticks_ms(), _LOSS_GRACE_MS)
        if event != "put off":
            self.problem = problem
            self._lost = self.ssid, problem, loop.uptime_s, self._channel
            self._away = True
            log.warning("the link to %s is lost: %s" if event == "link lost" else "%s: %s", self.ssid, problem)

    def _note_connection(self):
        """All that is reset, remembered and logged when there is a connection."""
        channel = self._station.channel()
        after = ""
        if self._away and self._lost[0] == self.ssid:
            seconds = loop.uptime_s - self._lost[2]
            if not self._failed and channel != self._lost[3]:
                # MicroPython does not tell the BSSID of the access point.
                after = ", by another access point: channel %s after %s" % (channel, self._lost[3])
            else:
                after = ", again after %d s" % seconds
        log.info("connected to %s as %s%s", self.ssid, self.address(), after)
        self._away = False
        self._channel = channel
        self._connected_s = loop.uptime_s
        self._failed = 0
        self.problem = ""
        if self._current:
            self._candidates.connected(self._current)
        self._access_point.connected()
        self.settled = True

    async def _rest(self, pause_ms):
        """Wait until the next attempt; longer while a phone is on the access point.

        If `pause_ms` is None there is none to wait for, but for a connection that a program makes. Ends at once when
        somebody wants a network tried, or has brought other networks.
        """
        start = ticks_ms()
        while not self._interrupted(None):
            if pause_ms is None and self._station.wlan.isconnected():
                return
            opened = self._open_access_point()
            if opened or pause_ms is None or self._failed >= len(self._candidates):
                self.settled = True
            step = _POLL_MS
            guests = self._access_point.watch()
            if pause_ms is not None:
                pause = _GUEST_PAUSE_MS if guests else pause_ms
                self._next_at = ticks_add(start, pause)
                step = min(step, ticks_diff(self._next_at, ticks_ms()))
                if step <= 0:
                    return
            if self._scan_wanted:
                self._look()
            self._air.fade()
            await sleep_ms(step)

    def _open_access_point(self):
        """Open it when it is time for it. Whether it was opened now."""
        access_point = self._access_point
        now = ticks_ms()
        if access_point.mode == "never" or access_point.state != "closed" or ticks_diff(now, self._fallback_at) < 0:
            return False
        self._fallback_at = ticks_add(now, _REPEAT_MS)
        return access_point.open()
