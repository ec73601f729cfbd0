"""The filesystem in the flash partition 'vfs': mounted at start, never formatted unless it is all erased.

LittleFS keeps its superblock in blocks 0 and 1. With one of them gone it mounts all the same, but if that was
the newer one it shows an empty root although the files are still in flash. It is then mounted read-only, so that
they can still be rescued. A mark in NVS tells this from a filesystem that never held anything, and two superblocks
tell it from one whose files were removed.
"""

import os

import vfs
from esp32 import Partition

from . import log, nvs

_BLOCK_SIZE = 4096
_MAGIC = b"littlefs"
_REMEDY = "mend it at /repair, or empty it: from device import storage; storage.format()"
LOST = ("damaged", "empty", "missing")  # states in which the board has no files

# What mount() found: "ok", "new" (was erased, has been formatted), "empty" (its files are gone, read-only),
# "damaged" (cannot be mounted), "missing" (no such partition).
state = "missing"


def mount(sound=True):
    """Mount the partition at '/', set and return `state`; never raises for what is in the flash.

    Not `sound`: the last start ended in this, so it is not tried and counts as damaged.
    """
    global state
    state = _mount() if sound else "damaged"
    if state == "damaged":
        log.error("the filesystem is damaged and was left as it is; %s", _REMEDY)
    elif state == "empty":
        log.error("the filesystem lost its files and is read-only, to save what is in flash; %s", _REMEDY)
    elif state == "missing":
        log.error("the flash has no partition 'vfs', there is no filesystem")
    elif state == "new":
        log.warning("the flash was erased: made an empty filesystem")
    return state


def format():
    """Make the filesystem new and empty and mount it; all files are lost."""
    global state
    block_device = partition()
    try:
        vfs.umount("/")
    except OSError:
        pass  # was not mounted
    vfs.VfsLfs2.mkfs(block_device)
    vfs.mount(vfs.VfsLfs2(block_device), "/")
    _set_mark(0)
    state = "new"


def _mount():
    block_device = partition()
    if block_device is None:
        return "missing"
    try:
        filesystem = vfs.VfsLfs2(block_device)
    except OSError:
        if not _erased(block_device):
            return "damaged"
        format()
        return "new"
    # Asked of the filesystem itself: os.listdir("/") also lists what else is mounted.
    try:
        filled = any(True for _entry in filesystem.ilistdir("/"))
    except OSError:
        lost = True  # it mounts, but its root cannot be read
    else:
        if filled:
            _set_mark(1)
        lost = not filled and _mark() and not _both_superblocks(block_device)
    vfs.mount(filesystem, "/", readonly=bool(lost))
    return "empty" if lost else "ok"


def room(path="/"):
    """(bytes in a block, blocks, free blocks) of the filesystem at `path`; OSError without one."""
    block, _fragment, total, free = os.statvfs(path)[:4]
    # LittleFS counts some blocks twice, so that a full one has more in use than there are, and MicroPython subtracts
    # without a sign (statvfs() in extmod/vfs_lfsx.c of v1.28.0).
    return block, total, free if 0 <= free <= total else 0


def exists(path):
    """Whether there is a file or folder of that name."""
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def partition():
    """The filesystem's Partition, a block device; None when the flash has no partition 'vfs'."""
    found = Partition.find(Partition.TYPE_DATA, label="vfs")
    return found[0] if found else None


def _erased(block_device):
    """Whether every block is blank, or every one zeroed, as in an emulator's padded image: others may hold data."""
    block = bytearray(_BLOCK_SIZE)
    block_device.readblocks(0, block)
    if block[0] not in (0, 0xFF):
        return False
    blank = bytes(block[:1]) * _BLOCK_SIZE
    for number in range(block_device.info()[3] // _BLOCK_SIZE):
        block_device.readblocks(number, block)
        if block != blank:
            return False
    return True


def _both_superblocks(block_device):
    """Whether both blocks begin as LittleFS begins a superblock: revision, a tag, the magic string."""
    head = bytearray(8 + len(_MAGIC))
    for number in (0, 1):
        block_device.readblocks(number, head, 0)
        if head[8:] != _MAGIC:
            return False
    return True


def _mark():
    """Whether this board's filesystem ever held a file."""
    try:
        return nvs.store("storage").get_i32("used")
    except OSError:
        return 0


def _set_mark(value):
    if _mark() != value:
        try:
            store = nvs.store("storage")
            store.set_i32("used", value)
            store.commit()
        except OSError as error:
            log.warning("NVS cannot be written: %s", error)
