"""The self-test of an update: confirms the new firmware once it works, and goes back if it does not within minutes.

It works when the board can be reached as it could be when it took the update: it has an address, of a network or as
an access point, and the server answers a request. Until then the boot loader takes any reset for a failure.
"""

import asyncio
from asyncio import sleep_ms

import machine
from esp32 import Partition
from micropython import const

import device

from . import boot, log

_PAUSE_MS = const(1000)
_PATIENCE_S = const(300)  # a router that restarts as well is back by then
_ANSWER_S = const(5)


async def run():
    """A service for an image on trial: returns when it is confirmed, resets the board when time is up."""
    for _ in range(_PATIENCE_S):
        problem = await failure()
        if not problem:
            Partition.mark_app_valid_cancel_rollback()
            log.info("the update to %s is confirmed", boot.VERSION)
            return
        await sleep_ms(_PAUSE_MS)
    log.error("the update is given up: %s", problem)
    machine.reset()


async def failure():
    """What keeps the board from working, in words; '' when it works."""
    service = boot.network_service
    if not service or not service.address():
        return "the board has no address"
    if not device.server.running:
        return "the server does not run"
    try:
        answer = await asyncio.wait_for(_ask(device.server.port), _ANSWER_S)
    except (OSError, asyncio.TimeoutError) as error:
        return "the server does not answer (%r)" % error
    # A program's own guard may well refuse it, or an alert of TLS: that is an answer, too.
    if not answer or answer[8:10] == b" 5":
        return "the server answers %s" % answer
    return ""


async def _ask(port):
    """The first line of the server's answer to a request of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /health HTTP/1.0\r\n\r\n")
        await writer.drain()
        return await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()
