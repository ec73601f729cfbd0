"""Packets of Improv Wi-Fi among the bytes typed at the console: ports/esp32/improvserial.c for this board.

There the device's reader is held back; here the bytes are, before they get to the device. What can be seen is the same.
"""

import asyncio

SIZE = 256  # of the longest packet that is taken
_HEADER = b"IMPROV\x01\x03"  # with version 1 and type 3, a command
_OVERHEAD = len(_HEADER) + 2  # with length and sum
_GAP = 0.1  # seconds; longest pause between two bytes of a packet
_SERVED = 5.0  # seconds since the device asked: it will ask again


def packet_size(data):
    """0 if `data` does not begin as a packet does, -1 if more of it must come, else the size of the packet."""
    if not (data.startswith(_HEADER) or _HEADER.startswith(data)):
        return 0
    if len(data) <= len(_HEADER):
        return -1
    size = data[len(_HEADER)] + _OVERHEAD
    if size > SIZE:
        return 0
    if len(data) < size:
        return -1
    return size if sum(data[: size - 1]) & 0xFF == data[size - 1] else 0


class Packets:
    """Passes what is typed on to `on_input(data: bytes)`, but for the packets that the device takes.

    Nothing is held back unless the device has asked for packets, or has started, within the last seconds.
    """

    def __init__(self, on_input):
        self._on_input = on_input
        self._held = b""  # begins with a packet, or with what may become one
        self._timer = None
        self._asked = None  # when the device asked last
        self._newline_until = None  # a packet was taken: a newline that comes before then is its end

    def register(self, bus):
        """Bus operation improv.take -> blob: the packet that the input begins with, or nothing."""
        bus.register("improv.take", self._op_take)

    def start(self, keep):
        """The device starts, and will ask soon. `keep`: what was held back before is still there."""
        self._asked = self._now()
        self._newline_until = None
        if not keep:
            self._held = b""
        self._pass_on()

    def feed(self, data):
        """Bytes typed while no program runs that Ctrl-C would interrupt."""
        self._held += data
        if self._asked is not None and self._now() - self._asked < _SERVED:
            self._pass_on()
        else:
            self.release()

    def release(self):
        """Hold nothing back any longer: a program begins, whose input is its own."""
        self._wait(None)
        self._newline_until = None
        data, self._held = self._held, b""
        if data:
            self._on_input(data)

    @staticmethod
    def _now():
        return asyncio.get_running_loop().time()

    def _op_take(self, args, blob):
        self._asked = self._now()
        size = packet_size(self._held)
        if size <= 0:
            return {}, b""
        packet, self._held = self._held[:size], self._held[size:]
        self._newline_until = self._now() + _GAP
        self._pass_on()
        return {}, packet

    def _pass_on(self):
        """Pass on what is no packet; wait for the rest of one, or for the device to take it."""
        data = self._held
        if data and self._newline_until is not None:
            if data[0] == ord("\n") and self._now() < self._newline_until:
                data = data[1:]
            self._newline_until = None
        start = data.find(b"I")
        while start >= 0 and packet_size(data[start:]) == 0:
            start = data.find(b"I", start + 1)
        if start < 0:
            start = len(data)
        self._held = data[start:]
        if start:
            self._on_input(data[:start])
        if not self._held:
            self._wait(None)
        elif packet_size(self._held) < 0:
            self._wait(_GAP)
        else:
            self._wait(self._asked + _SERVED - self._now())

    def _wait(self, seconds):
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self._give_up)

    def _give_up(self):
        """Time is over: what is held passes, up to where a packet may begin again."""
        self._timer = None
        if packet_size(self._held) > 0 and self._now() - self._asked < _SERVED:
            self._pass_on()  # the device has asked meanwhile for another one
            return
        first, self._held = self._held[:1], self._held[1:]
        self._on_input(first)
        self._pass_on()
