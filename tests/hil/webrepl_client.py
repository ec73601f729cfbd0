"""A WebREPL client for the tests: the terminal and the file records, as the stock page speaks them."""

from __future__ import annotations

import struct
import time

from websockets.sync.client import connect

# The record of modwebrepl.c: signature, operation, flags, 8 unused bytes, size, length of the name, name.
_RECORD = struct.Struct("<2sBBQLH64s")
PUT, GET, VERSION = 1, 2, 3


class WebReplClient:
    """One connection, for the length of a `with` block. `login` first."""

    def __init__(self, board):
        self._timeout = 10 * board.factor
        host, port = board.webrepl
        # Neither end of stock WebREPL sends pings, and MicroPython's websocket module does not answer them.
        self._connection = connect(
            f"ws://{host}:{port}/", open_timeout=self._timeout, ping_interval=None, compression=None, proxy=None
        )
        self._text = b""
        self._data = b""

    def _receive(self, deadline: float) -> None:
        message = self._socket.recv(timeout=max(0.001, deadline - time.monotonic()))
        if isinstance(message, str):
            self._text += message.encode()
        else:
            self._data += message

    def read_until(self, marker: str, timeout: float | None = None) -> str:
        """Terminal output up to and with `marker`. TimeoutError if it does not come."""
        deadline = time.monotonic() + (timeout or self._timeout)
        wanted = marker.encode()
        while wanted not in self._text:
            self._receive(deadline)
        end = self._text.index(wanted) + len(wanted)
        text, self._text = self._text[:end], self._text[end:]
        return text.decode()

    def _bytes(self, size: int) -> bytes:
        deadline = time.monotonic() + self._timeout
        while len(self._data) < size:
            self._receive(deadline)
        data, self._data = self._data[:size], self._data[size:]
        return data

    def type(self, text: str) -> None:
        """Type into the terminal."""
        self._socket.send(text)

    def login(self, password: str) -> None:
        """Answer the password prompt and wait for the REPL's."""
        self.read_until("Password: ")
        self.type(password + "\r")
        self.read_until("\r\nWebREPL connected\r\n>>> ")

    def line(self, text: str) -> str:
        """Type a line; what it printed."""
        self.type(text + "\r")
        self.read_until(text + "\r\n")
        return self.read_until(">>> ")[: -len(">>> ")]

    def _start(self, operation: int, size: int, name: str) -> None:
        path = name.encode()
        self._socket.send(_RECORD.pack(b"WA", operation, 0, 0, size, len(path), path))
        if operation != VERSION:
            self._result()

    def _result(self) -> None:
        signature, code = struct.unpack("<2sH", self._bytes(4))
        assert signature == b"WB"
        if code:
            raise OSError(code, "the board refused")

    def put(self, name: str, data: bytes) -> None:
        """Write a file on the board. OSError if it refuses."""
        self._start(PUT, len(data), name)
        for i in range(0, len(data), 1024):
            self._socket.send(data[i : i + 1024])
        self._result()

    def get(self, name: str) -> bytes:
        """Read a file of the board. OSError if it refuses."""
        self._start(GET, 0, name)
        data = b""
        while True:
            self._socket.send(b"\0")
            (size,) = struct.unpack("<H", self._bytes(2))
            if not size:
                self._result()
                return data
            data += self._bytes(size)

    def version(self) -> tuple[int, ...]:
        """The firmware's version."""
        self._start(VERSION, 0, "")
        return tuple(self._bytes(3))

    def __enter__(self):
        self._socket = self._connection.__enter__()
        return self

    def __exit__(self, *exc):
        return self._connection.__exit__(*exc)
