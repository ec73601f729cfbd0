"""What the board finds behind its access point: DNS, NTP, forwarded ports; by UDP sockets as lwIP has them."""

import asyncio
import socket
import struct
import time

import dns.message
import dns.query
import dns.rcode
import pytest

from ports.unix.clock import Clock
from ports.unix.gateway import Gateway
from tests.unix.scripted import check

SERVER = "192.0.2.123"


@pytest.fixture
def gateway():
    return Gateway(Clock())


def ask_dns(gateway, name, kind="A"):
    """The answer to a look-up, as dnspython reads it; None when there is none."""

    async def test():
        port = gateway.route("10.0.0.1", 53, "udp")
        try:
            query = dns.message.make_query(name, kind)
            return await asyncio.to_thread(dns.query.udp, query, "127.0.0.1", timeout=0.3, port=port)
        except dns.exception.Timeout:
            return None
        finally:
            gateway.close()

    return asyncio.run(test())


def test_names_of_the_table(gateway):
    gateway.command({"names": {"Ntp.Example": "192.0.2.7"}})
    reply = ask_dns(gateway, "nTP.example")
    assert [record.to_text() for record in reply.answer[0]] == ["192.0.2.7"]
    assert ask_dns(gateway, "pool.ntp.org").answer[0][0].to_text() == SERVER
    assert gateway.command({})["asked"]["dns"] == ["nTP.example", "pool.ntp.org"]


def test_other_names_and_types(gateway):
    assert ask_dns(gateway, "example.org").rcode() == dns.rcode.NXDOMAIN
    reply = ask_dns(gateway, "pool.ntp.org", "AAAA")
    assert reply.rcode() == dns.rcode.NOERROR and not reply.answer
    gateway.command({"names": {"pool.ntp.org": None}})
    assert ask_dns(gateway, "pool.ntp.org").rcode() == dns.rcode.NXDOMAIN


def test_a_dns_server_that_fails(gateway):
    gateway.command({"dns": "failing"})
    assert ask_dns(gateway, "pool.ntp.org").rcode() == dns.rcode.SERVFAIL
    gateway.command({"dns": "silent"})
    assert ask_dns(gateway, "pool.ntp.org") is None


@pytest.mark.parametrize("request_", [b"", b"\0" * 12, bytes(range(40)), b"\0\1\1\0\0\1\0\0\0\0\0\0\x3fabc"])
def test_nonsense_gets_no_answer(gateway, request_):
    assert gateway._answer_dns(request_, "") is None
    assert gateway._answer_ntp(request_, "") is None


def ntp(gateway, address=SERVER):
    """(leap indicator, version, mode, stratum, reference, seconds ahead of this computer) of an answer, or None."""
    reply = gateway._answer_ntp(b"\x23" + bytes(39) + b"originat", address)
    if reply is None:
        return None
    assert len(reply) == 48 and reply[24:32] == b"originat"
    ahead = struct.unpack_from("!I", reply, 40)[0] - 2_208_988_800 - time.time()
    return reply[0] >> 6, reply[0] >> 3 & 7, reply[0] & 7, reply[1], reply[12:16], ahead


def test_time_servers(gateway):
    assert ntp(gateway)[:4] == (0, 4, 4, 2) and abs(ntp(gateway)[5]) < 5
    gateway.command({"ntp": {SERVER: 3600, "192.0.2.9": "silent"}})
    assert abs(ntp(gateway)[5] - 3600) < 5 and ntp(gateway, "192.0.2.9") is None
    assert abs(ntp(gateway, "10.0.0.1")[5]) < 5
    gateway.command({"ntp": "kiss of death"})
    assert ntp(gateway)[3:5] == (0, b"RATE")
    gateway.command({"ntp": "unsynchronized"})
    assert ntp(gateway)[0] == 3 and ntp(gateway)[3] == 16
    assert gateway.command({})["asked"]["ntp"].count(SERVER) == 6


@pytest.mark.parametrize(
    "args, words",
    [
        ({"nonsense": 1}, ["nonsense", "known are"]),
        ({"names": {"a": "1.2.3"}}, ["names", "IPv4"]),
        ({"names": []}, ["names", "object"]),
        ({"dns": "slow"}, ["dns", "silent"]),
        ({"ntp": "late"}, ["ntp", "seconds"]),
        ({"ntp": {"1.2.3.4": True}}, ["ntp", "seconds"]),
        ({"forward": {"514": 1}}, ["514/udp"]),
        ({"forward": {"514/udp": 0}}, ["port of this computer"]),
    ],
)
def test_bad_requests_say_what_and_change_nothing(gateway, args, words):
    before = gateway.command({})
    with pytest.raises(ValueError) as error:
        gateway.command({"dns": "ok", **args})
    text = str(error.value)
    assert all(word in text for word in words) and "\n" not in text, text
    assert gateway.command({}) == before


def test_the_device_asks(tmp_path):
    """Connected and other sockets, with asyncio and waiting; an answer comes from the address that was asked."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    sink.settimeout(10)

    async def drive(it):
        it.board.gateway.command({"forward": {"514/udp": sink.getsockname()[1]}, "names": {"log.example": "192.0.2.5"}})
        await it.says(b"link")
        assert await asyncio.to_thread(sink.recv, 100) == b"a line"
        sink.close()
        it.board.console.feed(b"g")
        await it.says(b"sent")
        it.board.gateway.command({"dns": "silent"})
        it.board.console.feed(b"g")
        await it.board.clock.skip(30)

    check(
        tmp_path,
        """
import asyncio, network, select, socket
from asyncio import StreamReader
QUERY = b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\x04pool\\x03ntp\\x03org\\0\\0\\1\\0\\1"
def udp():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s = udp()
fails(OSError, s.sendto, QUERY, ("192.0.2.123", 123))
sta = network.WLAN()
sta.active(True)
sta.connect("home", "correct horse")
until(sta.isconnected)
print("link")
server = network.ipconfig("dns")
s.sendto(QUERY, (server, 53))
reply, sender = s.recvfrom(512)
assert reply[:2] == b"\\x12\\x34" and reply[-4:] == b"\\xc0\\x00\\x02\\x7b" and sender == (server, 53), (reply, sender)
async def ask(address, request):
    s = udp()
    s.setblocking(False)
    s.connect(address)
    s.send(request)
    return await asyncio.wait_for(StreamReader(s).read(512), 20)
assert asyncio.run(ask((server, 53), QUERY)) == reply
answer = asyncio.run(ask(("192.0.2.123", 123), b"\\x23" + bytes(47)))
assert len(answer) == 48 and answer[0] == 0x24
s = udp()
s.setblocking(False)
fails(OSError, s.recvfrom, 10)
s.connect(("192.0.2.5", 514))
s.send(b"a line")
sys.stdin.read(1)
for _ in range(5):  # nobody is there any more: nobody tells
    s.send(b"another")
    time.sleep_ms(20)
    assert fails(OSError, s.recv, 10)[0] == 11 and s.read(10) is None
print("sent")
sys.stdin.read(1)
start = time.ticks_ms()
fails(asyncio.TimeoutError, asyncio.run, ask((server, 53), QUERY))
assert time.ticks_diff(time.ticks_ms(), start) >= 20_000
""",
        drive,
    )
