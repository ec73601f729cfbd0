"""Application and bootloader images of ESP chips: checked before they are packed or flashed."""

import contextlib
import struct
from dataclasses import dataclass

from firmware.errors import FirmwareError

_MAGIC = 0xE9
_HEADER_SIZE = 24
_DESCRIPTION = struct.Struct("<LL8x32s32s")  # esp_app_desc_t: magic, secure_version, version, project_name
_DESCRIPTION_OFFSET = 0x20  # behind the headers of the image and of its first segment
_DESCRIPTION_MAGIC = 0xABCD5432


@dataclass(frozen=True)
class EspImage:
    """What an image's header says: numeric `chip_id`, `flash_size` in bytes, and the application's `version` or ''."""

    chip_id: int
    flash_size: int
    version: str


def read(data, where):
    """The EspImage of the bytes `data`, which are named `where` in messages.

    esp_image_header_t and esp_app_desc_t of ESP-IDF v5.5 (bootloader_support/include/esp_app_format.h,
    esp_app_format/include/esp_app_desc.h). Raises FirmwareError if there is no image.
    """
    if len(data) < _HEADER_SIZE or data[0] != _MAGIC:
        raise FirmwareError(f"{where} is no image for an ESP chip")
    chip_id = int.from_bytes(data[12:14], "little")
    version = ""
    if len(data) >= _DESCRIPTION_OFFSET + _DESCRIPTION.size:
        magic, _secure, text, _name = _DESCRIPTION.unpack_from(data, _DESCRIPTION_OFFSET)
        if magic == _DESCRIPTION_MAGIC:
            version = text.partition(b"\0")[0].decode("utf-8", "replace")
    return EspImage(chip_id, 0x100000 << (data[3] >> 4), version)


def check(data, board, where):
    """The EspImage of `data` if it is whole and for the Board's chip; raises FirmwareError if not."""
    from esptool.bin_image import LoadFirmwareImage
    from esptool.util import FatalError

    image = read(data, where)
    if image.chip_id != board.chip_id:
        raise FirmwareError(
            f"{where} is for {chip_name(image.chip_id)}, board {board.label} has {board.chip_family}"
        )
    whole = False
    with contextlib.suppress(FatalError, struct.error, IndexError):
        loaded = LoadFirmwareImage(board.chip, bytes(data))
        whole = loaded.checksum == loaded.calculate_checksum() and (
            not loaded.append_digest or loaded.stored_digest == loaded.calc_digest
        )
    if not whole:
        raise FirmwareError(f"{where} is damaged: checksum or SHA-256 do not match")
    return image


def chip_name(chip_id):
    """Such as 'ESP32-S3' for the chip id of an image header."""
    from esptool.targets import CHIP_DEFS

    for chip in CHIP_DEFS.values():
        if getattr(chip, "IMAGE_CHIP_ID", None) == chip_id:
            return chip.CHIP_NAME
    return f"a chip with the id {chip_id}"
