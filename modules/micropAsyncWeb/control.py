"""Runs the server in a thread of its own, and stops it."""

from _thread import get_ident, start_new_thread
from asyncio import new_event_loop, run, sleep_ms
from time import sleep_ms as pause_ms

_POLL_MS = 20
_STOP_MS = 5000  # for handlers to finish


def start(server, core):
    """Serve in a new thread with a loop of its own. ValueError if this firmware has no choice of cores."""
    if core is not None:
        try:
            import threadcore
        except ImportError:
            raise ValueError("core: this firmware starts all threads on one core")
        threadcore.set(core)
    start_new_thread(_thread, (server,))


def _thread(server):
    server.thread = get_ident()
    new_event_loop()
    try:
        run(server.runAsync())
    except Exception as error:
        if server.log:
            server.log("error", "server", error)
    server.thread = None


async def finish(server):
    """The server is to stop: let its handlers finish, for a while."""
    for _ in range(_STOP_MS // _POLL_MS):
        while server.evict():
            pass
        if not server.connections:
            break
        # Connections that have left HTTP close themselves.
        server.sweep()
        await sleep_ms(_POLL_MS)


def stop(server):
    """See MicropAsyncWeb.stop()."""
    server.stopping = True
    if server.thread in (None, get_ident()):
        return _stopped(server)
    while server.running:
        pause_ms(_POLL_MS)


async def _stopped(server):
    while server.running:
        await sleep_ms(_POLL_MS)
