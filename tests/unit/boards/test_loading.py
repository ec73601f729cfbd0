"""firmware.boards: what it reads from a board's files, and what it says of files that are not as they should be."""

import pytest

from firmware import boards, paths
from firmware.boards import Board
from firmware.errors import FirmwareError

BOARD_CMAKE = """\
# a comment with set(IDF_TARGET esp32) in it
set(IDF_TARGET esp32c3)
set(SDKCONFIG_DEFAULTS
    boards/sdkconfig.base
    ${MICROPY_BOARD_DIR}/../common/sdkconfig.common
    ${MICROPY_BOARD_DIR}/sdkconfig.board
)
include(${MICROPY_BOARD_DIR}/../common/common.cmake)
"""
TABLE = """\
nvs,data,nvs,0x9000,0x4000
otadata,data,ota,0xd000,0x2000
ota_0,app,ota_0,0x10000,1M
ota_1,app,ota_1,,1M
vfs,data,fat,,64K
"""
FLASH = "CONFIG_ESPTOOLPY_FLASHSIZE_4MB=y\nCONFIG_ESPTOOLPY_FLASHMODE_DIO=y\nCONFIG_ESPTOOLPY_FLASHFREQ_40M=y\n"


@pytest.fixture
def folder(tmp_path):
    """A folder boards/ with one board, MINE."""
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "partitions.csv").write_text(TABLE)
    (tmp_path / "common" / "sdkconfig.common").write_text("CONFIG_FREERTOS_HZ=1000\n")
    (tmp_path / "MINE").mkdir()
    (tmp_path / "MINE" / "mpconfigboard.cmake").write_text(BOARD_CMAKE)
    (tmp_path / "MINE" / "sdkconfig.board").write_text(FLASH)
    return tmp_path


def test_a_board(folder):
    board = Board.load("MINE", folder=folder)
    assert (board.label, board.chip, board.chip_family, board.chip_id) == ("MINE", "esp32c3", "ESP32-C3", 5)
    assert (board.march, board.bootloader_offset) == ("rv32imc", 0)
    assert (board.flash_size, board.flash_mode, board.flash_freq) == (4 << 20, "dio", "40m")
    assert [row.name for row in board.table] == ["nvs", "otadata", "ota_0", "ota_1", "vfs"]
    assert board.partitions_csv == folder / "common" / "partitions.csv"
    assert board.fragments == (folder / "common" / "sdkconfig.common", folder / "MINE" / "sdkconfig.board")
    assert board.manifest == folder / "MINE" / "manifest.py"
    assert board.release
    assert boards.boards(folder) == [board]


def test_a_variant_adds_and_replaces(folder):
    home = folder / "MINE"
    (home / "sdkconfig.big").write_text(
        "CONFIG_ESPTOOLPY_FLASHSIZE_4MB=n\nCONFIG_ESPTOOLPY_FLASHSIZE_16MB=y\nCONFIG_ETH_USE_OPENETH=y\n"
    )
    (home / "mpconfigvariant_BIG.cmake").write_text(
        "list(APPEND SDKCONFIG_DEFAULTS ${MICROPY_BOARD_DIR}/sdkconfig.big)\n"
        "set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/big/manifest.py)\n"
    )
    board = Board.load("MINE", "BIG", folder)
    assert (board.label, board.flash_size, board.release) == ("MINE-BIG", 16 << 20, False)
    assert board.fragments[-1] == home / "sdkconfig.big"
    assert board.manifest == home / "big" / "manifest.py"
    assert [other.label for other in boards.boards(folder)] == ["MINE", "MINE-BIG"]
    # The form that MicroPython's own variants have.
    (home / "mpconfigvariant_BIG.cmake").write_text(
        'set(SDKCONFIG_DEFAULTS\n    ${SDKCONFIG_DEFAULTS}\n    "${MICROPY_BOARD_DIR}/sdkconfig.big"\n)\n'
    )
    assert Board.load("MINE", "BIG", folder).fragments == board.fragments


def test_own_table_wins_and_is_held_against_the_own_flash(folder):
    own = folder / "MINE" / "partitions.csv"
    own.write_text(TABLE.replace("64K", "4M"))
    with pytest.raises(FirmwareError, match=r"partitions\.csv: the partitions end at .* behind the flash"):
        Board.load("MINE", folder=folder)
    (folder / "MINE" / "sdkconfig.board").write_text(FLASH.replace("4MB", "8MB"))
    board = Board.load("MINE", folder=folder)
    assert (board.partitions_csv, board.table["vfs"].size) == (own, 4 << 20)


def test_settings_of_the_filesystem(folder):
    assert Board.load("MINE", folder=folder).boot_json == paths.ROOT / "firmware" / "boot.json"
    (folder / "MINE" / "boot.json").write_text("{}")
    assert Board.load("MINE", folder=folder).boot_json == folder / "MINE" / "boot.json"


@pytest.mark.parametrize(
    ("name", "variant", "words"),
    [
        ("YOURS", "", "there is no board 'YOURS'; BOARD= takes one of MINE"),
        ("common", "", "there is no board 'common'; BOARD= takes one of MINE"),
        ("../MINE", "", "there is no board '../MINE'"),
        ("MINE", "BIG", "board MINE has no variant 'BIG'; VARIANT= takes one of: none"),
    ],
)
def test_unknown_board(folder, name, variant, words):
    with pytest.raises(FirmwareError) as caught:
        Board.load(name, variant, folder)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (
            "MINE/mpconfigboard.cmake",
            "esp32c3",
            "esp8266",
            "IDF_TARGET is 'esp8266'; set(IDF_TARGET …) takes",
        ),
        ("MINE/mpconfigboard.cmake", "set(IDF_TARGET esp32c3)\n", "", "IDF_TARGET is ''"),
        ("MINE/mpconfigboard.cmake", "/sdkconfig.board", "/sdkconfig.bored", "sdkconfig.bored, which does not exist"),
        ("MINE/sdkconfig.board", "FLASHSIZE_4MB=y", "FLASHSIZE_4MB=n", "no CONFIG_ESPTOOLPY_FLASHSIZE_… is y; set one"),
        ("MINE/sdkconfig.board", "FLASHMODE_DIO", "FLASHMODE_QUICK", "CONFIG_ESPTOOLPY_FLASHMODE_QUICK is none that"),
        ("MINE/sdkconfig.board", "CONFIG_ESPTOOLPY_FLASHFREQ_40M=y", "", "such as CONFIG_ESPTOOLPY_FLASHFREQ_40M=y"),
        (
            "MINE/sdkconfig.board",
            "CONFIG_ESPTOOLPY_FLASHSIZE_4MB=y",
            "CONFIG_ESPTOOLPY_FLASHSIZE_4MB=y\nCONFIG_ESPTOOLPY_FLASHSIZE_8MB=y",
            "CONFIG_ESPTOOLPY_FLASHSIZE_4MB and CONFIG_ESPTOOLPY_FLASHSIZE_8MB are both y",
        ),
        ("common/partitions.csv", "ota_1,app,ota_1,,1M\n", "", "no two partitions app, ota_0 and app, ota_1"),
        ("common/partitions.csv", "otadata,data,ota,0xd000,0x2000\n", "", "no partition data, ota"),
        ("common/partitions.csv", "nvs,data,nvs", "settings,data,nvs", "no partition 'nvs'; MicroPython's makeimg.py"),
        ("common/partitions.csv", "vfs,data", "files,data", "no partition 'vfs'; the filesystem lies there"),
        ("common/partitions.csv", "64K", "65K", "size of 'vfs' is not a multiple of 0x1000"),
        ("common/partitions.csv", "0xd000", "0xc000", "partitions.csv:2: partition 'otadata' at 0xc000 overlaps"),
    ],
)
def test_what_is_wrong_is_named(folder, file, old, new, words):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    with pytest.raises(FirmwareError) as caught:
        Board.load("MINE", folder=folder)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(folder):
    (folder / "MINE" / "mpconfigboard.cmake").write_bytes(b"\xff")
    with pytest.raises(FirmwareError, match=r"cannot read .*mpconfigboard\.cmake"):
        Board.load("MINE", folder=folder)
    (folder / "MINE" / "mpconfigboard.cmake").write_text(BOARD_CMAKE)
    (folder / "common" / "partitions.csv").unlink()
    with pytest.raises(FirmwareError, match=r"cannot read .*partitions\.csv"):
        Board.load("MINE", folder=folder)
