"""An update by modules/device on a whole board: the power fails at every write to the flash, and images that crash."""

import asyncio
import functools

import pytest

from firmware import appimage, modules, otadata, romfs
from ports.unix.supervisor import State
from tests.unix.bench import bench
from tests.unix.images import entries_of, write_flash
from tests.unix.scripted import port_files

# A firmware in miniature: on trial it confirms itself; else the old one takes the update that lies in its ROMFS.
FIRMWARE = """
import asyncio, os
from esp32 import Partition
from device import slots
version = slots.version(slots.head(slots.running()))
state = slots.describe()["state"]
print("runs", version + ",", state + ".")
if state == "pending":
    Partition.mark_app_valid_cancel_rollback()
    print("confirmed")
elif version == "old" and state != "rolled back":
    from device import restart, update
    class Server:
        connections = []
    class Request:
        server = Server
        conn = None
        file = open("/rom/new.bin", "rb")
        left = os.stat("/rom/new.bin")[6]
        async def readinto(self, buffer):
            return self.file.readinto(buffer)
    async def take():
        await update._take(Request())
        await restart.task
    asyncio.run(take())
print("idle")
"""
CRASH = """
print("crashes")
import uctypes
uctypes.bytearray_at(8, 8)[0]
"""
# What happens before the modules are found, when an image lacks some of them.
BROKEN = """
import sys
try:
    import nothing_of_this_name
except Exception as error:
    sys.print_exception(error)
    from device import slots
    slots.give_up()
"""


@functools.cache
def device_modules():
    """The compiled modules of modules/ that an update needs, {path in the ROMFS: bytes}."""
    wanted = ("micropAsyncWeb/", "device/")
    return modules.compile_all([module for module in modules.read_manifest() if module.target.startswith(wanted)])


def image(version, script):
    """An application image that runs `script` as _boot; it can look at its slots, no more."""
    wanted = ("device/__init__", "device/kept", "device/log", "device/resetcause", "device/slots")
    few = {name: data for name, data in device_modules().items() if name.startswith(wanted)}
    return appimage.pack(romfs.build({**port_files(), **few, "_boot.py": script.encode()}), version)


def flash_with(tmp_path, new):
    """A flash whose firmware takes the image `new` as an update."""
    files = {**port_files(), **device_modules(), "_boot.py": FIRMWARE.encode(), "new.bin": new}
    return write_flash(tmp_path / "flash.bin", appimage.pack(romfs.build(files), "old"), files={})


def test_power_cut_at_every_write_of_an_update(tmp_path):
    new = image("new", FIRMWARE)
    path = flash_with(tmp_path, new)
    initial = path.read_bytes()
    # Each block of the slot is erased and written; then set_boot(), boot loader and confirmation rewrite otadata.
    writes = 2 * -(-len(new) // 4096) + 3 * 2

    async def update(cut):
        path.write_bytes(initial)
        async with bench(path) as it:
            it.board.flash.cut_after(cut)
            await it.until(lambda: it.board.state == State.OFF or b"idle" in it.said, f"end of the update, cut {cut}")
            cut_off = it.board.state == State.OFF
            it.said = b""
            if cut_off:
                it.board.power_on()
                await it.says(b".\r\n")
            return cut_off, it.board.state, it.board.image.version

    async def test():
        for cut in range(1, writes + 1):
            # Whatever was being written, the firmware from before starts, and is not on trial.
            assert await update(cut) == (True, State.RUNNING, "old"), f"cut {cut} of {writes}"
        assert await update(writes + 1) == (False, State.RUNNING, "new")

    asyncio.run(asyncio.wait_for(test(), 120))


@pytest.mark.parametrize("script", [CRASH, BROKEN], ids=["crashes", "cannot start its services"])
def test_image_that_does_not_start_is_given_up(tmp_path, script):
    path = flash_with(tmp_path, image("bad", script))

    async def test():
        async with bench(path) as it:
            await it.says(b"runs old, valid.")
            await it.says(b"runs old, rolled back.")
            await it.says(b"idle")
            states = [entry.state for entry in entries_of(it.board.flash)]
            assert states == [otadata.State.VALID, otadata.State.ABORTED]
            assert it.board.image.version == "old"

    asyncio.run(asyncio.wait_for(test(), 60))


def test_image_that_is_confirmed_stays(tmp_path):
    path = flash_with(tmp_path, image("new", FIRMWARE))

    async def test():
        async with bench(path) as it:
            await it.says(b"runs new, pending.")
            await it.says(b"idle")
            it.board.power_off()
            it.board.power_on()
            await it.says(b"runs new, valid.")

    asyncio.run(asyncio.wait_for(test(), 60))


def test_image_that_is_never_confirmed_is_given_up_at_the_next_start(tmp_path):
    path = flash_with(tmp_path, image("hangs", "print('hangs')"))

    async def test():
        async with bench(path) as it:
            await it.says(b"hangs")
            await it.says(b">>> ")
            it.board.reset("soft")  # goes on in the same image
            await it.says(b"hangs")
            await it.says(b">>> ")
            it.board.reset()
            await it.says(b"given up")
            await it.says(b"runs old, rolled back.")

    asyncio.run(asyncio.wait_for(test(), 60))
