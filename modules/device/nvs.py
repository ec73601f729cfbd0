"""NVS, one object for each namespace.

MicroPython's class never closes what it opens (esp32_nvs.c of v1.28.0): each object takes memory for good.
"""

from esp32 import NVS

_stores = {}


def store(namespace):
    """The esp32.NVS of a namespace (15 characters at most). OSError if it cannot be opened."""
    if namespace not in _stores:
        _stores[namespace] = NVS(namespace)
    return _stores[namespace]
