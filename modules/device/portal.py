"""The captive portal's service: opens and closes it as the access point and the connection come and go.

    closed -> open       the access point is on and there is no connection
    open -> done         the setup page has found a network that works; its result is still to be read
    open, done -> released   the user has read it, or wants no Wi-Fi: phones are told that all is well
    any -> closed        the access point is off, or nobody has needed the portal any more for ten minutes

What a portal does is in captive.py, its pages in setup.py. Both are loaded while they are needed; closed, it costs one
look at the network service twice a second.
"""

import gc
import sys
from asyncio import sleep_ms
from time import ticks_diff, ticks_ms

from micropython import const

import device

from . import log

CLOSED = const(0)
OPEN = const(1)
DONE = const(2)
RELEASED = const(3)

_POLL_MS = const(500)
_LINGER_MS = const(600_000)  # for a phone to leave; the access point may stay on for ever

opened = False  # whether phones are led to the setup page, which then asks for no password
phase = CLOSED

_service = None
_captive = None  # captive.Captive while the phase is not CLOSED
_dismissed = False  # by the user, until the next start
_since = 0  # ticks_ms() of the last phase change


async def run(service):
    """The service; `service` is the network's. Ends at once on a board without an access point."""
    global _service
    if not hasattr(service, "ap_address"):
        return
    _service = service
    try:
        while True:
            update()
            await sleep_ms(_POLL_MS)
    finally:
        captive = _captive
        _service = None
        _enter(CLOSED)
        if captive:
            await captive.ended()


def dismiss():
    """The user goes on without Wi-Fi: the portal stays closed until the next start."""
    global _dismissed
    _dismissed = True
    update()


def update():
    """Enter the phase that fits the moment."""
    wanted = _wanted() if _service else CLOSED
    if wanted in (DONE, RELEASED):
        over = phase == CLOSED or phase == wanted and ticks_diff(ticks_ms(), _since) > _LINGER_MS
        wanted = CLOSED if over else wanted
    if wanted != phase:
        _enter(wanted)
    elif phase == CLOSED and ticks_diff(ticks_ms(), _since) > _LINGER_MS:
        # The administrator may have used the pages meanwhile.
        _enter(CLOSED)


def _wanted():
    if not _service.ap_address():
        return CLOSED
    attempt = _attempt()
    if phase == OPEN and attempt and attempt.pending:
        # There may be a connection, which is still to be saved.
        return OPEN
    if _dismissed:
        return RELEASED
    if _service.state != "connected":
        return OPEN
    if attempt and not attempt.problem:
        return RELEASED if attempt.finished else DONE
    return CLOSED


def _attempt():
    """The setup page's last try at a network, or None."""
    setup = sys.modules.get("device.setup")
    return setup.attempt if setup else None


def _enter(new):
    global opened, phase, _captive, _since
    _since = ticks_ms()
    if new == CLOSED:
        if _captive:
            _captive.close()
            log.info("the setup page is closed")
        _captive = None
        _drop("captive")
        attempt = _attempt()
        if not attempt or attempt.read:
            _drop("setup")
    elif not _captive:
        # As long as the portal is open, its modules must not lie behind garbage.
        gc.collect()
        from .captive import Captive

        attempt = _attempt()
        if attempt and not attempt.pending:
            # It belongs to another time.
            _drop("setup")
        _captive = Captive(device.server, _service.ap_address())
        _captive.open()
        log.info("the setup page is open: %s/setup", _captive.base)
    phase = new
    opened = new == OPEN


def _drop(name):
    """Give the memory of a module back."""
    if sys.modules.pop("device." + name, None):
        delattr(device, name)
