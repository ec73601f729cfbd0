"""The terminal that `run` was started in, as one end of the serial line: raw, until Ctrl-] or Ctrl-X."""

import asyncio
import contextlib
import os
import re
import termios
import tty

_LEAVE = re.compile(rb"[\x1d\x18]")  # Ctrl-] and Ctrl-X, as in mpremote
_READ_SIZE = 4096
_QUEUE_MAX = 1 << 20


class Terminal:
    """Puts the terminal of descriptor `fd` into raw mode until close().

    `on_input(data: bytes)` gets what is typed, `on_leave()` is called for the keys that leave. Output is held
    back until show(), so that the banner comes before the board's own.
    """

    def __init__(self, fd, on_input, on_leave):
        self._fd = fd
        self._on_input = on_input
        self._on_leave = on_leave
        self._queue = bytearray()
        self._shown = False
        self._saved = termios.tcgetattr(fd)
        # Opened anew: non-blocking mode must not leak into the shell, which shares the other one.
        self._tty = os.open(os.ttyname(fd), os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        tty.setraw(fd)
        asyncio.get_running_loop().add_reader(self._tty, self._on_readable)

    def close(self):
        """Restore the terminal as it was found."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._tty)
        loop.remove_writer(self._tty)
        self._queue += b"\r\n"  # for the shell's prompt
        self._drain()
        loop.remove_writer(self._tty)
        with contextlib.suppress(termios.error):  # it may have been closed
            # At once: a terminal that is stopped by Ctrl-S would never drain.
            termios.tcsetattr(self._fd, termios.TCSANOW, self._saved)
        os.close(self._tty)

    def write(self, data):
        """Output of the board; dropped when a stopped terminal takes none for long."""
        room = _QUEUE_MAX - len(self._queue)
        self._queue += data[:room]
        if self._shown:
            self._drain()

    def show(self, text):
        """Print `text` (lines of our own), then what the board has sent so far, from now on all at once."""
        self._queue[:0] = text.replace("\n", "\r\n").encode()
        self._shown = True
        self._drain()

    def _drain(self):
        loop = asyncio.get_running_loop()
        try:
            sent = os.write(self._tty, self._queue) if self._queue else 0
        except BlockingIOError:
            sent = 0
        except OSError:  # the terminal was closed
            sent = len(self._queue)
        del self._queue[:sent]
        if self._queue:
            loop.add_writer(self._tty, self._drain)
        else:
            loop.remove_writer(self._tty)

    def _on_readable(self):
        try:
            data = os.read(self._tty, _READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        typed, *left = _LEAVE.split(data, maxsplit=1)
        if typed:
            self._on_input(typed)
        if left or not data:
            self._on_leave()
