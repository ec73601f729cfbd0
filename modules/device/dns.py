"""Names and addresses by DNS (RFC 1035): a client that never blocks the loop, and the answers of a captive portal.

socket.getaddrinfo() of a chip holds its thread until lwIP has given up, many seconds when no DNS server answers. Only
IPv4. Names that end with .local are answered by mDNS, not by DNS: resolve() does not find them.
"""

import os
from struct import pack, unpack_from

from micropython import const

_PORT = const(53)
_HEADER = const(12)
_LABEL_MAX = const(63)
_NAME_MAX = const(255)
_RECORDS_MAX = const(32)  # of an answer: what is beyond is not looked at
_TTL = const(10)  # s; the answers of a portal are wrong as soon as there is a connection

_A = const(1)
_CNAME = const(5)
_ANY = const(255)
_IN = const(1)

# Flags of a header: response, its opcode, recursion desired and available, error code.
_QR = const(0x8000)
_OPCODE = const(0x7800)
_AA = const(0x0400)
_RD = const(0x0100)
_RA = const(0x0080)
_RCODE = const(0x000F)


async def resolve(name, timeout_ms=3000):
    """The IPv4 address of a host as text; a dotted address is given back. OSError says in words why there is none."""
    if is_address(name):
        return name
    import network

    from . import datagram

    server = network.ipconfig("dns")
    if server in ("0.0.0.0", ""):
        raise OSError("no DNS server is known")
    # The packet may get lost: the second time with another number and from another port, as the first time.
    for wait_ms in (timeout_ms // 3, timeout_ms - timeout_ms // 3):
        try:
            request = query(name, int.from_bytes(os.urandom(2), "big"))
        except ValueError:
            raise OSError("not a host name")
        try:
            found = await datagram.ask((server, _PORT), request, address, wait_ms)
        except OSError:
            continue
        if found:
            return found
        raise OSError("the DNS server %s knows no address of it" % server)
    raise OSError("no answer from the DNS server " + server)


def is_address(text):
    """Whether the text is a dotted IPv4 address."""
    parts = text.split(".")
    return len(parts) == 4 and all(part.isdigit() and len(part) < 4 and int(part) < 256 for part in parts)


def query(name, ident):
    """The request for the IPv4 address of a name, with the number `ident` (0 to 65535). ValueError if it is no name."""
    message = pack("!HHHHHH", ident, _RD, 1, 0, 0, 0)
    size = 1
    for label in name.encode().rstrip(b".").split(b"."):
        size += len(label) + 1
        if not 0 < len(label) <= _LABEL_MAX or size > _NAME_MAX:
            raise ValueError("%s: not a host name" % name)
        message += bytes((len(label),)) + label
    return message + b"\0" + pack("!HH", _A, _IN)


def address(reply, request):
    """The address as text in the bytes `reply`, which follows a chain of aliases (CNAME) from the name of `request`.

    "": the server knows no address, or cannot tell. None: malformed, or no answer to `request`.
    """
    try:
        ident, flags, questions, records = unpack_from("!HHHH", reply)
        end = len(request)
        if (
            ident != unpack_from("!H", request)[0]
            or not flags & _QR
            or flags & _OPCODE
            or questions != 1
            or len(reply) < end
            # A name is answered in the letters that it was asked for in, or in others (RFC 4343 section 3).
            or bytes(reply[_HEADER:end]).lower() != request[_HEADER:].lower()
        ):
            return None
        if flags & _RCODE:
            return ""
        wanted = _name(reply, _HEADER)[0]
        found = {}  # owner → address as text, or the name that it is an alias of
        for _ in range(min(records, _RECORDS_MAX)):
            owner, end = _name(reply, end)
            kind, group, _, size = unpack_from("!HHIH", reply, end)
            start = end + 10
            end = start + size
            if end > len(reply):
                return None
            if group != _IN or owner in found:
                continue
            if kind == _A and size == 4:
                found[owner] = "%d.%d.%d.%d" % tuple(reply[start:end])
            elif kind == _CNAME:
                found[owner] = _name(reply, start)[0]
        # An alias that leads in a circle leads out of the dict.
        while wanted in found:
            wanted = found.pop(wanted)
        return wanted if isinstance(wanted, str) else ""
    except (ValueError, IndexError):
        return None


def answer(request, ip):
    """The reply of a captive portal to the bytes `request`: every name has the address `ip` (text).

    Without an answer record when another type than an IPv4 address is asked for. None: malformed, or no request.
    """
    try:
        ident, flags, questions = unpack_from("!HHH", request)
        if flags & (_QR | _OPCODE) or questions != 1:
            return None
        _, end = _name(request, _HEADER)
        kind, group = unpack_from("!HH", request, end)
    except (ValueError, IndexError):
        return None
    known = kind in (_A, _ANY) and group in (_IN, _ANY)
    reply = pack("!HHHHHH", ident, _QR | _AA | flags & _RD | _RA, 1, known, 0, 0) + request[_HEADER : end + 4]
    if known:
        # Its name is the one at the end of the header.
        reply += pack("!HHHIH", 0xC000 | _HEADER, _A, _IN, _TTL, 4) + bytes(int(part) for part in ip.split("."))
    return reply


def _name(message, offset):
    """Read the name at `offset`: (its labels with their lengths, in lower case; offset of what follows).

    ValueError or IndexError if it is malformed. A pointer has to lead back to before the part of the name that it
    ends (RFC 1035 section 4.1.4: "a prior occurrence"), so there is no way in circles.
    """
    name = b""
    after = None
    first = offset
    while True:
        size = message[offset]
        if size > _LABEL_MAX:
            if size < 0xC0:
                raise ValueError("label")
            target = (size & 0x3F) << 8 | message[offset + 1]
            if after is None:
                after = offset + 2
            if target >= first or target < _HEADER:
                raise ValueError("pointer")
            first = offset = target
            continue
        end = offset + 1 + size
        if end > len(message) or len(name) + size + 1 > _NAME_MAX:
            raise ValueError("name")
        name += bytes(message[offset:end]).lower()
        offset = end
        if not size:
            return name, after or offset
