"""A release folder as `make release` writes it, with small files of random bytes in the place of images."""

import hashlib
import json
import random

from firmware.boards import boards
from firmware.partitions import TABLE_OFFSET

VERSION = "1.2.3+gabcdef0"


def offsets(board):
    """{part: offset} of what is written to a board, from its partition table."""
    table = board.table
    return {
        "bootloader": board.bootloader_offset,
        "partition-table": TABLE_OFFSET,
        "otadata": table["otadata"].offset,
        "app": table["ota_0"].offset,
        "filesystem": table["vfs"].offset,
    }


def write(folder, chosen=None, version=VERSION):
    """Release the boards `chosen`, by default all that are for users; returns the release's folder."""
    for board in boards() if chosen is None else chosen:
        if board.release or chosen is not None:
            write_board(folder / version / board.label, board, version)
    return folder / version


def write_board(folder, board, version=VERSION):
    """Release one board into `folder`; its parts have the sizes of small images, otadata is blank as ever."""
    folder.mkdir(parents=True)
    chance = random.Random(board.label)
    parts = []
    for name, offset in offsets(board).items():
        data = b"\xff" * 0x2000 if name == "otadata" else chance.randbytes(chance.randrange(3000, 9000, 4))
        file = f"microAsyncWeb-{version}-{board.label}-{name}.bin"
        (folder / file).write_bytes(data)
        parts.append({"name": name, **_content(file, data), "offset": offset})
    manifest = {
        "name": "microAsyncWeb",
        "version": version,
        "board": board.name,
        "variant": board.variant,
        "chip": board.chip,
        "chip_family": board.chip_family,
        "flash_size": board.flash_size,
        "flash_mode": board.flash_mode,
        "flash_freq": board.flash_freq,
        "micropython": "1.28.0",
        "esp_idf": "5.5.1",
        "image": {**_content("whole.bin", b""), "size": board.flash_size, "offset": 0},
        "elf": _content("whole.elf", b"\x7fELF"),
        "parts": parts,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _content(file, data):
    return {"file": file, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
