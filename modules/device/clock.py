"""The clock: set by NTP as long as there is a network; and the Date of all answers, while the clock is right.

A service on the server's loop, which it never holds up. The clock is UTC. It counts as right, `synced`, once it has
been set by NTP or by adopt(), over all resets but power-on and deep sleep (in which a chip's clock is off by minutes),
until somebody else sets it.
"""

import os
import time
from asyncio import create_task, sleep_ms
from binascii import crc32
from struct import pack, unpack

import machine
from micropAsyncWeb.dates import set_date
from micropython import const

import device

from . import log

try:
    import retained
except ImportError:
    retained = None

_AGAIN_S = const(3600)  # a crystal of 20 ppm is 0.07 s off by then
_PAUSE_FIRST_S = const(15)  # RFC 4330 section 10: not more often
_PAUSE_MAX_S = const(900)
_ANSWER_MS = const(2000)
_HAIR_MS = const(500)  # a clock that is less than this ahead is not set back
_JUMP_S = const(3)  # a difference that no crystal makes between two rounds
_CLOCK_SET = const(757382400)  # the year 2024 from 2000 on
_EPOCH = 946684800 if time.gmtime(0)[0] == 2000 else 0  # of time.time(), in seconds since 1970

# In the retained memory, before the log: magic, time.time() when the clock was set, CRC-32.
_KEPT = const(64)
_MAGIC = b"TIME"

synced = False  # whether the clock is right
server = ""  # who set it in this start

_wait = 0  # seconds until the servers are asked
_pause = _PAUSE_FIRST_S  # the next one after a failure
_turn = 0  # which of the servers is asked first
_failing = False  # whether the log says so already
_running_ms = 0  # since the service began, by time.ticks_ms()
_behind = 0  # time.time() when that was 0, as far as the clock was not set since


def describe():
    """The values for /api/status: "utc" (ISO 8601, "" when the clock was never set), "synced", "server"."""
    now = time.time()
    utc = "%d-%02d-%02dT%02d:%02d:%02dZ" % time.gmtime(now)[:6] if now >= _CLOCK_SET else ""
    return {"utc": utc, "synced": synced, "server": server}


async def run():
    """The service. It never ends: with "time.ntp": "" it sees to the Date of a clock that was set by adopt()."""
    global synced, _wait, _pause, _running_ms
    servers = device.config["time"]["ntp"]
    if isinstance(servers, str):
        servers = [servers] if servers else []
    synced = synced or _was_right()
    _wait = 0
    _note_change()
    asking = None
    last = time.ticks_ms()
    try:
        while True:
            now = time.ticks_ms()
            _running_ms += time.ticks_diff(now, last)
            last = now
            _look()
            set_date(time.time() if synced else None)
            if not _connected():
                _pause = _PAUSE_FIRST_S
                if not synced:
                    _wait = 0
            elif _wait > 0:
                _wait -= 1
            elif servers and (asking is None or asking.done()):
                asking = create_task(_ask_all(servers))
            # Until the next second of the clock begins.
            await sleep_ms(1000 - time.time_ns() // 1000000 % 1000)
    finally:
        if asking:
            asking.cancel()
        set_date(None)


def adopt(seconds, source="adopt()"):
    """Set the clock to `seconds` (an int as time.time() counts them, UTC) and take it for right from now on.

    TypeError for a float, which on a chip is a minute off: it has 24 bits.

    For boards with a clock chip of their own: from device import clock; clock.adopt(…)
    """
    if not isinstance(seconds, int):
        raise TypeError("seconds must be an int")
    _set(seconds * 1000)
    _trust(source)


def _connected():
    from . import boot

    service = boot.network_service
    return service is not None and service.state == "connected"


def _look():
    """Notice that somebody else has set the clock: nobody knows whether to UTC, or how well."""
    global synced, _wait
    if abs(time.time() - _running_ms // 1000 - _behind) < _JUMP_S:
        return
    _note_change()
    if synced:
        synced = False
        _wait = 0
        _keep(b"")
        log.info("the clock was set by somebody else: it does not count as right until NTP has set it")


def _note_change():
    global _behind
    _behind = time.time() - _running_ms // 1000


async def _ask_all(servers):
    """Ask one server after the other until one sets the clock, beginning with the one that did so last."""
    global _wait, _pause, _turn, _failing
    problems = []
    for _ in servers:
        name = servers[_turn % len(servers)]
        try:
            await _ask(name)
        except (OSError, ValueError, MemoryError) as error:
            problems.append("%s: %s" % (name, error))
            _turn += 1
            if type(error).__name__ == "KissOfDeath":
                _pause = _PAUSE_MAX_S
            continue
        _failing = False
        _pause = _PAUSE_FIRST_S
        _wait = _jitter(_AGAIN_S)
        return
    # One warning is enough until it works again.
    log.write(log.DEBUG if _failing else log.WARNING, "no time by NTP: %s", "; ".join(problems))
    _failing = True
    _wait = _jitter(_pause)
    _pause = min(_pause * 2, _PAUSE_MAX_S)


def _jitter(seconds):
    """Three to five quarters of it: a house full of boards must not ask all at once when the power is back."""
    return seconds * (192 + os.urandom(1)[0] // 2) // 256


async def _ask(name):
    """Set the clock by the server. OSError or ValueError in words if that cannot be."""
    from . import datagram, dns, sntp

    address = await dns.resolve(name)
    request = sntp.request(os.urandom(8))
    sent = time.ticks_ms()
    seconds, ms, took = await datagram.ask((address, sntp.PORT), request, sntp.read, _ANSWER_MS)
    way = max(0, time.ticks_diff(time.ticks_ms(), sent) - took)  # there and back
    now = (seconds - _EPOCH) * 1000 + ms + way // 2
    ahead = time.time_ns() // 1000000 - now
    if synced and 0 <= ahead < _HAIR_MS:
        log.debug("the clock is %d ms ahead of %s, and is left so", ahead, name)
        _trust(name)
        return
    words = log.clock(time.time()) if time.time() >= _CLOCK_SET else "not set"
    _set(now)
    least = log.DEBUG if synced and abs(ahead) < 1000 else log.INFO
    _trust(name)
    set_date(time.time())
    log.write(least, "the clock was set by %s (before: %s)", name, words)


def _set(ms):
    """Set the clock to `ms` milliseconds in the epoch of time.time()."""
    year, month, day, hour, minute, second, weekday = time.gmtime(ms // 1000)[:7]
    machine.RTC().datetime((year, month, day, weekday + 1, hour, minute, second, ms % 1000 * 1000))
    _note_change()


def _trust(source):
    global synced, server
    synced = True
    server = source
    stamp = pack("<4sI", _MAGIC, int(time.time()))
    _keep(stamp + pack("<I", crc32(stamp)))


def _keep(data):
    if retained:
        retained.write(_KEPT, data or bytes(12))


def _was_right():
    """Whether the clock was right before the reset and has gone on since."""
    from . import resetcause

    if not retained or resetcause.words() in ("power on", "deep sleep"):
        return False
    data = retained.read(_KEPT, 12)
    magic, stamp, check = unpack("<4sII", data)
    return magic == _MAGIC and check == crc32(data[:8]) and _CLOCK_SET <= stamp <= time.time()
