"""Runs the server in a thread of its own, and stops it."""

from asyncio import new_event_loop, run, sleep_ms
from time import sleep_ms as pause_ms

from micropython import const

_POLL_MS = const(20)
_STOP_MS = const(5000)  # for handlers to finish
_BODY = const(3)  # the first state of a connection that does not wait for a request


def attribute(server, name):
    """Give a method of MicropAsyncWeb that is defined here or in hooks.py."""
    method = _METHODS.get(name)
    if method:
        return lambda *args, **names: method(server, *args, **names)
    from .hooks import attribute

    return attribute(server, name)


def runThread(server, core=None):
    """Serve in a thread of its own; core: on that core. ValueError if this firmware has no choice of cores."""
    from _thread import start_new_thread

    if core is not None:
        try:
            import threadcore
        except ImportError:
            raise ValueError("core: this firmware starts all threads on one core")
        threadcore.set(core)
    start_new_thread(_thread, (server,))


def _thread(server):
    from _thread import get_ident

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
        for conn in list(server.connections):
            if conn.state < _BODY:
                conn.close()
        if not server.connections:
            break
        # Connections that have left HTTP close themselves.
        server.sweep()
        await sleep_ms(_POLL_MS)


def stop(server):
    """Stop listening, let running handlers finish, close all.

    In the server's own loop: await the result. From another thread: returns when the server has stopped.
    """
    server.stopping = True
    if server.thread is not None:
        from _thread import get_ident

        if server.thread != get_ident():
            while server.running:
                pause_ms(_POLL_MS)
            return None
    return _stopped(server)


async def _stopped(server):
    while server.running:
        await sleep_ms(_POLL_MS)


_METHODS = {"runThread": runThread, "stop": stop}
