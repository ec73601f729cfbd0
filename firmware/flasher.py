"""Writes to a chip's flash through its bootloader, by esptool; checks first that it is the right chip."""

import contextlib

from firmware.errors import FirmwareError
from firmware.partitions import TABLE_OFFSET, TABLE_SIZE, PartitionError, PartitionTable

BAUD = 460800


class Flasher:
    """The bootloader of the chip on a port, as `connect()` gives it."""

    def __init__(self, port, esp):
        self._port = port
        self._esp = esp

    @property
    def chip_name(self):
        """As Espressif spells it, such as 'ESP32-S3'."""
        return self._esp.CHIP_NAME

    @property
    def chip_id(self):
        """The number that stands for it in image headers."""
        return self._esp.IMAGE_CHIP_ID

    def check(self, board):
        """Raise FirmwareError if this is not the Board's chip, or if its flash is smaller than the Board's."""
        from esptool.cmds import detect_flash_size
        from esptool.util import flash_size_bytes

        if self.chip_id != board.chip_id:
            raise FirmwareError(
                f"the chip on {self._port} is an {self.chip_name}, board {board.label} has an {board.chip_family}: "
                "BOARD= names another board"
            )
        found = detect_flash_size(self._esp)
        if found and flash_size_bytes(found) < board.flash_size:
            raise FirmwareError(
                f"the chip on {self._port} has {found} of flash, board {board.label} needs {board.flash_size >> 20}MB: "
                "BOARD= names another board"
            )

    def check_table(self, board):
        """Raise FirmwareError if the chip's partition table has the filesystem elsewhere than the Board's."""
        from esptool.cmds import read_flash

        data = read_flash(self._esp, TABLE_OFFSET, TABLE_SIZE)
        try:
            place = PartitionTable.from_binary(data).find("vfs")
        except PartitionError:
            place = None
        if place is None or (place.offset, place.size) != (board.table["vfs"].offset, board.table["vfs"].size):
            raise FirmwareError(
                f"the chip on {self._port} has not the partition table of board {board.label}: run 'make flash' first"
            )

    def write(self, parts):
        """Write the Parts, whose sectors are erased before; the chip's MD5 sum of each is compared after it."""
        from esptool.cmds import write_flash

        # 'keep' for mode, frequency and size, which are in the bootloader's header as the board's build set them.
        write_flash(self._esp, [(part.offset, part.data) for part in parts])

    def erase(self):
        """Erase the whole flash."""
        from esptool.cmds import erase_flash

        erase_flash(self._esp)


@contextlib.contextmanager
def connect(port, baud=BAUD):
    """A Flasher for the chip on `port`, a device or an URL of pyserial; the chip is reset in the end.

    All that goes wrong with the chip within is raised as a FirmwareError of one line.
    """
    from esptool.cmds import attach_flash, detect_chip, reset_chip, run_stub
    from esptool.util import FatalError
    from serial import SerialException

    try:
        with detect_chip(port) as rom:
            esp = run_stub(rom)
            if baud > esp.ESP_ROM_BAUD and esp.IS_STUB:
                esp.change_baud(baud)
            attach_flash(esp)
            try:
                yield Flasher(port, esp)
            finally:
                with contextlib.suppress(FatalError, SerialException, OSError):
                    reset_chip(esp, "hard-reset")
    except (FatalError, SerialException, OSError) as error:
        raise FirmwareError(f"{port}: {_one_line(error)}") from error


def _one_line(error):
    text = " ".join(str(error).split())
    if "Failed to connect" in text or "No serial data received" in text:
        return "no chip answers; hold BOOT (GPIO0, on a C3 GPIO9), press and let go of RESET, then try again"
    if "Could not open" in text or "could not open" in text:
        return "cannot be opened: is it there, and not in use by another program?"
    return text
