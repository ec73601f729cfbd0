"""The otadata partition: which application slot starts, as ESP-IDF v5.5's bootloader decides it.

Follows bootloader_utility.c, bootloader_common_loader.c and esp_ota_ops.c with rollback switched on
(CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE, as MicroPython's boards have it).
"""

import struct
import zlib
from dataclasses import dataclass, field, replace
from enum import IntEnum

from firmware.partitions import OTADATA_SIZE, SECTOR_SIZE

_ENTRY = struct.Struct("<L20sLL")  # esp_ota_select_entry_t: ota_seq, seq_label, ota_state, crc
_SEQ_BLANK = 0xFFFFFFFF


class State(IntEnum):
    """esp_ota_img_states_t."""

    NEW = 0
    PENDING_VERIFY = 1
    VALID = 2
    INVALID = 3
    ABORTED = 4
    UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class Entry:
    """One esp_ota_select_entry_t; `crc` None means the right one for `seq`."""

    seq: int = _SEQ_BLANK
    state: int = State.UNDEFINED
    label: bytes = b"\xff" * 20
    crc: int | None = None

    @classmethod
    def unpack(cls, data):
        """Read the first 32 bytes of a sector."""
        seq, label, state, crc = _ENTRY.unpack_from(data)
        return cls(seq, state, label, crc)

    def pack(self):
        """The 32 bytes as they lie in flash."""
        crc = _crc(self.seq) if self.crc is None else self.crc
        return _ENTRY.pack(self.seq, self.label, self.state, crc)

    @property
    def crc_right(self):
        """Whether something was written here whole."""
        return self.seq != _SEQ_BLANK and self.crc in (None, _crc(self.seq))

    @property
    def invalid(self):
        """bootloader_common_ota_select_invalid: never written, or its image was given up."""
        return self.seq == _SEQ_BLANK or self.state in (State.INVALID, State.ABORTED)

    @property
    def valid(self):
        """bootloader_common_ota_select_valid: may be started."""
        return not self.invalid and self.crc_right


@dataclass(frozen=True)
class Choice:
    """What the bootloader does: the OTA slot it tries first, the entries {number: Entry} it rewrites."""

    index: int
    changes: dict[int, Entry] = field(default_factory=dict)


def read(otadata):
    """The two entries of the partition's OTADATA_SIZE bytes; each has a sector of its own."""
    return Entry.unpack(otadata[:SECTOR_SIZE]), Entry.unpack(otadata[SECTOR_SIZE:OTADATA_SIZE])


def initial(otadata):
    """Whether neither entry was ever written whole: first_entry() is then written after a good start."""
    return not any(entry.crc_right for entry in read(otadata))


def first_entry(index):
    """What the bootloader writes into entry 0 when it started slot `index` with an initial otadata."""
    return Entry(index + 1, State.VALID)


def choose(otadata, slots):
    """The Choice for `slots` OTA slots and no factory partition.

    bootloader_utility_get_selected_boot_partition(): an image that was started once and not confirmed
    (PENDING_VERIFY) is given up, a NEW one gets its one try.
    """
    entries = list(read(otadata))
    changes = {}
    for number, entry in enumerate(entries):
        if entry.state == State.PENDING_VERIFY:
            entries[number] = changes[number] = replace(entry, state=State.ABORTED)
    active = _active(entries)
    if active is None:
        return Choice(0, changes)
    if entries[active].state == State.NEW:
        changes[active] = replace(entries[active], state=State.PENDING_VERIFY)
    return Choice((entries[active].seq - 1) % slots, changes)


def boot_order(index, slots):
    """The slots in the order of bootloader_utility_load_boot_image(): the chosen, those below, above."""
    return [*range(index, -1, -1), *range(index + 1, slots)]


def set_boot(otadata, slot, slots, state=State.NEW):
    """(entry number, Entry) that makes `slot` start next, as esp_ota_set_boot_partition() writes it."""
    entries = read(otadata)
    active = _active(entries)
    if active is None:
        return 0, Entry(slot + 1, state)
    # The next higher number that gives this slot; the entry that is not in use is the one overwritten.
    seq = entries[active].seq
    seq += (slot + 1 - seq) % slots
    return active ^ 1, Entry(seq, state)


def _active(entries):
    """bootloader_common_get_active_otadata: the valid entry with the higher sequence number, or None."""
    valid = [number for number in (0, 1) if entries[number].valid]
    return max(valid, key=lambda number: (entries[number].seq, -number), default=None)


def _crc(seq):
    """esp_rom_crc32_le(UINT32_MAX, …) equals zlib's CRC-32 continued from 0xFFFFFFFF."""
    return zlib.crc32(struct.pack("<L", seq), 0xFFFFFFFF)
