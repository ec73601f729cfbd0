"""The filesystem in the flash partition 'vfs': mounted at start, never formatted unless it is all erased.

LittleFS keeps its superblock in blocks 0 and 1. With one of them gone it mounts all the same, but if that was
the newer one it shows an empty root although the files are still in flash. A mark in NVS tells this from a
filesystem that never held anything; it is then mounted read-only, so that the files can still be rescued.
"""

import vfs
from esp32 import NVS, Partition

from . import log

_BLOCK_SIZE = 4096
_REMEDY = "to start anew with an empty one: from device import storage; storage.format()"

# What mount() found: "ok", "new" (was erased, has been formatted), "empty" (its files are gone, read-only),
# "damaged" (cannot be mounted), "missing" (no such partition).
state = "missing"


def mount():
    """Mount the partition at '/', set and return `state`; never raises for what is in the flash."""
    global state
    state = _mount()
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
    partition = _partition()
    try:
        vfs.umount("/")
    except OSError:
        pass  # was not mounted
    vfs.VfsLfs2.mkfs(partition)
    vfs.mount(vfs.VfsLfs2(partition), "/")
    _set_mark(0)
    state = "new"


def _mount():
    partition = _partition()
    if partition is None:
        return "missing"
    try:
        filesystem = vfs.VfsLfs2(partition)
    except OSError:
        if not _erased(partition):
            return "damaged"
        format()
        return "new"
    # Asked of the filesystem itself: os.listdir("/") also lists what else is mounted.
    filled = any(True for _entry in filesystem.ilistdir("/"))
    if filled:
        _set_mark(1)
    lost = not filled and _mark()
    vfs.mount(filesystem, "/", readonly=bool(lost))
    return "empty" if lost else "ok"


def _partition():
    found = Partition.find(Partition.TYPE_DATA, label="vfs")
    return found[0] if found else None


def _erased(partition):
    """Whether every block is blank: one that is not may be somebody's data."""
    block = bytearray(_BLOCK_SIZE)
    blank = b"\xff" * _BLOCK_SIZE
    for number in range(partition.info()[3] // _BLOCK_SIZE):
        partition.readblocks(number, block)
        if block != blank:
            return False
    return True


def _mark():
    """Whether this board's filesystem ever held a file."""
    try:
        return NVS("storage").get_i32("used")
    except OSError:
        return 0


def _set_mark(value):
    if _mark() != value:
        try:
            nvs = NVS("storage")
            nvs.set_i32("used", value)
            nvs.commit()
        except OSError as error:
            log.warning("NVS cannot be written: %s", error)
