"""The serial line: one stream each way with several ends (pty, terminal, WebREPL).

Output of the device goes to all ends, input comes from any. On a board text is "cooked" (\\n becomes \\r\\n),
what is written raw is not. Here both leave the VM by one pipe, so raw writers escape: 0xFF as FF FF, 0x0A as
FF 0A.
"""

import re

from ports.unix.improv import Packets

_ESCAPE = 0xFF
_COOK = re.compile(rb"\xff(.)|\n", re.DOTALL)


class Decoder:
    """Turns the VM's output into what a board sends; an escape may be split between two blocks."""

    def __init__(self):
        self._held = b""

    def decode(self, data):
        """The bytes for the line. A lone escape byte at the end waits for the next block."""
        data = self._held + data
        self._held = b""
        if _ESCAPE not in data:
            return data.replace(b"\n", b"\r\n")
        # An escape byte is a lone one exactly if the run that ends the block is of odd length.
        if (len(data) - len(data.rstrip(b"\xff"))) % 2:
            data, self._held = data[:-1], data[-1:]
        return _COOK.sub(lambda match: match[1] or b"\r\n", data)


class Console:
    """Fan-out and fan-in of the serial line, and its interrupt character.

    `on_input(data: bytes)` gets what is typed, without the `packets` that the device takes; for the interrupt
    character `on_interrupt()` is called instead.
    """

    def __init__(self, on_input, on_interrupt):
        self.packets = Packets(on_input)
        self._interrupt_char = -1
        self._on_input = on_input
        self._on_interrupt = on_interrupt
        self._ends = []
        self._decoder = Decoder()

    @property
    def interrupt_char(self):
        """What interrupts the program that runs, -1 while none does."""
        return self._interrupt_char

    @interrupt_char.setter
    def interrupt_char(self, char):
        self._interrupt_char = char
        if char >= 0:
            self.packets.release()

    def attach(self, write):
        """Add an end: `write(data: bytes)` gets all output from now on and must not block.

        Returns detach(), which takes it off and may be called again.
        """
        self._ends.append(write)

        def detach():
            """Take this end off."""
            if write in self._ends:
                self._ends.remove(write)

        return detach

    def feed(self, data):
        """Bytes typed at an end. The interrupt character is swallowed, as by the UART's interrupt handler."""
        if self.interrupt_char < 0:
            self.packets.feed(data)
            return
        rest = data.replace(bytes((self.interrupt_char,)), b"")
        if len(rest) != len(data):
            self._on_interrupt()
        if rest:
            self._on_input(rest)

    def receive(self, data):
        """Output of the VM, in its escaped form."""
        data = self._decoder.decode(data)
        if data:
            self.emit(data)

    def emit(self, data):
        """Put `data` on the line as it is: the boot loader, the panic handler."""
        for write in tuple(self._ends):
            write(data)

    def restart(self):
        """A new VM begins: no interrupt character is set, nothing is half received."""
        self.interrupt_char = -1
        self._decoder = Decoder()
