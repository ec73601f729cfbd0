"""Flash images for tests, with a small device script in place of the firmware."""

from firmware import appimage, filesystem, otadata, partitions, romfs
from ports.unix.flash import SECTOR_SIZE

TABLE = partitions.default_table()

# The device's side of the bus as a script needs it; the firmware's own is ports/unix/modules/_chip/bus.py.
_DEVICE = b"""
import io, json, struct
_bus = open(3, "r+b")
_irq = open(4, "rb")
def _frame(file):
    size, blob_size = struct.unpack("<HI", file.read(6))
    message = json.loads(file.read(size))
    return message, (file.read(blob_size) if blob_size else b"")
def send(message, blob=b""):
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    _bus.write(struct.pack("<HI", len(text), len(blob)) + text + blob)
def call_blob(op, blob=b"", **args):
    args["op"] = op
    send(args, blob)
    reply, data = _frame(_bus)
    if "error" in reply:
        raise OSError(*reply["error"])
    return reply, data
def call(op, blob=b"", **args):
    return call_blob(op, blob, **args)[0]
def interrupt():
    return _frame(_irq)
"""


def device(script, version="test"):
    """Application image that runs `script` (str) with the names of _DEVICE and `flash`, the mapped image."""
    source = "from _chip.device import *\n" + script
    files = {
        "port/_chip/__init__.py": b"",
        "port/_chip/device.py": _DEVICE,
        "port/_chip/script.py": source.encode(),
        # The script runs with the flash as a global of its own, whatever functions it defines.
        "port/_chip/startup.py": b"def main(flash):\n"
        b" import builtins\n"
        b" builtins.flash = flash\n"
        b" from _chip.device import call\n"
        b" call('boot.done')\n"
        b" import _chip.script\n",
    }
    return appimage.pack(romfs.build(files), version)


def write_flash(path, *apps, entries=(), files=None):
    """A flash image at `path`: `apps` in the slots (None: empty), otadata `entries`, `files` by path."""
    flash = bytearray(b"\xff" * partitions.FLASH_SIZE)
    _put(flash, partitions.TABLE_OFFSET, TABLE.to_binary())
    for slot, app in zip(TABLE.ota_slots(), apps, strict=False):
        _put(flash, slot.offset, app or b"")
    for number, entry in enumerate(entries):
        _put(flash, TABLE["otadata"].offset + number * SECTOR_SIZE, entry.pack())
    if files is not None:
        _put(flash, TABLE["vfs"].offset, filesystem.build(files, TABLE["vfs"].size))
    path.write_bytes(flash)
    return path


def entries_of(flash):
    """The two otadata entries that lie in a Flash."""
    return otadata.read(flash.read(TABLE["otadata"].offset, partitions.OTADATA_SIZE))


def _put(flash, offset, data):
    flash[offset : offset + len(data)] = data
