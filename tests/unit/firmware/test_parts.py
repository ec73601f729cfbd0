"""The whole flash of each board, packed from a build's outputs and taken apart again; what is wrong with outputs."""

import pytest

from firmware import __main__, espimage, filesystem, parts, paths, webroot
from firmware.boards import Board, boards
from firmware.errors import FirmwareError
from firmware.partitions import SUBTYPE_OTADATA, TABLE_OFFSET, TABLE_SIZE, TYPE_DATA, PartitionTable

from .fake_chip import build_outputs, esp_image

BOARDS = {board.label: board for board in boards()}
ESP32, S3 = Board.load("ESP32"), Board.load("ESP32_S3")


@pytest.fixture
def pages(tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.html").write_text("<p>all work and no play</p>\n" * 100)
    (tmp_path / "boot.json").write_text('{"hostname": "x"}')
    return tmp_path / "pages"


@pytest.fixture
def outputs(tmp_path):
    return build_outputs(tmp_path / "outputs", ESP32)


def esptool_reads(data, chip):
    """Whether esptool finds the image whole."""
    from esptool.bin_image import LoadFirmwareImage

    image = LoadFirmwareImage(chip, data)
    return image.checksum == image.calculate_checksum() and image.stored_digest == image.calc_digest


@pytest.mark.parametrize("label", BOARDS)
def test_image_holds_every_part_in_its_place_and_nothing_else(label, tmp_path, pages, monkeypatch, capsys):
    board = BOARDS[label]
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    outputs = build_outputs(tmp_path / "build" / label, board)
    arguments = ["image", "--board", board.name, "--variant", board.variant, "--webroot", str(pages)]
    assert __main__.main([*arguments, "--boot-json", str(tmp_path / "boot.json")]) == 0
    assert "flash.bin" in capsys.readouterr().out
    flash = bytearray((outputs / "flash.bin").read_bytes())
    assert len(flash) == board.flash_size
    for name in ("flash.bin", "vfs.bin"):
        assert __main__.main(["list", str(outputs / name)]) == 0
        assert "webroot/index.html.gz" in capsys.readouterr().out

    def take(offset, size):
        taken = bytes(flash[offset : offset + size])
        flash[offset : offset + size] = b"\xff" * size
        return taken

    table = PartitionTable.from_binary(take(TABLE_OFFSET, TABLE_SIZE))
    assert table == board.table
    table.verify(len(flash))
    bootloader = (outputs / "bootloader" / "bootloader.bin").read_bytes()
    app = (outputs / "micropython.bin").read_bytes()
    assert take({"esp32": 0x1000}.get(board.chip, 0), len(bootloader)) == bootloader
    assert take(table["ota_0"].offset, len(app)) == app
    assert esptool_reads(bootloader, board.chip) and esptool_reads(app, board.chip)
    files = filesystem.read(take(table["vfs"].offset, table["vfs"].size))
    assert files == webroot.with_gzip_neighbours(webroot.collect(pages, tmp_path / "boot.json"))
    assert set(files) == {"boot.json", "webroot/index.html", "webroot/index.html.gz"}
    assert flash.count(0xFF) == len(flash)  # nothing else, a blank otadata included


def test_parts_ascend_and_have_a_blank_otadata(outputs):
    pieces = parts.firmware_parts(ESP32, outputs)
    place = ESP32.table.find_by_type(TYPE_DATA, SUBTYPE_OTADATA)[0]
    assert [part.name for part in pieces] == ["bootloader", "partition-table", "otadata", "app"]
    assert pieces[2] == parts.Part("otadata", place.offset, b"\xff" * place.size)


def test_version_is_read_from_the_description():
    image = espimage.read(esp_image(S3, 5000, "0.1.0+gabc"), "app")
    assert (image.version, image.chip_id, image.flash_size) == ("0.1.0+gabc", 9, 8 << 20)


def fails(outputs, *words, board=ESP32):
    with pytest.raises(FirmwareError) as caught:
        parts.firmware_parts(board, outputs)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text


def test_no_build_names_the_command(tmp_path):
    board = Board.load("ESP32", "QEMU")
    fails(tmp_path / "nix", "no firmware of ESP32-QEMU", "make firmware BOARD=ESP32 VARIANT=QEMU", board=board)


@pytest.mark.parametrize("name", [parts.BOOTLOADER_FILE, parts.TABLE_FILE])
def test_missing_output(outputs, name):
    (outputs / name).unlink()
    fails(outputs, name, "No such file", "make firmware BOARD=ESP32")


def test_application_too_large_says_by_how_much(outputs):
    slot = ESP32.table["ota_0"].size
    data = esp_image(ESP32, slot + 40_000)
    (outputs / parts.APP_FILE).write_bytes(data)
    fails(outputs, f"has {len(data)} bytes, slot ota_0 of board ESP32 has {slot}: {len(data) - slot} too many")


def test_bootloader_too_large_says_by_how_much(outputs):
    data = esp_image(ESP32, 0x7000 + 5000)
    (outputs / parts.BOOTLOADER_FILE).write_bytes(data)
    fails(outputs, f"has {len(data)} bytes, {len(data) - 0x7000} more than fit before the partition table")


def test_image_of_another_chip(outputs):
    (outputs / parts.APP_FILE).write_bytes(esp_image(S3, 5000))
    fails(outputs, "micropython.bin is for ESP32-S3, board ESP32 has ESP32")
    (outputs / parts.APP_FILE).write_bytes(esp_image(ESP32, 5000, chip_id=0x7777))
    fails(outputs, "is for a chip with the id 30583")


def test_bootloader_for_another_flash(outputs):
    (outputs / parts.BOOTLOADER_FILE).write_bytes(esp_image(ESP32, 5000, flash_size=2 << 20))
    fails(outputs, "is for 2 MB of flash, board ESP32 has 4 MB", "make firmware BOARD=ESP32")


@pytest.mark.parametrize("position", [0, 1, 30, 400, -1, -33])
def test_damaged_application(outputs, position):
    data = bytearray((outputs / parts.APP_FILE).read_bytes())
    data[position] ^= 0x40
    (outputs / parts.APP_FILE).write_bytes(data)
    fails(outputs, "no image for an ESP chip" if position == 0 else "is damaged")


@pytest.mark.parametrize("length", [0, 10, 1000, -1])
def test_cut_application(outputs, length):
    data = (outputs / parts.APP_FILE).read_bytes()[:length]
    (outputs / parts.APP_FILE).write_bytes(data)
    fails(outputs, "no image for an ESP chip" if len(data) < 24 else "is damaged")


def test_table_of_another_layout(outputs):
    (outputs / parts.TABLE_FILE).write_bytes(S3.table.to_binary())
    fails(outputs, "partition-table.bin is not what", "partitions.csv says now", "make firmware BOARD=ESP32")
    (outputs / parts.TABLE_FILE).write_bytes(b"\xff" * TABLE_SIZE)
    fails(outputs, "MD5", "make firmware BOARD=ESP32")


def test_too_many_files_say_by_how_much(pages, tmp_path):
    (pages / "film.mp4").write_bytes(b"x" * (2 << 20))
    with pytest.raises(FirmwareError, match=r"too much; the biggest: webroot/film\.mp4"):
        parts.filesystem_part(ESP32, pages, tmp_path / "boot.json")


def test_parts_that_overlap_or_do_not_fit():
    with pytest.raises(FirmwareError, match="b at 0x10 overlaps what ends at 0x11"):
        parts.join([parts.Part("b", 0x10, b"1"), parts.Part("a", 0, b"x" * 0x11)], 0x100)
    with pytest.raises(FirmwareError, match="a ends at 0x101, 1 bytes behind the flash"):
        parts.join([parts.Part("a", 0xF0, b"x" * 0x11)], 0x100)
