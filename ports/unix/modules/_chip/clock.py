"""The board's time, which can run ahead of the computer's: what the supervisor's verb `clock` asks for.

While there is something to skip, a wait takes no time. When every thread waits, the one whose wait ends first moves
the clock on to that end, or to that of the main thread: so whatever is due, is due in its order. A thread that has
something to do, or other programs that have just been spoken to, get real time. The supervisor allows a piece at a
time, up to its own next alarm, and learns from each call how far the clock is.

Each thread has a cell in `turn.cells`, in which it notes until when it waits; 0: it runs, or wants to.
"""

import sys

from micropython import const
from utime import sleep_us as _sleep_us
from utime import ticks_ms as _ticks_ms

from _chip import bus, turn

FOREVER = const(1 << 60)
STEP_MS = const(200)  # that a wait really takes, at most, before it looks whether time is being skipped
IDLE_MS = const(10_000)  # that the hardware thread waits while time is skipped: somebody has to, to an end

_MOMENT_US = const(200)  # for another thread that is busy
_LATER_US = const(1000)  # before a thread looks again whether its own time has come
_HOLD_MS = const(20)  # of real time for those who have just sent the board something

skipping = False  # there is something to skip
_allowed_ms = 0
_held_until = 0  # in real ticks


def ticks_ms():
    """time.ticks_ms()."""
    return _ticks_ms() + bus.skipped_ms


def begin(args, blob):
    """The supervisor's interrupt: there is something to skip."""
    global skipping
    skipping = True
    if 0 < turn.main_cell[0] < FOREVER:
        bus.call("irq.main")  # it really waits


def hold():
    """Something has come from another program, which gets time to go on."""
    global _held_until
    _held_until = _ticks_ms() + _HOLD_MS


def step(cell, until):
    """One step of a wait until `until` (ticks_ms), by the thread of `cell`, while time is skipped. Keeps the turn.

    It moves the clock on, or lets the others have the turn for a moment.
    """
    target = _target(cell, until)
    if target > 0:
        _advance(target - ticks_ms())
        return
    cell[0] = until
    turn.release()
    try:
        _sleep_us(_LATER_US if target else _MOMENT_US)
    finally:
        cell[0] = 0
        turn.acquire()


def _target(cell, until):
    """Where this thread has to move the clock to; 0: not now, -1: not this thread."""
    # Ctrl-C may strike the main thread anywhere: it must not leave a loop half moved.
    if cell is turn.main_cell:
        return 0
    if _ticks_ms() < _held_until:
        return -1
    now = ticks_ms()
    target = until
    for other in turn.cells.values():
        end = other[0]
        if other is cell:
            pass
        elif end <= now:
            return 0
        elif end < target:
            if other is not turn.main_cell:
                return -1
            target = end
    return target


def _advance(ms):
    global _allowed_ms
    if _allowed_ms:
        before = bus.skipped_ms
        step = min(ms, _allowed_ms)
        ms -= step
        _allowed_ms -= step
        bus.skipped_ms = before + step
        _move_loop(before, step)
    if not _allowed_ms:
        _ask(ms)


def _ask(ms):
    global skipping, _allowed_ms
    reply = bus.call("clock.skip", ms=ms)
    _allowed_ms = reply["ms"]
    skipping = reply["left"] > 0
    if skipping and not _allowed_ms:
        hold()


def _move_loop(before, ms):
    """Bring what waits in asyncio's loop `ms` nearer.

    Its tasks are ordered by the VM's own ticks, in C, so those are what it has to go by: with others, tasks that are
    due at once would go before all that have waited for their time.
    """
    core = sys.modules.get("asyncio.core")
    if not core:
        return
    if core.ticks is not _ticks_ms:
        core.ticks = _ticks_ms
        ms += before
    queue, core._task_queue = core._task_queue, core.TaskQueue()
    push = core._task_queue.push
    while queue.peek():
        task = queue.pop()
        data = task.data
        push(task, task.ph_key - ms)
        task.data = data  # push() forgets it
