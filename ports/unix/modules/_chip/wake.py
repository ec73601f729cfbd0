"""Sleeping and waking up: `machine.lightsleep`, `deepsleep`, and the `esp32.wake_on_*` functions.

modmachine.c and modesp32.c of the ESP32 port. Light sleep ends by time or by a pin. Deep sleep ends by time
or by a reset.
"""

import time

from machine import DEEPSLEEP, DEEPSLEEP_RESET, EXT0_WAKE, EXT1_WAKE, SLEEP, TIMER_WAKE, reset_cause

from _chip import bus

_GPIO_WAKE = 7
_RTC_PINS = (0, 2, 4, 12, 13, 14, 15, 25, 26, 27, 32, 33, 34, 35, 36, 37, 38, 39)
_STEP_MS = 10

_ext0 = [None, 0, 0]  # pin, level, kinds of sleep
_ext1 = [(), 0]  # pins, level
_gpio = [(), 0]
_touch = _ulp = False
_reason = None


def wake_on_pin(pin, level, kinds):
    """`Pin.irq(wake=…)`: leave the sleeps in `kinds` (SLEEP | DEEPSLEEP) when `pin` has `level`."""
    if _touch:
        raise ValueError("no resources")
    if pin not in _RTC_PINS:
        raise ValueError("invalid pin for wake")
    if _ext0[0] not in (None, pin):
        raise ValueError("no resources")
    _ext0[:] = pin, int(level), kinds


def wake_on_ext0(pin=-1, level=None):
    """Leave sleep when `pin` has `level`; None: by no pin."""
    if _touch:
        raise ValueError("no resources")
    number = _ext0[0] if pin == -1 else None if pin is None else _number(pin)
    if number is not None and number not in _RTC_PINS:
        raise ValueError("invalid pin")
    _ext0[:] = number, _ext0[1] if level is None else int(bool(level)), SLEEP | DEEPSLEEP


def wake_on_ext1(pins=None, level=None):
    """Leave sleep when any of `pins` is high (WAKEUP_ANY_HIGH) or all are low (WAKEUP_ALL_LOW)."""
    if pins is not None:
        pins = [_number(pin) for pin in pins]
        for pin in pins:
            if pin not in _RTC_PINS:
                raise ValueError("invalid pin")
        _ext1[0] = pins
    if level is not None:
        _ext1[1] = int(bool(level))


def wake_on_gpio(pins=None, level=None):
    """Leave light sleep when any of `pins` has `level`."""
    if _ulp or _touch:
        raise ValueError("no resources")
    if pins is not None:
        _gpio[0] = [_number(pin) for pin in pins]
    if level is not None:
        _gpio[1] = int(bool(level))


def wake_on_touch(wake):
    """Leave sleep by touch: the board has no pads, so nobody will."""
    global _touch
    if _ext0[0] is not None or _gpio[0]:
        raise ValueError("no resources")
    _touch = bool(wake)


def wake_on_ulp(wake):
    """Leave sleep by the co-processor: the board has none, so it never will."""
    global _ulp
    if _ext0[0] is not None or _gpio[0]:
        raise ValueError("no resources")
    _ulp = bool(wake)


def wake_reason():
    """What ended the last sleep: a *_WAKE constant, 0 if there was none."""
    if _reason is None:
        return TIMER_WAKE if reset_cause() == DEEPSLEEP_RESET else 0
    return _reason


def lightsleep(ms=None):
    """Sleep for `ms` milliseconds or until a pin wakes the chip."""
    global _reason
    start = time.ticks_ms()
    _reason = _woken()
    while not _reason:
        left = _STEP_MS if ms is None else ms - time.ticks_diff(time.ticks_ms(), start)
        if left <= 0:
            _reason = TIMER_WAKE
        else:
            time.sleep_ms(min(left, _STEP_MS))
            _reason = _woken()


sleep = lightsleep


def deepsleep(ms=None):
    """Switch off for `ms` milliseconds, or until a reset; then start with DEEPSLEEP_RESET."""
    if _gpio[0]:
        raise ValueError("DEEPSLEEP with gpio pins not supported on this chip")
    bus.call("reset", kind="hard", cause=DEEPSLEEP_RESET, **({} if ms is None else {"ms": ms}))


def _woken():
    """The constant of the source that ends a light sleep now, 0 if none does."""
    pin, level, kinds = _ext0
    if pin is not None and kinds & SLEEP and _level(pin) == level:
        return EXT0_WAKE
    pins, level = _ext1
    if pins and (any if level else all)(_level(pin) == level for pin in pins):
        return EXT1_WAKE
    pins, level = _gpio
    return _GPIO_WAKE if any(_level(pin) == level for pin in pins) else 0


def _level(pin):
    return bus.call("pin.get", id=pin)["value"]


def _number(pin):
    from _chip.pin import Pin

    return Pin(pin)._id
