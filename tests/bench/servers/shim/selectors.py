"""The part of CPython's selectors that uhttp-server uses, on select.poll; MicroPython has no such module."""

import select
from collections import namedtuple

EVENT_READ = 1
EVENT_WRITE = 2

SelectorKey = namedtuple("SelectorKey", ("fileobj", "fd", "events", "data"))


def _mask(events):
    return (select.POLLIN if events & EVENT_READ else 0) | (select.POLLOUT if events & EVENT_WRITE else 0)


class DefaultSelector:
    """Watches sockets; select() gives [(key, events)]."""

    def __init__(self):
        self._poller = select.poll()
        self._keys = {}

    def register(self, fileobj, events, data=None):
        """Watch fileobj."""
        key = self._keys[id(getattr(fileobj, "real", fileobj))] = SelectorKey(fileobj, 0, events, data)
        self._poller.register(getattr(fileobj, "real", fileobj), _mask(events))
        return key

    def unregister(self, fileobj):
        """Watch it no longer. KeyError if it was not watched."""
        key = self._keys.pop(id(fileobj))
        self._poller.unregister(fileobj)
        return key

    def modify(self, fileobj, events, data=None):
        """Watch it for other events."""
        key = self._keys[id(getattr(fileobj, "real", fileobj))] = SelectorKey(fileobj, 0, events, data)
        self._poller.modify(fileobj, _mask(events))
        return key

    def get_key(self, fileobj):
        """The key it was registered with."""
        return self._keys[id(fileobj)]

    def get_map(self):
        """All keys by identity."""
        return self._keys

    def select(self, timeout=None):
        """Wait for events, at most timeout seconds."""
        ready = []
        for sock, event in self._poller.ipoll(-1 if timeout is None else int(timeout * 1000)):
            key = self._keys[id(sock)]
            mask = (EVENT_READ if event & ~select.POLLOUT else 0) | (EVENT_WRITE if event & ~select.POLLIN else 0)
            if mask & key.events:
                ready.append((key, mask & key.events))
        return ready

    def close(self):
        """Forget all."""
        self._keys.clear()
