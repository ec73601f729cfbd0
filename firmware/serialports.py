"""Serial ports of this computer: which there are, and in one line why one cannot be used."""

import contextlib
import errno
import fcntl
import grp
import os
import sys

from serial.tools import list_ports

from firmware.errors import FirmwareError


def names():
    """List of 'device (description)' of the ports with something behind them, in their order."""
    found = sorted(list_ports.comports())
    if sys.platform == "darwin":
        # A tty.* device waits for a modem's carrier when it is opened.
        found = [port for port in found if not port.device.startswith("/dev/tty.")]
    # An x86 board has 32 ttyS devices, whether there is a connector or not.
    return [f"{port.device} ({port.description})" for port in found if port.hwid != "n/a"]


def check(port):
    """The port's name if it can be opened, an URL as it is; raises FirmwareError with the remedy if not."""
    if not port:
        raise FirmwareError(f"no PORT is given; {_choice()}")
    if "://" in port:
        return port
    if sys.platform == "darwin" and port.startswith("/dev/tty."):
        raise FirmwareError(f"{port} waits for a modem; use /dev/cu.{port.removeprefix('/dev/tty.')}")
    try:
        handle = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        raise FirmwareError(_reason(port, error)) from error
    try:
        if not os.isatty(handle):
            raise FirmwareError(f"{port} is no serial port; {_choice()}")
        # As pyserial locks a port that it opens exclusively.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise FirmwareError(f"{port} is in use by another program; close it (a monitor? mpremote?)") from error
    finally:
        os.close(handle)
    return port


def _reason(port, error):
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR):
        return f"there is no port {port}; {_choice()}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"no permission to use {port}; remedy: {_permission_remedy(port)}"
    if error.errno == errno.EBUSY:
        return f"{port} is in use by another program; close it (a monitor? mpremote?)"
    return f"cannot open {port}: {error.strerror}"


def _permission_remedy(port):
    """The group that owns the device, dialout or uucp on most systems, lets its members use it."""
    group = "dialout"
    with contextlib.suppress(OSError, KeyError):
        group = grp.getgrgid(os.stat(port).st_gid).gr_name
    if group == "root":
        return f"sudo chmod a+rw {port}"
    return f"sudo usermod -aG {group} $USER, then log in again"


def _choice():
    found = names()
    if found:
        return f"PORT= names one of: {', '.join(found)}"
    return "no serial port is here: is the board plugged in, with a cable that carries data?"
