"""Asks one question by UDP and waits for its answer, on the loop and without holding it up."""

import socket
import time
from asyncio import TimeoutError, core, wait_for_ms

from micropython import const

_SIZE = const(512)  # of an answer at most: what DNS allows by UDP (RFC 1035 section 4.2.1)


async def ask(address, request, accept, timeout_ms):
    """Send the bytes `request` to (ip, port); give what `accept(answer, request)` makes of the first that it takes.

    accept gives None for an answer that is not wanted: then the next one is waited for. OSError when the time is
    over, or when the network refuses.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        # Only what comes from there is received, on a port that the system has chosen.
        sock.connect(socket.getaddrinfo(address[0], address[1])[0][-1])
        sock.send(request)
        end = time.ticks_add(time.ticks_ms(), timeout_ms)
        while True:
            left = time.ticks_diff(end, time.ticks_ms())
            if left <= 0:
                raise OSError("no answer within %d ms" % timeout_ms)
            try:
                answer = await wait_for_ms(_receive(sock), left)
            except TimeoutError:
                continue
            found = accept(answer, request)
            if found is not None:
                return found
    finally:
        sock.close()


def _receive(sock):
    # One datagram. A stream's read() would put several together.
    yield core._io_queue.queue_read(sock)
    return sock.recv(_SIZE)
