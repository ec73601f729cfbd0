"""`os` of the ESP32 port: the VM's own without the computer's shell and environment, with uname() and sync()."""

from collections import namedtuple

from micropython import const
from uos import (
    chdir,
    getcwd,
    ilistdir,
    listdir,
    mkdir,
    mount,
    remove,
    rename,
    rmdir,
    sep,
    statvfs,
    umount,
    unlink,
    urandom,
)
from uos import stat as _stat
from vfs import VfsFat, VfsLfs2

_EPOCH_2000 = const(946684800)  # seconds from the VM's epoch to the board's

_Uname = namedtuple("uname", ("sysname", "nodename", "release", "version", "machine"))


def stat(path):
    """(mode, 0, 0, 0, 0, 0, size, atime, mtime, ctime), the times by the computer's clock, since 2000; 0 if unknown."""
    found = _stat(path)
    return found[:7] + tuple(time and time - _EPOCH_2000 for time in found[7:])


def uname():
    """(sysname, nodename, release, version, machine), as `sys` has them."""
    import sys

    release = ".".join(str(n) for n in sys.implementation.version[:3])
    return _Uname("esp32", "esp32", release, sys.version.split("; ")[-1][12:], sys.implementation._machine)


def sync():
    """Nothing to do: LittleFS writes when a file is closed, and the flash image is written at once."""


def dupterm(stream, index=0):
    """The console's second end is the supervisor's, which speaks WebREPL itself: OSError."""
    raise OSError(95, "no dupterm on the desktop board: WebREPL is served beside the console")  # EOPNOTSUPP


dupterm_notify = dupterm
