"""Frames of the WebSocket protocol (RFC 6455 sections 5 and 7.4): takes a client's apart and makes ours.

Works on bytes, never touches a socket. The connection (websocket.py) puts in what has come and takes out what it means:

    frames = Frames(4096)
    frames.feed(data)
    frames.next()       # (1, "text"), (2, b"binary"), (9, b"payload of a Ping") ...; None: more has to come first

Nothing that is not valid is ever let through, and text is given up with its first byte that can't be UTF-8.
"""

from micropython import const

# Opcodes, and bits of the first byte.
_TEXT = const(1)
_CONTROL = const(8)
_CLOSE = const(8)
_FIN = const(128)

_MASKED = const(128)  # in the second byte, of which the rest is the length or says where it is
_STEP = const(512)  # bytes unmasked and checked at a time: bounds the memory for it. A multiple of 4

# Codes of a Close, as they are given to FrameError.
_PROTOCOL_ERROR = const(1002)
_INVALID_DATA = const(1007)
_TOO_BIG = const(1009)


class FrameError(Exception):
    """FrameError(code): what the client has sent ends the connection, with this code of RFC 6455 section 7.4."""


class Frames:
    """Takes apart what one client sends. A message may have most bytes, all its fragments together."""

    # Values of most connections at most times, here rather than in each of them.
    closing = False  # only the client's Close is of interest any more
    _pos = 0  # in _rest: up to here it is taken apart
    _opcode = 0  # of the message that is coming in,
    _data = None  # what has come of it, and the room for the rest of the frame
    _at = _left = 0  # bytes that have come; bytes of the frame that have not
    _frame = 0  # first byte of the data frame whose payload is coming in
    _mask = b""  # for the next byte of it
    _valid = 0  # of a text: up to here it is made of whole characters; -1: it is not UTF-8

    def __init__(self, most, rest=b""):
        self._most = most
        self._rest = rest  # not taken apart yet

    def feed(self, data):
        """Add bytes that the client has sent."""
        self._rest = self._rest[self._pos :] + data
        self._pos = 0

    def room(self):
        """Where the rest of a long frame may be read to, instead of feed(): a memoryview, or None. See filled()."""
        if self._left and self._data is not None and self._pos == len(self._rest):
            return memoryview(self._data)[self._at :]

    def filled(self, count):
        """The first count bytes of room() are there."""
        data = memoryview(self._data)
        while count:
            size = min(count, _STEP)
            end = self._at + size
            part = data[self._at : end]
            part[:] = xor(part, self._mask)
            if size & 3:
                self._mask = self._mask[size & 3 :] + self._mask[: size & 3]
            self._at = end
            self._left -= size
            count -= size
            if self._opcode == _TEXT and self._valid >= 0:
                self._valid = valid_until(self._data, self._valid, end)

    def next(self):
        """Give the next (opcode, payload), or None if more bytes have to come first.

        Of messages str or bytes, of control frames bytes; those of a message that has only begun come before it.
        FrameError if the client does what it must not; then skip() is all that can follow.
        """
        rest = self._rest
        end = len(rest)
        while True:
            at = self._pos
            if self._valid < 0:
                raise FrameError(_INVALID_DATA)
            if self._left:
                count = min(self._left, end - at)
                if not count:
                    return None
                self._pos += count
                if self._data is None:
                    self._left -= count
                else:
                    self._data[self._at : self._at + count] = rest[at : at + count]
                    self.filled(count)
                continue
            if self._frame:
                final = self._frame & _FIN
                self._frame = 0
                if final:
                    return self._message()
                continue
            if end - at < 2:
                return None
            first = rest[at]
            masked = rest[at + 1] & _MASKED
            length = rest[at + 1] & 127
            opcode = first & 15
            if not self.closing and (
                first & 0x70
                or not masked
                or opcode & 7 > 2
                # A control frame is short and whole; a fragment has the message that it belongs to.
                or (length > 125 or first < _FIN if opcode & _CONTROL else (opcode > 0) == (self._opcode > 0))
            ):
                raise FrameError(_PROTOCOL_ERROR)
            start = at + (2 if length < 126 else 4 if length < 127 else 10)
            mask = rest[start : start + 4]
            if end < (start + 4 if masked else start):
                return None
            if length > 125:
                length = int.from_bytes(rest[at + 2 : start], "big")
            if masked:
                start += 4
            if self.closing:
                # It may be the frame that was the reason.
                self._pos = start
                self._left = length
                if opcode == _CLOSE:
                    return opcode, b""
            elif opcode & _CONTROL:
                if end < start + length:
                    return None
                data = xor(rest[start : start + length], mask)
                self._pos = start + length
                return opcode, data
            else:
                self._begin(first, length, mask)
                self._pos = start

    def _begin(self, first, length, mask):
        # The head of a frame that belongs to a message. If there is no memory, nothing has changed.
        have = self._at if self._opcode else 0
        if have + length > self._most:
            raise FrameError(_TOO_BIG)
        if length or not have:
            data = bytearray(have + length)
            if have:
                data[:have] = self._data
            self._data = data
        if first & 15:
            self._opcode = first & 15
            self._at = self._valid = 0
        self._frame = first
        self._left = length
        self._mask = mask

    def _message(self):
        # All of a message has come.
        data = self._data
        opcode = self._opcode
        self._data = None
        self._opcode = 0
        if opcode != _TEXT:
            return opcode, bytes(data)
        if self._valid < len(data):
            raise FrameError(_INVALID_DATA)
        return opcode, str(data, "utf8")

    def skip(self):
        """From here on look for the client's Close only, whatever else it sends."""
        self.closing = True
        self._data = None
        self._frame = self._opcode = self._valid = 0


def frame_head(first, size):
    """The head of a frame of ours, which has no mask. first: opcode, and 128 if it is the last of its message."""
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return bytes((first, 126, size >> 8, size & 255))
    return bytes((first, 127)) + size.to_bytes(8, "big")


def close_status(data):
    """The code and the reason in the payload of a Close; 1005 if it has none. FrameError if it is malformed."""
    if not data:
        return 1005, ""
    code = int.from_bytes(data[:2], "big")
    if len(data) < 2 or not may_be_sent(code):
        raise FrameError(_PROTOCOL_ERROR)
    if valid_until(data, 2, len(data)) < len(data):
        raise FrameError(_INVALID_DATA)
    return code, str(data[2:], "utf8")


def may_be_sent(code):
    """Whether a Close may have this code (RFC 6455 section 7.4, with what IANA has registered since)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def xor(data, mask):
    """Mask or unmask bytes. As one large integer: forty times as fast as a loop over the bytes."""
    size = len(data)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "little")
    return (int.from_bytes(data, "little") ^ key).to_bytes(size, "little")


def valid_until(data, start, end):
    """Check that data[start:end] is UTF-8 (RFC 3629), but for a last character that has only begun.

    Gives where that one begins, or end; -1 as soon as it can't become UTF-8, whatever follows.
    """
    stop = end
    for at in range(end - 1, max(start, end - 3) - 1, -1):
        byte = data[at]
        if byte >= 0xC0:
            if at + (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) > end:
                stop = at
            break
        if byte < 0x80:
            break
    begun = bytes(data[stop:end])
    if begun:
        if not 0xC2 <= begun[0] <= 0xF4:
            return -1
        if len(begun) > 1 and not _valid((begun + b"\x80\x80")[: 3 if begun[0] < 0xF0 else 4]):
            return -1
    return stop if _valid(bytes(data[start:stop])) else -1


def _valid(data):
    # MicroPython itself lets overlong forms, surrogates and what is beyond U+10FFFF pass.
    try:
        text = str(data, "utf8")
    except UnicodeError:
        return False
    if len(text) < len(data):
        for lead, low, high in _LIMITED:
            at = data.find(lead)
            while at >= 0:
                if not low <= data[at + 1] <= high:
                    return False
                at = data.find(lead, at + 1)
    return True


# The first bytes of a character that do not allow every second byte: which they allow.
_LIMITED = (
    (b"\xc0", 1, 0),
    (b"\xc1", 1, 0),
    (b"\xe0", 0xA0, 0xBF),
    (b"\xed", 0x80, 0x9F),
    (b"\xf0", 0x90, 0xBF),
    (b"\xf4", 0x80, 0x8F),
    (b"\xf5", 1, 0),
    (b"\xf6", 1, 0),
    (b"\xf7", 1, 0),
)
