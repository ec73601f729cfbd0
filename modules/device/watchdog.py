"""The chip's watchdog, fed by the progress of the server's loop alone: a board whose loop stands still starts anew.

It is armed with a minute when the board starts, with what boot.json says when the loop runs. Once started it cannot be
stopped, not even by a soft reset, but each machine.WDT() gives it a new time-out (ports/esp32/machine_wdt.c:57 of
MicroPython v1.28.0, esp_task_wdt_reconfigure()).
"""

from micropython import const

from . import log

_START_S = const(60)  # from reset to a running loop, which takes a few seconds
# In the place of "never": four times this, in ms, fits in 32 bits (task_wdt_impl_timergroup.c:153 of ESP-IDF v5.5.1).
_STOPPED_S = const(7 * 24 * 3600)
_STOPPED_EARLY_S = const(3600)

seconds = 0  # of boot.json, 0: off
_wdt = None


def arm(timeout_s):
    """Reset the board when feed() is not called for `timeout_s` seconds; 0: never."""
    global seconds
    seconds = timeout_s
    if timeout_s:
        _start(timeout_s)
    elif _wdt:
        _start(_STOPPED_S)


def begin():
    """Arm it for the way to a running loop, before boot.json has been read."""
    _start(_START_S)


def feed():
    """The loop goes on; called by the loop only."""
    if _wdt:
        _wdt.feed()


def hand_over():
    """Nobody feeds any more, and that is meant: the user has stopped the services. arm() takes it back.

    A program that does so before the start has succeeded may have locked its user out: then it holds for an hour only.
    """
    if not _wdt:
        return
    from . import recovery

    early = seconds and not recovery.good and recovery.step != recovery.REPL_ONLY
    _start(_STOPPED_EARLY_S if early else _STOPPED_S)


def _start(timeout_s):
    global _wdt
    import machine

    try:
        _wdt = machine.WDT(timeout=timeout_s * 1000)
    except (OSError, ValueError) as error:
        log.warning("the watchdog cannot be set to %d s: %s", timeout_s, error)
