"""DNS messages as dnspython makes and understands them, and what hostile packets do: nothing."""

import contextlib
import itertools
import random
import struct
import subprocess

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.paths import ROOT
from unit.device import vm

SERVE = f"""
import sys
sys.path[:] = ["", ".frozen", {str(ROOT / "modules")!r}]
from binascii import hexlify, unhexlify
from device import dns
while True:
    line = sys.stdin.readline()
    if not line:
        break
    what, *args = line.split()
    try:
        if what == "query":
            result = hexlify(dns.query(unhexlify(args[0]).decode(), int(args[1]))).decode()
        elif what == "address":
            result = repr(dns.address(unhexlify(args[0]), unhexlify(args[1])))
        else:
            result = dns.answer(unhexlify(args[0]) if args else b"", "192.168.4.1")
            result = hexlify(result).decode() if result else "None"
    except Exception as error:
        result = "raises %r" % error
    print(result)
"""

LABEL = st.text("abcXYZ019-_", min_size=1, max_size=63)
NAME = st.lists(LABEL, min_size=1, max_size=5).map(".".join).filter(lambda name: len(name) < 250)
FUZZ = settings(max_examples=300, deadline=None, derandomize=True)


class Codec:
    """The functions of device/dns.py in one process of the VM."""

    def __init__(self, process):
        self._process = process

    def _ask(self, *words):
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        result = self._process.stdout.readline().strip()
        assert result, "the VM has ended"
        return result

    def query(self, name, ident=1):
        return self._ask("query", name.encode().hex(), str(ident))

    def address(self, reply, request):
        """The address, "" or None."""
        result = self._ask("address", reply.hex() or "00", request.hex())
        assert not result.startswith("raises"), (result, reply.hex())
        return None if result == "None" else result.strip("'")

    def answer(self, request):
        result = self._ask("answer", request.hex())
        assert not result.startswith("raises"), (result, request.hex())
        return None if result == "None" else bytes.fromhex(result)


@pytest.fixture(scope="module")
def codec():
    process = subprocess.Popen(
        [vm.MICROPYTHON, "-X", "heapsize=64k", "-c", SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield Codec(process)
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()


def reply_to(request, records, shuffle=0):
    """The bytes of an answer with (owner, type, value) records."""
    reply = dns.message.make_response(dns.message.from_wire(request), recursion_available=True)
    reply.answer = [dns.rrset.from_text(owner, 300, "IN", kind, value) for owner, kind, value in records]
    random.Random(shuffle).shuffle(reply.answer)
    return reply.to_wire()


@FUZZ
@given(NAME, st.integers(0, 65535))
def test_query_is_read_by_others(codec, name, ident):
    message = dns.message.from_wire(bytes.fromhex(codec.query(name, ident)))
    assert message.id == ident
    assert message.flags == dns.flags.RD
    [question] = message.question
    assert (question.name, question.rdtype) == (dns.name.from_text(name), dns.rdatatype.A)


@pytest.mark.parametrize("name", ["", ".", "a..b", ".a", "x" * 64, ".".join(["x" * 60] * 5)])
def test_no_name(codec, name):
    assert codec.query(name).startswith("raises ValueError")


@FUZZ
@given(
    st.lists(NAME, min_size=1, max_size=6, unique_by=str.lower),
    st.ip_addresses(v=4).map(str),
    st.booleans(),
    st.integers(0, 99),
)
def test_chains_of_aliases(codec, names, ip, complete, order):
    request = bytes.fromhex(codec.query(names[0]))
    records = [(owner + ".", "CNAME", target + ".") for owner, target in itertools.pairwise(names)]
    records += [("other.example.", "A", "10.9.8.7"), (names[-1] + ".", "AAAA", "::1")]
    if complete:
        records.append((names[-1] + ".", "A", ip))
    reply = reply_to(request, records, order)
    if len(reply) <= 512:
        assert codec.address(reply, request) == (ip if complete and names[-1] != "other.example" else "")


def test_circle_of_aliases_ends(codec):
    request = bytes.fromhex(codec.query("a.example"))
    records = [("a.example.", "CNAME", "b.example."), ("b.example.", "CNAME", "a.example.")]
    assert codec.address(reply_to(request, records), request) == ""


def test_errors_of_the_server_are_no_address(codec):
    request = bytes.fromhex(codec.query("a.example"))
    for rcode in (dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL, dns.rcode.REFUSED):
        reply = dns.message.make_response(dns.message.from_wire(request))
        reply.set_rcode(rcode)
        assert codec.address(reply.to_wire(), request) == ""


def test_replies_to_other_queries_are_passed_over(codec):
    request = bytes.fromhex(codec.query("a.example", 77))
    records = [("a.example.", "A", "10.0.0.1")]
    good = reply_to(request, records)
    assert codec.address(good, request) == "10.0.0.1"
    assert codec.address(reply_to(bytes.fromhex(codec.query("a.example", 78)), records), request) is None
    assert codec.address(reply_to(bytes.fromhex(codec.query("b.example", 77)), records), request) is None
    assert codec.address(request, request) is None  # a query, not a reply
    assert codec.address(good.replace(b"\x01a\x07example", b"\x01A\x07EXAMPLE"), request) == "10.0.0.1"


def test_every_truncation_is_harmless(codec):
    request = bytes.fromhex(codec.query("a.example"))
    reply = reply_to(request, [("a.example.", "CNAME", "b.c.example."), ("b.c.example.", "A", "10.0.0.1")])
    for size in range(len(reply)):
        assert codec.address(reply[:size], request) is None
        assert codec.answer(reply[:size]) is None


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x1b",  # leads to itself
        b"\xc0\x1d\xc0\x1b",  # two that lead to each other
        b"\x01a\xc0\x1b",  # to the beginning of the name that it ends
        b"\xc0\x00",  # into the header
        b"\xff\xff",  # far beyond the end
        b"\x40a\x00",  # a length that has no meaning
        b"\xc0",  # cut off
    ],
)
def test_pointers_that_lead_nowhere(codec, name):
    request = bytes.fromhex(codec.query("a.example"))
    assert len(request) == 0x1B
    reply = struct.pack("!HHHHHH", 1, 0x8180, 1, 1, 0, 0) + request[12:] + name
    for tail in (b"", struct.pack("!HHIH", 1, 1, 60, 4) + b"\x0a\0\0\1"):
        assert codec.address(reply + tail, request) is None


def expected(reply):
    """What dnspython makes of it: the address or "", or None if it takes it for malformed."""
    try:
        # Records of other sections are not looked at by the device: so they may be anything.
        head = bytes(reply[:8]) + b"\0\0\0\0" + bytes(reply[12:])
        message = dns.message.from_wire(head, ignore_trailing=True)
        if message.rcode() != dns.rcode.NOERROR:
            return ""
        found = message.resolve_chaining().answer
        return [item.address for item in found] if found else [""]
    except (dns.exception.DNSException, ValueError):
        return None


@settings(FUZZ, max_examples=600)
@given(
    st.lists(NAME, min_size=1, max_size=3, unique_by=str.lower),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
    st.binary(max_size=8),
)
def test_damaged_replies(codec, names, changes, tail):
    request = bytes.fromhex(codec.query(names[0]))
    records = [(owner + ".", "CNAME", target + ".") for owner, target in itertools.pairwise(names)]
    reply = bytearray(reply_to(request, [*records, (names[-1] + ".", "A", "10.20.30.40")]) + tail)
    for place, value in changes:
        reply[int(place * (len(reply) - 1))] = value
    found = codec.address(bytes(reply), request)
    if found:
        assert bytes(int(part) for part in found.split(".")) in reply
    asked = bytes(reply[: len(request)]).lower()
    if asked[:2] != request[:2] or asked[12:] != request[12:].lower() or not reply[2] & 0x80 or reply[2] & 0x78:
        assert found is None
    elif reply[4:8] == struct.pack("!HH", 1, len(names)) and not reply[3] & 0x0F:
        known = expected(reply)
        # A stricter reader is none the worse: types that the device does not know, names that are none.
        if known is not None and found is not None:
            assert found in known


@settings(FUZZ, max_examples=600)
@given(st.binary(max_size=80))
def test_noise(codec, data):
    request = bytes.fromhex(codec.query("a.example"))
    assert codec.address(data, request) is None
    reply = codec.answer(data)
    if reply:
        with contextlib.suppress(dns.exception.DNSException):
            dns.message.from_wire(reply)


@FUZZ
@given(NAME, st.sampled_from(["A", "AAAA", "HTTPS", "ANY", "SRV", "TXT"]), st.booleans())
def test_portal_answers(codec, name, kind, edns):
    request = dns.message.make_query(name, kind, use_edns=edns)
    data = codec.answer(request.to_wire())
    reply = dns.message.from_wire(data)
    assert request.is_response(reply)
    assert reply.rcode() == dns.rcode.NOERROR
    if kind in ("A", "ANY"):
        [rrset] = reply.answer
        assert (rrset.name, [item.address for item in rrset]) == (dns.name.from_text(name), ["192.168.4.1"])
    else:
        assert reply.answer == []


def test_portal_passes_over_what_is_no_query(codec):
    query = dns.message.make_query("a.example", "A")
    assert codec.answer(dns.message.make_response(query).to_wire()) is None
    query.set_opcode(5)
    assert codec.answer(query.to_wire()) is None
