"""NTP's packets, and how the clock service chooses servers, waits, and tells a right clock from a wrong one."""

import itertools
import struct

import pytest

from unit.device import vm

CODEC = """
from struct import pack
from device import sntp
asked = sntp.request(b"12345678")

def stamp(seconds, fraction=0):
    return pack("!II", (seconds + 2208988800) & 0xFFFFFFFF, fraction)

def answer(first=0x24, stratum=2, delay=0, dispersion=0, name=b"\\0" * 4, origin=b"12345678", came=None, left=None):
    came = came or stamp(1790000000, 0x80000000)
    left = left or stamp(1790000000, 0xC0000000)
    return bytes((first, stratum, 6, 0xEC)) + pack("!II", delay, dispersion) + name + b"\\0" * 8 + origin + came + left

def read(*args, **names):
    try:
        print(sntp.read(answer(*args, **names), asked))
    except ValueError as error:
        print(type(error).__name__, error)
"""


@pytest.fixture
def run(tmp_path):
    return lambda program: vm.run(program, tmp_path).splitlines()


def test_request(run):
    [line] = run(CODEC + "print(asked.hex())")
    first, *rest, nonce = struct.unpack("!B39B8s", bytes.fromhex(line))
    assert (first >> 6, first >> 3 & 7, first & 7) == (0, 4, 3)
    assert not any(rest)
    assert nonce == b"12345678"


def test_answer(run):
    assert run(CODEC + "read()\nread(first=0x1C)\nread(first=0x64, stratum=15)") == ["(1790000000, 750, 250)"] * 3


@pytest.mark.parametrize(
    "how",
    [
        'origin=b"12345679"',
        "origin=bytes(8)",
        "first=0x23",  # a request
        "first=0x25",  # a broadcast
    ],
)
def test_what_is_no_answer(run, how):
    assert run(CODEC + f"read({how})") == ["None"]


def test_short_packets_are_no_answer(run):
    assert run(CODEC + "print({sntp.read(answer()[:size], asked) for size in range(48)})") == ["{None}"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ('stratum=0, name=b"DENY"', "KissOfDeath it refuses (DENY)"),
        ('stratum=0, name=b"R\\0\\xff\\n"', "KissOfDeath it refuses (R)"),
        ("first=0xE4", "ValueError its clock is not synchronized"),
        ("stratum=16", "ValueError its clock is not synchronized"),
        ("delay=0x10000", "ValueError its clock is too inexact"),
        ("dispersion=0x10000", "ValueError its clock is too inexact"),
        ("left=bytes(8)", "ValueError its time is implausible"),
        ("left=stamp(0)", "ValueError its time is implausible"),
        ("left=stamp(1600000000)", "ValueError its time is implausible"),
        ("left=stamp(1790000000)", "ValueError its times contradict each other"),
        ("came=stamp(1780000000)", "ValueError its times contradict each other"),
    ],
)
def test_times_that_are_not_used(run, how, words):
    assert run(CODEC + f"read({how})") == [words]


def test_after_2036(run):
    """The 32 bits of NTP's seconds begin again on 2036-02-07 06:28:16 UTC."""
    program = (
        "for s in (2085978495, 2085978496, 2085978497, 4102444799):\n    read(came=stamp(s), left=stamp(s, 1 << 30))"
    )
    assert run(CODEC + program) == [f"({s}, 250, 250)" for s in (2085978495, 2085978496, 2085978497, 4102444799)]
    program = "read(came=stamp(2085978495, 0x80000000), left=stamp(2085978496, 1))"
    assert run(CODEC + program) == ["(2085978496, 0, 500)"]


SERVICE = """
import asyncio, gc, time
gc.enable()  # one thread only
from binascii import crc32
from struct import pack

class Time:
    now = 100000  # ms; the clock has not been set
    ticks = 5000
    ticks_diff = time.ticks_diff
    def time(): return Time.now // 1000
    def time_ns(): return Time.now * 1000000
    def ticks_ms(): return Time.ticks
    def gmtime(seconds=None): return time.gmtime(946684800 + int(Time.time() if seconds is None else seconds))
    def sleep_ms(ms): pass

class RTC:
    def datetime(self, fields):
        year, month, day, weekday, hour, minute, second, us = fields
        seconds = int(time.mktime((year, month, day, hour, minute, second, 0, 0, 0))) - 946684800
        Time.now = seconds * 1000 + us // 1000

class Machine:
    RTC = RTC
    PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
    def reset_cause(): return cause

class Retained:
    SIZE = 1024
    memory = bytearray(1024)
    def read(offset, length): return bytes(Retained.memory[offset:offset + length])
    def write(offset, data): Retained.memory[offset:offset + len(data)] = data

class Network:
    state = "connected"

class Boot:
    network_service = Network

cause = 1
sys.modules["time"] = Time
sys.modules["machine"] = Machine
sys.modules["retained"] = Retained
import device
sys.modules["device.boot"] = device.boot = Boot
device.config = {"time": {"ntp": ["a", "b", "c"]}}
from device import clock, log
from micropAsyncWeb import Response

asked = []  # (second, server)
good = {}  # server: ms since 2000 that it says when Time.ticks is 0

async def ask(name):
    asked.append(((Time.ticks - 5000) // 1000, name))
    if name not in good:
        raise OSError("no answer")
    clock._set(good[name] + Time.ticks)
    clock._trust(name)
clock._ask = ask

async def sleep_ms(ms):
    Time.now += ms
    Time.ticks += ms
    for _ in range(5):
        await asyncio.sleep_ms(0)
clock.sleep_ms = sleep_ms

class Enough(Exception):
    pass

def run(seconds, at={}):
    '''Run the service for so long; at: {second: function}. The second may be off by one, for the clock's sake.'''
    end = Time.ticks + seconds * 1000
    begin = Time.ticks
    todo = dict(at)
    set_date = clock.set_date
    def note(value):
        set_date(value)
        for second in sorted(todo):
            if Time.ticks - begin >= second * 1000:
                todo.pop(second)()
        if Time.ticks >= end:
            raise Enough
    clock.set_date = note
    try:
        asyncio.run(clock.run())
    except Enough:
        pass
    finally:
        clock.set_date = set_date

def texts():
    return [text for _, _, text in log.records()]
NOON = 843315200000  # 2026-09-21 14:13:20
"""


@pytest.fixture
def service(run):
    return lambda program: run(SERVICE + program)


def test_next_server_and_date(service):
    program = """
good["b"] = NOON
run(3, {2: lambda: print(Response.date)})
print(asked, clock.synced, clock.server, Response.date)
print(sorted(clock.describe().items()))
"""
    assert service(program) == [
        "b'Date: Mon, 21 Sep 2026 14:13:27 GMT\\r\\n'",
        "[(1, 'a'), (1, 'b')] True b b''",
        "[('server', 'b'), ('synced', True), ('utc', '2026-09-21T14:13:28Z')]",
    ]


def test_one_that_works_is_asked_again_after_an_hour_or_so(service):
    [line] = service('good["b"] = NOON\nrun(15000)\nprint(asked)')
    times = [second for second, name in eval(line)]
    assert {name for second, name in eval(line)[1:]} == {"b"}
    assert all(2690 <= later - sooner <= 4510 for sooner, later in itertools.pairwise(times[1:]))
    assert 4 <= len(times) <= 7


def test_pauses_grow_and_the_log_says_it_once(service):
    lines = service("log.level = log.INFO\nrun(6000)\nprint(asked)\nprint(texts())")
    times = sorted({second for second, name in eval(lines[0])})
    pauses = [later - sooner for sooner, later in itertools.pairwise(times)]
    for pause, nominal in zip(pauses, (15, 30, 60, 120, 240, 480, 900, 900, 900), strict=False):
        assert nominal * 0.74 - 2 <= pause <= nominal * 1.26 + 2
    assert len(pauses) >= 7
    text = "no time by NTP: a: no answer; b: no answer; c: no answer"
    assert [line for line in eval(lines[1]) if "NTP" in line] == [text]


def test_without_a_network_nobody_is_asked_and_soon_after_it_comes(service):
    program = """
Network.state = "connecting"
def come():
    good["a"] = NOON
    Network.state = "connected"
run(500, {400: come})
print(asked, clock.synced)
"""
    assert service(program) == ["[(401, 'a')] True"]


def test_off(service):
    assert service('device.config["time"]["ntp"] = ""\nrun(100)\nprint(asked, clock.synced)') == ["[] False"]


def test_clock_chip(service):
    program = """
device.config["time"]["ntp"] = ""
try:
    clock.adopt(NOON / 1000)
except TypeError as error:
    print(error)
clock.adopt(NOON // 1000)
run(2, {1: lambda: print(Response.date)})
print(clock.synced, clock.server)
"""
    assert service(program) == [
        "seconds must be an int",
        "b'Date: Mon, 21 Sep 2026 14:13:21 GMT\\r\\n'",
        "True adopt()",
    ]


def test_somebody_else_sets_the_clock(service):
    program = """
good["a"] = NOON
def change():
    good.clear()
    Time.now += 7200000
def back():
    good["c"] = NOON
run(900, {100: change, 101: lambda: print(clock.synced, Response.date), 102: back})
print(clock.synced, clock.server, abs(Time.now - NOON - Time.ticks) < 100)
print([text for text in texts() if "else" in text])
"""
    assert service(program) == [
        "False b''",
        "True c True",
        "['the clock was set by somebody else: it does not count as right until NTP has set it']",
    ]


@pytest.mark.parametrize(("cause", "right"), [(1, False), (2, True), (3, True), (4, False), (5, True)])
def test_right_after_a_reset_but_not_after_power_on(service, cause, right):
    program = f"""
good["a"] = NOON
run(5)
good.clear()
cause = {cause}
clock.synced = False
run(5, {{0: lambda: print(clock.synced, bool(Response.date))}})
"""
    assert service(program) == [f"{right} {right}"]


def test_clock_that_was_set_back_meanwhile_is_not_right(service):
    program = """
good["a"] = NOON
run(5)
good.clear()
cause = 2
clock.synced = False
Time.now = 100000
run(5)
print(clock.synced)
"""
    assert service(program) == ["False"]
