"""RTS and DTR: the changes on the lines, and what the circuit on ESP32 boards makes of them."""

import os

import pytest
from serial.tools import list_ports, list_ports_common

from tests import console
from tests.capabilities import has_lines

from .portserver import AutoResetCircuit


class FakePort:
    """A port of pyserial that writes down what is done to it. Opened as pyserial opens one: both lines active."""

    def __init__(self, circuit=None, active=True):
        self.__dict__.update(done=[], circuit=circuit)
        for line in ("dtr", "rts"):
            self._set(line, active)
        self.done.clear()

    def _set(self, line, active):
        self.done.append((line, active))
        if self.circuit:
            self.circuit.set(line, active)

    __setattr__ = _set

    def reset_input_buffer(self):
        self.done.append("input thrown away")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(console, "_LINES_HELD", 0)


@pytest.fixture
def circuit():
    return AutoResetCircuit()


def test_changes_on_the_lines():
    port = FakePort()
    console.pulse_reset(port)
    assert port.done == [("dtr", False), ("rts", True), "input thrown away", ("rts", False)]


@pytest.mark.parametrize("active", [True, False])
def test_chip_starts_once_and_from_flash(circuit, active):
    port = FakePort(circuit, active)
    console.pulse_reset(port)
    assert circuit.enabled
    assert circuit.starts == 1
    assert ("dtr", True) not in port.done  # or IO0 could be low when the chip looks at it


def test_input_is_thrown_away_while_the_chip_is_held(circuit):
    port = FakePort(circuit)
    levels = []
    port.__dict__["reset_input_buffer"] = lambda: levels.append(circuit.enabled)
    console.pulse_reset(port)
    assert levels == [False]


def test_opening_and_closing_the_port_resets_nothing(circuit):
    console.release_lines(FakePort(circuit))
    assert circuit.starts == 0
    assert circuit.changes == [("dtr", True), ("rts", True), ("rts", False), ("dtr", False)]


def test_a_port_without_lines_is_closed_all_the_same():
    class Pty:
        def __setattr__(self, name, value):
            raise OSError(25, "Inappropriate ioctl for device")

    console.release_lines(Pty())


@pytest.mark.parametrize(
    ("device", "vid", "pid", "lines"),
    [
        ("/dev/ttyUSB0", 0x10C4, 0xEA60, True),  # CP2102 on a development board
        ("/dev/ttyUSB0", 0x1A86, 0x55D4, True),  # CH9102
        ("/dev/ttyACM0", 0x303A, 0x1001, True),  # USB-Serial-JTAG
        ("/dev/ttyACM0", 0x303A, 0x4001, False),  # MicroPython's own USB
        ("/dev/ttyS0", None, None, True),
    ],
)
def test_which_ports_have_lines(monkeypatch, device, vid, pid, lines):
    port = list_ports_common.ListPortInfo(device)
    port.vid, port.pid = vid, pid
    monkeypatch.setattr(list_ports, "comports", lambda: [port])
    assert has_lines(device) is lines


def test_a_pty_has_no_lines(tmp_path):
    master, slave = os.openpty()
    try:
        (tmp_path / "console").symlink_to(os.ttyname(slave))
        assert not has_lines(str(tmp_path / "console"))
    finally:
        os.close(master)
        os.close(slave)
