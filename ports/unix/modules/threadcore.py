"""`threadcore` of the ESP32 port (ports/esp32/README.md) on the desktop board: the choice is kept, and changes nothing.

The board says that it has two cores, as an ESP32 has: its main thread counts as running on core 1.
"""

from _thread import get_ident

from _chip import thread, turn

CORES = 2

_MAIN_CORE = 1


def set(core):
    """Threads started from now on run on `core`. ValueError if the chip does not have it."""
    if not isinstance(core, int):
        raise TypeError("can't convert %s to int" % type(core).__name__)
    if not 0 <= core < CORES:
        raise ValueError("no core %d: this chip has %d" % (core, CORES))
    thread.core = core


def get():
    """The core that threads start on."""
    return thread.core


def current():
    """The core that the caller runs on."""
    return _MAIN_CORE if get_ident() == turn._MAIN else thread.cores.get(get_ident(), 0)
