"""The flash chip: an image file with NOR semantics, and a power cut that can be set to a given operation.

The VM maps the same file read-only; writes go through the page cache and are seen there at once.
"""

import contextlib
import errno
import fcntl
import mmap
import os

from ports.unix.errors import BoardError

SECTOR_SIZE = 4096


class PowerCut(Exception):
    """The power failed in the middle of the operation that raised this; the board must be switched off."""


class FlashError(Exception):
    """The chip refuses an operation: bad alignment or outside the chip. Has `errno` as the device sees it."""

    errno = errno.EINVAL


class Flash:
    """The image file at `path`, held for this process alone until close().

    One operation is one program call or the erasure of one sector. `erases` and `programs` count them.
    Raises BoardError when the file is missing, has a wrong size or is in use by another board.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        self.erases = 0
        self.programs = 0
        self._operations_left = None
        with contextlib.ExitStack() as stack:
            self._fd = _open(self.path, stack)
            self.size = os.fstat(self._fd).st_size
            if not self.size or self.size % SECTOR_SIZE:
                raise BoardError(
                    f"{self.path}: {self.size} bytes are no flash image; 'make erase' makes it new"
                )
            mapped = stack.enter_context(mmap.mmap(self._fd, self.size, access=mmap.ACCESS_READ))
            self.view = stack.enter_context(memoryview(mapped))
            self._resources = stack.pop_all()

    def close(self):
        """Give the image back; `view` is invalid afterwards."""
        self._resources.close()

    def open_read_only(self):
        """A new read-only descriptor of the image, for the VM to map; the caller closes it."""
        return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, offset, length):
        """`length` bytes at `offset`. Raises FlashError outside the chip."""
        self._check_range(offset, length)
        return bytes(self.view[offset : offset + length])

    def erase(self, offset, length):
        """Set whole sectors to 0xFF. Raises FlashError on bad alignment or range, and PowerCut."""
        if offset % SECTOR_SIZE or length % SECTOR_SIZE:
            raise FlashError(
                f"erase of 0x{length:x} bytes at 0x{offset:x} is not aligned to 0x{SECTOR_SIZE:x}"
            )
        self._check_range(offset, length)
        for sector in range(offset, offset + length, SECTOR_SIZE):
            self.erases += 1
            cut = self._count_down()
            os.pwrite(self._fd, b"\xff" * (SECTOR_SIZE // 2 if cut else SECTOR_SIZE), sector)
            if cut:
                raise PowerCut(f"while sector 0x{sector:x} was erased")

    def program(self, offset, data):
        """Clear bits: the new content is old AND data, as in NOR flash. Raises FlashError and PowerCut."""
        self._check_range(offset, len(data))
        self.programs += 1
        cut = self._count_down()
        if cut:
            data = data[: len(data) // 2]
        old = self.view[offset : offset + len(data)]
        mixed = int.from_bytes(old, "little") & int.from_bytes(data, "little")
        os.pwrite(self._fd, mixed.to_bytes(len(data), "little"), offset)
        if cut:
            raise PowerCut(f"while 0x{offset:x} was programmed")

    def cut_after(self, operations):
        """Let the power fail in the middle of the `operations`-th operation from now; 0: not at all."""
        self._operations_left = operations or None

    def _count_down(self):
        """Whether the operation that begins now is the one in which the power fails."""
        if self._operations_left is None:
            return False
        self._operations_left -= 1
        if self._operations_left > 0:
            return False
        self._operations_left = None
        return True

    def _check_range(self, offset, length):
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FlashError(
                f"0x{length:x} bytes at 0x{offset:x} are outside the flash of 0x{self.size:x} bytes"
            )


def _open(path, stack):
    """Descriptor of the image, for as long as `stack` lives; so long `path`.lock is held too.

    The tools that build an image hold the same lock.
    """
    try:
        os.stat(path)  # a wrong path is not to leave a lock file
        lock = os.open(path + ".lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        stack.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BoardError(
                f"{path} is in use by a running board; stop that one or choose another with FLASH="
            ) from error
        # Opened under the lock: the tools replace the file by a new one.
        image = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        stack.callback(os.close, image)
        return image
    except OSError as error:
        raise BoardError(f"cannot open the flash image {path}: {error.strerror}") from error
