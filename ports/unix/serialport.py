"""The serial port of the board: a pty that clients open, close and open again without the board noticing."""

import asyncio
import fcntl
import os
import struct
import termios
import tty

from ports.unix.errors import BoardError

_READ_SIZE = 4096
_QUEUE_MAX = 1 << 20  # bytes that a slow reader may lag behind
_STALLED_AFTER = 1.0  # seconds without progress: nobody reads
_UNREAD_KEPT = 2048  # newest bytes that wait in the kernel for the next client


class SerialPort:
    """A pty whose other end is linked at `link`; `on_input(data: bytes)` gets what its clients write.

    Output that nobody reads is dropped, as by a UART. Raises BoardError when the link cannot be made.
    """

    def __init__(self, link, on_input):
        self.link = os.fspath(link)
        self._on_input = on_input
        self._queue = bytearray()
        self._unread = False
        self._watch = None
        # The clients' end stays open here: else their last close would end reading and make the line echo.
        self._master, self._slave = os.openpty()
        self.name = os.ttyname(self._slave)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        try:
            _make_link(self.name, self.link)
        except BoardError:
            self._close_fds()
            raise
        asyncio.get_running_loop().add_reader(self._master, self._on_readable)

    def close(self):
        """Take the port away; the link too, if it is still this port's."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        if self._watch is not None:
            self._watch.cancel()
        if os.path.islink(self.link) and os.readlink(self.link) == self.name:
            os.unlink(self.link)
        self._close_fds()

    def write(self, data):
        """Send `data` to the client; never blocks."""
        if self._unread:
            if self._waiting():
                self._discard()
                self._put(data[-_UNREAD_KEPT:])
                return
            self._unread = False
        room = _QUEUE_MAX - len(self._queue)
        self._queue += data[:room]
        self._drain()

    def _drain(self):
        loop = asyncio.get_running_loop()
        while self._queue:
            sent = self._put(self._queue)
            if not sent:
                if self._watch is None:
                    loop.add_writer(self._master, self._drain)
                    self._watch = loop.call_later(_STALLED_AFTER, self._stalled)
                return
            del self._queue[:sent]
            self._stop_watch()
        self._stop_watch()

    def _stop_watch(self):
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
            asyncio.get_running_loop().remove_writer(self._master)

    def _stalled(self):
        self._stop_watch()
        self._unread = True
        newest = bytes(self._queue[-_UNREAD_KEPT:])
        self._queue.clear()
        self._discard()
        self._put(newest)

    def _put(self, data):
        """How many bytes of `data` the kernel took."""
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0

    def _waiting(self):
        """Bytes that lie unread at the client's end."""
        return struct.unpack("i", fcntl.ioctl(self._slave, termios.FIONREAD, bytes(4)))[0]

    def _discard(self):
        termios.tcflush(self._master, termios.TCOFLUSH)
        termios.tcflush(self._slave, termios.TCIFLUSH)

    def _on_readable(self):
        try:
            data = os.read(self._master, _READ_SIZE)
        except BlockingIOError:
            return
        self._on_input(data)

    def _close_fds(self):
        os.close(self._master)
        os.close(self._slave)


def _make_link(target, link):
    """Symbolic link to `target`; replaces an old link, nothing else."""
    if os.path.lexists(link) and not os.path.islink(link):
        raise BoardError(
            f"the console link {link} would replace a file that is no link; choose another with CONSOLE="
        )
    aside = f"{link}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(link) or ".", exist_ok=True)
        os.symlink(target, aside)
        os.replace(aside, link)
    except OSError as error:
        raise BoardError(f"cannot make the console link {link}: {error.strerror}") from error
