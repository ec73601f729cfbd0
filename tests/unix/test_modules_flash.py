"""esp32.Partition, NVS and updates on a whole board: what the flash keeps, also when the power fails."""

import pytest

from firmware import otadata
from tests.unix.bench import bench, run
from tests.unix.images import entries_of, write_flash
from tests.unix.scripted import check, image


def test_partitions(tmp_path):
    check(
        tmp_path,
        """
from esp32 import Partition
app = Partition(Partition.RUNNING)
assert app.info() == (0, 16, 0x10000, 0x180000, "ota_0", False)
assert Partition(Partition.BOOT).info() == app.info()
assert [p.info()[4] for p in Partition.find()] == ["ota_0", "ota_1"]
assert [p.info()[4] for p in Partition.find(Partition.TYPE_DATA, 0x81)] == ["vfs"]
assert Partition.find(label="nothing") == []
assert fails(OSError, Partition, "nothing") == (2,)
assert fails(ValueError, Partition, 2) == ()
other = app.get_next_update()
assert other.info()[4] == "ota_1" and other.get_next_update().info()[4] == "ota_0"
assert [other.ioctl(i, 0) for i in range(8)] == [None, 0, 0, 0, 384, 4096, 0, None]
buffer = bytearray(8)
other.writeblocks(1, b"abcd", 4)
other.writeblocks(1, b"\\xfe\\xff", 4)  # NOR flash: bits only fall
other.readblocks(1, buffer)
assert buffer == b"\\xff\\xff\\xff\\xff`bcd"
other.writeblocks(1, bytes(4096))
other.readblocks(1, buffer, 4088)
assert buffer == bytes(8)
assert fails(OSError, other.writeblocks, 1, b"ab") == (-260, "ESP_ERR_INVALID_SIZE")
assert fails(OSError, other.readblocks, 385, buffer) == (-258, "ESP_ERR_INVALID_ARG")
assert fails(OSError, other.readblocks, 384, buffer) == (-260, "ESP_ERR_INVALID_SIZE")
# blocks smaller than what can be erased leave their neighbours alone
small = Partition("ota_1", 512)
assert small.ioctl(5, 0) == 512 and small.ioctl(6, 0) == -22
small.writeblocks(9, b"Y" * 1024)
for block, content in ((8, 0), (9, 89), (10, 89), (11, 0)):
    small.readblocks(block, buffer)
    assert buffer == bytes([content] * 8)
""",
    )


def test_neither_callback_nor_interrupt_cuts_a_flash_operation_in_two(tmp_path):
    """The VM runs callbacks, switches threads and raises KeyboardInterrupt at jumps: so there are none."""
    check(
        tmp_path,
        """
import micropython
from esp32 import Partition
from _chip import bus
part = Partition("ota_1")
block = bytearray(4096)
ran = []
for operation, args in (
    (bus.call, ("boot.info",)),
    (bus.call_blob, ("rtc.read",)),
    (bus.exchange, ("rtc.read",)),
    (part.readblocks, (1, block)),
    (part.readblocks, (1, block, 7)),
    (part.writeblocks, (1, block)),
    (part.writeblocks, (1, block, 7)),
    (part.ioctl, (6, 3)),
    (part.ioctl, (3, 0)),
    (part.ioctl, (4, 0)),
):
    # Evaluated from left to right, without a jump outside of `operation`.
    before, _, _, after = len(ran), micropython.schedule(ran.append, operation), operation(*args), len(ran)
    assert before == after, operation
    until(lambda: len(ran) == before + 1)
""",
    )


def test_an_update_starts_the_other_slot(tmp_path):
    script = """
from esp32 import Partition
import machine
running = Partition(Partition.RUNNING)
print("runs", running.info()[4])
if machine.reset_cause() == machine.PWRON_RESET:
    other = running.get_next_update()
    assert fails(OSError, other.set_boot) == (-5379, "ESP_ERR_OTA_VALIDATE_FAILED")
    block = bytearray(4096)
    for i in range(other.ioctl(4, 0)):
        running.readblocks(i, block)
        other.writeblocks(i, block)
    other.set_boot()
    assert Partition(Partition.BOOT).info() == other.info()
    machine.reset()
assert running.info()[4] == "ota_1"
Partition.mark_app_valid_cancel_rollback()
"""

    async def drive(it):
        await it.says(b"runs ota_0")
        await it.says(b"runs ota_1")
        await it.says(b"the end")
        it.said = b"the end"
        entries = entries_of(it.board.flash)
        newest = max((e for e in entries if e.valid), key=lambda e: e.seq)
        assert (newest.seq, newest.state) == (2, otadata.State.VALID)

    check(tmp_path, script, drive)


def test_times_of_files_count_from_2000(tmp_path):
    check(
        tmp_path,
        """
import os, vfs
from esp32 import Partition
vfs.mount(vfs.VfsLfs2(Partition("vfs")), "/")
os.chdir("/")
time.set_clock(1_767_225_600_000_000)
open("new.txt", "w").close()
stat = os.stat("new.txt")
assert len(stat) == 10 and 2026 <= time.gmtime(stat[8])[0] < 2050, stat
assert os.stat("old.txt")[6:] == (3, 0, 0, 0)
""",
        files={"old.txt": b"old"},
    )


def test_nvs(tmp_path):
    script = """
from esp32 import NVS
import machine
nvs = NVS("test")
NOT_FOUND = (-4354, "ESP_ERR_NVS_NOT_FOUND")
buffer = bytearray(8)
if machine.reset_cause() == machine.PWRON_RESET:
    assert fails(OSError, nvs.get_i32, "a") == NOT_FOUND
    nvs.set_i32("a", -5)
    assert nvs.get_i32("a") == -5
    nvs.set_blob("b", b"hello")
    assert nvs.get_blob("b", buffer) == 5 and buffer == b"hello\\0\\0\\0"
    assert fails(OSError, nvs.get_blob, "b", bytearray(2)) == (-4364, "ESP_ERR_NVS_INVALID_LENGTH")
    assert fails(OSError, nvs.get_blob, "a", buffer) == NOT_FOUND
    assert fails(OSError, nvs.set_i32, "x" * 16, 1) == (-4361, "ESP_ERR_NVS_KEY_TOO_LONG")
    nvs.set_blob("b", "h\u00e9llo")
    assert nvs.get_blob("b", buffer) == 6 and buffer[:6] == "h\u00e9llo".encode()
    nvs.set_blob("b", b"hello")
    buffer = bytearray(8)
    nvs.set_i32("gone", 1)
    nvs.erase_key("gone")
    assert fails(OSError, nvs.erase_key, "gone") == NOT_FOUND
    assert fails(OSError, NVS("other").get_i32, "a") == NOT_FOUND
    NVS("other").set_i32("a", 7)
    assert fails(OSError, nvs.set_blob, "big", bytes(9000)) == (-4357, "ESP_ERR_NVS_NOT_ENOUGH_SPACE")
    for i in range(600):  # fills both banks more than once
        nvs.set_i32("counter", i)
    nvs.commit()
    machine.reset()
assert nvs.get_i32("counter") == 599 and nvs.get_i32("a") == -5 and NVS("other").get_i32("a") == 7
assert nvs.get_blob("b", buffer) == 5
assert fails(OSError, nvs.get_i32, "gone") == NOT_FOUND
assert repr(nvs) == "<NVS namespace>"
"""
    check(tmp_path, script)


@pytest.mark.parametrize("operation", range(1, 12))
def test_nvs_survives_a_power_cut(tmp_path, operation):
    """The old value or the new one, whatever flash operation the power fails in, compaction included."""
    script = """
from esp32 import NVS
nvs = NVS("test")
def get():
    try:
        return nvs.get_i32("n")
    except OSError:
        return 0
print("value", get(), end=";")
while True:
    sys.stdin.readline()
    for i in range(3):
        nvs.set_i32("n", get() + 1)
    print("set")
"""
    path = write_flash(tmp_path / "flash.bin", image(script), files={})

    async def test():
        async with bench(path) as it:
            await it.says(b"value 0;")
            # 384 records of 21 bytes, a few short of a bank: cuts hit the compaction too.
            for _ in range(128):
                it.board.console.feed(b"\n")
                await it.says(b"set")
            it.board.flash.cut_after(operation)
            before = 384
            it.board.console.feed(b"\n")
            await it.until(lambda: b"set" in it.said or it.board.state == "off")
            while it.board.state != "off":
                before += 3
                it.said = b""
                it.board.console.feed(b"\n")
                await it.until(lambda: b"set" in it.said or it.board.state == "off")
            it.board.power_on()
            await it.says(b"value ")
            value = int((await it.says(b";"))[:-1])
            assert before <= value <= before + 3
            it.board.console.feed(b"\n")
            await it.says(b"set")
            it.board.reset()
            await it.says(b"value %d;" % (value + 3))

    run(test())
