"""Syslog messages as RFC 5424 section 6 has them, and a service that goes on whatever the network does."""

import re

import pytest

from unit.device import vm

# SYSLOG-MSG of section 6, without structured data.
MESSAGE = re.compile(
    rb"<(?P<pri>\d{1,3})>1 (?P<time>-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (?P<host>[!-~]{1,255}) microAsyncWeb - "
    rb"(?P<id>-|before) - (?P<text>.*)",
    re.S,
)

HEAD = """
import asyncio, gc, time
gc.enable()  # one thread only

class Time:
    ticks = 0
    ticks_diff = time.ticks_diff
    def time(): return 8.4e8
    def ticks_ms(): return Time.ticks
    def gmtime(seconds): return time.gmtime(946684800 + int(seconds))
    def sleep_ms(ms): pass

class Network:
    state = "connected"
class Boot:
    network_service = Network
    hostname = "shed"

sys.modules["time"] = Time
import device
sys.modules["device.boot"] = device.boot = Boot
device.config = {"log": {"syslog": "10.0.0.9:1514"}}
from device import dns, log, syslog

sent = []  # (second, bytes)
errors = []  # what the next calls of send() raise, None for nothing
opened = []

class Socket:
    AF_INET, SOCK_DGRAM = 2, 1
    def socket(family, kind): return Socket()
    def getaddrinfo(host, port): return [(0, 0, 0, "", (host, port))]
    def setblocking(self, flag): assert flag is False
    def connect(self, address): opened.append(address)
    def close(self): opened.append("closed")
    def send(self, data):
        error = errors.pop(0) if errors else None
        if error:
            raise OSError(error)
        sent.append((Time.ticks // 1000, data))
syslog.socket = Socket

class Enough(Exception):
    pass
end = 0
todo = {}
async def sleep_ms(ms):
    Time.ticks += ms
    for second in sorted(todo):
        if Time.ticks >= second * 1000:
            todo.pop(second)()
    if Time.ticks >= end * 1000:
        raise Enough
syslog.sleep_ms = sleep_ms

def run(until, at={}):
    global end
    end = until
    todo.update(at)
    try:
        asyncio.run(syslog.run())
    except Enough:
        pass

def texts():
    return [data.decode().split(" ", 7)[7] for _, data in sent]
"""


@pytest.fixture
def run(tmp_path):
    return lambda program: vm.run(HEAD + program, tmp_path).splitlines()


@pytest.mark.parametrize(
    ("record", "kept", "fields"),
    [
        ("(5, 20, 'started')", "", (b"30", b"-", b"-", b"started")),
        ("(843315200, 30, 'careful')", "", (b"28", b"2026-09-21T14:13:20Z", b"-", b"careful")),
        ("(843315200, 40, 'bad')", ", True", (b"27", b"2026-09-21T14:13:20Z", b"before", b"bad")),
        ("(5, 10, 'a\\nb\\tc\\x00d')", "", (b"31", b"-", b"-", b"a b c d")),
        ("(5, 20, 'gr\\u00fcn')", "", (b"30", b"-", b"-", b"\xef\xbb\xbfgr\xc3\xbcn")),
        ("(5, 25, '')", "", (b"29", b"-", b"-", b"")),
    ],
)
def test_message(run, record, kept, fields):
    [line] = run(f"print(syslog.packet({record}{kept or ', False'}, 'shed').hex())")
    found = MESSAGE.fullmatch(bytes.fromhex(line))
    assert found and found["host"] == b"shed"
    assert (found["pri"], found["time"], found["id"], found["text"]) == fields


def test_lines_of_before_come_first_then_all_others_once(run):
    program = """
log.before = [(5, 20, "old %d" % n) for n in range(10)]
log.info("new")
run(60, {30: lambda: log.info("later")})
print(texts() == ["old %d" % n for n in range(10)] + ["new", "later"])
print(opened, sent[-1][0])
"""
    assert run(program) == ["True", "[('10.0.0.9', 1514), 'closed'] 30"]


def test_without_a_network_it_waits(run):
    program = """
Network.state = "connecting"
log.info("one")
def lose():
    Network.state = "waiting"
def come():
    Network.state = "connected"
run(60, {20: come, 30: lose, 35: lambda: log.info("two"), 40: come})
print([(second, data[-3:]) for second, data in sent])
"""
    assert run(program) == ["[(20, b'one'), (40, b'two')]"]


def test_refusals_are_told_once_and_no_line_is_lost(run):
    program = """
errors[:] = [113] * 5
log.info("one")
run(300)
print(texts())
print(len(opened) // 2, sent[0][0])
"""
    assert run(program) == [
        "['one', 'syslog to 10.0.0.9:1514: [Errno 113] EHOSTUNREACH']",
        "6 155",
    ]


def test_a_failure_long_after_the_last_one_is_told_again(run):
    program = """
def fail():
    errors.append(113)
    log.info("x")
run(9000, {10: fail, 1000: fail, 4000: fail, 8000: fail})
print(sum("EHOSTUNREACH" in text for text in texts()))
"""
    assert run(program) == ["2"]


def test_a_full_buffer_is_no_failure(run):
    program = """
errors[:] = [None, 11, 12]
for n in range(3):
    log.info("%d", n)
run(10)
print(texts(), log.count)
"""
    assert run(program) == ["['0', '1', '2'] 3"]


def test_lines_that_left_the_ring_are_counted(run):
    program = """
for n in range(100):
    log.info("%d", n)
run(30)
print(texts()[:2], texts()[-1], len(texts()))
"""
    assert run(program) == ["['52 lines are lost', '52'] 99 49"]


def test_many_lines_leave_some_at_a_time(run):
    program = """
for n in range(40):
    log.info("%d", n)
run(30)
times = [second for second, _ in sent]
print(max(times.count(second) for second in times) <= 16)
"""
    assert run(program) == ["True"]


@pytest.mark.parametrize(
    ("setting", "address"), [("10.0.0.9", ("10.0.0.9", 514)), ("name:99", ("10.1.2.3", 99)), ("", None)]
)
def test_where_to(run, setting, address):
    program = f"""
async def resolve(name):
    return "10.1.2.3" if name == "name" else name
dns.resolve = resolve
device.config["log"]["syslog"] = {setting!r}
run(3)
print(opened[:1])
"""
    assert run(program) == [f"[{address}]" if address else "[]"]


def test_bad_port(run):
    program = 'device.config["log"]["syslog"] = "host:no"\nrun(3)\nprint([text for _, _, text in log.records()])'
    assert run(program) == ["['boot.json: log.syslog: no is no port, 1 to 65535: nothing is sent']"]
