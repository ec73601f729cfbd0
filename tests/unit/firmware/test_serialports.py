"""Serial ports: which there are, and one line with the remedy for each reason that keeps one from being opened."""

import errno
import fcntl
import os
import pty
from types import SimpleNamespace

import pytest
from serial.tools.list_ports_common import ListPortInfo

from firmware import __main__, serialports
from firmware.errors import FirmwareError


@pytest.fixture
def connected(monkeypatch):
    """Set what is plugged in."""

    def plug(*ports):
        found = []
        for device, text, hwid in ports:
            found.append(ListPortInfo(device))
            found[-1].description, found[-1].hwid = text, hwid
        monkeypatch.setattr(serialports.list_ports, "comports", lambda: found)

    plug()
    return plug


@pytest.fixture
def terminal():
    """The name of a pseudo-terminal."""
    master, slave = pty.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def refuse(monkeypatch, number):
    def open(*_arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(serialports.os, "open", open)


def error_of(port):
    with pytest.raises(FirmwareError) as caught:
        serialports.check(port)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_port_that_can_be_used(terminal):
    assert serialports.check(terminal) == terminal


@pytest.mark.parametrize("url", ["socket://127.0.0.1:5555", "rfc2217://host:2217"])
def test_urls_are_left_to_pyserial(url):
    assert serialports.check(url) == url


def test_no_port_lists_those_with_something_behind_them(connected):
    connected(
        ("/dev/ttyUSB0", "CP2102N USB to UART", "USB VID:PID=10C4:EA60"),
        ("/dev/ttyACM0", "USB JTAG/serial debug unit", "USB VID:PID=303A:1001"),
        ("/dev/ttyS0", "ttyS0", "n/a"),
    )
    assert error_of("") == (
        "no PORT is given; PORT= names one of: "
        "/dev/ttyACM0 (USB JTAG/serial debug unit), /dev/ttyUSB0 (CP2102N USB to UART)"
    )


def test_no_port_and_none_is_here(connected):
    assert error_of("") == (
        "no PORT is given; no serial port is here: is the board plugged in, with a cable that carries data?"
    )


def test_a_port_that_does_not_exist(connected):
    connected(("/dev/ttyUSB0", "CP2102N", "USB"))
    assert error_of("/dev/ttyUSB9") == "there is no port /dev/ttyUSB9; PORT= names one of: /dev/ttyUSB0 (CP2102N)"


@pytest.mark.parametrize("group", ["dialout", "uucp"])
def test_no_permission_names_the_group(group, monkeypatch, terminal):
    refuse(monkeypatch, errno.EACCES)
    monkeypatch.setattr(serialports.grp, "getgrgid", lambda _number: SimpleNamespace(gr_name=group))
    assert error_of(terminal) == (
        f"no permission to use {terminal}; remedy: sudo usermod -aG {group} $USER, then log in again"
    )


def test_no_permission_and_no_group_of_its_own(monkeypatch, terminal):
    refuse(monkeypatch, errno.EACCES)
    monkeypatch.setattr(serialports.grp, "getgrgid", lambda _number: SimpleNamespace(gr_name="root"))
    assert f"remedy: sudo chmod a+rw {terminal}" in error_of(terminal)


def test_a_port_in_use(monkeypatch, terminal):
    handle = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert error_of(terminal) == f"{terminal} is in use by another program; close it (a monitor? mpremote?)"
    os.close(handle)
    refuse(monkeypatch, errno.EBUSY)
    assert "in use by another program" in error_of(terminal)


def test_what_is_no_port(tmp_path, connected):
    (tmp_path / "file").write_text("")
    assert "is no serial port" in error_of(str(tmp_path / "file"))
    assert "there is no port" in error_of(str(tmp_path / "file" / "x"))


def test_modem_devices_of_macos(monkeypatch, connected):
    monkeypatch.setattr(serialports.sys, "platform", "darwin")
    assert error_of("/dev/tty.usbserial-10") == "/dev/tty.usbserial-10 waits for a modem; use /dev/cu.usbserial-10"
    connected(("/dev/tty.usbserial-10", "CP2102N", "USB"), ("/dev/cu.usbserial-10", "CP2102N", "USB"))
    assert serialports.names() == ["/dev/cu.usbserial-10 (CP2102N)"]


def test_monitor_is_raw_and_sends_what_the_repl_wants(monkeypatch, terminal):
    started = []
    monkeypatch.setattr(os, "execv", lambda program, command: started.append(command[1:]))
    assert __main__.main(["monitor", "--port", terminal]) == 0
    assert started == [["-m", "serial.tools.miniterm", "--raw", "--eol", "CR", terminal, "115200"]]
