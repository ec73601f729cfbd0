"""The desktop board's flash image: made new, or its application slot refreshed and the rest kept."""

import contextlib
import hashlib
import json
from pathlib import Path

from firmware import appimage, modules, otadata, paths, romfs, version, webroot
from firmware.errors import FirmwareError
from firmware.lockfile import locked
from firmware.partitions import (
    FLASH_SIZE,
    SECTOR_SIZE,
    TABLE_OFFSET,
    PartitionError,
    default_table,
    read_flash,
)

_LITTLEFS = b"littlefs"  # in the first block of a filesystem, behind revision and tag
_PORT_MODULES = {"unix": paths.ROOT / "ports" / "unix" / "modules"}
PORTS = tuple(_PORT_MODULES)


def build_app(port):
    """Compile and pack what `port` runs into build/<port>/; returns the application image's bytes.

    ROMFS: the manifest's modules at its root, the port's own below 'port/'. Raises FirmwareError.
    """
    text = version.write_module()
    sources = modules.read_manifest() + modules.tree(_PORT_MODULES[port], "port")
    payload = romfs.build(modules.compile_all(sources))
    app = appimage.pack(payload, text)
    _write_if_changed(paths.BUILD / port / "romfs.img", payload)
    _write_if_changed(paths.BUILD / port / "app.bin", app)
    return app


def build_filesystem(port, files):
    """build/<port>/vfs.bin with the {path: bytes} of webroot.collect(), as bytes. Raises FirmwareError."""
    from firmware import filesystem  # loads the LittleFS library, which most starts do without

    image = filesystem.build(webroot.with_gzip_neighbours(files), default_table()["vfs"].size)
    _write_if_changed(paths.BUILD / port / "vfs.bin", image)
    return image


def new_flash(app, vfs):
    """A whole flash image as bytes: table, `app` in the first slot, `vfs`; the rest is erased."""
    table = default_table()
    flash = bytearray(b"\xff" * FLASH_SIZE)
    _put(flash, TABLE_OFFSET, table.to_binary())
    _put_app(flash, table.ota_slots()[0], app)
    _put(flash, table["vfs"].offset, vfs)
    return bytes(flash)


def refresh(flash, app):
    """The image with `app` in the slot that starts next; all else is kept. Raises FirmwareError."""
    table = read_flash(flash)
    result = bytearray(flash)
    _put_app(result, next_slot(flash, table), app)
    return bytes(result)


def next_slot(flash, table):
    """The Partition that the bootloader would start: the chosen slot, or the next with a good image."""
    slots = table.ota_slots()
    place = table["otadata"]
    choice = otadata.choose(flash[place.offset : place.end], len(slots))
    for index in otadata.boot_order(choice.index, len(slots)):
        slot = slots[index]
        with contextlib.suppress(appimage.AppImageError):
            appimage.parse(memoryview(flash)[slot.offset : slot.end])
            return slot
    return slots[choice.index]


def make(path, port, folder, boot_json, new=False):
    """Bring the flash image at `path` up to date; returns one line on what was done, '' for nothing.

    Made from nothing when it is missing or `new`, with the webroot `folder` and `boot_json` on its
    filesystem. Else only the application slot is written, and only when the modules changed since they were
    last put in, so that an update which the board itself took is kept. The new image is written aside and
    renamed: a failure leaves the old one. Raises FirmwareError.
    """
    path = Path(path)
    app = build_app(port)
    files = webroot.collect(folder, boot_json)
    put = {"app": hashlib.sha256(app).hexdigest(), "files": webroot.digest(files)}
    with lock(path):
        record = _Record(path)
        if path.exists():
            # Also before it is made new: a mistyped name must not cost somebody another file.
            _check_file(path)
        if new or not path.exists():
            paths.write_atomically(path, new_flash(app, build_filesystem(port, files)))
            record.save(**put)
            return f"{paths.show(path)} is new, with the files of {paths.show(folder)}"
        done = []
        if record.get("app") != put["app"]:
            flash = _read_file(path)
            fresh = _checked(path, refresh, flash, app)
            if fresh != flash:
                paths.write_atomically(path, fresh)
                done.append(f"{paths.show(path)} has the changed modules")
            record.save(app=put["app"])
        if record.get("files") not in (None, put["files"]):
            done.append(
                f"{paths.show(path)} keeps its own files, 'make erase' takes those of {paths.show(folder)}"
            )
        return "; ".join(done)


def lock(path):
    """Hold the flash image at `path` for one writer, in a `with`. Raises FirmwareError when a running board has it."""
    path = Path(path)
    busy = f"{paths.show(path)} is in use by a running board; stop it, or name another file with FLASH="
    return locked(path.with_name(path.name + ".lock"), busy)


def vfs_of(path):
    """The bytes of the filesystem in `path`, which is a filesystem image or a whole flash image."""
    data = _read_file(Path(path))
    if len(data) == default_table()["vfs"].size or data[8:16] == _LITTLEFS:
        return data
    place = _checked(path, read_flash, data)["vfs"]
    return data[place.offset : place.end]


class _Record:
    """What was last put into a flash image, in a small JSON file beside it."""

    def __init__(self, path):
        self._path = path.with_name(path.name + ".json")
        self._values = {}
        with contextlib.suppress(OSError, ValueError):
            values = json.loads(self._path.read_text("utf-8"))
            self._values = values if isinstance(values, dict) else {}

    def get(self, key):
        return self._values.get(key)

    def save(self, **values):
        self._values.update(values)
        paths.write_atomically(self._path, json.dumps(self._values, indent=1).encode())


def _put(flash, offset, data):
    flash[offset : offset + len(data)] = data


def _put_app(flash, slot, app):
    if len(app) > slot.size:
        over = len(app) - slot.size
        raise FirmwareError(f"the modules need {len(app)} bytes, {over} more than slot {slot.name} has")
    # Erased to the last sector in use, as an update on the board does; what lay behind stays.
    used = -(-len(app) // SECTOR_SIZE) * SECTOR_SIZE
    _put(flash, slot.offset, app.ljust(used, b"\xff"))


def _read_file(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise FirmwareError(f"cannot read {paths.show(path)}: {error.strerror}") from error


def _check_file(path):
    if not path.is_file():
        raise FirmwareError(f"{paths.show(path)} is no file; name another one with FLASH=")
    size = path.stat().st_size
    if size != FLASH_SIZE:
        raise FirmwareError(
            f"{paths.show(path)} has {size} bytes, a flash image has {FLASH_SIZE}; "
            "remove it, or name another file with FLASH="
        )


def _checked(path, function, *arguments):
    """Run a function on an image's bytes and say which file it was when its table is bad."""
    try:
        return function(*arguments)
    except PartitionError as error:
        raise FirmwareError(f"{paths.show(path)}: {error}; 'make erase' makes it new") from error


def _write_if_changed(path, data):
    if not path.exists() or path.read_bytes() != data:
        paths.write_atomically(path, data)
