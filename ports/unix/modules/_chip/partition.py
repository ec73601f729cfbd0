"""`esp32.Partition`: the flash chip by partitions (esp32_partition.c, and esp_partition of the ESP-IDF).

Reads come straight from the mapped flash, writes and erases go over the bus. LittleFS calls `readblocks`,
`writeblocks` and `ioctl` from C in the middle of its own work. There neither another thread may enter the
filesystem nor Ctrl-C unwind it, and the VM looks for both at jumps only: so these three have no `if`, no
loop and no `and`/`or`, and choose by index instead.
"""

from struct import unpack_from

from _chip import bus, esperr

_TABLE = 0x8000  # CONFIG_PARTITION_TABLE_OFFSET
_TABLE_SIZE = 0xC00
_ENTRY = 32
_MAGIC = 0x50AA  # ESP_PARTITION_MAGIC
_SECTOR = 4096
_ANY = 0xFF

_BLOCK_ERASE = 6  # MP_BLOCKDEV_IOCTL_BLOCK_ERASE, the last of the known commands


def entries():
    """The rows of the partition table: (type, subtype, offset, size, label)."""
    for at in range(_TABLE, _TABLE + _TABLE_SIZE, _ENTRY):
        magic, type, subtype, offset, size, label = unpack_from("<HBBII16s", bus.flash, at)
        if magic != _MAGIC:
            break
        yield type, subtype, offset, size, label.rstrip(b"\0").decode()


def find(type, subtype=_ANY, label=None):
    """The rows with this type, subtype (0xFF: any) and label (None: any), as esp_partition_find()."""
    for entry in entries():
        if type in (_ANY, entry[0]) and subtype in (_ANY, entry[1]) and label in (None, entry[4]):
            yield entry


def _nothing(*args):
    return 0


def _fail_argument(*args):
    raise esperr.error(esperr.INVALID_ARG)


def _fail_size(*args):
    raise esperr.error(esperr.INVALID_SIZE)


_check_offset = (_nothing, _fail_argument)
_check_size = (_nothing, _fail_size)


class Partition:
    """`Partition(id, block_size=4096)`: the one with a label, or BOOT, or RUNNING. A block device."""

    BOOT = 0
    RUNNING = 1
    TYPE_APP = 0
    TYPE_DATA = 1

    def __init__(self, id, block_size=_SECTOR):
        if isinstance(id, int):
            from _chip import ota

            if id not in (self.BOOT, self.RUNNING):
                raise ValueError
            entry = ota.running() if id == self.RUNNING else ota.boot()
        else:
            found = list(find(self.TYPE_APP, _ANY, id)) or list(find(self.TYPE_DATA, _ANY, id))
            entry = found[0] if found else None
        self._set(entry, block_size)

    def _set(self, entry, block_size):
        if entry is None:
            raise OSError(2)  # ENOENT
        self._entry = entry
        self._offset, self._size = entry[2], entry[3]
        self._block_size = block_size
        small = block_size < _SECTOR
        self._write_block = self._write_small if small else self._erase_and_write
        # What `ioctl` answers, by command: unknown, init, deinit, sync, block count, block size, unknown.
        self._answers = (None, 0, 0, 0, self._size // block_size, block_size, None)
        self._erase = _einval if block_size != _SECTOR else self._erase_block

    def __repr__(self):
        return "<Partition type=%u, subtype=%u, address=%u, size=%u, label=%s, encrypted=0>" % self._entry

    @staticmethod
    def find(type=TYPE_APP, subtype=_ANY, label=None, block_size=_SECTOR):
        """A list of the partitions with this type, subtype and label; 0xFF and None stand for any."""
        return [_of(entry, block_size) for entry in find(type, subtype, label)]

    def info(self):
        """(type, subtype, address, size, label, encrypted)."""
        return self._entry + (False,)

    def readblocks(self, block, buffer, offset=0):
        """Fill `buffer` from `offset` bytes into block number `block`."""
        offset += block * self._block_size
        end = offset + len(buffer)
        _check_offset[(offset < 0) | (offset > self._size)]()
        _check_size[end > self._size]()
        memoryview(buffer)[:] = bus.flash[self._offset + offset : self._offset + end]

    def writeblocks(self, block, buffer, offset=None):
        """Write `buffer` to block number `block`.

        With an `offset` into it, the caller has erased; else we do.
        """
        (self._write, self._write_block)[offset is None](block * self._block_size, buffer, offset)

    def ioctl(self, command, argument):
        """Block device control.

        Returns 0, a number, -22 for an erase with another block size than 4096, or None.
        """
        return (self._answer, self._erase)[command == _BLOCK_ERASE](command, argument)

    def set_boot(self):
        """Start from this one next time.

        Raises OSError ESP_ERR_OTA_VALIDATE_FAILED if it holds no good image.
        """
        from _chip import ota

        ota.set_boot(self._entry)

    def get_next_update(self):
        """The slot to write an update to: the one after this."""
        from _chip import ota

        return _of(ota.next_update(self._entry), _SECTOR)

    @classmethod
    def mark_app_valid_cancel_rollback(cls):
        """Say that the running application works: the boot loader will not go back to the one before."""
        from _chip import ota

        ota.mark_valid()

    def _answer(self, command, argument):
        return self._answers[min(max(command, 0), _BLOCK_ERASE)]

    def _erase_block(self, command, block):
        self._erase_range(block * _SECTOR, _SECTOR)
        return 0

    def _erase_range(self, offset, size):
        # esp_partition_erase_range()
        _check_offset[(offset < 0) | (offset > self._size) | (offset % _SECTOR != 0)]()
        _check_size[(offset + size > self._size) | (size % _SECTOR != 0)]()
        bus.call("flash.erase", off=self._offset + offset, len=size)

    def _write(self, start, buffer, offset):
        # esp_partition_write()
        start += offset
        _check_offset[(start < 0) | (start > self._size)]()
        _check_size[start + len(buffer) > self._size]()
        bus.call("flash.write", buffer, off=self._offset + start)

    def _erase_and_write(self, start, buffer, offset):
        self._erase_range(start, len(buffer))
        self._write(start, buffer, 0)

    def _write_small(self, start, buffer, offset):
        # Blocks smaller than what can be erased: put back what the erase took from around them.
        cache = bytearray(_SECTOR)
        end = start + len(buffer)
        for sector in range(start // _SECTOR * _SECTOR, end, _SECTOR):
            self._readinto(sector, cache)
            self._erase_range(sector, _SECTOR)
            if sector < start:
                self._write(sector, memoryview(cache)[: start - sector], 0)
            if end < sector + _SECTOR:
                self._write(end, memoryview(cache)[end - sector :], 0)
        self._write(start, buffer, 0)

    def _readinto(self, offset, buffer):
        _check_size[offset + len(buffer) > self._size]()
        buffer[:] = bus.flash[self._offset + offset : self._offset + offset + len(buffer)]


def _einval(command, argument):
    return -22


def _of(entry, block_size):
    partition = object.__new__(Partition)
    partition._set(entry, block_size)
    return partition
