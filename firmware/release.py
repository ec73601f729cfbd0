"""The release folder of a board: its images, the ELF, what they are (manifest.json) and their SHA-256 sums."""

import hashlib
import json
from pathlib import Path

from firmware import espimage, parts, paths, sdk, version
from firmware.errors import FirmwareError

NAME = "microAsyncWeb"
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
SCHEMA = paths.ROOT / "firmware" / "release.schema.json"


def folder(board):
    """Where the release of this checkout's version lies."""
    return paths.BUILD / "release" / version.version() / board.label


def make(board, outputs, webroot, boot_json):
    """Fill folder(board) from the build `outputs`, the webroot folder and `boot_json`; returns its path.

    Raises FirmwareError if there is no build, or one of another version than the checkout's.
    """
    outputs = Path(outputs)
    text = version.version()
    pieces = parts.firmware_parts(board, outputs)
    _check_version(board, next(part for part in pieces if part.name == parts.APP), text)
    pieces.append(parts.filesystem_part(board, webroot, boot_json))
    elf = _read_elf(board, outputs)

    target = folder(board)
    written = {}

    def put(suffix, data):
        name = f"{NAME}-{text}-{board.label}{suffix}"
        paths.write_atomically(target / name, data)
        written[name] = hashlib.sha256(data).hexdigest()
        return {"file": name, "size": len(data), "sha256": written[name]}

    whole = parts.join(pieces, board.flash_size)
    manifest = {
        "name": NAME,
        "version": text,
        "board": board.name,
        "variant": board.variant,
        "chip": board.chip,
        "chip_family": board.chip_family,
        "flash_size": board.flash_size,
        "flash_mode": board.flash_mode,
        "flash_freq": board.flash_freq,
        "micropython": sdk.MICROPYTHON.tag.removeprefix("v"),
        "esp_idf": sdk.ESP_IDF.tag.removeprefix("v"),
        "image": {**put(".bin", whole), "offset": 0},
        "elf": put(".elf", elf),
        "parts": [
            {"name": part.name, **put(f"-{part.name}.bin", part.data), "offset": part.offset}
            for part in sorted(pieces, key=lambda part: part.offset)
        ],
    }
    data = (json.dumps(manifest, indent=2) + "\n").encode()
    paths.write_atomically(target / MANIFEST, data)
    written[MANIFEST] = hashlib.sha256(data).hexdigest()
    # The form of sha256sum, which checks it with -c.
    sums = "".join(f"{digest}  {name}\n" for name, digest in sorted(written.items()))
    paths.write_atomically(target / SUMS, sums.encode())
    for path in target.iterdir():
        if path.name not in written and path.name != SUMS:
            path.unlink()  # of an earlier form of the release
    return target


def _check_version(board, app, text):
    built = espimage.read(app.data, "the application").version
    if built and built != text:
        raise FirmwareError(
            f"the firmware of {board.label} was built as {built}, the checkout is {text}: "
            f"run '{parts.make_command('firmware', board)}'"
        )


def _read_elf(board, outputs):
    path = outputs / "micropython.elf"
    try:
        return path.read_bytes()
    except OSError as error:
        raise FirmwareError(
            f"cannot read {paths.show(path)}: {error.strerror}; run '{parts.make_command('firmware', board)}'"
        ) from error
