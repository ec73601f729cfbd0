"""`micropython` of the ESP32 port: scheduled callbacks run with the turn, Ctrl-C is the console's."""

import micropython as _micropython

from _chip import bus, turn


class _Module:
    schedule = staticmethod(turn.run_scheduled)

    @staticmethod
    def kbd_intr(character):
        """Choose the character that interrupts running code (3: Ctrl-C), -1 for none."""
        bus.call("console.kbd_intr", c=character)

    def __getattr__(self, name):
        return getattr(_micropython, name)


module = _Module()
