"""Which application slot starts: the ESP-IDF's otadata partition (esp_ota_ops.c, bootloader_common.c).

Two entries in a sector each; the one with the higher sequence number counts, and that number minus one,
modulo the number of slots, is the slot.
"""

from binascii import crc32
from hashlib import sha256
from struct import pack, unpack_from

from _chip import bus, esperr
from _chip.partition import find

_APP = 0
_DATA = 1
_OTADATA = 0  # ESP_PARTITION_SUBTYPE_DATA_OTA
_FACTORY = 0
_OTA_0 = 0x10
_SECTOR = 4096

# esp_ota_img_states_t
_NEW = 0
_VALID = 2
_INVALID = 3
_ABORTED = 4

_IMAGE = "<8sII32s"  # magic, version of the header, size of the payload, its SHA-256
_IMAGE_MAGIC = b"MAWIMAGE"
_IMAGE_HEADER = 128


def running():
    """The row of the partition table that the board started from."""
    label = bus.call("boot.info")["slot"]
    return next(find(_APP, 0xFF, label), None)


def boot():
    """The row that the boot loader takes next time (esp_ota_get_boot_partition)."""
    active, entries = _read()
    slots = _slots()
    if active is not None:
        return slots[(entries[active][0] - 1) % len(slots)]
    return next(find(_APP, _FACTORY), None) or slots[0]


def next_update(start):
    """The slot after `start`, the first after the last (esp_ota_get_next_update_partition)."""
    slots = _slots()
    if not slots:
        return None
    return slots[(slots.index(start) + 1) % len(slots) if start in slots else 0]


def set_boot(entry):
    """Have the boot loader take `entry`, a row of the table (esp_ota_set_boot_partition)."""
    if not _is_image(entry):
        raise esperr.error(esperr.OTA_VALIDATE_FAILED)
    if entry[0] != _APP:
        raise esperr.error(esperr.INVALID_ARG)
    offset = _otadata()
    if entry[1] == _FACTORY:
        bus.call("flash.erase", off=offset, len=2 * _SECTOR)
        return
    count = len(_slots())
    wanted = entry[1] - _OTA_0 + 1
    active, entries = _read()
    if active is None:
        _write(0, wanted, _NEW)
        return
    sequence = wanted % count
    while entries[active][0] > sequence:
        sequence += count
    _write(1 - active, sequence, _NEW)


def mark_valid():
    """Mark the entry that counts as valid (esp_ota_mark_app_valid_cancel_rollback)."""
    active, entries = _read()
    if active is None:
        raise esperr.error(esperr.FAIL)
    if entries[active][1] != _VALID:
        _write(active, entries[active][0], _VALID)


def _slots():
    """The rows of the OTA slots, in the order of their subtypes."""
    return sorted((e for e in find(_APP) if e[1] & 0xF0 == _OTA_0), key=lambda e: e[1])


def _otadata():
    """Offset of the otadata partition."""
    for entry in find(_DATA, _OTADATA):
        return entry[2]
    raise esperr.error(esperr.NOT_FOUND)


def _read():
    """(index of the entry that counts or None, [(sequence number, state), …])."""
    offset = _otadata()
    entries = []
    active = None
    for i in range(2):
        sequence, state, crc = unpack_from("<I20xII", bus.flash, offset + i * _SECTOR)
        entries.append((sequence, state))
        good = sequence != 0xFFFFFFFF and state not in (_INVALID, _ABORTED) and crc == _crc(sequence)
        if good and (active is None or sequence > entries[active][0]):
            active = i
    return active, entries


def _write(index, sequence, state):
    offset = _otadata() + index * _SECTOR
    bus.call("flash.erase", off=offset, len=_SECTOR)
    # The label, twenty bytes, stays erased: nobody uses it.
    bus.call("flash.write", pack("<I20sII", sequence, b"\xff" * 20, state, _crc(sequence)), off=offset)


def _crc(sequence):
    return crc32(pack("<I", sequence), 0xFFFFFFFF)


def _is_image(entry):
    """Whether the partition holds an application image of this board, whole."""
    magic, version, size, digest = unpack_from(_IMAGE, bus.flash, entry[2])
    if magic != _IMAGE_MAGIC or version != 1 or size > entry[3] - _IMAGE_HEADER:
        return False
    start = entry[2] + _IMAGE_HEADER
    return sha256(bus.flash[start : start + size]).digest() == digest
