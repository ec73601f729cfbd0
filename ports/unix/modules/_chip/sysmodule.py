"""`sys` of the ESP32 port: the VM's own with a board's console and name, without what only a computer has."""

import builtins
import sys as _sys
from collections import namedtuple

from _chip import bus, console

# As on a chip: MICROPY_HW_BOARD_NAME " with " MICROPY_HW_MCU_NAME.
_MACHINE = "microAsyncWeb %s with ESP32 stand-ins" % bus.call("boot.info")["version"]
_ABSENT = ("atexit", "exc_info", "executable")

_vm = _sys.implementation
_Implementation = namedtuple("implementation", ("name", "version", "_machine", "_mpy", "_build", "_thread"))


class _Module:
    # What differs. The rest is looked up in the VM's module, which keeps what can be set: path, ps1, ps2.
    platform = "esp32"
    implementation = _Implementation(_vm.name, _vm.version, _MACHINE, _vm._mpy, _vm._build, "GIL")
    stdin = console.stdin
    stdout = console.stdout
    stderr = console.stderr
    __name__ = "sys"

    def __getattr__(self, name):
        if name == "__all__":  # for `from sys import *`, which can't look into an object
            return [n for n in dir(_sys) if n[0] != "_" and n not in _ABSENT]
        if name in _ABSENT:
            raise AttributeError(name)
        return getattr(_sys, name)

    def __setattr__(self, name, value):
        setattr(_sys, name, value)

    def __repr__(self):
        return "<module 'sys'>"


def banner():
    """The line that a board prints before the prompt: version, date and machine."""
    return _sys.version.split("; ")[-1] + "; " + _MACHINE


def install():
    """Put the stand-in in the place of `sys` for every import from here on, and `input()` on the console."""
    from _chip import readline

    _sys.argv.clear()
    _sys.modules["sys"] = _sys.modules["usys"] = _Module()
    builtins.input = readline.read_input
