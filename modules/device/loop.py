"""The one asyncio loop of the firmware, in its own thread, and the safe way to it from any other thread.

MicroPython's asyncio keeps task queue, poller and current task in module globals: two threads that both run a
loop run each other's tasks. So while this loop runs, asyncio.run() and Loop.run_until_complete() of another
thread hand their coroutine to it and wait, Loop.run_forever() waits for Loop.stop(), and new_event_loop()
changes nothing.

Before a soft reset a chip raises SystemExit in its threads and deletes them two seconds later: then the services are
cancelled and the thread ends in time. A program's own sys.exit() on the loop ends its task only.
"""

import _thread
import asyncio
import sys
import time
from asyncio import core

from micropython import const

from . import log, watchdog

_TICK_MS = const(20)  # how long a call from another thread may wait for the loop
_WAIT_MS = const(10)  # not below a FreeRTOS tick: shorter sleeps are busy waits
_STOP_MS = const(3000)
_RESTART_MS = 5000
_EXIT_MS = const(800)  # for the services to end before a soft reset: after 1 s the port raises SystemExit again
_RESET = ("soft_reset",)  # args of the port's SystemExit, ports/esp32/unwind.c
# As much as the main task has: handlers, an update and TLS's handshake run on it, and callbacks of WebREPL may.
# Twice as wide words take more.
_STACK = 16 * 1024 if sys.maxsize < 1 << 32 else 64 * 1024

uptime_s = 0

_native_run = core.run_until_complete
_native_run_forever = core.Loop.run_forever
_native_new_event_loop = core.new_event_loop
_ident = None  # the thread that runs the loop, None when it does not
_alive = False  # from start() until the thread has ended
_stopping = False
_exiting = False  # the port has asked the thread to end
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
            _note_reset(error)
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


def start(services, cpu=0):
    """Start the thread with a task for each (name, coroutine function) in `services`, on the chip's core `cpu`.

    A service that fails is logged and started again. Returns when the loop runs: None, or what is wrong with `cpu`
    if it runs on another core. RuntimeError when it runs already or does not start.
    """
    global _alive, _stopping, _exiting
    if _alive:
        raise RuntimeError("the services run already")
    _stopping = _exiting = False
    _alive = True
    for module in (core, asyncio):
        module.run = module.run_until_complete = _run
        module.new_event_loop = _new_event_loop
    core.Loop.run_until_complete = _run
    core.Loop.run_forever = _run_forever
    core.Loop.set_exception_handler(_on_exception)
    try:
        problem = _start_thread(services, cpu)
    except BaseException:
        _alive = False
        raise
    deadline = time.ticks_add(time.ticks_ms(), _STOP_MS)
    while _ident is None:
        if time.ticks_diff(deadline, time.ticks_ms()) < 0:
            raise RuntimeError("the server's thread does not start")
        time.sleep_ms(_WAIT_MS)
    return problem


def _start_thread(services, cpu):
    problem = None
    try:
        import threadcore
    except ImportError:
        threadcore = None
        if cpu:
            problem = "this firmware starts all threads on one core"
    else:
        core_before = threadcore.get()
        try:
            threadcore.set(cpu)
        except ValueError as error:
            problem = str(error)
    size_before = _thread.stack_size(_STACK)
    try:
        _thread.start_new_thread(_thread_main, (services,))
    finally:
        _thread.stack_size(size_before)
        if threadcore:
            threadcore.set(core_before)
    return problem


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
    watchdog.hand_over()


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
            except SystemExit as error:
                # Raised by the loop as well, or in a task that neither _keep nor _Call runs: that one is lost.
                if not _exiting and _note_reset(error):
                    continue  # and _main ends the services
                if _exiting:
                    break  # asked a second time, so the services take too long
                log.exception("sys.exit() has ended a task on the server's loop", error)
    except BaseException as error:
        log.exception("the server's thread ended", error)
    finally:
        _ident = None
        _alive = False


def _note_reset(error):
    """Whether `error` is the port's wish that the thread end; _main sees to it."""
    global _exiting
    _exiting = _exiting or isinstance(error, SystemExit) and error.args == _RESET
    return _exiting


async def _main(services):
    """Keeps the services running, takes calls, counts the uptime, until stop() or a soft reset."""
    tasks = [core.create_task(_keep(name, function)) for name, function in services]
    try:
        await _tend()
    except SystemExit as error:
        _note_reset(error)
    for task in tasks:
        task.cancel()
    deadline = time.ticks_add(time.ticks_ms(), _EXIT_MS)
    for task in tasks:
        while not task.done() and not (_exiting and time.ticks_diff(deadline, time.ticks_ms()) < 0):
            await core.sleep_ms(_WAIT_MS)


async def _tend():
    global uptime_s
    second = time.ticks_ms()
    while not (_stopping or _exiting):
        while _calls:
            _calls.pop(0).advance()
        if time.ticks_diff(time.ticks_ms(), second) >= 1000:
            second = time.ticks_add(second, 1000)
            uptime_s += 1
            watchdog.feed()
            _sweep()
        await core.sleep_ms(_TICK_MS)


def _sweep():
    """WebREPL has no clock of its own to hang up on silent clients by."""
    sweep = getattr(sys.modules.get("webrepl"), "sweep", None)  # a user's own module may lack it
    try:
        if sweep:
            sweep()
    except Exception as error:
        log.exception("webrepl", error)


async def _keep(name, function):
    """Run a service; one that raises is logged and started again, one that returns has ended."""
    while True:
        try:
            return await function()
        except (Exception, SystemExit) as error:
            if _note_reset(error):
                return
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
