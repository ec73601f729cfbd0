"""A WebSocket client that says exactly what it is told, for the tests."""

import contextlib
import pathlib
import struct
import time

APP = pathlib.Path(__file__).with_name("websocket_app.py").read_text()
HANDSHAKE = (
    "GET {} HTTP/1.1\nHost: x\nUpgrade: websocket\nConnection: keep-alive, Upgrade\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13\n{}\n"
)
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode, data=b"", fin=1, rsv=0, mask=b"\x37\xfa\x21\x3d"):
    """A frame of a client, masked unless mask is None."""
    data = data.encode() if isinstance(data, str) else data
    size, flag = len(data), 128 if mask else 0
    head = bytes((fin << 7 | rsv << 4 | opcode,))
    if size < 126:
        head += bytes((flag | size,))
    elif size < 65536:
        head += struct.pack(">BH", flag | 126, size)
    else:
        head += struct.pack(">BQ", flag | 127, size)
    if not mask:
        return head + data
    key = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def close_frame(code, reason=b""):
    """A Close of a client."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


class Raw:
    """A client that says exactly what it is told."""

    def __init__(self, server, path="/echo", fields="", early=b""):
        self.client = server.connect()
        self.client.send(HANDSHAKE.format(path, fields).replace("\n", "\r\n").encode() + early)
        self.status, self.header, _ = self.client.answer(head=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.sock.close()

    def send(self, *frames, chop=None):
        """Send frames in one piece, or in pieces of chop bytes."""
        data = b"".join(frames)
        for at in range(0, len(data), chop or len(data)):
            self.client.sock.sendall(data[at : at + chop] if chop else data)
        return self

    def frame(self):
        """The next frame of the server: (first byte, payload)."""
        first, size = self.client._take(2)
        assert size < 128, "masked"
        if size > 125:
            size = int.from_bytes(self.client._take(2 if size == 126 else 8), "big")
        return first, self.client._take(size)

    def message(self):
        """The next message: (opcode, payload)."""
        first, data = self.frame()
        opcode = first & 15
        while first < 128:
            first, more = self.frame()
            assert first & 127 == 0
            data += more
        return opcode, data

    def ended(self, code, within=1.5):
        """The server closes with this code (None: a Close without one) and, when it is answered, the connection."""
        opcode, data = self.message()
        assert opcode == CLOSE, (opcode, data[:20])
        assert (int.from_bytes(data[:2], "big") if data else None) == code
        began = time.monotonic()
        with contextlib.suppress(OSError):  # it may have closed already
            self.client.sock.sendall(frame(CLOSE, data))
        assert self.client.closed() == b""
        assert time.monotonic() - began < within


def until(condition, seconds=5):
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
