"""micropAsyncWeb.websocket on the VM, frame by frame (RFC 6455 sections 5 to 8).

The tests named test_autobahn_* do by hand what these cases of the Autobahn test suite (fuzzingclient) do:

1 framing          1.1.1-1.1.8, 1.2.1-1.2.8
2 pings            2.1-2.11
3 reserved bits    3.1-3.7
4 opcodes          4.1.1-4.1.5, 4.2.1-4.2.5
5 fragmentation    5.1-5.20
6 UTF-8            6.1.1-6.1.3, 6.2.1-6.2.4, 6.3.1-6.3.2, 6.4.1-6.4.4 (failing at the byte that is wrong, which the
                   suite calls strict), 6.5.1-6.22.34 (the sequences at the limits of each range)
7 close handling   7.1.1-7.1.6 (7.1.6 with 64 KB instead of 256), 7.3.1-7.3.6, 7.5.1, 7.7.1-7.7.13, 7.9.1-7.9.9,
                   7.13.1-7.13.2
9 limits           9.1.1, 9.2.1, 9.3.1-9.3.5, 9.4.1-9.4.5, 9.5.1-9.5.6, 9.6.1-9.6.6 (each with 64 KB instead of 64 KB
                   to 16 MB), 9.7.1-9.8.6 (200 messages instead of 1000)
10 auto-fragmentation  10.1.1

Left out: 9.1.2-9.1.6 and 9.2.2-9.2.6, messages of 256 KB to 16 MB, more than a microcontroller has memory for (what is
beyond max_message is refused: test_too_big); 12 and 13, permessage-deflate, which is not offered.
"""

import random
import time

import pytest

from .conftest import Server, run_vm
from .websocket_client import APP, BINARY, CLOSE, PING, PONG, TEXT, Raw, close_frame, frame, until


@pytest.fixture(scope="module")
def app(webroot):
    server = Server(webroot, source=APP, heap="1600k")
    yield server
    assert server.close() == ""


@pytest.fixture
def raw(app):
    """A raw client of /echo; afterwards the server has to have no connection left."""
    with Raw(app) as client:
        assert client.status == 101
        yield client
    until(lambda: app.state()["connections"] == 1)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 125, 126, 127, 128, 65535, 65536])
@pytest.mark.parametrize("chop", [None, 997])
def test_autobahn_1(raw, opcode, size, chop):
    raw.send(frame(opcode, b"*" * size), chop=chop)
    assert raw.message() == (opcode, b"*" * size)
    raw.send(close_frame(1000)).ended(1000)


@pytest.mark.parametrize("chop", [None, 1])
@pytest.mark.parametrize("data", [b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125])
def test_autobahn_2_1_to_4_and_6(raw, data, chop):
    raw.send(frame(PING, data), chop=chop)
    assert raw.frame() == (128 | PONG, data)
    raw.send(close_frame(1000)).ended(1000)


def test_autobahn_2_5(raw):
    raw.send(frame(PING, b"\xfe" * 126)).ended(1002)


@pytest.mark.parametrize("data", [b"", b"unsolicited pong payload"])
def test_autobahn_2_7_to_9(raw, data):
    raw.send(frame(PONG, data), frame(PING, "ping payload"))
    assert raw.frame() == (128 | PONG, b"ping payload")
    raw.send(close_frame(1000)).ended(1000)


@pytest.mark.parametrize("chop", [None, 1])
def test_autobahn_2_10_and_11(raw, chop):
    raw.send(*[frame(PING, f"payload-{number}") for number in range(10)], chop=chop)
    assert [raw.frame() for _ in range(10)] == [(128 | PONG, b"payload-%d" % number) for number in range(10)]


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_autobahn_3(raw, rsv, opcode):
    raw.send(frame(TEXT, "Hello, world!"), frame(opcode, b"\x03\xe8", rsv=rsv), frame(PING))
    assert raw.message() == (TEXT, b"Hello, world!")
    raw.ended(1002)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("data, chop", [(b"", None), (b"reserved opcode payload", None), (b"reserved", 1)])
def test_autobahn_4(raw, opcode, data, chop):
    raw.send(frame(TEXT, "Hello, world!"), frame(opcode, data), chop=chop)
    assert raw.message() == (TEXT, b"Hello, world!")
    raw.ended(1002)


@pytest.mark.parametrize("opcode", [PING, PONG])
def test_autobahn_5_1_and_2(raw, opcode):
    raw.send(frame(opcode, "fragment1", fin=0), frame(0, "fragment2")).ended(1002)


@pytest.mark.parametrize("chop", [None, 24, 1])
@pytest.mark.parametrize("between", [[], [frame(PING, "ping payload")]])
def test_autobahn_5_3_to_8(raw, chop, between):
    raw.send(frame(TEXT, "fragment1", fin=0), *between, frame(0, "fragment2"), chop=chop)
    if between:
        assert raw.frame() == (128 | PONG, b"ping payload")
    assert raw.message() == (TEXT, b"fragment1fragment2")


@pytest.mark.parametrize("chop", [None, 30, 1])
@pytest.mark.parametrize("fin", [0, 1])
def test_autobahn_5_9_to_14(raw, fin, chop):
    raw.send(frame(0, "non-continuation payload", fin=fin), frame(TEXT, "Hello, world!"), chop=chop).ended(1002)


def test_autobahn_5_15(raw):
    raw.send(frame(TEXT, "fragment1", fin=0), frame(0, "fragment2"), frame(0, "fragment3", fin=0), frame(TEXT, "4"))
    assert raw.message() == (TEXT, b"fragment1fragment2")
    raw.ended(1002)


@pytest.mark.parametrize("fin", [0, 1])
def test_autobahn_5_16_and_17(raw, fin):
    raw.send(frame(0, "fragment1", fin=fin), frame(TEXT, "fragment2", fin=0), frame(0, "fragment3")).ended(1002)


def test_autobahn_5_18(raw):
    raw.send(frame(TEXT, "fragment1", fin=0), frame(TEXT, "fragment2")).ended(1002)


@pytest.mark.parametrize("pause", [0, 0.3])
def test_autobahn_5_19_and_20(raw, pause):
    raw.send(frame(TEXT, "fragment1", fin=0), frame(0, "fragment2", fin=0), frame(PING, "pongme 1!"))
    assert raw.frame() == (128 | PONG, b"pongme 1!")
    time.sleep(pause)
    raw.send(frame(0, "fragment3", fin=0), frame(PING, "pongme 2!"))
    raw.send(frame(0, "fragment4", fin=0), frame(0, "fragment5"))
    assert raw.frame() == (128 | PONG, b"pongme 2!")
    assert raw.message() == (TEXT, b"fragment1fragment2fragment3fragment4fragment5")


@pytest.mark.parametrize("parts", [[""], ["", "", ""], ["", "middle frame payload", ""]])
def test_autobahn_6_1(raw, parts):
    frames = [frame(0 if number else TEXT, part, fin=number == len(parts) - 1) for number, part in enumerate(parts)]
    raw.send(*frames)
    assert raw.message() == (TEXT, "".join(parts).encode())


def fragments(data, size, opcode=TEXT):
    """A message in fragments of size bytes."""
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return [frame(0 if n else opcode, part, fin=n == len(parts) - 1) for n, part in enumerate(parts)]


KOSME = "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!! \u03ba\u1f79\u03c3\u03bc\u03b5".encode()


@pytest.mark.parametrize("size", [100, 20, 1])
def test_autobahn_6_2(raw, size):
    raw.send(*fragments(KOSME, size))
    assert raw.message() == (TEXT, KOSME)
    raw.send(close_frame(1000)).ended(1000)


@pytest.mark.parametrize("size", [100, 5, 1])
@pytest.mark.parametrize("bad", [b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
def test_autobahn_6_3_and_4(raw, bad, size):
    raw.send(*fragments(b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5" + bad + b"edited", size)).ended(1007)


HEAD, WRONG, REST = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", b"\xf4\x90\x80\x80", b"edited"


@pytest.mark.parametrize("wrong", [WRONG, WRONG[:2]], ids=["6.4.1", "6.4.2"])
def test_autobahn_6_4_1_and_2(raw, wrong):
    """In frames: nothing comes after the first one, and the connection fails at the second one, not at the last."""
    raw.send(frame(TEXT, HEAD, fin=0), frame(PING, "fine so far"))
    assert raw.frame() == (128 | PONG, b"fine so far")
    raw.send(frame(0, wrong, fin=0)).ended(1007)


@pytest.mark.parametrize("size", [4, 2], ids=["6.4.3", "6.4.4"])
def test_autobahn_6_4_3_and_4(raw, size):
    """In one frame that comes in pieces: the connection fails at the second piece."""
    whole = frame(TEXT, HEAD + WRONG + REST)
    end = len(whole) - len(WRONG + REST)
    raw.send(whole[:end])
    raw.client.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        raw.frame()
    raw.client.sock.settimeout(5)
    raw.send(whole[end : end + size])
    opcode, data = raw.message()
    assert (opcode, data) == (CLOSE, b"\x03\xef")
    raw.send(whole[end + size :], close_frame(1007))
    assert raw.client.closed() == b""


VALID = [
    *(chr(first) for first in (0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFF, 0x10000, 0xD7FF, 0xE000, 0xFFFD, 0x10FFFF)),
    *(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)),
    "\u0fff\u1000\ucfff\ud000\U0003ffff\U00040000\U000fffff\U00100000\u00e0\u00ed\u00f0\u00f4",
    "\u03ba\u1f79\u03c3\u03bc\u03b5",
]
INVALID = [
    b"\xce", b"\xce\xba\xe1", b"\xce\xba\xe1\xbd", b"\xe1\xbd", b"\xf0\x90\x80",  # cut off (6.6, 6.14)
    b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf",  # 6.7-6.9
    b"\xfd\xbf\xbf\xbf\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf6\x80\x80\x80",  # 6.11
    b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80", b"\x80\xbf\x80\xbf\x80", bytes(range(0x80, 0xC0)),  # 6.12
    b"\xc0 \xc1 \xc2 \xdf ", b"\xe0 \xe1 \xef ", b"\xf0 \xf7 ", b"\xf8 \xfb ", b"\xfc \xfd ",  # 6.13
    b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf",  # 6.14
    b"\xc0\xe0\x80\xf0\x80\x80", b"\xfe", b"\xff", b"\xfe\xfe\xff\xff",  # 6.15, 6.16
    b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf",  # 6.17-18
    b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80",  # 6.19
    b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbf\xbf",  # 6.20
    b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xaf\xbf\xed\xbf\xbf",  # 6.21
]  # fmt: skip


def test_autobahn_6_5_to_22_valid(raw):
    for text in VALID:
        raw.send(frame(TEXT, text))
        assert raw.message() == (TEXT, text.encode())
        raw.send(*fragments(text.encode(), 1))
        assert raw.message() == (TEXT, text.encode())


@pytest.mark.parametrize("data", INVALID)
def test_autobahn_6_6_to_21_invalid(raw, data):
    with pytest.raises(UnicodeDecodeError):
        data.decode()
    raw.send(frame(TEXT, "ok " + "\u00fc"), frame(TEXT, b"\xe2\x82\xac" + data))
    assert raw.message()[0] == TEXT
    raw.ended(1007)


@pytest.mark.parametrize(
    "behind",
    [b"", close_frame(1000), frame(PING), frame(TEXT, "lost"), frame(0, "lost")],
    ids=["7.1.1", "7.1.2", "7.1.3", "7.1.4", "7.1.4 fragment"],
)
def test_autobahn_7_1(raw, behind):
    raw.send(frame(TEXT, "Hello World!"), close_frame(1000), behind)
    assert raw.message() == (TEXT, b"Hello World!")
    raw.ended(1000)


def test_autobahn_7_1_5(raw):
    raw.send(frame(TEXT, "fragment1", fin=0), close_frame(1000), frame(0, "fragment2")).ended(1000)


def test_autobahn_7_1_6(raw):
    raw.send(frame(TEXT, "BAsd7&jh23" * 6553), frame(TEXT, "Hello World!"), close_frame(1000), frame(PING))
    assert raw.message()[0] == TEXT
    assert raw.message()[0] == TEXT
    raw.ended(1000)


@pytest.mark.parametrize(
    "payload, code",
    [
        (b"", None),
        (b"a", 1002),
        (b"\x03\xe8", 1000),
        (b"\x03\xe8Hello World!", 1000),
        (b"\x03\xe8" + b"*" * 123, 1000),
        (b"\x03\xe8" + b"*" * 124, 1002),
        (b"\x03\xe8" + KOSME + b"\xed\xa0\x80edited", 1007),
    ],
    ids=["7.3.1", "7.3.2", "7.3.3", "7.3.4", "7.3.5", "7.3.6", "7.5.1"],
)
def test_autobahn_7_3_and_5(raw, payload, code):
    raw.send(frame(CLOSE, payload)).ended(code)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_autobahn_7_7(raw, code):
    raw.send(close_frame(code)).ended(code)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_autobahn_7_9_and_13(raw, code):
    raw.send(close_frame(code)).ended(1002)


@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["9.1.1", "9.2.1"])
def test_autobahn_9_1_and_2(raw, opcode):
    raw.send(frame(opcode, b"*" * 65536))
    assert raw.message() == (opcode, b"*" * 65536)


@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["9.3", "9.4"])
@pytest.mark.parametrize("size", [64, 256, 1024, 4096, 16384])
def test_autobahn_9_3_and_4(raw, opcode, size):
    raw.send(*fragments(b"*" * 65536, size, opcode))
    assert raw.message() == (opcode, b"*" * 65536)


@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["9.5", "9.6"])
@pytest.mark.parametrize("chop", [64, 128, 256, 512, 1024, 2048])
def test_autobahn_9_5_and_6(raw, opcode, chop):
    raw.send(frame(opcode, b"*" * 65536), chop=chop)
    assert raw.message() == (opcode, b"*" * 65536)


@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["9.7", "9.8"])
@pytest.mark.parametrize("size", [0, 16, 64, 256, 1024, 4096])
def test_autobahn_9_7_and_8(raw, opcode, size):
    for _ in range(200):
        raw.send(frame(opcode, b"*" * size))
        assert raw.message() == (opcode, b"*" * size)


def test_autobahn_10_1_1(raw):
    raw.send(*fragments(b"*" * 65536, 1300))
    assert raw.message() == (TEXT, b"*" * 65536)


# Beyond that list


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_unmasked(raw, opcode):
    raw.send(frame(opcode, b"\x03\xe8", mask=None), frame(TEXT, "x")).ended(1002)


@pytest.mark.parametrize(
    "frames",
    [
        [frame(TEXT, "x" * 65537)],
        [frame(TEXT, "x" * 65000, fin=0), frame(0, "x" * 537)],
        [frame(BINARY, b"x" * 60000, fin=0), frame(PING, "p"), frame(0, b"x" * 60000)],
    ],
)
def test_too_big(raw, frames):
    raw.send(*frames)
    first = raw.message() if len(frames) == 3 else None
    assert first in (None, (PONG, b"p"))
    raw.ended(1009)


@pytest.mark.parametrize("size", [1 << 62, (1 << 64) - 1, 1 << 32])
def test_absurd_length(raw, size):
    raw.send(b"\x82\xff" + size.to_bytes(8, "big") + b"mask" + b"x" * 1000)
    # What would follow cannot be skipped: the time for the client's Close runs out.
    raw.ended(1009, within=4)


def test_close_that_is_never_answered(app):
    with Raw(app, "/protocol") as client:
        assert client.message() == (TEXT, b"None")
        assert client.message() == (CLOSE, b"\x03\xe8")
        began = time.monotonic()
        assert client.client.closed() == b""
        assert 1.5 < time.monotonic() - began < 4


def test_empty_fragments_cost_nothing(raw):
    """Any number of them may come: they neither count nor take memory."""
    raw.send(frame(TEXT, "begin", fin=0), *[frame(0, "", fin=0)] * 5000, frame(0, "end"))
    assert raw.message() == (TEXT, b"beginend")


PARSE = """
import random
from micropAsyncWeb.frames import FrameError, Frames

def events(stream, sizes):
    frames = Frames(3000)
    at = 0
    for size in sizes:
        room = frames.room()
        if room:
            part = stream[at : at + min(size, len(room))]
            room[: len(part)] = part
            frames.filled(len(part))
        else:
            part = stream[at : at + size]
            frames.feed(part)
        at += len(part)
        while True:
            try:
                event = frames.next()
            except FrameError as error:
                event = ["error", error.args[0]]
                frames.skip()
            if not event:
                break
            yield event

for stream in STREAMS:
    whole = list(events(stream, [len(stream)] * 9))
    for what, data in whole:
        print(what, data if what == "error" else (data.encode() if isinstance(data, str) else data).hex(), end=";")
    print()
    for seed in range(8):
        random.seed(seed)
        most = (1, 2, 7, 100, 600, 1000, 2000, 3000)[seed]
        sizes = [random.randint(1, most) for _ in range(len(stream) * 2 + 10)]
        assert list(events(stream, sizes)) == whole, (stream[:50], most)
"""


def test_any_split_of_the_bytes_gives_the_same():
    """frames.py alone, without a socket: what a stream means does not depend on the pieces in which it comes."""
    rng = random.Random(5)
    text = "".join(rng.choice("a\u00fc\u20ac\U0001f600") for _ in range(700)).encode()
    ping = (PING, b"p" * 125)
    cases = [
        ([frame(TEXT, text), frame(PING, ping[1]), frame(BINARY, bytes(2500))], [(TEXT, text), ping, (2, bytes(2500))]),
        (
            [frame(TEXT, text[:901], fin=0), frame(PING, ping[1]), frame(0, "", fin=0), frame(0, text[901:])],
            [ping, (TEXT, text)],
        ),
        ([frame(BINARY, bytes(2000), fin=0), frame(0, bytes(1001)), close_frame(1000)], [1009, (CLOSE, b"")]),
        ([frame(TEXT, text[:900] + b"\xff" + text), frame(TEXT, "x"), close_frame(1000)], [1007, (CLOSE, b"")]),
        ([frame(TEXT, text[:3] + b"\xe2\x82"), frame(TEXT, "x"), frame(CLOSE)], [1007, (CLOSE, b"")]),
        ([frame(TEXT, "a"), frame(PING, "x", mask=None), frame(CLOSE)], [(TEXT, b"a"), 1002, (CLOSE, b"")]),
        ([frame(PONG, "late"), frame(TEXT), frame(BINARY)], [(PONG, b"late"), (TEXT, b""), (BINARY, b"")]),
    ]
    streams = [b"".join(frames) for frames, _ in cases]
    lines = run_vm(f"STREAMS = {streams!r}\n" + PARSE, heap="1m").splitlines()
    for line, (_, wanted) in zip(lines, cases, strict=True):
        wanted = [f"error {item}" if isinstance(item, int) else f"{item[0]} {item[1].hex()}" for item in wanted]
        assert line.split(";")[:-1] == wanted


def test_garbage(app):
    logged = app.state()["logged"]
    rng = random.Random(6455)
    for _ in range(200):
        with Raw(app) as client:
            frames = frame(rng.choice((TEXT, BINARY, 0, PING)), rng.randbytes(rng.randrange(200)))
            data = bytearray(frames * 3)
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            client.send(bytes(data))
    until(lambda: app.state()["connections"] == 1)
    assert app.state()["logged"] == logged
