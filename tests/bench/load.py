"""Load generator: some clients, each of which sends its next request as soon as it has read an answer.

One thread serves them in turn, without a poller: all but one of the clients have a request on its way at any moment,
so a server finds work waiting, as under real load. Only servers that need less time for a request than the generator
(some 8 µs) wait in between; the CPU time that being woken takes is then part of theirs.
"""

import contextlib
import itertools
import socket
import struct
import time

_SECONDS = 5  # without an answer, until it counts as hanging


class LoadError(Exception):
    """A server that does not answer, or not as it should."""


def cpu_seconds(pid):
    """CPU time that a process has used so far (Linux, nanosecond resolution). LoadError if there is no such process."""
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[0]) / 1e9
    except OSError as error:
        raise LoadError(f"no process {pid}") from error


def connect(port):
    """A blocking connection whose reads give up after some seconds; SO_RCVTIMEO, as a Python time-out polls first."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _SECONDS, 0))
    try:
        sock.connect(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock


def ask(port, request):
    """Send one request on a connection of its own: (whole answer, whether the server closes after it)."""
    try:
        with connect(port) as sock:
            sock.sendall(request)
            data, closes = _answer(sock)
    except OSError as error:
        raise LoadError(f"no answer: {error}") from error
    if b" 200 " not in data[:20]:
        raise LoadError(f"the answer is {data[:40]!r}")
    return data, closes


def _answer(sock):
    data = b""
    length = None
    closes = True
    while length is None or len(data) < length:
        part = sock.recv(1 << 18)
        data += part
        end = data.find(b"\r\n\r\n") + 4
        if length is None and end >= 4:
            head = data[:end].lower()
            closes = b"connection: close" in head or (head[:8] == b"http/1.0" and b"keep-alive" not in head)
            mark = head.find(b"content-length:")
            size = head[mark + 15 : head.find(b"\r", mark)] if mark >= 0 else b""
            length = end + int(size) if size.strip().isdigit() else 1 << 40
        if not part:
            if length and length < 1 << 40:
                raise LoadError(f"{len(data)} bytes instead of {length}")
            break
    return data, closes


def measure(port, pid, requests, count, connections):
    """Send count requests, taking them in turn from the list; (CPU microseconds per request, requests per second).

    Connections are kept, or opened again where the server closes them. Raises LoadError.
    """
    answer, closes = ask(port, requests[0])
    buffer = memoryview(bytearray(len(answer) + 1))
    rounds = max(1, count // connections)
    client = _Closing if closes else _Keeping
    cycle = itertools.cycle(requests)
    with contextlib.ExitStack() as stack:
        try:
            clients = [stack.enter_context(client(port, cycle, buffer)) for _ in range(connections)]
            for each in clients:
                each.send()
            # The first answers are not counted: connections have to be accepted for them.
            for each in clients:
                each.receive()
                each.send()
            cpu, began = cpu_seconds(pid), time.perf_counter()
            for _ in range(rounds - 1):
                for each in clients:
                    each.receive()
                    each.send()
            for each in clients:
                each.receive()
            cpu, seconds = cpu_seconds(pid) - cpu, time.perf_counter() - began
        except OSError as error:
            raise LoadError(str(error)) from error
    return cpu / rounds / connections * 1e6, rounds * connections / seconds


class _Client:
    """A client. All of them share an iterator of requests and a buffer that is one byte longer than an answer."""

    def __init__(self, port, requests, buffer):
        self.port = port
        self.requests = requests
        self.buffer = buffer
        self.length = len(buffer) - 1
        self.sock = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.sock:
            self.sock.close()

    def _check(self, got):
        if got != self.length:
            raise LoadError(f"{got} bytes instead of {self.length}")


class _Keeping(_Client):
    """Keeps its connection."""

    def __enter__(self):
        self.sock = connect(self.port)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self

    def send(self):
        """Send the next request."""
        self.sock.send(next(self.requests))

    def receive(self):
        """Read an answer."""
        self._check(self.sock.recv_into(self.buffer, self.length, socket.MSG_WAITALL))


class _Closing(_Client):
    """Opens a connection for each request, and reads until the server closes it."""

    def send(self):
        """Connect and send the next request."""
        self.sock = connect(self.port)
        self.sock.send(next(self.requests))

    def receive(self):
        """Read an answer, and close."""
        got = 0
        # A whole answer may be followed by a reset instead of an end, when a server closes with input unread.
        with contextlib.suppress(ConnectionResetError):
            while part := self.sock.recv_into(self.buffer[got:], 0, socket.MSG_WAITALL):
                got += part
        self.sock.close()
        self._check(got)
