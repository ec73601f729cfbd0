"""`esp32.NVS`: named values in flash (esp32_nvs.c of the ESP32 port).

The nvs partition is two banks of half its size. A bank is a header (magic, sequence number, CRC-32 of both)
and a log of records, each with its own CRC-32; the bank with the higher number counts. A value is written
at once, so `commit` has nothing left to do, and a write that a power cut tears leaves the value before it.
When a bank is full, or its end is torn, what lives is copied to the other, whose header is written last.
"""

import _thread
from binascii import crc32
from struct import pack, pack_into, unpack, unpack_from

from _chip import bus, esperr
from _chip.partition import find

_MAGIC = b"MNVS"
_HEADER = "<4sII"
_FIRST = 16  # offset of the first record
_RECORD = "<BBBxI"  # type, length of the namespace, of the key, of the value; then these and a CRC-32
_RECORD_SIZE = 8

_ERASED = 0
_I32 = 1
_BLOB = 2
_NONE = 0xFF  # erased flash: the end of the log

_NAME_LENGTH = 15  # NVS_KEY_NAME_MAX_SIZE - 1
_SECTOR = 4096

_lock = _thread.allocate_lock()


class NVS:
    """A namespace: `NVS(name)`, at most 15 bytes."""

    def __init__(self, namespace):
        self._namespace = _name(namespace)

    def __repr__(self):
        return "<NVS namespace>"

    def set_i32(self, key, value):
        """Set `key` to an integer of 32 bits."""
        self._set(key, _I32, pack("<i", value))

    def get_i32(self, key):
        """The integer of `key`. Raises OSError ESP_ERR_NVS_NOT_FOUND."""
        return unpack("<i", self._get(key, _I32))[0]

    def set_blob(self, key, value):
        """Set `key` to the bytes of `value`."""
        self._set(key, _BLOB, value)

    def get_blob(self, key, buffer):
        """Copy the bytes of `key` into `buffer`; returns how many.

        Raises OSError ESP_ERR_NVS_NOT_FOUND, and ESP_ERR_NVS_INVALID_LENGTH when `buffer` is too small.
        """
        value = self._get(key, _BLOB)
        if len(value) > len(buffer):
            raise esperr.error(esperr.NVS_INVALID_LENGTH)
        memoryview(buffer)[: len(value)] = value
        return len(value)

    def erase_key(self, key):
        """Remove `key`. Raises OSError ESP_ERR_NVS_NOT_FOUND."""
        with _lock:
            log = _Log()
            if log.find(self._namespace, key.encode()) is None:
                raise esperr.error(esperr.NVS_NOT_FOUND)
            log.append(_ERASED, self._namespace, key.encode(), b"")

    def commit(self):
        """Make sure that what was set is in flash; it is."""

    def _get(self, key, type):
        with _lock:
            found = _Log().find(self._namespace, key.encode())
            if found is None or found[0] != type:
                raise esperr.error(esperr.NVS_NOT_FOUND)
            return found[1]

    def _set(self, key, type, value):
        key = _name(key)
        with _lock:
            log = _Log()
            found = log.find(self._namespace, key)
            if found is None or found[0] != type or found[1] != value:
                log.append(type, self._namespace, key, value)


def _name(name):
    name = name.encode()
    if len(name) > _NAME_LENGTH:
        raise esperr.error(esperr.NVS_KEY_TOO_LONG)
    return name


class _Log:
    """The bank that counts, as it lies in flash at this moment."""

    def __init__(self):
        entry = next(find(1, 2, "nvs"), None)
        if entry is None:
            raise esperr.error(esperr.NOT_FOUND)
        self._partition = entry[2]
        self._size = entry[3] // 2 // _SECTOR * _SECTOR
        self._bank = self._sequence = None
        for bank in range(2):
            magic, sequence, crc = unpack_from(_HEADER, bus.flash, self._start(bank))
            good = magic == _MAGIC and crc == crc32(pack("<4sI", magic, sequence))
            if good and (self._sequence is None or sequence > self._sequence):
                self._bank, self._sequence = bank, sequence

    def _start(self, bank):
        return self._partition + bank * self._size

    def records(self):
        """Offset, total size and type of each record; leaves the end in `_end`, `_torn` if it is not clean."""
        start = self._start(self._bank)
        at = _FIRST
        self._torn = True
        while at + _RECORD_SIZE <= self._size:
            type, namespace, key, value = unpack_from(_RECORD, bus.flash, start + at)
            size = _RECORD_SIZE + namespace + key + value + 4
            if type == _NONE:
                self._torn = False
                break
            if at + size > self._size:
                break
            body = bus.flash[start + at : start + at + size - 4]
            if crc32(body) != unpack_from("<I", bus.flash, start + at + size - 4)[0]:
                break
            yield start + at, size, type
            at += size
        else:
            self._torn = False
        self._end = at

    def find(self, namespace, key):
        """(type, value) of a key, or None."""
        found = None
        if self._bank is not None:
            for at, size, type in self.records():
                if _is(at, namespace, key):
                    found = None if type == _ERASED else (at, size, type)
        if found is None:
            return None
        at, size, type = found
        start = at + _RECORD_SIZE + len(namespace) + len(key)
        return type, bytes(bus.flash[start : at + size - 4])

    def append(self, type, namespace, key, value):
        """Write a record, into the other bank if this one has no room or no clean end."""
        value = bytes(memoryview(value))  # takes all that has a buffer, as a board does: str too
        size = _RECORD_SIZE + len(namespace) + len(key) + len(value) + 4
        record = bytearray(size)
        pack_into(_RECORD, record, 0, type, len(namespace), len(key), len(value))
        body = memoryview(record)
        body[_RECORD_SIZE : size - 4] = namespace + key + value
        pack_into("<I", record, size - 4, crc32(body[: size - 4]))
        if self._bank is not None:
            for _ in self.records():
                pass
        if self._bank is None or self._torn or not self._has_room(size):
            self._compact(namespace, key, record)
        else:
            _write(self._start(self._bank) + self._end, record)

    def _has_room(self, size):
        """Whether the next `size` bytes exist and are erased, which a torn write may have left otherwise."""
        start = self._start(self._bank) + self._end
        return self._end + size <= self._size and bus.flash[start : start + size] == b"\xff" * size

    def _compact(self, namespace, key, record):
        """Write what lives and `record`, the new one of its key, to the other bank; the header last."""
        live = {}
        if self._bank is not None:
            for at, size, type in self.records():
                names = bytes(bus.flash[at + 1 : at + 3]) + bytes(_names(at))
                live.pop(names, None)
                if type != _ERASED and not _is(at, namespace, key):
                    live[names] = (at, size)
        if _FIRST + sum(size for _, size in live.values()) + len(record) > self._size:
            raise esperr.error(esperr.NVS_NOT_ENOUGH_SPACE)
        bank = 0 if self._bank is None else 1 - self._bank
        start = self._start(bank)
        bus.call("flash.erase", off=start, len=self._size)
        end = _FIRST
        for at, size in live.values():
            _write(start + end, bus.flash[at : at + size])
            end += size
        _write(start + end, record)
        sequence = (self._sequence or 0) + 1
        head = pack("<4sI", _MAGIC, sequence)
        _write(start, head + pack("<I", crc32(head)))


def _names(at):
    """Namespace and key of the record at `at`, in one piece."""
    start = at + _RECORD_SIZE
    return bus.flash[start : start + bus.flash[at + 1] + bus.flash[at + 2]]


def _is(at, namespace, key):
    return bus.flash[at + 1] == len(namespace) and _names(at) == namespace + key


def _write(offset, data):
    data = memoryview(data)
    for at in range(0, len(data), _SECTOR):
        bus.call("flash.write", data[at : at + _SECTOR], off=offset + at)
