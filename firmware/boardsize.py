"""The table of `make size BOARD=`: application, filesystem and frozen modules of a chip's board."""

from pathlib import Path

from firmware import modules, parts, paths, version, webroot
from firmware.errors import FirmwareError
from firmware.size import row


def report(board, outputs, folder, boot_json):
    """Text for a Board with the build `outputs`, the webroot `folder` and `boot_json`. Raises FirmwareError.

    Without a build it says so, and has the modules of this project alone.
    """
    outputs = Path(outputs)
    slot, vfs = parts.app_partition(board), board.table["vfs"]
    app = outputs / parts.APP_FILE
    files = webroot.collect(folder, boot_json)
    packed = webroot.with_gzip_neighbours(files)
    frozen = _frozen(outputs)
    title = "frozen module"
    if not frozen:
        title += " of this project"
        version.write_module()  # the manifest names it
        frozen = {path: len(code) for path, code in modules.compile_all(modules.read_manifest(board.manifest)).items()}

    lines = [f"board {board.label}: {board.chip_family}, {board.flash_size >> 20} MB of flash"]
    lines += ["", f"{'partition':32}    bytes   offset"]
    lines += [f"{place.name:32}{place.size:9} {hex(place.offset):>8}" for place in board.table]
    lines.append("")
    lines.append(f"{title:32}    bytes")
    lines += [f"{path:32}{frozen[path]:9}" for path in sorted(frozen, key=lambda path: (-frozen[path], path))]
    lines += [f"{f'all {len(frozen)}':32}{sum(frozen.values()):9}", ""]
    if app.is_file():
        lines.append(row(f"application in slot {slot.name}", app.stat().st_size, slot.size))
    else:
        command = parts.make_command("firmware", board)
        lines.append(f"{f'slot {slot.name}':32}{slot.size:9}  no application yet: run '{command}'")
    lines.append(row(f"filesystem, {len(files)} files", sum(map(len, files.values())), vfs.size))
    lines.append(row(f"with .gz, {len(packed)} files", sum(map(len, packed.values())), vfs.size))
    return "\n".join(lines)


def _frozen(outputs):
    """{module: bytes} of what the build compiled; tools/makemanifest.py (v1.28.0) leaves it in frozen_mpy/."""
    folder = outputs / "frozen_mpy"
    try:
        return {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*.mpy")}
    except OSError as error:
        raise FirmwareError(f"cannot read {paths.show(folder)}: {error.strerror}") from error
