"""The self-test of each start: the board can be reached, its server answers, and there is memory to work with.

Reached means an address, of a network or as an access point. When it passes, the boot counter is cleared, the settings
in force are kept as the last good ones, and an update is confirmed. An update that does not get there in minutes is
given up: until then the boot loader takes any reset for a failure. Where only the server does not answer, the next step
of recovery.py may help; where only an address is missing, nothing but waiting does.
"""

import asyncio
import gc
from asyncio import sleep_ms

import esp32
import machine
from micropython import const

import device

from . import boot, log, recovery, slots

_PAUSE_MS = const(1000)
_PAUSE_SILENT_MS = const(5000)
_PATIENCE_S = const(300)  # a router that restarts as well is back by then
_SILENCE_PASSES = const(24)  # for a server that does not answer, 5 s each
_ANSWER_S = const(5)
# A request, a page of ours and an update take less than half of this.
_FREE_MIN = const(16 * 1024)
# In one piece, outside MicroPython's heap: lwIP's and Wi-Fi's packets are 1.6 KB each, some of them at a time.
_BLOCK_MIN = const(8 * 1024)
_INTERNAL = const(1 << 11)  # MALLOC_CAP_INTERNAL, esp_heap_caps.h:40 of ESP-IDF v5.5.1: not PSRAM
_NOTE_MS = const(100)  # recovery.settled() is asked so often

again_s = 3600  # how long a board without the user's programs stays so


async def run():
    """A service: returns when the start has succeeded, resets the board when it never will."""
    trial = slots.pending()
    passes = silent = 0  # of the loop below
    answered = None  # what _without_address() said when the server answered
    while True:
        settled = recovery.settled()
        unreachable = _without_address()
        silence = ""
        # Not before the user's programs have shown what they do to it, and then until it has answered, and once more
        # when there is an address: it has few connections. An update cannot wait for that.
        if (settled or trial) and (answered is None or (answered and not unreachable)):
            if _busy():
                unreachable = unreachable or "the server has its hands full"
            else:
                silence = await _silence()
                answered = None if silence else unreachable
        problem = unreachable or silence or memory()
        if not problem:
            if trial:
                _confirm()
                trial = False
                if not settled:
                    answered = None
            if settled:
                _keep()
                if recovery.step >= recovery.NO_PROGRAMS:
                    await _start_as_usual()
                return
        elif settled and answered:
            recovery.alone(memory)
        passes += 1
        if trial and passes >= _PATIENCE_S:
            log.error("the update is given up: %s", problem)
            recovery.intended()
            machine.reset()
        silent = silent + 1 if silence else 0
        if silent >= _SILENCE_PASSES and not trial and recovery.kept:
            log.error("starting anew: %s", silence)
            recovery.failed()
            machine.reset()
        left = _PAUSE_SILENT_MS if silence and not trial else _PAUSE_MS
        while left > 0 and not settled:
            await sleep_ms(_NOTE_MS)
            settled = recovery.settled()
            left -= _NOTE_MS
        if left > 0:
            await sleep_ms(left)


async def _start_as_usual():
    """Without the user's programs a board is of little use: when nobody is at work on it, try them again in an hour.

    What brought it here may have been in the air or in the mains.
    """
    log.warning("the user's programs are not run; in an hour, or by a reset, the board starts as usual")
    await sleep_ms(again_s * 1000)
    while recovery.stays or device.server.connections:
        await sleep_ms(_PAUSE_MS)
    log.warning("recovery: starting as usual")
    recovery.intended()
    machine.reset()


async def failure():
    """What keeps the board from working, in words; '' when it works."""
    return _without_address() or await _silence() or memory()


def memory():
    """What memory lacks, in words, or ''."""
    gc.collect()
    block = max(region[2] for region in idf_heaps())
    # On a chip it counts the block that MicroPython's heap may grow into (py/modgc.c:69 of v1.28.0).
    free = gc.mem_free()
    if free < _FREE_MIN:
        return "only %d bytes of memory are free" % free
    if block < _BLOCK_MIN:
        return "only %d bytes of memory in one piece are left for the network" % block
    return ""


def idf_heaps():
    """A (total, free, largest free block, least free ever) in bytes for each heap that Wi-Fi and lwIP can live in."""
    return esp32.idf_heap_info(esp32.HEAP_DATA | _INTERNAL)


def _confirm():
    esp32.Partition.mark_app_valid_cancel_rollback()
    log.info("the update to %s is confirmed", boot.VERSION)


def _keep():
    recovery.succeeded()
    recovery.show_files()
    if not recovery.step:  # else what runs are the last good settings
        from . import bootjson

        bootjson.keep_good()


def _without_address():
    service = boot.network_service
    return "" if service and service.address() else "the board has no address"


def _busy():
    """Whether the server has no connection left for a request of its own; so it is not silent."""
    server = device.server
    return server.running and len(server.connections) >= server.maxConnections


async def _silence():
    """Why the server does not answer, in words, or ''."""
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
