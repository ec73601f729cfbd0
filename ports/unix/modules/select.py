"""`select` of the ESP32 port: waiting gives up the turn."""

from _thread import get_ident
from time import sleep_ms, ticks_ms

from _chip import clock, turn
from micropython import const
from uselect import POLLERR, POLLHUP, POLLIN, POLLOUT
from uselect import poll as _poll
from utime import ticks_diff, ticks_us

# How long a thread keeps the turn over several polls that each find something to do while another thread waits.
_SLICE_US = 5000
_GET_FILENO = const(10)  # MP_STREAM_GET_FILENO


class poll:
    """`select.poll`. Objects are registered with the VM's own poll object, which waits on their descriptors.

    Streams without one, TLS or the user's own class, are asked by their ioctl(), time and again: that may be Python,
    so it needs the turn.
    """

    def __init__(self):
        p = _poll()
        p.ipoll(0)  # allocates the tuple that it will return for ever after, while we hold the turn
        self._ipoll = p.ipoll
        self._register = p.register
        self._unregister = p.unregister
        self._asked = []  # id() of those without a descriptor
        self.modify = p.modify
        self._since = ticks_us()

    def register(self, item, events=POLLIN | POLLOUT):
        """Wait for `events` of `item`, in the place of those before."""
        self._register(item, events)
        if not _has_descriptor(item) and id(item) not in self._asked:
            self._asked.append(id(item))

    def unregister(self, item):
        """Wait for `item` no longer."""
        self._unregister(item)
        if id(item) in self._asked:
            self._asked.remove(id(item))

    def ipoll(self, timeout=-1, flags=0):
        """Wait `timeout` ms (-1: for ever); iterate over (object, events), the same tuple each time."""
        if self._asked:
            return self._ask(timeout, flags)
        if turn.contended() and ticks_diff(ticks_us(), self._since) < _SLICE_US:
            # Asked twice, for poll() would allocate a list: a loop has to go on when the heap is full.
            for _ in self._ipoll(0):
                return self._ipoll(0, flags)
            if timeout == 0:
                return self._ipoll(0, flags)
        if timeout:
            ready = self._wait(timeout, flags)
        else:
            turn.release()
            try:
                ready = self._ipoll(0, flags)
            finally:
                turn.acquire()
        self._since = ticks_us()
        return ready

    def _wait(self, timeout, flags):
        until = clock.FOREVER if timeout < 0 else ticks_ms() + timeout
        cell = turn.cells[get_ident()]
        while True:
            step = timeout if timeout < clock.STEP_MS else clock.STEP_MS
            if step > 0 and clock.skipping:
                for _ in self._ipoll(0):
                    clock.hold()
                    return self._ipoll(0, flags)
                clock.step(cell, until)
            else:
                cell[0] = until
                turn.release()
                try:
                    ready = self._ipoll(step, flags if step == timeout else 0)
                finally:
                    cell[0] = 0
                    turn.acquire()
                if step == timeout:
                    return ready
                for _ in ready:
                    return self._ipoll(0, flags)
            if timeout > 0:
                timeout = max(0, until - ticks_ms())

    def _ask(self, timeout, flags):
        end = ticks_ms() + max(timeout, 0)
        while timeout < 0 or ticks_ms() < end:
            for _ in self._ipoll(0):
                return self._ipoll(0, flags)
            sleep_ms(1)
        return self._ipoll(0, flags)

    def poll(self, timeout=-1, flags=0):
        """Wait `timeout` ms (-1: for ever); a list of (object, events)."""
        return [(item, events) for item, events in self.ipoll(timeout, flags)]


def _has_descriptor(item):
    if hasattr(item, "fileno"):
        return True
    try:
        return item.ioctl(_GET_FILENO, 0) >= 0
    except Exception:
        return False


def select(rlist, wlist, xlist, timeout=None):
    """Wait until something in the lists is ready; returns the three lists of what is. `timeout` in seconds."""
    p = poll()
    masks = {}
    for objects, events in ((rlist, POLLIN), (wlist, POLLOUT), (xlist, 0)):
        for item in objects:
            masks[id(item)] = masks.get(id(item), 0) | events
            p.register(item, masks[id(item)])
    ready = p.poll(-1 if timeout is None else int(timeout * 1000))
    found = ([], [], [])
    for item, events in ready:
        for i, wanted in enumerate((POLLIN | POLLHUP, POLLOUT, POLLERR)):
            if events & wanted and any(item is o for o in (rlist, wlist, xlist)[i]):
                found[i].append(item)
    return found
