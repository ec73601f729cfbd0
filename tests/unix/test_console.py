"""The serial line: decoding of the VM's output, fan-out, fan-in, the interrupt character."""

import pytest

from ports.unix.console import Console, Decoder


@pytest.mark.parametrize(
    ("sent", "on_the_line"),
    [
        (b"text\n", b"text\r\n"),
        (b"\xff\x0a", b"\n"),
        (b"\xff\xff", b"\xff"),
        (b"\xff\xff\n", b"\xff\r\n"),
        (b"\xff\xff\xff\x0a", b"\xff\n"),
        (b"a\xff\x00b", b"a\x00b"),
        ("grün\n".encode(), "grün\r\n".encode()),
        (b"\r\n", b"\r\r\n"),
    ],
)
def test_decoder_gives_the_same_however_the_bytes_are_split(sent, on_the_line):
    for split in range(len(sent) + 1):
        decoder = Decoder()
        assert decoder.decode(sent[:split]) + decoder.decode(sent[split:]) == on_the_line
    decoder = Decoder()
    assert b"".join(decoder.decode(bytes((byte,))) for byte in sent) == on_the_line


@pytest.fixture
def line():
    """A console and the list of what it passed on."""
    seen = []
    console = Console(lambda data: seen.append(("input", data)), lambda: seen.append("interrupt"))
    return console, seen


def test_output_goes_to_all_ends(line):
    console, _ = line
    one, two = [], []
    console.attach(one.append)
    detach = console.attach(two.append)
    console.receive(b"a\n")
    detach()
    detach()
    console.emit(b"b\n")
    assert (one, two) == ([b"a\r\n", b"b\n"], [b"a\r\n"])


def test_interrupt_character_is_swallowed_only_when_set(line):
    console, seen = line
    console.feed(b"a\x03b")
    console.interrupt_char = 3
    console.feed(b"c\x03d\x03")
    console.interrupt_char = -1
    console.feed(b"\x03")
    assert seen == [("input", b"a\x03b"), "interrupt", ("input", b"cd"), ("input", b"\x03")]


def test_restart_forgets_interrupt_character_and_half_an_escape(line):
    console, seen = line
    got = []
    console.attach(got.append)
    console.interrupt_char = 3
    console.receive(b"\xff")
    console.restart()
    console.receive(b"x\n")
    console.feed(b"\x03")
    assert (got, seen) == ([b"x\r\n"], [("input", b"\x03")])
