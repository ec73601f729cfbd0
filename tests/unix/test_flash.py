"""The flash chip: NOR semantics, counters, power cut, exclusive use."""

import mmap

import pytest

from ports.unix.errors import BoardError
from ports.unix.flash import SECTOR_SIZE, Flash, FlashError, PowerCut


@pytest.fixture
def flash(tmp_path):
    path = tmp_path / "flash.bin"
    path.write_bytes(b"\xff" * 16 * SECTOR_SIZE)
    flash = Flash(path)
    yield flash
    flash.close()


def test_program_only_clears_bits(flash):
    flash.program(10, b"\xf0\x0f\xff")
    flash.program(10, b"\x3c\x3c\xff")
    assert flash.read(9, 5) == b"\xff\x30\x0c\xff\xff"


def test_erase_sets_whole_sectors(flash):
    flash.program(SECTOR_SIZE - 2, b"\0" * 4)
    flash.erase(SECTOR_SIZE, SECTOR_SIZE)
    assert flash.read(SECTOR_SIZE - 2, 4) == b"\0\0\xff\xff"


def test_operations_are_counted(flash):
    flash.erase(0, 3 * SECTOR_SIZE)
    flash.program(0, b"a")
    flash.program(1, b"b")
    assert (flash.erases, flash.programs) == (3, 2)


@pytest.mark.parametrize(
    ("offset", "length"), [(1, SECTOR_SIZE), (0, 100), (16 * SECTOR_SIZE, SECTOR_SIZE), (-4096, 4096)]
)
def test_erase_refuses(flash, offset, length):
    with pytest.raises(FlashError):
        flash.erase(offset, length)


@pytest.mark.parametrize("offset", [-1, 16 * SECTOR_SIZE - 1])
def test_program_refuses_what_is_outside(flash, offset):
    with pytest.raises(FlashError, match="outside"):
        flash.program(offset, b"\0\0")


def test_power_cut_halves_a_program(flash):
    flash.cut_after(2)
    flash.program(0, b"\0" * 8)
    with pytest.raises(PowerCut):
        flash.program(8, b"\0" * 8)
    assert flash.read(0, 16) == b"\0" * 12 + b"\xff" * 4
    flash.program(12, b"\0")


def test_power_cut_halves_an_erase(flash):
    flash.program(0, bytes(2 * SECTOR_SIZE))
    flash.cut_after(2)
    with pytest.raises(PowerCut):
        flash.erase(0, 2 * SECTOR_SIZE)
    assert flash.read(0, 2 * SECTOR_SIZE) == b"\xff" * (SECTOR_SIZE + SECTOR_SIZE // 2) + bytes(
        SECTOR_SIZE // 2
    )


def test_power_cut_can_be_taken_back(flash):
    flash.cut_after(1)
    flash.cut_after(0)
    flash.program(0, b"\0")


def test_writes_are_seen_in_another_mapping_at_once(flash):
    with open(flash.path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as other:
        flash.program(100, b"seen")
        assert other[100:104] == b"seen"


def test_two_boards_cannot_share_an_image(flash):
    with pytest.raises(BoardError, match="in use by a running board"):
        Flash(flash.path)


def test_missing_image(tmp_path):
    with pytest.raises(BoardError, match=r"none\.bin: No such file"):
        Flash(tmp_path / "none.bin")


def test_image_of_odd_size(tmp_path):
    path = tmp_path / "odd.bin"
    path.write_bytes(b"x" * 100)
    for _ in range(2):  # the first failure must not keep the lock
        with pytest.raises(BoardError, match="100 bytes are no flash image"):
            Flash(path)
