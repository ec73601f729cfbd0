"""The boot loader: which application slot starts, as ESP-IDF v5.5's bootloader_utility.c decides it.

Rollback is on (CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE): an image that was started once and did not confirm
itself is given up at the next start. Like MicroPython's boards it prints warnings and errors only.
"""

from dataclasses import dataclass

from firmware import appimage, otadata, partitions
from firmware.errors import FirmwareError
from ports.unix.errors import BoardError
from ports.unix.flash import SECTOR_SIZE

REMEDY = "'make erase' makes it new, or name another file with FLASH="


class BootError(BoardError):
    """Nothing in this flash can be started; says what to do about it."""


@dataclass(frozen=True)
class BootImage:
    """What was chosen: the slot's `partition`, the image's `version`, where its ROMFS lies (bytes)."""

    partition: partitions.Partition
    version: str
    romfs_offset: int
    romfs_size: int


def boot(flash, log):
    """Choose, check and return the BootImage; otadata is updated through `flash`.

    `log(text)` prints a line on the console. Raises BootError, and PowerCut from the flash.
    """
    try:
        table = partitions.read_flash(flash.view, flash.path)
    except FirmwareError as error:
        raise BootError(f"{error}; {REMEDY}") from error
    slots = table.ota_slots()
    info = table.find_by_type(partitions.TYPE_DATA, partitions.SUBTYPE_OTADATA)
    if not slots or not info:
        raise BootError(f"{flash.path}: the partition table has no OTA slot or no otadata; {REMEDY}")
    return _load(flash, slots, info[0].offset, log)


def _load(flash, slots, info_offset, log):
    data = flash.read(info_offset, partitions.OTADATA_SIZE)
    choice = otadata.choose(data, len(slots))
    for number, entry in choice.changes.items():
        if entry.state == otadata.State.ABORTED:
            slot = slots[(entry.seq - 1) % len(slots)].name
            log(f"W boot: {slot} was started and did not confirm itself: it is given up")
        _write_entry(flash, info_offset, number, entry)
    for index in otadata.boot_order(choice.index, len(slots)):
        slot = slots[index]
        try:
            image = appimage.parse(flash.view[slot.offset : slot.end])
        except appimage.AppImageError as error:
            log(f"E boot: OTA app partition slot {index} is not bootable: {error}")
            continue
        if otadata.initial(data):
            _write_entry(flash, info_offset, 0, otadata.first_entry(index))
        romfs_offset = slot.offset + appimage.HEADER_SIZE
        return BootImage(slot, image.version, romfs_offset, len(image.payload))
    raise BootError(f"{flash.path}: no bootable app partitions in the partition table; {REMEDY}")


def _write_entry(flash, info_offset, number, entry):
    """Rewrite one of the two otadata sectors (write_otadata)."""
    offset = info_offset + number * SECTOR_SIZE
    flash.erase(offset, SECTOR_SIZE)
    flash.program(offset, entry.pack())
