"""`machine` of the ESP32 port (modmachine.c, machine_rtc.c, machine_wdt.c) on the desktop board.

Pin, Timer and what needs them are loaded when first asked for. What the desktop board has no hardware for
raises AttributeError and says so; it is not silently pretended.
"""

import sys
import time

from _chip import bus
from umachine import PinBase as PinBase

SLEEP = 2
DEEPSLEEP = 4

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

# esp_sleep_wakeup_cause_t
PIN_WAKE = EXT0_WAKE = 2
EXT1_WAKE = 3
TIMER_WAKE = 4
TOUCHPAD_WAKE = 5
ULP_WAKE = 6

_RTC_MEMORY_SIZE = 2048  # MICROPY_HW_RTC_USER_MEM_MAX
_FREQUENCIES = (20, 40, 80, 160, 240)

_LAZY = {
    "Pin": "_chip.pin",
    "Signal": "_chip.pin",
    "bitstream": "_chip.pin",
    "dht_readinto": "_chip.pin",
    "time_pulse_us": "_chip.pin",
    "Timer": "_chip.timer",
    "lightsleep": "_chip.wake",
    "sleep": "_chip.wake",
    "deepsleep": "_chip.wake",
    "wake_reason": "_chip.wake",
}

_freq_mhz = 160

soft_reset = sys.exit


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError("machine." + name + " is not on the desktop board")
    value = getattr(getattr(__import__(_LAZY[name]), _LAZY[name][6:]), name)
    globals()[name] = value
    return value


class _Memory:
    # Addresses of this process are none of the user's business: reading one that is not mapped would crash
    # the VM.
    def __init__(self, name):
        self._name = name

    def __getitem__(self, address):
        raise OSError("machine." + self._name + " is not on the desktop board")

    def __setitem__(self, address, value):
        self[address]


mem8 = _Memory("mem8")
mem16 = _Memory("mem16")
mem32 = _Memory("mem32")


def reset():
    """Reset as the button does: everything starts anew, RTC memory is kept."""
    bus.call("reset", kind="hard", cause=HARD_RESET)


def reset_cause():
    """Why the chip started: PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET or SOFT_RESET."""
    return bus.call("boot.info")["cause"]


def unique_id():
    """The six bytes that tell this chip from all others: its base MAC address."""
    from binascii import unhexlify

    return unhexlify(bus.call("boot.info")["uid"])


def freq(hz=None):
    """The CPU's frequency in Hz. With an argument it is checked and remembered; nothing runs slower."""
    global _freq_mhz
    if hz is None:
        return _freq_mhz * 1000000
    if hz // 1000000 not in _FREQUENCIES:
        raise ValueError("frequency must be 20MHz, 40MHz, 80Mhz, 160MHz or 240MHz")
    _freq_mhz = hz // 1000000


def idle():
    """Let the others run for a moment."""
    time.sleep_ms(1)


def disable_irq():
    """Hold back the callbacks of timers and pins. Returns the state for `enable_irq`."""
    from _chip import irq

    return int(irq.disable(True))


def enable_irq(state):
    """Go back to the state that `disable_irq` returned."""
    from _chip import irq

    irq.disable(bool(state))


class RTC:
    """The real-time clock and its memory of 2048 bytes, which survive every reset but not a loss of power."""

    def __new__(cls):
        return _rtc

    def init(self, datetime):
        """Set the clock to (year, month, day, hour, minute, second, microsecond, ignored)."""
        self._set(datetime, 3)

    def datetime(self, datetime=None):
        """Get or set (year, month, day, weekday, hour, minute, second, microsecond); weekday is ignored."""
        if datetime is not None:
            return self._set(datetime, 4)
        ns = time.time_ns()
        t = time.gmtime(ns // 1000000000)
        return t[0], t[1], t[2], t[6], t[3], t[4], t[5], ns // 1000 % 1000000

    def _set(self, fields, hour):
        if len(fields) != 8:
            raise ValueError("requested length 8 but object has length %d" % len(fields))
        year, month, day = fields[:3]
        seconds = time.mktime((year, month, day, fields[hour], fields[hour + 1], fields[hour + 2], 0, 0))
        time.set_clock((seconds + 946684800) * 1000000 + fields[7])  # the bus counts from 1970

    def memory(self, data=None):
        """Read the memory as bytes, or replace it by `data`, at most 2048 bytes."""
        if data is None:
            return bus.call_blob("rtc.read")
        if len(data) > _RTC_MEMORY_SIZE:
            raise ValueError("buffer too long")
        bus.call("rtc.write", data)


_rtc = object.__new__(RTC)


class WDT:
    """The watchdog: unless fed within `timeout` ms it resets the board. Once started it cannot be stopped."""

    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        bus.call("wdt.start", ms=timeout)

    def feed(self):
        """Postpone the reset by another `timeout`."""
        bus.call("wdt.feed")
