"""The packets of an NTP client that asks one server at a time (SNTP: RFC 5905 section 14, RFC 4330). Loaded to ask.

A request tells nothing but a number, which the answer has to repeat (section 7.3, origin timestamp): whoever does not
see the request cannot answer it.
"""

from struct import unpack_from

from micropython import const

PORT = const(123)

_SIZE = const(48)
_CLIENT = const(0x23)  # leap indicator 0, version 4, mode 3
_SERVER = const(4)
_UNSYNCHRONIZED = const(3)  # a leap indicator
_STRATUM_MAX = const(15)
_DISTANCE_MAX = const(0x10000)  # root delay and root dispersion: 1 s, the "cozy number" of RFC 4330 section 5
_FROM_1900 = const(2208988800)  # seconds to 1970
_YEAR_2024 = const(1704067200)  # seconds from 1970
_YEAR_2100 = const(4102444800)
_ERA = const(1 << 32)  # seconds until an NTP timestamp begins again at 0, the first time in 2036


class KissOfDeath(ValueError):
    """The server does not want to be asked, or not as often (RFC 5905 section 7.4)."""


def request(nonce):
    """The packet to send; `nonce` are 8 random bytes."""
    return bytes((_CLIENT,)) + bytes(_SIZE - 9) + nonce


def read(answer, request):
    """(seconds since 1970, milliseconds, milliseconds that the server took) when the bytes `answer` left the server.

    None if it is no answer to `request`. ValueError says in words why the server's time is not to be used.
    """
    if len(answer) < _SIZE or answer[0] & 7 != _SERVER or answer[24:32] != request[40:48]:
        return None
    stratum = answer[1]
    if stratum == 0:
        raise KissOfDeath("it refuses (%s)" % "".join(chr(byte) for byte in answer[12:16] if 0x20 < byte < 0x7F))
    if answer[0] >> 6 == _UNSYNCHRONIZED or stratum > _STRATUM_MAX:
        raise ValueError("its clock is not synchronized")
    if max(unpack_from("!II", answer, 4)) >= _DISTANCE_MAX:
        raise ValueError("its clock is too inexact")
    came, came_fraction, left, left_fraction = unpack_from("!IIII", answer, 32)
    seconds = left - _FROM_1900
    if seconds < _YEAR_2024:
        seconds += _ERA
    if not (left or left_fraction) or seconds >= _YEAR_2100:
        raise ValueError("its time is implausible")
    took = ((left - came) & 0xFFFFFFFF) * 1000 + _ms(left_fraction) - _ms(came_fraction)
    if not 0 <= took < 60000:
        raise ValueError("its times contradict each other")
    return seconds, _ms(left_fraction), took


def _ms(fraction):
    return fraction * 1000 >> 32
