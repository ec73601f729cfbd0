"""`time` of the ESP32 port: sleeping gives up the turn, the epoch is 2000-01-01 and the clock is the board's."""

from _thread import get_ident as _get_ident

from _chip import bus, turn
from _chip import clock as _clock
from _chip.clock import ticks_ms
from micropython import const
from utime import gmtime as _gmtime
from utime import mktime as _mktime
from utime import sleep_us as _sleep_us
from utime import ticks_add, ticks_cpu, ticks_diff
from utime import ticks_us as _ticks_us
from utime import time_ns as _time_ns

_EPOCH_2000 = const(946684800)  # seconds from 1970-01-01 to 2000-01-01
_STEP_US = const(200_000)

# What the board's clock is ahead of the computer's, beside what was skipped since this start. A chip's clock starts at
# the year 2000 at power-on and is kept over a reset; the bus keeps it here.
_offset_us = bus.call("rtc.clock")["offset_us"]


def ticks_us():
    """Microseconds, from an arbitrary point on."""
    return _ticks_us() + bus.skipped_ms * 1000


def sleep(seconds):
    """Sleep for `seconds`, an int or a float; 0 lets the other threads run, as mp_hal_delay_ms() does."""
    _sleep(int(seconds * 1000000))


def sleep_ms(ms):
    """Sleep for `ms` milliseconds; 0 as for `sleep`."""
    _sleep(ms * 1000)


def sleep_us(us):
    """Sleep for `us` microseconds. Below one millisecond the turn is kept, as mp_hal_delay_us() keeps the GIL."""
    if us >= 1000:
        _sleep(us)
    elif us > 0:
        _sleep_us(us)


def _sleep(us):
    if us <= 0:
        us = 1
    end = ticks_us() + us
    until = ticks_ms() + (us + 999) // 1000
    cell = turn.cells[_get_ident()]
    # In steps, since usleep() returns early when Ctrl-C arrives; the interrupt is then raised by the loop, that is
    # with the turn. A step also bounds how long a scheduled callback waits.
    while us > 0:
        if _clock.skipping and us >= 1000:
            _clock.step(cell, until)
        else:
            step = us if us < _STEP_US else _STEP_US
            cell[0] = until if us >= 1000 else 0
            turn.release()
            try:
                _sleep_us(step)
            finally:
                cell[0] = 0
                turn.acquire()
        us = ticks_diff(end, ticks_us())


def time():
    """Seconds since 2000-01-01 00:00:00 UTC by the board's clock."""
    return time_ns() // 1000000000


def time_ns():
    """Nanoseconds since 2000-01-01 00:00:00 UTC by the board's clock."""
    return _time_ns() + (_offset_us + bus.skipped_ms * 1000) * 1000 - _EPOCH_2000 * 1000000000


def gmtime(seconds=None):
    """(year, month, mday, hour, minute, second, weekday, yearday) of `seconds` since 2000, or of now."""
    return _gmtime((time() if seconds is None else int(seconds)) + _EPOCH_2000)[:8]


localtime = gmtime


def mktime(fields):
    """Seconds since 2000 of a tuple as `gmtime` returns it."""
    return int(_mktime(tuple(fields)[:8] + (0,))) - _EPOCH_2000


def set_clock(unix_us):
    """Set the board's clock to `unix_us` microseconds since 1970; `machine.RTC` calls it."""
    global _offset_us
    offset_us = unix_us - _time_ns() // 1000
    _offset_us = offset_us - bus.skipped_ms * 1000
    bus.call("rtc.clock", offset_us=offset_us)
