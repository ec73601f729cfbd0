"""`os` of the ESP32 port: the VM's own without the computer's shell and environment, with uname() and sync()."""

from collections import namedtuple

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
    stat,
    statvfs,
    umount,
    unlink,
    urandom,
)
from vfs import VfsFat, VfsLfs2

_Uname = namedtuple("uname", ("sysname", "nodename", "release", "version", "machine"))


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
