"""The boot loader: which slot starts, rollback, damaged images (ESP-IDF's bootloader_utility.c)."""

import pytest

from firmware.otadata import Entry, State
from ports.unix import bootloader
from ports.unix.flash import Flash, PowerCut
from tests.unix.images import TABLE, device, entries_of, write_flash

FIRST = device("pass", "one")
SECOND = device("pass", "two")
DAMAGED = FIRST[:-1] + bytes((FIRST[-1] ^ 1,))


@pytest.fixture
def boot(tmp_path):
    """boot(*apps, entries=…) writes an image and starts it: (slot name, version), Flash, log lines."""
    opened = []

    def boot(*apps, entries=()):
        flash = Flash(write_flash(tmp_path / "flash.bin", *apps, entries=entries))
        opened.append(flash)
        log = []
        image = bootloader.boot(flash, log.append)
        return (image.partition.name, image.version), flash, log

    yield boot
    for flash in opened:
        flash.close()


def test_blank_otadata_starts_the_first_slot_and_writes_it_down(boot):
    chosen, flash, _ = boot(FIRST, SECOND)
    assert chosen == ("ota_0", "one")
    assert (entries_of(flash)[0].seq, entries_of(flash)[0].state) == (1, State.VALID)


def test_higher_sequence_number_wins(boot):
    chosen, _, _ = boot(FIRST, SECOND, entries=(Entry(1, State.VALID), Entry(2, State.VALID)))
    assert chosen == ("ota_1", "two")


def test_valid_entries_cost_no_write(boot):
    _, flash, _ = boot(FIRST, SECOND, entries=(Entry(1, State.VALID), Entry(2, State.VALID)))
    assert (flash.erases, flash.programs) == (0, 0)


def test_new_image_gets_one_try(boot):
    chosen, flash, _ = boot(FIRST, SECOND, entries=(Entry(1, State.VALID), Entry(2, State.NEW)))
    assert chosen[0] == "ota_1"
    assert entries_of(flash)[1].state == State.PENDING_VERIFY
    log = []
    assert bootloader.boot(flash, log.append).partition.name == "ota_0"
    assert entries_of(flash)[1].state == State.ABORTED
    assert "ota_1" in log[0]


def test_confirmed_image_stays(boot):
    _, flash, _ = boot(FIRST, SECOND, entries=(Entry(1, State.VALID), Entry(2, State.VALID)))
    assert bootloader.boot(flash, print).partition.name == "ota_1"


def test_damaged_image_falls_back_to_the_other_slot(boot):
    chosen, _, log = boot(SECOND, DAMAGED, entries=(Entry(1, State.VALID), Entry(2, State.VALID)))
    assert chosen == ("ota_0", "two")
    assert "slot 1 is not bootable" in log[0] and "SHA-256" in log[0]


def test_only_the_second_slot_holds_an_image(boot):
    chosen, flash, _ = boot(None, SECOND)
    assert chosen == ("ota_1", "two")
    assert entries_of(flash)[0].seq == 2


def test_nothing_to_start_says_how_to_mend_it(boot):
    with pytest.raises(bootloader.BootError, match=r"no bootable app partitions.*make erase"):
        boot(DAMAGED, None)


def test_no_partition_table(tmp_path):
    path = tmp_path / "flash.bin"
    path.write_bytes(b"\xff" * 0x400000)
    flash = Flash(path)
    with pytest.raises(bootloader.BootError, match=r"flash\.bin.*make erase"):
        bootloader.boot(flash, print)
    flash.close()


def test_romfs_lies_where_it_says(tmp_path):
    flash = Flash(write_flash(tmp_path / "other.bin", FIRST))
    image = bootloader.boot(flash, print)
    assert image.romfs_offset == TABLE["ota_0"].offset + 128
    assert flash.read(image.romfs_offset, image.romfs_size) == FIRST[128:]
    flash.close()


@pytest.mark.parametrize("operation", [1, 2])
def test_power_cut_while_otadata_is_written(tmp_path, operation):
    """A torn otadata entry counts as none, so the board starts what it ran before."""
    entries = (Entry(1, State.VALID), Entry(2, State.NEW))
    flash = Flash(write_flash(tmp_path / "flash.bin", FIRST, SECOND, entries=entries))
    flash.cut_after(operation)
    with pytest.raises(PowerCut):
        bootloader.boot(flash, print)
    assert bootloader.boot(flash, print).partition.name == "ota_0"
    flash.close()
