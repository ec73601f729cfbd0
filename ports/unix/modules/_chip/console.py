"""The console: the serial line's bytes, and `sys.stdin`, `sys.stdout`, `sys.stderr` as a board has them.

shared/runtime/sys_stdio_mphal.c of MicroPython on file descriptors 0 and 1. Input is taken from the
descriptor one byte at a time, and only when it is asked for: what the REPL has not read is still there for
user code, for `select.poll` as well.

On the way to the host a bare newline stands for CR LF and 0xFF escapes the byte that follows it, so that a
program's text is "cooked" as on a board even when the VM prints it by itself.
"""

import io
import sys
from _thread import get_ident

from micropython import const
from uselect import POLLIN
from uselect import poll as _poll

from _chip import turn
from _chip.clock import FOREVER

_EINVAL = const(22)
_EPERM = const(1)
_GET_FILENO = const(10)  # MP_STREAM_GET_FILENO
_CLOSE = const(4)  # MP_STREAM_CLOSE
_ESCAPE = const(0xFF)
_NEWLINE = const(10)
_RETURN = const(13)
_OUT_SIZE = const(256)
_STEP_MS = const(500)  # bounds how late a Ctrl-C is seen that came just before the wait

_read_fd0 = sys.stdin.buffer.readinto
_write_fd1 = sys.stdout.buffer.write
_poller = _poll()
_poller.register(sys.stdin, POLLIN)
_ipoll = _poller.ipoll
_ipoll(0)  # allocates the tuple that it will use for ever after
_byte = bytearray(1)

# What the REPL has to say is collected until it waits for input or runs code.
_out = bytearray(_OUT_SIZE)
_used = 0


def rx():
    """Wait for a byte of input without the turn and return it. Raises EOFError when the host has hung up."""
    while True:
        # Looked at with the turn: another thread may have waited for this byte too, and read it.
        for _ in _ipoll(0):
            if _read_fd0(_byte):
                return _byte[0]
            raise EOFError
        flush()
        try:
            _wait()
        except KeyboardInterrupt:
            # Without the turn nothing could be allocated for the traceback. This one gets a whole one.
            raise KeyboardInterrupt


def _wait():
    cell = turn.cells[get_ident()]
    cell[0] = FOREVER
    turn.release()
    try:
        _ipoll(_STEP_MS)
    finally:
        cell[0] = 0
        turn.acquire()


def put(c):
    """Send one byte of what a board "cooks": newline as CR LF. It leaves at the next `flush`."""
    global _used
    if _used == _OUT_SIZE:
        flush()
    _out[_used] = c
    _used += 1


def put_raw(c):
    """Send one byte as it is."""
    if c == _NEWLINE or c == _ESCAPE:
        put(_ESCAPE)
    put(c)


def tx(text, start=0, end=None):
    """Send `text[start:end]`, bytes-like and without 0xFF, with newline as CR LF. Allocates nothing."""
    if end is None:
        end = len(text)
    if end - start > _OUT_SIZE:
        flush()
        _write_fd1(text, start, end - start)
        return
    while start < end:
        put(text[start])
        start += 1


def flush():
    """Send what `put` and `tx` have collected."""
    global _used
    if _used:
        _write_fd1(_out, _used)
        _used = 0


class FileIO(io.IOBase):
    """`.buffer` of the three streams: bytes as they are. Reads wait, without the turn, for all of them."""

    def __init__(self, fd):
        self._fd = fd

    def read(self, size=-1):
        """`size` bytes; without it, all until the host hangs up."""
        data = bytearray()
        try:
            while size < 0 or len(data) < size:
                data.append(rx())
        except EOFError:
            pass
        return bytes(data)

    def readinto(self, buffer, size=None):
        """Fill `buffer`, or its first `size` bytes. Returns how many were read."""
        size = len(buffer) if size is None else min(size, len(buffer))
        n = 0
        try:
            while n < size:
                buffer[n] = self._rx()
                n += 1
        except EOFError:
            pass
        return n

    def readline(self, size=-1):
        """Read up to and with a newline, at most `size` bytes."""
        data = bytearray()
        try:
            while size < 0 or len(data) < size:
                c = self._rx()
                data.append(c)
                if c == _NEWLINE:
                    break
        except EOFError:
            pass
        return self._line(data)

    def readlines(self):
        """The lines until the host hangs up."""
        return list(self)

    def write(self, data, offset=None, size=None):
        """Write `data`, its first bytes (`data, size`) or a part of it (`data, offset, size`)."""
        if offset is not None:
            if size is None:
                offset, size = 0, offset
            data = bytes(memoryview(data)[offset : offset + size])
        elif not isinstance(data, (bytes, bytearray)):
            data = data.encode() if isinstance(data, str) else bytes(data)
        return self._send(data, b"\n")

    def _send(self, data, also):
        """Write bytes, escaping 0xFF and `also`."""
        flush()
        if b"\xff" not in data and also not in data:
            return _write_fd1(data)
        also = also[0]
        part = bytearray(64)
        n = 0
        for c in data:
            if n > 62:
                _write_fd1(part, n)
                n = 0
            if c == _ESCAPE or c == also:
                part[n] = _ESCAPE
                n += 1
            part[n] = c
            n += 1
        _write_fd1(part, n)
        return len(data)

    @staticmethod
    def _rx():
        return rx()

    @staticmethod
    def _line(data):
        return bytes(data)

    def close(self):
        """The console stays open."""

    def ioctl(self, request, argument):
        """Stream control (py/stream.h): `select.poll` waits on the descriptor."""
        if request == _GET_FILENO:
            return self._fd
        return 0 if request == _CLOSE else -_EINVAL

    def __iter__(self):
        return self

    def __next__(self):
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


class TextIOWrapper(FileIO):
    """`sys.stdin`, `sys.stdout`, `sys.stderr`: CR is read as a newline, a newline is written as CR LF."""

    def __init__(self, fd):
        self._fd = fd
        self.buffer = FileIO(fd)

    def read(self, size=-1):
        """`size` characters; without it, all until the host hangs up."""
        data = bytearray()
        try:
            while size:
                c = self._rx()
                data.append(c)
                if c >= 0xC0:  # the first byte of two, three or four of UTF-8
                    for _ in range(1 + (c >= 0xE0) + (c >= 0xF0)):
                        data.append(self._rx())
                size -= 1
        except EOFError:
            pass
        return data.decode()

    def write(self, data, offset=None, size=None):
        """Write text or bytes; arguments as `FileIO.write`. Returns the number of bytes."""
        if self._fd == 0:
            raise OSError(_EPERM)
        if offset is None and isinstance(data, str):
            flush()
            return _write_fd1(data)
        return super().write(data, offset, size)

    def _send(self, data, also):
        return super()._send(data, b"\xff")

    def _rx(self):
        if self._fd:
            raise OSError(_EPERM)
        c = rx()
        return _NEWLINE if c == _RETURN else c

    @staticmethod
    def _line(data):
        return data.decode()


stdin = TextIOWrapper(0)
stdout = TextIOWrapper(1)
stderr = TextIOWrapper(2)
