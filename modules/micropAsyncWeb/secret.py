"""What proofs are made of: HMAC-SHA256, comparison in constant time, text form of bytes, keys and uptime."""

import os
from binascii import a2b_base64, b2a_base64
from hashlib import sha256
from time import ticks_diff, ticks_ms, time

from micropython import const

_BLOCK = const(64)  # of SHA-256, in bytes
_GAP_MS = const(0x1FFFFFFF)  # the longest time that ticks_diff() can tell

# New with each start. What it signs is worth nothing after a reset.
boot_key = os.urandom(32)

_last = ticks_ms()
_wall = time()
_rest = _up = 0


def hmac(key, message):
    """HMAC-SHA256 (RFC 2104) of bytes: 32 bytes. key: 64 bytes at most, or what pads() has made of it."""
    inner, outer = key if isinstance(key, tuple) else pads(key)
    inner = sha256(inner)
    inner.update(message)
    outer = sha256(outer)
    outer.update(inner.digest())
    return outer.digest()


def pads(key):
    """What hmac() makes of a key each time it is called: three quarters of its time."""
    key += bytes(_BLOCK - len(key))
    return bytes([byte ^ 0x36 for byte in key]), bytes([byte ^ 0x5C for byte in key])


def same(one, other):
    """Whether two strings (str or bytes) are equal, in a time that does not depend on where they differ, nor on
    their lengths: it is their digests that are compared."""
    if isinstance(one, str):
        one = one.encode()
    if isinstance(other, str):
        other = other.encode()
    different = 0
    for a, b in zip(hmac(boot_key, one), hmac(boot_key, other)):
        different |= a ^ b
    return not different


def to_text(data):
    """bytes as base64url without padding (RFC 4648 section 5): fit for cookies, URLs and header fields."""
    return b2a_base64(data)[:-1].rstrip(b"=").replace(b"+", b"-").replace(b"/", b"_").decode()


def to_bytes(text):
    """The reverse of to_text(). ValueError if malformed, also if the same bytes have another text."""
    data = a2b_base64(text.replace("-", "+").replace("_", "/") + "==="[: -len(text) % 4])
    # The decoder skips what it does not know; one text for one value keeps a signature from having variants.
    if to_text(data) != text:
        raise ValueError("base64url")
    return data


def uptime():
    """Seconds since this module was loaded, whether or not the clock has been set meanwhile.

    It must be asked for once in six days; after a longer gap it has jumped by six days, never less.
    """
    global _last, _wall, _rest, _up
    now = ticks_ms()
    wall = time()
    passed = ticks_diff(now, _last)
    # Too long for ticks, which wrap around. (A clock that jumps by ten years has just been set.)
    if passed < 0 or 500000 < wall - _wall < 300000000:
        passed = _GAP_MS
    _last = now
    _wall = wall
    passed += _rest
    _rest = passed % 1000
    _up += passed // 1000
    return _up
