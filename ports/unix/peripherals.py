"""What keeps state beside the VM: RTC memory and clock, retained memory, watchdog, pins."""

import errno
import time

from ports.unix.bus import BusError
from ports.unix.clock import Clock

RTC_MEMORY_SIZE = 2048  # MICROPY_HW_RTC_USER_MEM_MAX
RETAINED_SIZE = 1024  # retained.SIZE
_START_OF_2000_US = 946_684_800_000_000  # where a board's clock begins that was never set


class Rtc:
    """RTC user memory and clock; they survive every reset but not power-off. It goes by `clock`."""

    def __init__(self, clock=None):
        self._clock = clock or Clock()
        self.power_on()

    def power_on(self):
        """Forget all; the clock begins at 2000-01-01."""
        self._memory = b""
        self._offset_us = _START_OF_2000_US - time.time_ns() // 1000 - self._clock.skipped_us

    def register(self, bus):
        """Bus operations rtc.read, rtc.write, rtc.clock."""
        bus.register("rtc.read", lambda args, blob: ({}, self._memory))
        bus.register("rtc.write", self._write)
        bus.register("rtc.clock", self._time)

    def _write(self, args, blob):
        if len(blob) > RTC_MEMORY_SIZE:
            raise BusError(errno.EINVAL, "buffer too long")
        self._memory = blob

    def _time(self, args, blob):
        """{offset_us?} -> {offset_us}: the board's clock minus the computer's, in µs."""
        if "offset_us" in args:
            self._offset_us = int(args["offset_us"]) - self._clock.skipped_us
        return {"offset_us": self._offset_us + self._clock.skipped_us}


class Retained:
    """The firmware's own memory beside the RTC's: every reset keeps it, power-off does not."""

    def __init__(self):
        self.power_on()

    def power_on(self):
        """Forget all: zeros, where a chip has anything."""
        self._memory = bytearray(RETAINED_SIZE)

    def register(self, bus):
        """Bus operations retained.read {off, len} and retained.write {off}."""
        bus.register("retained.read", self._read)
        bus.register("retained.write", self._write)

    def _read(self, args, blob):
        return {}, bytes(self._part(args, int(args["len"])))

    def _write(self, args, blob):
        self._part(args, len(blob))[:] = blob

    def _part(self, args, size):
        offset = int(args["off"])
        if offset < 0 or size < 0 or offset + size > RETAINED_SIZE:
            raise BusError(errno.EINVAL, "outside the retained memory")
        return memoryview(self._memory)[offset : offset + size]


class Watchdog:
    """Calls `on_bite()` when it was started and not fed in time by `clock`; it survives a soft reset.

    As in machine_wdt.c, starting it again gives it another time-out and feeds it.
    """

    def __init__(self, on_bite, clock=None):
        self._clock = clock or Clock()
        self._on_bite = on_bite
        self._timeout_ms = 0
        self._timer = None

    def register(self, bus):
        """Bus operations wdt.start {ms} and wdt.feed."""
        bus.register("wdt.start", self._start)
        bus.register("wdt.feed", self._feed)

    def reset(self):
        """Hard reset or power-off: it does not run."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _start(self, args, blob):
        timeout_ms = int(args["ms"])
        if timeout_ms <= 0:
            raise BusError(errno.EINVAL, "WDT timeout too short")
        self._timeout_ms = timeout_ms
        self._restart()

    def _feed(self, args, blob):
        if self._timer is not None:
            self._restart()

    def _restart(self):
        self.reset()
        self._timer = self._clock.call_later(self._timeout_ms / 1000, self._bite)

    def _bite(self):
        self._timer = None
        self._on_bite()


_PULL_UP = 2
# Rising edge, falling edge, both, low level, high level: the new levels that interrupt.
_TRIGGERS = {1: (1,), 2: (0,), 3: (0, 1), 4: (0,), 5: (1,)}


class Pins:
    """Levels of the GPIOs: what the device drives, and what the world outside applies to inputs.

    Modes, pulls and triggers are numbers: MODE_*, bits 1 down and 2 up, the keys of `_TRIGGERS` (0: none).
    """

    COUNT = 40  # ESP32: GPIO 0 to 39
    MODE_IN = 1  # GPIO_MODE_INPUT
    MODE_OUT = 3  # GPIO_MODE_INPUT_OUTPUT
    MODE_OPEN_DRAIN = 7  # GPIO_MODE_INPUT_OUTPUT_OD

    def __init__(self):
        self._bus = None
        self._outside = {}
        self.hard_reset()

    def hard_reset(self):
        """All pins are inputs without a pull; what is wired to them stays."""
        self._pins = {}

    def soft_reset(self):
        """Interrupts are off; modes and output levels stay."""
        for pin in self._pins.values():
            pin.pop("trigger", None)

    def register(self, bus):
        """Bus operations on {id}: pin.mode {mode?, pull?}, pin.set {value}, pin.toggle, pin.get -> {value},
        pin.irq {trigger}. A level that was asked for is told by the interrupt {"irq": "pin", "id": n}.
        """
        self._bus = bus
        bus.register("pin.mode", self._configure)
        bus.register("pin.irq", self._configure)
        bus.register("pin.set", self._set)
        bus.register("pin.toggle", self._toggle)
        bus.register("pin.get", lambda args, blob: {"value": self._level(_pin_id(args))})

    def command(self, args):
        """Control verb `pin` {id, value?}: apply 0 or 1 from outside, null lets go.

        Returns {id, value, mode}. Raises ValueError when there is no such pin.
        """
        number = _pin_id(args)
        if "value" in args:
            before = self._level(number)
            self._outside[number] = None if args["value"] is None else int(bool(args["value"]))
            self._interrupt(number, before)
        mode = self._pins.get(number, {}).get("mode", self.MODE_IN)
        return {"id": number, "value": self._level(number), "mode": mode}

    def is_held_low(self, number):
        """Whether the world outside pulls the pin to 0."""
        return self._outside.get(number) == 0

    def _configure(self, args, blob):
        number = _pin_id(args)
        pin = self._pins.setdefault(number, {})
        pin.update((key, args[key]) for key in ("mode", "pull", "trigger") if key in args)

    def _set(self, args, blob):
        self._drive(_pin_id(args), int(bool(args["value"])))

    def _toggle(self, args, blob):
        number = _pin_id(args)
        self._drive(number, 1 - self._pins.get(number, {}).get("value", 0))

    def _drive(self, number, value):
        before = self._level(number)
        self._pins.setdefault(number, {})["value"] = value
        self._interrupt(number, before)

    def _interrupt(self, number, before):
        value = self._level(number)
        wanted = _TRIGGERS.get(self._pins.get(number, {}).get("trigger"), ())
        if value != before and value in wanted and self._bus is not None:
            self._bus.notify({"irq": "pin", "id": number})

    def _level(self, number):
        pin = self._pins.get(number, {})
        mode = pin.get("mode", self.MODE_IN)
        driven = pin.get("value", 0)
        if mode == self.MODE_OUT or (mode == self.MODE_OPEN_DRAIN and not driven):
            return driven
        outside = self._outside.get(number)
        if outside is not None:
            return outside
        return int(bool((pin.get("pull") or 0) & _PULL_UP))


def _pin_id(args):
    number = args.get("id")
    if not isinstance(number, int) or not 0 <= number < Pins.COUNT:
        raise ValueError(f"there is no pin {number!r}")
    return number
