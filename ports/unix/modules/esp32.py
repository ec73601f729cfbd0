"""`esp32` of the ESP32 port (modesp32.c) on the desktop board. Its parts are loaded when first asked for.

What the desktop board has no hardware for (RMT, PCNT, ULP …) raises AttributeError and says so.
"""

import gc

WAKEUP_ALL_LOW = False
WAKEUP_ANY_HIGH = True

HEAP_EXEC = 1  # MALLOC_CAP_EXEC
HEAP_DATA = 4  # MALLOC_CAP_8BIT

_RAW_TEMPERATURE = 128  # degrees Fahrenheit, what a chip at rest shows

_LAZY = {
    "Partition": "_chip.partition",
    "NVS": "_chip.nvs",
    "wake_on_touch": "_chip.wake",
    "wake_on_ext0": "_chip.wake",
    "wake_on_ext1": "_chip.wake",
    "wake_on_ulp": "_chip.wake",
    "wake_on_gpio": "_chip.wake",
}

_least_free = 1 << 30


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError("esp32." + name + " is not on the desktop board")
    value = getattr(getattr(__import__(_LAZY[name]), _LAZY[name][6:]), name)
    globals()[name] = value
    return value


def raw_temperature():
    """The chip's temperature in degrees Fahrenheit, as the sensor gives it: always the same here."""
    return _RAW_TEMPERATURE


def idf_heap_info(capabilities):
    """A list with one (total, free, largest free block, least free ever seen) in bytes for each heap.

    The desktop board has one heap, MicroPython's, which is collected first. That its free part is one block
    is an assumption, and the least is that of the calls to this function.
    """
    global _least_free
    gc.collect()
    free = gc.mem_free()
    _least_free = min(_least_free, free)
    if not capabilities & (HEAP_DATA | HEAP_EXEC):
        return []
    return [(free + gc.mem_alloc(), free, free, _least_free)]
