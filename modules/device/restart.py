"""A restart that somebody has asked for over HTTP: the answer reaches its client first."""

import asyncio
from asyncio import sleep_ms

import machine
from micropython import const

_GONE_MS = const(2000)  # for the client to take the answer

task = None  # of the restart that is under way


def under_way():
    """Whether the board is about to restart: what would be saved now could be lost."""
    return bool(task and not task.done())


def soon(request, pause_ms=100, last=None):
    """Reset the board when the answer to this request has left and pause_ms are over. Gives the task.

    The reset does not count as a failed start. last(): is called in the place of machine.reset().
    """
    global task
    request.keep = 0
    task = asyncio.create_task(_run(request.server, request.conn, pause_ms, last or machine.reset))
    return task


async def _run(server, conn, pause_ms, last):
    for _ in range(_GONE_MS // 50):
        await sleep_ms(50)
        if conn not in server.connections:
            break
    # Its last segments are still on their way.
    await sleep_ms(pause_ms)
    from . import recovery

    recovery.intended()
    last()
