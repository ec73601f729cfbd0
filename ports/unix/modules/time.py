"""`time` of the ESP32 port: sleeping gives up the turn, the epoch is 2000-01-01 and the clock is the board's."""

import utime as _time
from _chip import bus, turn
from micropython import const
from utime import gmtime as _gmtime
from utime import mktime as _mktime
from utime import sleep_us as _sleep_us
from utime import ticks_add, ticks_cpu, ticks_diff, ticks_ms, ticks_us
from utime import time_ns as _time_ns

_EPOCH_2000 = const(946684800)  # seconds from 1970-01-01 to 2000-01-01
_STEP_US = const(200_000)

# What the board's clock is ahead of the computer's. A chip's clock starts at the year 2000 at power-on and is kept
# over a reset; the bus keeps it here.
_offset_us = bus.call("rtc.clock")["offset_us"]


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
    end = ticks_add(ticks_us(), us)
    # In steps, since usleep() returns early when Ctrl-C arrives; the interrupt is then raised by the loop, that is
    # with the turn. A step also bounds how long a scheduled callback waits.
    while us > 0:
        step = us if us < _STEP_US else _STEP_US
        turn.release()
        try:
            _sleep_us(step)
        finally:
            turn.acquire()
        us = ticks_diff(end, ticks_us())


def time():
    """Seconds since 2000-01-01 00:00:00 UTC by the board's clock."""
    return time_ns() // 1000000000


def time_ns():
    """Nanoseconds since 2000-01-01 00:00:00 UTC by the board's clock."""
    return _time_ns() + _offset_us * 1000 - _EPOCH_2000 * 1000000000


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
    _offset_us = unix_us - _time_ns() // 1000
    bus.call("rtc.clock", offset_us=_offset_us)
