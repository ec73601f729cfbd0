"""The one asyncio loop of the firmware, in its own thread, and the safe way to it from any other thread.

MicroPython's asyncio keeps task queue, poller and current task in module globals: two threads that both run a
loop run each other's tasks. So while this loop runs, asyncio.run() and Loop.run_until_complete() of another
thread hand their coroutine to it and wait, Loop.run_forever() waits for Loop.stop(), and new_event_loop()
changes nothing.
"""

import _thread
import asyncio
import sys
import time
from asyncio import core

from micropython import const

from . import log

_TICK_MS = const(20)  # how long a call from another thread may wait for the loop
_WAIT_MS = const(10)  # not below a FreeRTOS tick: shorter sleeps are busy waits
_STOP_MS = const(3000)
_RESTART_MS = 5000
# The server needs 4.2 KiB on a chip, and callbacks of WebREPL may land on it; twice as wide words take more.
_STACK = 10 * 1024 if sys.maxsize < 1 << 32 else 64 * 1024

uptime_s = 0

_native_run = core.run_until_complete
_native_run_forever = core.Loop.run_forever
_native_new_event_loop = core.new_event_loop
_ident = None  # the thread that runs the loop, None when it does not
_alive = False  # from start() until the thread has ended
_stopping = False
_calls = []  # _Calls from other threads, taken by _main


class _Call:
    """A coroutine on its way to the loop and back."""

    def __init__(self, coro):
        self.coro = coro
        self.task = None
        self.done = False
        self.cancelled = False
        self.value = None
        self.error = None

    async def run(self):
        try:
            self.value = await self.coro
        except BaseException as error:
            self.error = error
        self.done = True

    def advance(self):
        """On the loop: start it, or cancel what was started."""
        if self.task is None and not self.cancelled:
            try:
                self.task = core.create_task(self.run())
            except MemoryError as error:
                self.error = error
                self.done = True
        elif self.cancelled and self.task is not None and not self.done:
            self.task.cancel()


def running():
    """Whether the loop takes calls."""
    return _ident is not None and not _stopping


def here():
    """Whether the caller is on the loop's thread."""
    return _ident is not None and _thread.get_ident() == _ident


def start(services):
    """Start the thread with a task for each (name, coroutine function) in `services`.

    A service that fails is logged and started again. Returns when the loop runs. RuntimeError when it runs
    already or does not start.
    """
    global _alive, _stopping
    if _alive:
        raise RuntimeError("the services run already")
    _stopping = False
    _alive = True
    for module in (core, asyncio):
        module.run = module.run_until_complete = _run
        module.new_event_loop = _new_event_loop
    core.Loop.run_until_complete = _run
    core.Loop.run_forever = _run_forever
    core.Loop.set_exception_handler(_on_exception)
    before = _thread.stack_size(_STACK)
    try:
        _thread.start_new_thread(_thread_main, (services,))
    except BaseException:
        _alive = False
        raise
    finally:
        _thread.stack_size(before)
    deadline = time.ticks_add(time.ticks_ms(), _STOP_MS)
    while _ident is None:
        if time.ticks_diff(deadline, time.ticks_ms()) < 0:
            raise RuntimeError("the server's thread does not start")
        time.sleep_ms(_WAIT_MS)


def stop():
    """End the services' tasks, which close what they hold, and the thread. RuntimeError after 3 s."""
    global _stopping
    if here():
        raise RuntimeError("stop() cannot wait for its own thread: call it from the REPL")
    _stopping = True
    deadline = time.ticks_add(time.ticks_ms(), _STOP_MS)
    while _alive:
        if time.ticks_diff(deadline, time.ticks_ms()) < 0:
            raise RuntimeError("the server's thread does not stop")
        time.sleep_ms(_WAIT_MS)


def call(coro):
    """Run `coro` on the loop and wait for its result or its exception. Ctrl-C cancels it."""
    if callable(coro):
        raise TypeError("a coroutine is needed: call(f()), not call(f)")
    if here():
        raise RuntimeError("this is the server's loop already: use await")
    if not running():
        raise RuntimeError("the server does not run: device.start() starts it")
    job = _Call(coro)
    _calls.append(job)
    try:
        while not job.done:
            if not _alive:
                raise RuntimeError("the server was stopped")
            time.sleep_ms(_WAIT_MS)
    except BaseException:
        job.cancelled = True
        _calls.append(job)
        raise
    if job.error is not None:
        raise job.error
    return job.value


def _thread_main(services):
    global _ident, _alive
    try:
        _native_new_event_loop()
        _ident = _thread.get_ident()
        main = core.create_task(_main(services))
        while True:
            try:
                _native_run(main)
                break
            except MemoryError:
                # Raised by the loop between two tasks, all of which are still queued: it goes on where it was.
                time.sleep_ms(_WAIT_MS)
    except BaseException as error:
        log.exception("the server's thread ended", error)
    finally:
        _ident = None
        _alive = False


async def _main(services):
    """Keeps the services running, takes calls, counts the uptime, until stop()."""
    global uptime_s
    tasks = [core.create_task(_keep(name, function)) for name, function in services]
    second = time.ticks_ms()
    while not _stopping:
        while _calls:
            _calls.pop(0).advance()
        if time.ticks_diff(time.ticks_ms(), second) >= 1000:
            second = time.ticks_add(second, 1000)
            uptime_s += 1
        await core.sleep_ms(_TICK_MS)
    for task in tasks:
        task.cancel()
    for task in tasks:
        try:
            await task
        except core.CancelledError:
            pass


async def _keep(name, function):
    """Run a service; one that raises is logged and started again, one that returns has ended."""
    while True:
        try:
            return await function()
        except Exception as error:
            log.exception(name, error)
        await core.sleep_ms(_RESTART_MS)


def _on_exception(loop, context):
    log.exception("a task failed", context["exception"])


def _run(aw=None):
    """In the place of asyncio's run(), run_until_complete() and Loop.run_until_complete()."""
    if _ident is None or here():
        return _native_run(None if aw is None else core._promote_to_task(aw))
    if aw is None:
        return _run_forever()
    # A coroutine becomes a task only in call(), where somebody waits for it from its first step on.
    return call(aw if hasattr(aw, "send") else _join(aw))


def _run_forever():
    """In the place of asyncio's Loop.run_forever()."""
    if _ident is None or here():
        return _native_run_forever()
    core._stop_task = until = core.Task(core._stopper())
    while running() and core._stop_task is until:
        time.sleep_ms(_WAIT_MS)


async def _join(task):
    return await task


def _new_event_loop():
    """In the place of asyncio.new_event_loop, which would drop the tasks of the running loop."""
    return core.Loop if _ident is not None else _native_new_event_loop()
