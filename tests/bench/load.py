"""Load generator: sends one request on each of some connections, then reads all the answers, over and over.

In lockstep the generator needs no poller: it costs less per request than any server it drives, so a server finds
work waiting whenever it looks, as under real load, and its CPU time is that of serving and not of being woken.
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
    """CPU time that a process has used so far (Linux, nanosecond resolution)."""
    with open(f"/proc/{pid}/schedstat") as file:
        return int(file.read().split()[0]) / 1e9


def wait_for(port, process, seconds=10):
    """Wait until something listens on a loopback port. LoadError if the process ends or does not listen in time."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            raise LoadError(f"the server ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise LoadError(f"nothing listens on port {port}")
        time.sleep(0.02)


def connect(port):
    """A blocking connection whose calls give up after some seconds; SO_RCVTIMEO, as a Python time-out polls first."""
    sock = socket.create_connection(("127.0.0.1", port), _SECONDS)
    sock.settimeout(None)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", _SECONDS, 0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def ask(port, request):
    """Send one request on a connection of its own: (whole answer, whether the server closes after it)."""
    with connect(port) as sock:
        sock.sendall(request)
        data = b""
        length = None
        closes = True
        while length is None or len(data) < length:
            try:
                part = sock.recv(1 << 18)
            except OSError as error:
                raise LoadError(f"no answer to {request[:40]}: {error}") from error
            data += part
            end = data.find(b"\r\n\r\n") + 4
            if length is None and end >= 4:
                head = data[:end].lower()
                closes = b"connection: close" in head or (head[:8] == b"http/1.0" and b"keep-alive" not in head)
                mark = head.find(b"content-length:")
                length = end + int(head[mark + 15 : head.find(b"\r", mark)]) if mark >= 0 else 1 << 40
            if not part:
                break
        if b" 200 " not in data[:20]:
            raise LoadError(f"the answer to {request[:40]} is {data[:40]}")
        return data, closes


def measure(port, pid, requests, count, connections):
    """Send count requests, taking them in turn from the list; (CPU microseconds per request, requests per second).

    Connections are kept, or opened again where the server closes them. Raises LoadError.
    """
    answer, closes = ask(port, requests[0])
    length = len(answer)
    buffer = memoryview(bytearray(length + 1))
    cycle = itertools.cycle(requests)
    rounds = max(1, count // connections)
    run = _closing if closes else _keeping
    try:
        cpu, began = cpu_seconds(pid), time.perf_counter()
        run(port, cycle, rounds, connections, buffer)
        cpu, seconds = cpu_seconds(pid) - cpu, time.perf_counter() - began
    except OSError as error:
        raise LoadError(f"{requests[0][:40]}: {error}") from error
    return cpu / rounds / connections * 1e6, rounds * connections / seconds


def _keeping(port, cycle, rounds, connections, buffer):
    socks = [connect(port) for _ in range(connections)]
    length = len(buffer) - 1
    answer = buffer[:length]
    for _ in range(rounds):
        for sock in socks:
            sock.send(next(cycle))
        for sock in socks:
            got = sock.recv_into(answer, length, socket.MSG_WAITALL)
            if got != length:
                raise LoadError(f"{got} bytes instead of {length}")
    for sock in socks:
        sock.close()


def _closing(port, cycle, rounds, connections, buffer):
    for _ in range(rounds):
        socks = []
        for _ in range(connections):
            socks.append(connect(port))
            socks[-1].send(next(cycle))
        for sock in socks:
            got = 0
            # A whole answer may be followed by a reset instead of an end, when a server closes with input unread.
            with contextlib.suppress(ConnectionResetError):
                while part := sock.recv_into(buffer[got:], 0, socket.MSG_WAITALL):
                    got += part
            if got != len(buffer) - 1:
                raise LoadError(f"{got} bytes instead of {len(buffer) - 1}")
            sock.close()
