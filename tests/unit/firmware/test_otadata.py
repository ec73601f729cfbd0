"""The choice of the application slot, case by case as ESP-IDF's bootloader_utility.c makes it."""

from dataclasses import replace

import pytest

from firmware import otadata
from firmware.otadata import Entry, State
from firmware.partitions import OTADATA_SIZE, SECTOR_SIZE

BLANK = b"\xff" * OTADATA_SIZE


def otadata_of(first=None, second=None):
    data = bytearray(BLANK)
    for number, entry in enumerate((first, second)):
        if entry is not None:
            data[number * SECTOR_SIZE : number * SECTOR_SIZE + 32] = entry.pack()
    return bytes(data)


def test_crc_is_that_of_esp_idf():
    """As read from chips: ota_seq 1 has CRC 0x4743989a, ota_seq 2 has 0x55f63774."""
    assert Entry(1, State.VALID).pack()[-4:] == (0x4743989A).to_bytes(4, "little")
    assert Entry(2, State.VALID).pack()[-4:] == (0x55F63774).to_bytes(4, "little")


def test_blank_starts_the_first_slot_and_is_initial():
    assert otadata.choose(BLANK, 2) == otadata.Choice(0)
    assert otadata.initial(BLANK)
    assert otadata.first_entry(0) == Entry(1, State.VALID)


@pytest.mark.parametrize(("seq", "slot"), [(1, 0), (2, 1), (3, 0), (4, 1), (0xFFFFFFFE, 1)])
def test_sequence_number_names_the_slot(seq, slot):
    data = otadata_of(Entry(seq, State.VALID))
    assert otadata.choose(data, 2).index == slot
    assert not otadata.initial(data)


@pytest.mark.parametrize("state", [State.VALID, State.UNDEFINED])
def test_higher_number_wins(state):
    assert otadata.choose(otadata_of(Entry(5, state), Entry(6, state)), 2).index == 1
    assert otadata.choose(otadata_of(Entry(7, state), Entry(6, state)), 2).index == 0


def test_wrong_crc_does_not_count():
    damaged = replace(Entry(6, State.VALID), crc=0)
    assert otadata.choose(otadata_of(Entry(5, State.VALID), damaged), 2).index == 0
    assert otadata.initial(otadata_of(damaged, damaged))


def test_new_image_gets_one_try():
    choice = otadata.choose(otadata_of(Entry(1, State.VALID), Entry(2, State.NEW)), 2)
    assert choice.index == 1
    assert choice.changes[1].state == State.PENDING_VERIFY
    assert list(choice.changes) == [1]


def test_unconfirmed_image_is_given_up():
    choice = otadata.choose(otadata_of(Entry(1, State.VALID), Entry(2, State.PENDING_VERIFY)), 2)
    assert choice.index == 0
    assert choice.changes[1].state == State.ABORTED


@pytest.mark.parametrize("state", [State.ABORTED, State.INVALID])
def test_given_up_images_are_not_started(state):
    assert otadata.choose(otadata_of(Entry(1, State.VALID), Entry(2, state)), 2).index == 0
    nothing_left = otadata_of(Entry(1, state), Entry(2, state))
    assert otadata.choose(nothing_left, 2).index == 0
    assert not otadata.initial(nothing_left)


def test_set_boot_writes_the_entry_not_in_use():
    assert otadata.set_boot(BLANK, 1, 2) == (0, Entry(2, State.NEW))
    assert otadata.set_boot(otadata_of(Entry(1, State.VALID)), 1, 2) == (1, Entry(2, State.NEW))
    assert otadata.set_boot(otadata_of(Entry(3, State.VALID), Entry(2, State.VALID)), 1, 2) == (
        1,
        Entry(4, State.NEW),
    )
    assert otadata.set_boot(otadata_of(Entry(1, State.VALID), Entry(2, State.VALID)), 0, 2) == (
        0,
        Entry(3, State.NEW),
    )


@pytest.mark.parametrize("slots", [2, 3])
def test_set_boot_is_followed_by_choose(slots):
    data = bytearray(BLANK)
    for step in range(12):
        slot = (step * 7) % slots
        number, entry = otadata.set_boot(data, slot, slots, State.VALID)
        data[number * SECTOR_SIZE : number * SECTOR_SIZE + 32] = entry.pack()
        assert otadata.choose(bytes(data), slots).index == slot


def test_boot_order():
    assert otadata.boot_order(0, 2) == [0, 1]
    assert otadata.boot_order(1, 2) == [1, 0]
    assert otadata.boot_order(1, 4) == [1, 0, 2, 3]
