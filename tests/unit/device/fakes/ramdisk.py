"""A LittleFS in RAM as the root of the VM's filesystem, on a block device whose power can fail at any operation."""

import os
import sys

import vfs

BLOCK = 4096
BLOCKS = 24


class Disk:
    """A block device. `operations` counts writes and erasures; after `left` of them one is done by half, then none.

    What fails gives a negative errno: an exception would jump out of the midst of LittleFS.
    """

    def __init__(self):
        self.data = bytearray(b"\xff" * BLOCK * BLOCKS)
        self.operations = 0
        self.left = None
        self.off = False
        vfs.VfsLfs2.mkfs(self)

    def _change(self, at, content):
        """Put bytes in place: all, half of them when the power fails, none when it is off. The errno."""
        if self.off:
            return -5
        self.operations += 1
        if self.left is not None:
            self.left -= 1
            self.off = self.left < 0
        size = len(content) // 2 if self.off else len(content)
        self.data[at : at + size] = content[:size]
        return -5 if self.off else 0

    def readblocks(self, number, buffer, offset=0):
        at = number * BLOCK + offset
        buffer[:] = self.data[at : at + len(buffer)]
        return -5 if self.off else 0

    def writeblocks(self, number, buffer, offset=None):
        if offset is None:
            return self.ioctl(6, number) or self._change(number * BLOCK, buffer)
        return self._change(number * BLOCK + offset, buffer)

    def ioctl(self, operation, argument):
        if operation == 4:
            return BLOCKS
        if operation == 5:
            return BLOCK
        if operation == 6:
            return self._change(argument * BLOCK, b"\xff" * BLOCK)
        return 0


disk = Disk()
mounted = False


def start(readonly=False):
    """Power on: mount what the disk holds."""
    global mounted
    disk.off = False
    disk.left = None
    if mounted:
        vfs.umount("/")
    vfs.mount(vfs.VfsLfs2(disk), "/", readonly=readonly)
    mounted = True
    os.chdir("/")


def attach():
    """Put the disk in the place of the host's files, which go to /host with sys.path."""
    here = os.getcwd()
    vfs.umount("/")
    vfs.mount(vfs.VfsPosix(), "/host")
    sys.path[:] = ["/host" + (folder or here) if folder[:1] in ("", "/") else folder for folder in sys.path]
    start()


def files():
    """{name: content} of the root; bytes where it is no text."""
    found = {}
    for name in os.listdir("/"):
        if name != "host":
            with open("/" + name, "rb") as file:
                content = file.read()
            try:
                found[name] = str(content, "utf-8")
            except UnicodeError:
                found[name] = content
    return found


def write(name, content):
    """Make a file."""
    with open("/" + name, "wb") as file:
        file.write(content)


def fill():
    """Write files, smaller and smaller ones, until there is no room for any."""
    number = 0
    for size in (BLOCK, BLOCK // 4, 64, 1):
        try:
            while True:
                number += 1
                write("zz" + str(number), bytes(size))
        except OSError:
            pass
