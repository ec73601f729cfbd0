"""The turn: one thread runs Python at a time.

The desktop VM has no GIL: its garbage collector does not stop the other threads, so two of them that allocate
crash it. The ESP32 port has a GIL. This module gives the desktop board the same guarantee from what the VM
offers: a thread holds the turn while it runs Python and gives it up around whatever blocks.

* Who holds the turn owns `_lock`. Without it a thread also has its heap locked (`heap_lock` counts per thread),
  so an allocation that slips through raises MemoryError there instead of corrupting everybody's heap.
* The main thread is where KeyboardInterrupt strikes: at any jump of its bytecode, in scheduled callbacks too, where it
  would be lost besides. So main's side of the turn has no jump: no `if`, no loop, no `and`; a choice is an index into
  a tuple of functions.
* The other threads are never interrupted: the fairness lives on their side. They stand back while main waits
  (`_main_waits`), and ask a main thread that is busy to step aside: a scheduled callback runs between two
  bytecodes of main's VM, however tight the user's loop is.
* Nothing can interrupt the other threads: one that computes without ever waiting keeps the turn. On a chip the
  GIL would take it away.
"""

from _thread import allocate_lock, get_ident, start_new_thread

import micropython
from utime import sleep_us

_MAIN_STEP_US = 250  # a busy main thread keeps the turn for about _MAIN_STEPS * _MAIN_STEP_US
_MAIN_STEPS = 8
_WAKE_STEP_US = 20  # how often a thread looks whether another has woken up and taken the turn
_WAKE_STEPS = 250  # and how often before it goes on without: a bound, never reached in practice

_MAIN = get_ident()
_lock = allocate_lock()  # held by whoever runs Python
_asked = allocate_lock()  # guards _scheduled between the asking threads
_heap_lock = micropython.heap_lock
_heap_unlock = micropython.heap_unlock
_schedule = micropython.schedule
_lock_acquire = _lock.acquire
_lock_release = _lock.release

_passed = allocate_lock()  # taken, until the thread that main steps aside for has the turn
_passed_acquire = _passed.acquire
_passed_release = _passed.release

main_cell = [0]
cells = {_MAIN: main_cell}  # of each thread: until when it waits, see clock.py. Looked up with the turn only

_main_waits = False
_main_holds = True
_asking = 0  # threads that wait for a busy main thread
_scheduled = False  # _step_aside is in the VM's queue
_passing = False  # main has stepped aside and waits for _passed
_lock_acquire()
_passed_acquire()


def _main_acquire():
    global _main_waits, _main_holds
    _main_waits = True
    _lock_acquire()
    _main_waits = False
    _main_holds = True
    _heap_unlock()


def _main_release():
    global _main_holds
    _heap_lock()
    _main_holds = False
    _lock_release()


def _thread_acquire():
    _enter()
    _heap_unlock()


def _thread_release():
    _heap_lock()
    _lock_release()


_acquire = (_thread_acquire, _main_acquire)
_release = (_thread_release, _main_release)


def acquire():
    """Wait for the turn. To be called in the `finally` of the `try` that follows `release`."""
    _acquire[get_ident() == _MAIN]()


def release():
    """Give up the turn before a call that blocks. Until `acquire` the thread must not allocate."""
    _release[get_ident() == _MAIN]()


def contended():
    """Whether another thread waits for the turn that the caller holds."""
    return _main_waits or _asking


def main_is_away():
    """Whether main neither has the turn nor waits for it: it waits for input or time, and sees no callback."""
    return not (_main_waits or _main_holds)


def _enter():
    """Take the turn in a thread other than main: stand back for a waiting main, insist with a busy one."""
    global _asking, _scheduled, _passing
    n = 0
    while _main_waits and n < _WAKE_STEPS:
        sleep_us(_WAKE_STEP_US)
        n += 1
    n = 0
    while not _lock_acquire(0):
        if n == _MAIN_STEPS:
            _asked.acquire()
            _asking += 1
            if not _scheduled:
                _scheduled = True  # before the call: main may have stepped aside when it returns
                try:
                    _schedule(_step_aside, None)
                except:  # noqa: E722 - a tuple of exceptions would be allocated here, without the turn
                    # The queue is full of the user's callbacks: each of them lets us in as well.
                    _scheduled = False
            _asked.release()
            _lock_acquire()
            _asked.acquire()
            _asking -= 1
            _asked.release()
            break
        n += 1
        sleep_us(_MAIN_STEP_US)
    if _passing:
        _passing = False
        _passed_release()


def _nothing():
    pass


def _ask_again():
    global _scheduled
    _scheduled = True
    try:
        return _schedule(_step_aside, None)
    except:  # noqa: E722 - only "schedule queue full" can come, and asking for it would be a jump
        _scheduled = False
        return


def _pass_on():
    """Hand the turn to a thread that is asking for it, and queue up behind it. Only while main holds the turn:
    then whoever asks can only be waiting for `_lock`, and will release `_passed`."""
    global _passing
    _passing = True
    _main_release()
    _passed_acquire()
    _main_acquire()
    _repeat[(_asking > 0) > _scheduled]()


_repeat = (_nothing, _ask_again)  # by: somebody is asking, and _step_aside is not in the queue
_aside = (_nothing, _ask_again, _nothing, _pass_on)  # by: main holds the turn, somebody is asking


def _step_aside(_):
    """Run by main's VM between two bytecodes. While main waits in poll() it has nothing to give: ask again later, or
    main might be the first to take the turn when it is free."""
    global _scheduled
    _scheduled = False
    _aside[2 * _main_holds + (_asking > 0)]()


def _let_in():
    _aside[2 + (_asking > 0)]()


_before = (_main_acquire, _nothing)  # by: main holds the turn
_after = (_main_release, _let_in)


def _run(call):
    # The VM also runs callbacks while main waits in poll() or sleep, that is without the turn.
    held = _main_holds
    _before[held]()
    try:
        call[0](call[1])
    finally:
        _after[held]()


def run_scheduled(function, argument):
    """`micropython.schedule` for this board: `function(argument)` soon, on the main thread, with the turn.

    Raises RuntimeError('schedule queue full') as the original does.
    """
    _schedule(_run, (function, argument))


def _begin(function, args, kwargs):
    """Where a new thread begins, with its heap not locked. Small enough for its frame to be on the C stack: a larger
    function's would be allocated, here without the turn."""
    _heap_lock()
    _enter()
    _heap_unlock()
    _body(function, args, kwargs)


def _body(function, args, kwargs):
    try:
        function(*args, **kwargs)
    except SystemExit:
        pass
    except BaseException as e:
        # As modthread.c does it, but with the turn.
        print("Unhandled exception in thread started by", function)
        import sys

        sys.print_exception(e)
    finally:
        cells.pop(get_ident())
        _thread_release()


def start_thread(function, args=(), kwargs={}):
    """Start a thread that begins with the turn and gives it up when it ends. Returns its identifier."""
    ident = start_new_thread(_begin, (function, args, kwargs))
    cells[ident] = [0]
    return ident
