"""Writes what a client sends to a file, in place of an older one only when it is whole."""

import os

from micropython import const

from .parser import HttpError

_ENOSPC = const(28)  # MicroPython's errno does not name it
PART = ".uploading"  # ends the name of a file that is not whole yet: one of that name is written over
_writing = set()  # names of the files that write_file() is at


def write_file(path, readinto, limit=None):
    """Write what readinto(buffer) gives to a file: beside path first, so that nobody sees a half of it, and what was
    there before is lost only when the new file is whole. Gives its size. HttpError 413 if it has more than limit
    bytes, 507 if there is no room for it."""
    total = 0
    block = memoryview(bytearray(512))
    name = path + PART
    while name in _writing:
        name += "+"
    _writing.add(name)
    file = None
    done = False
    try:
        file = open(name, "wb")
        while True:
            count = yield from readinto(block)
            if not count:
                break
            total += count
            if limit is not None and total > limit:
                raise HttpError(413)
            file.write(block[:count])
        # Some filesystems notice only now that they are full.
        file.close()
        os.rename(name, path)
        done = True
        return total
    except OSError as error:
        if error.errno == _ENOSPC:
            raise HttpError(507, "Insufficient Storage")
        raise
    finally:
        _writing.remove(name)
        if file and not done:
            file.close()
            os.remove(name)
