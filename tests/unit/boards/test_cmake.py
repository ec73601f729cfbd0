"""The boards' cmake files read by cmake itself, as MicroPython's build reads them; nothing is compiled."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from firmware import boards, paths, version
from tests.unit.boards import checks

ALL = boards.boards()
each_board = pytest.mark.parametrize("board", ALL, ids=[board.label for board in ALL])


@each_board
def test_evaluated(board, tmp_path):
    values, warnings = checks.evaluate(board, tmp_path)
    text, problem = version.describe()
    assert (warnings == "") == (problem is None)
    assert values["IDF_TARGET"] == board.chip
    assert values["PROJECT_VER"] == text
    assert f'MICROPY_HW_BOARD_NAME="microAsyncWeb {text}"' in values["MICROPY_DEF_BOARD"].split(";")
    assert Path(values["MICROPY_FROZEN_MANIFEST"]) == board.manifest
    assert values["USER_C_MODULES"] == str(paths.ROOT / "ports" / "esp32" / "micropython.cmake")

    files = values["SDKCONFIG_DEFAULTS"].split(";")
    assert files[0] == "boards/sdkconfig.base"
    own = [Path(file).resolve() for file in files if os.path.isabs(file)]
    assert all(file.is_file() for file in own)
    generated = tmp_path / "sdkconfig.partitions"
    assert [file for file in own if file != generated] == list(board.fragments)
    assert generated.read_text() == (
        f'CONFIG_PARTITION_TABLE_CUSTOM=y\nCONFIG_PARTITION_TABLE_CUSTOM_FILENAME="{board.partitions_csv}"\n'
    )


def test_c_modules_of_the_user_are_kept(tmp_path):
    """USER_C_MODULES=… of the command line and the board's own are both built."""
    script = tmp_path / "own.cmake"
    board = boards.Board.load("ESP32")
    script.write_text(f"set(USER_C_MODULES /own)\ninclude({Path(checks.__file__).with_name('evaluate.cmake')})\n")
    run = subprocess.run(
        [checks.CMAKE, f"-DMICROPY_BOARD_DIR={board.folder}", f"-DRESULT={tmp_path / 'result'}", "-P", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert f"USER_C_MODULES=/own;{paths.ROOT}/ports/esp32/micropython.cmake\n" in (tmp_path / "result").read_text()


def test_variant_qemu_has_no_radio(tmp_path):
    board = boards.Board.load("ESP32", "QEMU")
    defines = checks.evaluate(board, tmp_path)[0]["MICROPY_DEF_BOARD"].split(";")
    assert {"MICROPY_PY_NETWORK_WLAN=0", "MICROPY_PY_ESPNOW=0"} <= set(defines)
    # The Python half of what is not there is not frozen.
    assert "espnow=False" in board.manifest.read_text("ascii")


@pytest.fixture
def copy(tmp_path):
    """A checkout of its own, without a git repository, of all that cmake reads."""
    root = tmp_path / "checkout"
    for name in ("boards", "firmware"):
        shutil.copytree(paths.ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "build").mkdir()
    return root


def test_without_git_the_version_says_so(copy, tmp_path):
    board = boards.Board.load("ESP32", folder=copy / "boards")
    values, warnings = checks.evaluate(board, tmp_path / "build", {"GIT_CEILING_DIRECTORIES": str(tmp_path)})
    assert values["PROJECT_VER"] == version.BASE
    assert "git cannot tell the commit" in warnings
    module = copy / "build" / "generated" / "_firmware_version.py"
    assert f'VERSION = "{version.BASE}"' in module.read_text()


def test_without_working_host_tools_the_build_goes_on(copy, tmp_path):
    (copy / "firmware" / "__main__.py").write_text("raise SystemExit('no such luck')\n")
    board = boards.Board.load("ESP32", folder=copy / "boards")
    values, warnings = checks.evaluate(board, tmp_path / "build")
    assert values["PROJECT_VER"] == version.BASE
    assert "no such luck" in warnings
    module = copy / "build" / "generated" / "_firmware_version.py"
    assert module.read_text() == f'VERSION = "{version.BASE}"\n'
