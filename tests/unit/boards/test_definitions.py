"""Every board and variant in boards/ against the rules of ESP-IDF and MicroPython, and against each other."""

import json

import pytest

from firmware import boards, modules, paths
from firmware.partitions import default_table
from tests.unit.boards import checks

ALL = boards.boards()
each_board = pytest.mark.parametrize("board", ALL, ids=[board.label for board in ALL])


def test_the_boards_that_there_are():
    assert [board.label for board in ALL] == ["ESP32", "ESP32-QEMU", "ESP32_C3", "ESP32_S3", "ESP32_S3-SPIRAM_OCT"]
    assert [board.label for board in ALL if not board.release] == ["ESP32-QEMU"]


@each_board
def test_table_by_esp_idf(board):
    checks.check_table_by_esp_idf(board)


@each_board
def test_table_for_the_firmware(board):
    checks.check_table_for_the_firmware(board)


def test_layouts():
    """(name, offset, size) of the slots and the filesystem; what comes before them is the same on all boards."""
    layouts = {
        "ESP32": [("ota_0", 0x10000, 0x180000), ("ota_1", 0x190000, 0x180000), ("vfs", 0x310000, 0xF0000)],
        "ESP32_C3": [("ota_0", 0x10000, 0x1A0000), ("ota_1", 0x1B0000, 0x1A0000), ("vfs", 0x350000, 0xB0000)],
        "ESP32_S3": [("ota_0", 0x10000, 0x270000), ("ota_1", 0x280000, 0x270000), ("vfs", 0x4F0000, 0x310000)],
    }
    for board in ALL:
        assert [(row.name, row.offset, row.size) for row in board.table[3:]] == layouts[board.name]
        assert board.table[:3] == default_table()[:3]
    assert boards.Board.load("ESP32").table == default_table(), "the desktop board is laid out as an ESP32"
    assert all(board.table["vfs"].end == board.flash_size for board in ALL)


@each_board
def test_slot_holds_the_application(board):
    checks.check_slot(board)


@each_board
def test_sdkconfig_keys_are_of_esp_idf(board):
    checks.check_sdkconfig_keys(board)


@each_board
def test_names_are_of_micropython(board):
    checks.check_upstream_names(board)


@each_board
def test_board_json(board):
    checks.check_board_json(board)


@each_board
def test_manifest(board):
    checks.check_manifest(board)


@each_board
def test_frozen_modules_compile_for_the_chip(board):
    checks.check_compiles(board)


@each_board
def test_files_are_ascii(board):
    checks.check_encoding(board)


@each_board
def test_board_module_has_what_the_boot_script_asks_for(board):
    (path,) = [row.path for row in modules.read_manifest(board.manifest) if row.target == "_board.py"]
    names = {}
    source = path.read_text("utf-8").replace("import network", "")
    exec(compile(source, str(path), "exec"), names)
    assert names["BUTTON"] is None or names["BUTTON"] in range(49)
    assert callable(names["ethernet"])


def test_sockets_suffice_for_the_largest_server():
    """The arithmetic of the comment in sdkconfig.common, with boot.json's own limit."""
    schema = json.loads((paths.ROOT / "firmware" / "boot.schema.json").read_text("utf-8"))
    clients = schema["properties"]["server"]["properties"]["maxConnections"]["maximum"]
    text = (paths.BOARDS_COMMON / "sdkconfig.common").read_text("ascii")
    config = dict(line.split("=", 1) for line in text.splitlines() if line.startswith("CONFIG_"))
    http, webrepl, portal, others, user = 1 + clients + 1, 3, 1 + 1 + 4 + 1, 3, 4
    sockets, active = int(config["CONFIG_LWIP_MAX_SOCKETS"]), int(config["CONFIG_LWIP_MAX_ACTIVE_TCP"])
    assert http + webrepl + portal + others + user <= sockets <= 64 - 6  # FD_SETSIZE, and what the console takes
    assert (http - 1) + (webrepl - 1) + (portal - 2) + 1 + user < active


def test_every_board_has_the_common_settings():
    for board in ALL:
        names = [fragment.name for fragment in board.fragments]
        assert names[0] == "sdkconfig.common"
        assert ("sdkconfig.size" in names) == (board.flash_size <= 4 << 20)
