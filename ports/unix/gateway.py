"""What the board finds behind its access point or cable: a DNS server, NTP servers, and where else a packet goes to.

The servers are sockets of the supervisor's on the loopback interface, one for each address that the board asks, so that
nothing that the firmware does by itself leaves this computer. What they answer is set by the control verb `net`.
"""

import asyncio
import contextlib
import ipaddress
import socket
import struct
import time
from collections import deque

from firmware.loopback import HOST
from ports.unix.ipv4 import is_ipv4

_DNS, _NTP = 53, 123
_TIME_SERVER = "192.0.2.123"  # of a range that is nobody's (RFC 5737)
_NAMES = ("pool.ntp.org", "0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org", "3.pool.ntp.org")
_REMEMBERED = 100  # requests
_FORWARD_HOLD = 0.1  # seconds of the computer's time for another program to answer
_DNS_WORDS = ("ok", "silent", "failing")
_NTP_WORDS = ("ok", "silent", "kiss of death", "unsynchronized")
_1900_TO_1970 = 2_208_988_800
_ANSWER, _RECURSION = 0x8000, 0x0180  # flags of a DNS header: response; recursion desired and available
_SERVFAIL, _NXDOMAIN = 2, 3
_A, _IN = 1, 1
_TTL = 60


class Gateway:
    """The servers; `clock` is the board's Clock: the time of the world goes with it."""

    def __init__(self, clock):
        self._clock = clock
        self._names = dict.fromkeys(_NAMES, _TIME_SERVER)
        self._dns = "ok"
        self._ntp = {}  # address -> word or seconds that it is ahead; "" for all others
        self._forward = {}  # "514/udp" -> port of this computer
        self._sockets = {}  # (kind, address) -> socket
        self._asked = {"dns": deque(maxlen=_REMEMBERED), "ntp": deque(maxlen=_REMEMBERED)}

    def command(self, args):
        """The control verb `net`: takes over what `args` says and returns {names, dns, ntp, forward, asked}.

        names: {name: IPv4 address, or null to forget it}; dns: "ok", "silent" or "failing"; ntp: "ok", "silent",
        "kiss of death", "unsynchronized" or the seconds that the servers are ahead, or {address: one of those} for
        some of them; forward: {"514/udp": port of this computer, or null} for packets and connections to the gateway
        or to one of the names' addresses. asked: the last names looked up and NTP servers asked.
        Raises ValueError (one line); then nothing is changed.
        """
        checks = {"names": _check_names, "dns": _check_dns, "ntp": _check_ntp, "forward": _check_forward}
        changes = {key: value for key, value in args.items() if key != "do"}
        for key, value in changes.items():
            if key not in checks:
                raise ValueError(f"net: unknown key {key!r}; known are {', '.join(checks)}")
            checks[key](value)
        self._dns = changes.get("dns", self._dns)
        _update(self._names, {name.lower(): ip for name, ip in changes.get("names", {}).items()})
        _update(self._forward, changes.get("forward", {}))
        if "ntp" in changes:
            ntp = changes["ntp"]
            self._ntp = {**self._ntp, **ntp} if isinstance(ntp, dict) else {"": ntp}
        return {
            "names": dict(self._names),
            "dns": self._dns,
            "ntp": {"": "ok", **self._ntp},
            "forward": dict(self._forward),
            "asked": {kind: list(asked) for kind, asked in self._asked.items()},
        }

    def knows(self, host):
        """Whether one of the names leads to this address."""
        return host in self._names.values()

    def serves(self, port, proto):
        """Whether the routers and the names' addresses have a server there."""
        return proto == "udp" and port in (_DNS, _NTP)

    def route(self, host, port, proto):
        """The port of this computer that is the one at the address `host`, None if there is none."""
        forward = self._forward.get(f"{port}/{proto}")
        if forward is not None:
            self._clock.hold(_FORWARD_HOLD)
            return forward
        if proto == "udp" and port == _DNS:
            return self._serve("dns", host, self._answer_dns)
        if proto == "udp" and port == _NTP:
            return self._serve("ntp", host, self._answer_ntp)
        return None

    def open(self):
        """Serve what every board asks for; other servers begin when they are asked for first."""
        self._serve("dns", HOST, self._answer_dns)
        self._serve("ntp", _TIME_SERVER, self._answer_ntp)

    def close(self):
        """Close all sockets."""
        for server in self._sockets.values():
            asyncio.get_running_loop().remove_reader(server)
            server.close()
        self._sockets.clear()

    def _serve(self, kind, host, answer):
        """The port of the server `kind` at `host`; begins to serve when first asked for."""
        server = self._sockets.get((kind, host))
        if server is None:
            server = self._sockets[kind, host] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.setblocking(False)
            server.bind((HOST, 0))
            asyncio.get_running_loop().add_reader(server, self._read, server, host, answer)
        return server.getsockname()[1]

    def _read(self, server, host, answer):
        with contextlib.suppress(OSError):  # one who has gone since
            request, peer = server.recvfrom(2048)
            reply = answer(request, host)
            if reply:
                server.sendto(reply, peer)

    def _answer_dns(self, request, host):
        """An address for names of the table, NXDOMAIN for all others (RFC 1035); None is no answer."""
        try:
            ident, flags, questions = struct.unpack_from("!HHH", request)
            name, end = _question(request)
            kind, group = struct.unpack_from("!HH", request, end)
        except (struct.error, IndexError, UnicodeDecodeError):
            return None
        if flags & _ANSWER or questions != 1:
            return None
        self._asked["dns"].append(name)
        if self._dns == "silent":
            return None
        ip = self._names.get(name.lower())
        code = _SERVFAIL if self._dns == "failing" else 0 if ip else _NXDOMAIN
        known = code == 0 and (kind, group) == (_A, _IN)
        reply = struct.pack("!HHHHHH", ident, _ANSWER | _RECURSION | code, 1, known, 0, 0) + request[12 : end + 4]
        if known:
            reply += struct.pack("!HHHIH", 0xC00C, _A, _IN, _TTL, 4) + ipaddress.IPv4Address(ip).packed
        return reply

    def _answer_ntp(self, request, host):
        """A server's answer of 48 bytes (RFC 5905 section 7.3); None is no answer."""
        if len(request) < 48 or request[0] & 7 != 3:
            return None
        self._asked["ntp"].append(host)
        setting = self._ntp.get(host, self._ntp.get("", "ok"))
        if setting == "silent":
            return None
        ahead = 0 if isinstance(setting, str) else setting
        seconds = time.time() + self._clock.skipped_us / 1e6 + ahead + _1900_TO_1970
        now = struct.pack("!II", int(seconds) & 0xFFFFFFFF, int(seconds % 1 * (1 << 32)))
        leap, stratum, reference = 0, 2, bytes((127, 0, 0, 1))
        if setting == "kiss of death":
            leap, stratum, reference = 3, 0, b"RATE"
        elif setting == "unsynchronized":
            leap, stratum, reference = 3, 16, b"INIT"
        first = leap << 6 | request[0] & 0x38 | 4
        head = struct.pack("!BBbbII", first, stratum, request[2], -20, 0, 0) + reference
        return head + now + request[40:48] + now + now



def _question(request):
    """(name, offset of what follows it) of a DNS request. A name that is asked for has no pointers."""
    labels = []
    at = 12
    while request[at]:
        end = at + 1 + request[at]
        labels.append(request[at + 1 : end].decode("ascii"))
        at = end
    return ".".join(labels), at + 1


def _update(known, changes):
    for key, value in changes.items():
        if value is None:
            known.pop(key, None)
        else:
            known[key] = value


def _check_names(value):
    _check_object("names", value)
    for name, ip in value.items():
        if ip is not None and not is_ipv4(ip):
            raise ValueError(f"net: names: {name}: {ip!r}: an IPv4 address, or null")


def _check_dns(value):
    if value not in _DNS_WORDS:
        raise ValueError(f"net: dns: {value!r}: one of {', '.join(_DNS_WORDS)}")


def _check_ntp(value):
    for setting in value.values() if isinstance(value, dict) else (value,):
        number = isinstance(setting, (int, float)) and not isinstance(setting, bool)
        if not number and setting not in _NTP_WORDS:
            raise ValueError(f"net: ntp: {setting!r}: one of {', '.join(_NTP_WORDS)}, or seconds")


def _check_forward(value):
    _check_object("forward", value)
    for end, port in value.items():
        number, _, proto = end.partition("/")
        if not number.isdecimal() or proto not in ("udp", "tcp"):
            raise ValueError(f"net: forward: {end!r}: a port and its protocol, such as 514/udp")
        if port is not None and (not isinstance(port, int) or not 0 < port < 65536):
            raise ValueError(f"net: forward: {end}: {port!r}: a port of this computer, or null")


def _check_object(key, value):
    if not isinstance(value, dict):
        raise ValueError(f"net: {key}: an object is needed, not {value!r}")
