"""`retained` of the firmware's C modules (ports/esp32): memory of its own that every reset keeps.

On a chip it holds anything after power-on, here zeros.
"""

from _chip import bus
from micropython import const

SIZE = const(1024)


def read(offset, length):
    """`length` bytes from `offset` on. Raises ValueError when they are not all inside."""
    _check(offset, length)
    return bus.call_blob("retained.read", off=offset, len=length)


def write(offset, data):
    """Put `data`, bytes-like, at `offset`. Raises ValueError when it does not fit."""
    _check(offset, len(data))
    bus.call("retained.write", data, off=offset)


def _check(offset, length):
    if offset < 0 or length < 0 or offset + length > SIZE:
        raise ValueError("outside the retained memory")
