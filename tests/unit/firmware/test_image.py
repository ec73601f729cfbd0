"""The flash image: made whole, refreshed without loss, refused when it is not what it should be."""

import pytest

from firmware import appimage, filesystem, image, otadata, paths
from firmware.errors import FirmwareError
from firmware.otadata import Entry, State
from firmware.partitions import FLASH_SIZE, SECTOR_SIZE, TABLE_OFFSET, default_table, read_flash

TABLE = default_table()
OTADATA, OTA_0, OTA_1, VFS = (TABLE[name] for name in ("otadata", "ota_0", "ota_1", "vfs"))


@pytest.fixture
def board(tmp_path, monkeypatch):
    """A folder with pages and settings, and image.make() on it with an application that the test sets."""
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.html").write_text("one")
    (tmp_path / "boot.json").write_text("{}")

    class Board:
        flash = tmp_path / "flash.bin"
        pages = tmp_path / "pages"

        def make(self, payload=b"first", new=False):
            monkeypatch.setattr(image, "build_app", lambda port: appimage.pack(payload, "1"))
            return image.make(self.flash, "unix", self.pages, tmp_path / "boot.json", new)

        def change(self, offset, data):
            content = bytearray(self.flash.read_bytes())
            content[offset : offset + len(data)] = data
            self.flash.write_bytes(content)

        def payload(self, slot):
            return bytes(appimage.parse(self.flash.read_bytes()[slot.offset : slot.end]).payload)

    return Board()


def test_new_image_has_everything_in_its_place(board):
    assert "is new" in board.make()
    data = board.flash.read_bytes()
    assert len(data) == FLASH_SIZE
    assert read_flash(data) == TABLE
    assert board.payload(OTA_0) == b"first"
    assert filesystem.read(data[VFS.offset : VFS.end]) == {"boot.json": b"{}", "webroot/index.html": b"one"}
    for erased in (data[:TABLE_OFFSET], data[0x9000 : OTA_0.offset], data[OTA_1.offset : OTA_1.end]):
        assert erased.count(0xFF) == len(erased)


def test_nothing_changed_nothing_written(board):
    board.make()
    before = board.flash.stat()
    assert board.make() == ""
    assert board.flash.stat().st_mtime_ns == before.st_mtime_ns


def test_changed_modules_leave_all_else(board):
    board.make(b"first" * 2000)
    board.change(VFS.offset + 0x50000, b"a user's file")
    board.change(0x9000, b"nvs")
    before = board.flash.read_bytes()
    assert "changed modules" in board.make(b"second")
    after = board.flash.read_bytes()
    assert board.payload(OTA_0) == b"second"
    assert after[: OTA_0.offset] == before[: OTA_0.offset]
    assert after[OTA_1.offset :] == before[OTA_1.offset :]


def test_the_slot_that_starts_next_is_refreshed(board):
    board.make()
    board.change(OTA_1.offset, appimage.pack(b"updated", "2"))
    board.change(OTADATA.offset, Entry(1, State.VALID).pack())
    board.change(OTADATA.offset + SECTOR_SIZE, Entry(2, State.VALID).pack())
    # The board took an update itself: it stays while the modules here are the same.
    assert board.make() == ""
    assert board.payload(OTA_1) == b"updated"
    board.make(b"edited")
    assert (board.payload(OTA_0), board.payload(OTA_1)) == (b"first", b"edited")


def test_without_a_record_the_image_itself_tells(board):
    board.make()
    record = board.flash.with_name("flash.bin.json")
    record.unlink()
    assert board.make() == ""
    assert record.exists()


def test_changed_pages_are_only_spoken_of(board):
    board.make()
    (board.pages / "index.html").write_text("two")
    before = board.flash.read_bytes()
    assert "make erase" in board.make()
    assert board.flash.read_bytes() == before
    assert "is new" in board.make(new=True)
    data = board.flash.read_bytes()
    assert filesystem.read(data[VFS.offset : VFS.end])["webroot/index.html"] == b"two"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda board: board.flash.write_bytes(b"short"), "has 5 bytes"),
        (lambda board: board.flash.write_bytes(b""), "has 0 bytes"),
        (lambda board: board.change(TABLE_OFFSET, b"\0" * 64), "make erase"),
        (lambda board: (board.pages / "index.html").unlink(), "is empty"),
    ],
)
def test_a_failed_build_leaves_the_image(board, spoil, words):
    board.make()
    spoil(board)
    before = board.flash.read_bytes()
    with pytest.raises(FirmwareError, match=words):
        board.make(b"second")
    assert board.flash.read_bytes() == before
    assert [path.name for path in board.flash.parent.glob("*.new")] == []


def test_a_folder_is_no_flash_image(board):
    board.flash.mkdir()
    with pytest.raises(FirmwareError, match="is no file"):
        board.make(new=True)


def test_too_large_application(board):
    board.make()
    before = board.flash.read_bytes()
    with pytest.raises(FirmwareError, match="129 more than slot ota_0 has"):
        board.make(b"x" * (OTA_0.size + 1))
    assert board.flash.read_bytes() == before


def test_a_running_board_keeps_its_image(board):
    board.make()
    with image.lock(board.flash), pytest.raises(FirmwareError, match="in use by a running board"):
        board.make(b"second")
    assert "changed modules" in board.make(b"second")


def test_otadata_of_a_new_image_starts_the_first_slot(board):
    board.make()
    data = board.flash.read_bytes()
    assert otadata.choose(data[OTADATA.offset : OTADATA.end], 2).index == 0
    assert image.next_slot(data, TABLE) == OTA_0


def test_vfs_of_both_kinds_of_image(board, tmp_path):
    board.make()
    vfs = image.vfs_of(board.flash)
    (tmp_path / "vfs.bin").write_bytes(vfs)
    assert image.vfs_of(tmp_path / "vfs.bin") == vfs
    (tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(FirmwareError):
        image.vfs_of(tmp_path / "junk")
