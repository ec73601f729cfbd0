"""`select` of the ESP32 port: waiting gives up the turn."""

from _chip import turn
from uselect import POLLERR, POLLHUP, POLLIN, POLLOUT
from uselect import poll as _poll
from utime import ticks_diff, ticks_us

# How long a thread keeps the turn over several polls that each find something to do while another thread waits.
_SLICE_US = 5000


class poll:
    """`select.poll`. Objects are registered with the VM's own poll object, which waits on their descriptors."""

    def __init__(self):
        p = _poll()
        p.ipoll(0)  # allocates the tuple that it will return for ever after, while we hold the turn
        self._poll = p.poll
        self._ipoll = p.ipoll
        self.register = p.register
        self.unregister = p.unregister
        self.modify = p.modify
        self._since = ticks_us()

    def ipoll(self, timeout=-1, flags=0):
        """Wait `timeout` ms (-1: for ever); iterate over (object, events), the same tuple each time."""
        if turn.contended() and ticks_diff(ticks_us(), self._since) < _SLICE_US:
            ready = self._poll(0)
            if ready or timeout == 0:
                return self._ipoll(0, flags)
        turn.release()
        try:
            ready = self._ipoll(timeout, flags)
        finally:
            turn.acquire()
        self._since = ticks_us()
        return ready

    def poll(self, timeout=-1, flags=0):
        """Wait `timeout` ms (-1: for ever); a list of (object, events)."""
        return [(item, events) for item, events in self.ipoll(timeout, flags)]


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
