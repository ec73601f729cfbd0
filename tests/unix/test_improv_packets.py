"""What the desktop board's console holds back for packets of Improv, by a simulated clock."""

import pytest

from ports.unix import improv
from tests.improv_client import command

REQUEST = command(2)[:-1]


class Line:
    """Packets with a clock in the place of asyncio's; `seen` is what has passed."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.seen = b""
        self._timers = []
        monkeypatch.setattr(improv.asyncio, "get_running_loop", lambda: self)
        self.packets = improv.Packets(self._pass)
        self.packets.register(self)

    def _pass(self, data):
        assert data
        self.seen += data

    def register(self, op, handler):
        assert op == "improv.take"
        self._handler = handler

    def time(self):
        return self.now

    def call_later(self, seconds, function):
        timer = Timer(self.now + seconds, function)
        self._timers.append(timer)
        return timer

    def after(self, seconds):
        """Let time pass; returns `seen`."""
        end = self.now + seconds
        while due := [timer for timer in self._timers if timer.at <= end + 1e-9 and not timer.cancelled]:
            timer = min(due, key=lambda timer: timer.at)
            self._timers.remove(timer)
            self.now = max(self.now, timer.at)
            timer.function()
        self.now = end
        return self.seen

    def type(self, data):
        self.packets.feed(data)
        return self.seen

    def take(self):
        return self._handler({}, b"")[1]


class Timer:
    def __init__(self, at, function):
        self.at = at
        self.function = function
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


@pytest.fixture
def line(monkeypatch):
    """A line on which the device takes packets."""
    line = Line(monkeypatch)
    line.take()
    return line


def test_packet_is_taken_with_its_newline(line):
    assert line.type(REQUEST + b"\nx") == b""
    assert line.take() == REQUEST
    assert line.seen == b"x"
    assert line.take() == b""


def test_newline_that_comes_late_is_somebody_else_s(line):
    line.type(REQUEST)
    assert line.take() == REQUEST
    line.after(0.05)
    assert line.type(b"\n") == b""
    line.type(REQUEST)
    assert line.take() == REQUEST
    line.after(0.1)
    assert line.type(b"\n") == b"\n"


def test_byte_by_byte(line):
    for byte in REQUEST:
        assert line.take() == b""
        line.type(bytes((byte,)))
        assert line.after(0.09) == b""
    assert line.take() == REQUEST


@pytest.mark.parametrize("size", range(1, len(REQUEST)))
def test_unfinished_packet_passes_when_its_time_is_over(line, size):
    line.type(REQUEST[:size])
    assert line.after(0.09) == b""
    assert line.after(0.02) == REQUEST[:size]


def test_packet_that_nobody_takes_passes(line):
    line.type(REQUEST + b"\n")
    assert line.after(4.9) == b""
    assert line.after(0.2) == REQUEST + b"\n"
    assert line.type(b"IMPROV") == REQUEST + b"\nIMPROV"


def test_device_that_asks_again_keeps_the_time(line):
    line.type(REQUEST + b"\n" + REQUEST)
    line.after(4)
    assert line.take() == REQUEST
    assert line.after(4) == b""
    assert line.take() == REQUEST


@pytest.mark.parametrize(
    "text",
    [
        b"import sys\r",
        b"IMPROVE",
        b"IIM ",
        b"IMPROV\x02",
        b"IMPROV\x01\x01",
        REQUEST[:-1] + b"\0",
        REQUEST[:8] + b"\xff",
    ],
)
def test_what_is_no_packet_passes_at_once(line, text):
    assert line.type(text) == text


def test_what_stands_before_a_packet_passes_at_once(line):
    assert line.type(b"xI" + REQUEST + b"y") == b"xI"
    assert line.take() == REQUEST
    assert line.seen == b"xIy"


def test_whoever_does_not_take_packets_gets_all_at_once(monkeypatch):
    line = Line(monkeypatch)
    assert line.type(REQUEST) == REQUEST
    line.take()
    line.after(5)
    assert line.type(REQUEST) == REQUEST * 2


def test_program_that_begins_gets_what_was_held_back(line):
    line.type(b"IMP")
    line.packets.release()
    assert line.seen == b"IMP"
    assert line.after(1) == b"IMP"


def test_device_that_starts_finds_what_was_typed_meanwhile(monkeypatch):
    line = Line(monkeypatch)
    line.packets.start(keep=False)
    assert line.type(b"x" + REQUEST + b"\n" + REQUEST + b"\ny") == b"x"
    line.after(4)
    assert line.take() == REQUEST
    assert line.take() == REQUEST
    assert line.seen == b"xy"


def test_device_that_starts_without_the_service_reads_all(monkeypatch):
    line = Line(monkeypatch)
    line.packets.start(keep=False)
    assert line.type(REQUEST) == b""
    assert line.after(5) == REQUEST


@pytest.mark.parametrize("keep", [False, True])
def test_a_soft_reset_keeps_what_was_typed(line, keep):
    line.type(b"IMP")
    line.packets.start(keep)
    assert line.after(0.1) == (b"IMP" if keep else b"")


def test_size_of_packets():
    for length in range(256):
        data = improv._HEADER + bytes((length,)) + bytes(length)
        data += bytes((sum(data) & 0xFF,))
        assert improv.packet_size(data) == (len(data) if len(data) <= improv.SIZE else 0)
        assert improv.packet_size(data + b"more") == improv.packet_size(data)
