"""`_thread` of the ESP32 port: a thread runs Python only with the turn, and waiting for a lock gives it up."""

from _thread import allocate_lock as _allocate_lock
from _thread import exit, get_ident

from _chip import turn
from _chip.clock import FOREVER

core = 0  # that new threads are said to run on: threadcore.set()
cores = {}  # {identifier: core} of the threads started on another core than 0

_stack_size = 5 * 1024


class LockType:
    """A lock, as `allocate_lock` returns it."""

    def __init__(self):
        lock = _allocate_lock()
        self._acquire = lock.acquire
        self.release = lock.release
        self.locked = lock.locked

    def acquire(self, waitflag=1, timeout=-1):
        """Take the lock. Returns False when `waitflag` is 0 and somebody has it."""
        if self._acquire(0):
            return True
        if not waitflag:
            return False
        cell = turn.cells[get_ident()]
        cell[0] = FOREVER
        turn.release()
        try:
            self._acquire()
        finally:
            cell[0] = 0
            turn.acquire()
        return True

    def __enter__(self):
        self.acquire()
        return self

    def __exit__(self, *exc):
        self.release()


def allocate_lock():
    """A new lock, not taken."""
    return LockType()


def start_new_thread(function, args, kwargs={}):
    """Start a thread that calls `function(*args, **kwargs)`. Returns its identifier."""
    if not callable(function):
        raise TypeError("callable expected")
    ident = turn.start_thread(function, tuple(args), kwargs)
    # The thread has not begun, for the caller has the turn. Identifiers are given out again.
    cores.pop(ident, None)
    if core:
        cores[ident] = core
    return ident


def stack_size(size=0):
    """Remember the stack size for new threads and return the one before, as on a board.

    It is not applied: frames of the 64-bit VM are larger than a chip's, so threads get the VM's own default.
    """
    global _stack_size
    before, _stack_size = _stack_size, max(size, 4096) if size else 5 * 1024
    return before
