"""What of a chip's flash is written, piece by piece with its offset, and the pieces put together as one image."""

from dataclasses import dataclass
from pathlib import Path

from firmware import espimage, filesystem, paths, webroot
from firmware.errors import FirmwareError
from firmware.partitions import SUBTYPE_OTADATA, TABLE_OFFSET, TYPE_APP, TYPE_DATA, PartitionError, PartitionTable

BOOT_JSON = paths.ROOT / "firmware" / "boot.json"
BOOTLOADER, TABLE, OTADATA, APP, FILESYSTEM = "bootloader", "partition-table", "otadata", "app", "filesystem"
BOOTLOADER_FILE = "bootloader/bootloader.bin"
TABLE_FILE = "partition_table/partition-table.bin"
APP_FILE = "micropython.bin"


@dataclass(frozen=True)
class Part:
    """`data` bytes that belong at `offset` of the flash; `name` is one of the constants above."""

    name: str
    offset: int
    data: bytes

    @property
    def end(self):
        """Offset of the first byte behind it."""
        return self.offset + len(self.data)


def firmware_parts(board, folder):
    """List of Parts of a Board from the build outputs in `folder`, ascending: all but the filesystem.

    A blank otadata among them starts the slot that the application is in. Raises FirmwareError, which says which
    file is missing, damaged, for another board or too large.
    """
    folder = Path(folder)
    if not (folder / APP_FILE).is_file():
        raise FirmwareError(
            f"there is no firmware of {board.label} in {paths.show(folder)}: run '{make_command('firmware', board)}'"
        )
    parts = [
        Part(BOOTLOADER, board.bootloader_offset, _bootloader(board, folder)),
        Part(TABLE, TABLE_OFFSET, _table(board, folder)),
        Part(APP, app_partition(board).offset, _app(board, folder)),
    ]
    for row in board.table.find_by_type(TYPE_DATA, SUBTYPE_OTADATA):
        parts.append(Part(OTADATA, row.offset, b"\xff" * row.size))
    return sorted(parts, key=lambda part: part.offset)


def filesystem_part(board, folder, boot_json):
    """The Part with the LittleFS of webroot `folder` and `boot_json`. Raises FirmwareError."""
    place = board.table["vfs"]
    files = webroot.with_gzip_neighbours(webroot.collect(folder, boot_json))
    return Part(FILESYSTEM, place.offset, filesystem.build(files, place.size))


def join(parts, size):
    """The Parts as one image of `size` bytes from offset 0, blank where there is none. Raises FirmwareError."""
    flash = bytearray(b"\xff" * size)
    end = 0
    for part in sorted(parts, key=lambda part: part.offset):
        if part.offset < end:
            raise FirmwareError(f"{part.name} at 0x{part.offset:x} overlaps what ends at 0x{end:x}")
        end = part.end
        if end > size:
            raise FirmwareError(f"{part.name} ends at 0x{end:x}, {end - size} bytes behind the flash")
        flash[part.offset : end] = part.data
    return bytes(flash)


def app_partition(board):
    """The Partition that a new board starts: ota_0, or the first application's. Raises FirmwareError."""
    apps = board.table.ota_slots() or [row for row in board.table if row.type == TYPE_APP]
    if not apps:
        raise FirmwareError(f"{paths.show(board.partitions_csv)}: there is no partition of type app")
    return apps[0]


def make_command(target, board):
    """What to type for a make target of this board."""
    return f"make {target} BOARD={board.name}" + (f" VARIANT={board.variant}" if board.variant else "")


def _bootloader(board, folder):
    data = _read(board, folder / BOOTLOADER_FILE)
    where = paths.show(folder / BOOTLOADER_FILE)
    image = espimage.check(data, board, where)
    over = board.bootloader_offset + len(data) - TABLE_OFFSET
    if over > 0:
        raise FirmwareError(f"{where} has {len(data)} bytes, {over} more than fit before the partition table")
    if image.flash_size != board.flash_size:
        raise FirmwareError(
            f"{where} is for {_mb(image.flash_size)} of flash, board {board.label} has {_mb(board.flash_size)}: "
            f"run '{make_command('firmware', board)}'"
        )
    return data


def _table(board, folder):
    path = folder / TABLE_FILE
    data = _read(board, path)
    try:
        same = PartitionTable.from_binary(data, paths.show(path)) == board.table
    except PartitionError as error:
        raise FirmwareError(f"{error}: run '{make_command('firmware', board)}'") from error
    if not same:
        raise FirmwareError(
            f"{paths.show(path)} is not what {paths.show(board.partitions_csv)} says now: "
            f"run '{make_command('firmware', board)}'"
        )
    return data


def _app(board, folder):
    data = _read(board, folder / APP_FILE)
    where = paths.show(folder / APP_FILE)
    espimage.check(data, board, where)
    slot = app_partition(board)
    over = len(data) - slot.size
    if over > 0:
        raise FirmwareError(
            f"{where} has {len(data)} bytes, slot {slot.name} of board {board.label} has {slot.size}: {over} too many"
        )
    return data


def _read(board, path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise FirmwareError(
            f"cannot read {paths.show(path)}: {error.strerror}; run '{make_command('firmware', board)}'"
        ) from error


def _mb(size):
    return f"{size / 0x100000:g} MB"
