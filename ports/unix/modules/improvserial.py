"""`improvserial` of the firmware's C modules (ports/esp32): packets of Improv Wi-Fi at the console.

The computer's side of the console holds them back until they are taken (ports/unix/improv.py).
"""

from _chip import bus, console
from micropython import const

SIZE = const(256)

_ask = bus.prepare("improv.take")


def take(buffer):
    """Move the packet that the console's input begins with into `buffer`, of SIZE bytes or more.

    Returns its length, 0 if there is none. ValueError when the buffer is smaller. Allocates nothing.
    """
    if len(buffer) < SIZE:
        raise ValueError("the buffer is smaller than improvserial.SIZE")
    return bus.repeat_into(_ask, buffer)


def write(data):
    """Write bytes-like `data` to the console as it is."""
    console.stdout.buffer.write(data)
