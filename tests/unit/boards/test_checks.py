"""The checks of checks.py find what they are for: each is shown a copy of a board with one mistake."""

import shutil

import jsonschema
import pytest

from firmware import paths
from firmware.boards import Board
from tests.unit.boards import checks


@pytest.fixture
def folder(tmp_path):
    """A copy of boards/ that may be spoilt, beside what its files name by ../.."""
    shutil.copytree(paths.ROOT / "boards", tmp_path / "boards")
    for name in ("modules", "ports", "build"):
        (tmp_path / name).symlink_to(paths.ROOT / name)
    return tmp_path / "boards"


def test_a_copy_passes(folder):
    checks.check_all(Board.load("ESP32", "QEMU", folder))


@pytest.mark.parametrize(
    ("check", "file", "old", "new", "words"),
    [
        ("table_for_the_firmware", "common/partitions.csv", "0x1000,", "0x0800,", "not made of whole sectors"),
        (
            "table_for_the_firmware",
            "common/partitions.csv",
            "0x190000, 0x180000",
            "0x190000, 0x170000",
            "different sizes",
        ),
        ("slot", "common/partitions.csv", "0x180000,", "0x100000,", "bytes may be needed, slot ota_0 has 1048576"),
        (
            "sdkconfig_keys",
            "ESP32/sdkconfig.board",
            "FLASHMODE_DIO=y",
            "FLASHMODE_DIO=y\nCONFIG_LWIP_SOKETS=9",
            "SOKETS",
        ),
        ("sdkconfig_keys", "ESP32/sdkconfig.board", "FLASHMODE_DIO=y", "FLASHMODE_DIO=y\nLWIP", "'LWIP' sets nothing"),
        (
            "upstream_names",
            "ESP32/mpconfigboard.h",
            "#define",
            "#define MICROPY_HW_BLINK (1)\n#define",
            "MICROPY_HW_BLINK",
        ),
        (
            "upstream_names",
            "ESP32/mpconfigboard.cmake",
            "boards/sdkconfig.base",
            "boards/sdkconfig.bass",
            "sdkconfig.bass",
        ),
        ("upstream_names", "ESP32/mpconfigboard.cmake", "include(", "set(MICROPY_BORD 1)\ninclude(", "MICROPY_BORD"),
        ("upstream_names", "ESP32/manifest.py", "module(", 'require("mipp")\nmodule(', "mipp"),
        (
            "upstream_names",
            "ESP32/manifest.py",
            "module(",
            'freeze("$(PORT_DIR)/mod")\nmodule(',
            "ports/esp32/mod: no path of",
        ),
        ("board_json", "ESP32/board.json", '"WiFi"', '"WLAN"', "WLAN"),
        ("board_json", "ESP32/board.json", '"0x1000"', '"0"', ""),
        ("board_json", "ESP32/board.json", '"QEMU"', '"VIRTUAL"', ""),
        ("board_json", "common/deploy.md", "{mcu}", "{chip}", "chip"),
        (
            "manifest",
            "ESP32/manifest.py",
            "module(",
            'module("_boot.py", base_path="../../modules")\nmodule(',
            "_boot.py",
        ),
        ("manifest", "common/manifest.py", 'package("device"', 'package("micropAsyncWeb"', ""),
        ("manifest", "ESP32/manifest.py", "module(", 'require("webrepl")\nmodule(', "frozen beside ours"),
        ("compiles", "ESP32/modules/_board.py", "BUTTON = 0", "BUTTON = = 0", "_board.py"),
        ("encoding", "common/sdkconfig.common", "# One tick is 1 ms", "# One tick is 1000 µs", ""),
    ],
)
def test_a_mistake_is_found(folder, check, file, old, new, words):
    text = (folder / file).read_text("utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new), "utf-8")
    board = Board.load("ESP32", folder=folder)
    with pytest.raises((AssertionError, ValueError, KeyError, jsonschema.ValidationError)) as caught:
        getattr(checks, f"check_{check}")(board)
    assert words in str(caught.value)
