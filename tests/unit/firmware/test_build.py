"""make firmware with a MicroPython whose make only takes notes: command line, environment, what a build forgets."""

import json
import shutil

import pytest

from firmware import __main__, build, paths, sdk
from firmware.boards import Board
from firmware.errors import FirmwareError

from .fake_chip import build_outputs

# Writes its variables and the environment into the build folder, and the outputs that the test prepared.
MAKEFILE = """
all:
\tmkdir -p $(BUILD)
\tenv > $(BUILD)/environment
\techo "$(CURDIR)|$(BOARD)|$(BOARD_DIR)|$(BOARD_VARIANT)|$(BUILD)|$(PORT)|$(CMAKE_ARGS)" >> $(BUILD)/make
\ttest -e $(BUILD)/sdkconfig || cp $(BOARD_DIR)/sdkconfig.board $(BUILD)/sdkconfig
\ttest ! -e ../../fail
\tcp -R ../../outputs/. $(BUILD)/
"""
DOCKER = """#!/bin/sh
printf '%s\\n' "$@" > "$FAKE/docker"
mkdir -p "$FAKE/build/ESP32"
cp -R "$FAKE/micropython/outputs/." "$FAKE/build/ESP32/"
"""


@pytest.fixture
def upstream(tmp_path, monkeypatch):
    """Folder with fake trees: micropython/ with outputs for the board ESP32, and idf/; a build folder of our own."""
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    micropython, idf = tmp_path / "micropython", tmp_path / "idf"
    (micropython / "ports" / "esp32").mkdir(parents=True)
    (micropython / "ports" / "esp32" / "Makefile").write_text(MAKEFILE)
    (micropython / "mpy-cross").mkdir()
    compiler = "all:\n\tmkdir -p $(BUILD); echo compiler > $(BUILD)/mpy-cross\n"
    (micropython / "mpy-cross" / "Makefile").write_text(compiler)
    (micropython / "py").mkdir()
    version = {"MAJOR": 1, "MINOR": 28, "MICRO": 0, "PRERELEASE": 0}
    lines = [f"#define MICROPY_VERSION_{name} {number}\n" for name, number in version.items()]
    (micropython / "py" / "mpconfig.h").write_text("".join(lines))
    for path in sdk.MICROPYTHON.submodules:
        (micropython / path).mkdir(parents=True)
        (micropython / path / "README.md").write_text("")
    build_outputs(micropython / "outputs", Board.load("ESP32"))
    (idf / "tools" / "cmake").mkdir(parents=True)
    lines = [f"set(IDF_VERSION_{name} {number})\n" for name, number in (("MAJOR", 5), ("MINOR", 5), ("PATCH", 1))]
    (idf / "tools" / "cmake" / "version.cmake").write_text("".join(lines))
    lines = ['echo noise; export ACTIVATED="$IDF_PATH ${1-no arguments}"\n', 'PATH="$IDF_PATH/tools:$PATH"\n']
    (idf / "export.sh").write_text("".join(lines))
    (idf / "tools" / "idf.py").write_text("#!/bin/sh\n")
    (idf / "tools" / "idf.py").chmod(0o755)
    monkeypatch.setenv("MICROPYTHON_DIR", str(micropython))
    monkeypatch.setenv("IDF_PATH", str(idf))
    return tmp_path


def made(upstream, label="ESP32"):
    """(fields of the last make, its environment)."""
    folder = upstream / "build" / label
    fields = (folder / "make").read_text().splitlines()[-1].split("|")
    variables = dict(line.split("=", 1) for line in (folder / "environment").read_text().splitlines() if "=" in line)
    return fields, variables


def test_command_line_and_environment(upstream, capfd, monkeypatch):
    """What this project's own make passes down must not reach MicroPython's, where PORT is something else."""
    monkeypatch.setenv("MAKEFLAGS", " -- PORT=/dev/ttyUSB0 CMAKE_ARGS=-DX BOARD=OTHER")
    for name in ("PORT", "CMAKE_ARGS", "BOARD", "BUILD", "BOARD_VARIANT", "IDF_TARGET"):
        monkeypatch.setenv(name, "of the caller")
    assert __main__.main(["build", "--board", "ESP32", "--variant", "QEMU"]) == 0
    fields, variables = made(upstream, "ESP32-QEMU")
    assert fields == [
        str(upstream / "micropython" / "ports" / "esp32"),
        "ESP32",
        str(paths.ROOT / "boards" / "ESP32"),
        "QEMU",
        str(upstream / "build" / "ESP32-QEMU"),
        "",
        "",
    ]
    assert variables["MICROPY_MPYCROSS"] == str(upstream / "build" / "mpy-cross" / "here" / "mpy-cross")
    assert (upstream / "build" / "mpy-cross" / "here" / "mpy-cross").exists()
    assert not (upstream / "micropython" / "mpy-cross" / "build").exists()
    assert variables["ACTIVATED"] == f"{upstream / 'idf'} no arguments"
    assert not {"IDF_SKIP_CHECK_SUBMODULES", "IDF_TARGET", "PORT"} & set(variables)
    output = capfd.readouterr().out
    assert "noise" not in output
    slot = Board.load("ESP32").table["ota_0"].size
    assert f"ESP32-QEMU/micropython.bin: 59568 of {slot} bytes of slot ota_0, 3.8 %" in output


def test_without_a_variant_none_is_passed(upstream):
    build.compile_board(Board.load("ESP32"))
    assert made(upstream)[0][3] == ""
    assert (paths.BUILD / "ESP32" / "micropython.bin").exists()


@pytest.fixture
def board(upstream):
    """A copy of the board ESP32 that the test may edit."""
    shutil.copytree(paths.ROOT / "boards", upstream / "boards")

    def load():
        return Board.load("ESP32", folder=upstream / "boards")

    return load


@pytest.mark.parametrize("changed", ["ESP32/sdkconfig.board", "common/sdkconfig.common", "common/partitions.csv"])
def test_sdkconfig_goes_when_what_it_is_made_from_changed(changed, board, upstream):
    """The one in the build folder would win over the changed fragment."""
    sdkconfig = upstream / "build" / "ESP32" / "sdkconfig"
    build.compile_board(board())
    sdkconfig.write_text("kept")
    build.compile_board(board())
    assert sdkconfig.read_text() == "kept"
    with (upstream / "boards" / changed).open("a") as file:
        file.write("# changed\n")
    build.compile_board(board())
    assert sdkconfig.read_text() != "kept"


def test_another_sdk_starts_anew(board, upstream, capsys):
    build.compile_board(board())
    left = upstream / "build" / "ESP32" / "CMakeCache.txt"
    left.write_text("paths of the other one")
    build.compile_board(board())
    assert left.exists()
    state = upstream / "build" / "ESP32" / "firmware-build.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "tools": "/another/idf"}))
    build.compile_board(board())
    assert not left.exists()
    assert "built with another SDK, it starts anew" in capsys.readouterr().out


def test_a_failed_build_is_one_line(upstream):
    (upstream / "micropython" / "fail").write_text("")
    with pytest.raises(FirmwareError, match="the firmware of ESP32 was not built, see above"):
        build.compile_board(Board.load("ESP32"))


def test_tools_that_are_not_installed(upstream):
    """As ESP-IDF's export.sh ends then: with words of its own, and well."""
    (upstream / "idf" / "export.sh").write_text("echo ERROR >&2; return 0\n")
    with pytest.raises(FirmwareError, match=r"the tools of ESP-IDF in .*idf are not installed: run 'make sdk'"):
        build.compile_board(Board.load("ESP32"))
    assert not (upstream / "build" / "ESP32" / "make").exists()


def test_an_output_that_is_missing(upstream):
    (upstream / "micropython" / "outputs" / "micropython.elf").unlink()
    with pytest.raises(FirmwareError, match=r"left no .*micropython\.elf"):
        build.compile_board(Board.load("ESP32"))


@pytest.mark.parametrize(("variable", "words"), [("MICROPYTHON_DIR", "MicroPython"), ("IDF_PATH", "ESP-IDF")])
def test_nothing_to_build_with(variable, words, upstream, monkeypatch, capsys):
    monkeypatch.delenv(variable)
    monkeypatch.setattr(sdk, "FOLDER", upstream / "sdk")
    assert __main__.main(["build", "--board", "ESP32"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {words} v") and "run 'make sdk'" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("program", build.CONTAINERS)
def test_container(program, upstream, monkeypatch):
    (upstream / "bin").mkdir()
    (upstream / "bin" / program).write_text(DOCKER)
    (upstream / "bin" / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{upstream / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE", str(upstream))
    monkeypatch.delenv("IDF_PATH")
    assert __main__.main(["build", "--board", "ESP32", "--container", program]) == 0
    arguments = (upstream / "docker").read_text().splitlines()
    image = arguments.index("espressif/idf:v5.5.1")
    micropython = upstream / "micropython"
    assert arguments[:2] == ["run", "--rm"]
    assert ("--userns=keep-id" in arguments) == (program == "podman")
    volumes = {arguments[i + 1] for i in range(image) if arguments[i] == "--volume"}
    assert volumes == {f"{paths.ROOT}:{paths.ROOT}", f"{micropython}:{micropython}"}
    assert arguments[image - 2 : image] == ["--workdir", str(paths.ROOT)]
    compiler = upstream / "build" / "mpy-cross" / program
    assert f"MICROPY_MPYCROSS={compiler / 'mpy-cross'}" in arguments
    assert arguments[image + 1 : image + 3] == ["bash", "-c"]
    assert arguments[image + 4 :] == [
        "build",
        str(micropython / "mpy-cross"),
        str(compiler),
        "make",
        "-C",
        str(micropython / "ports" / "esp32"),
        "BOARD=ESP32",
        f"BOARD_DIR={paths.ROOT / 'boards' / 'ESP32'}",
        f"BUILD={upstream / 'build' / 'ESP32'}",
    ]


def test_container_of_another_name(upstream, monkeypatch, capsys):
    (upstream / "bin").mkdir()
    (upstream / "bin" / "docker").write_text(DOCKER)
    (upstream / "bin" / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{upstream / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE", str(upstream))
    arguments = ["build", "--board", "ESP32", "--container", "docker", "--image", "mine/idf:v5.5.1"]
    assert __main__.main(arguments) == 0
    assert "mine/idf:v5.5.1" in (upstream / "docker").read_text().splitlines()


def test_a_container_program_that_is_missing(upstream, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(FirmwareError, match="there is no program 'podman'; install it, or build without CONTAINER="):
        build.compile_board(Board.load("ESP32"), "podman")
    with pytest.raises(FirmwareError, match="CONTAINER=lxc: must be docker or podman"):
        build.compile_board(Board.load("ESP32"), "lxc")


def test_a_path_with_spaces(upstream, monkeypatch):
    board = Board.load("ESP32")
    monkeypatch.setattr(paths, "ROOT", upstream / "my projects")
    with pytest.raises(FirmwareError, match="without spaces"):
        build.compile_board(board)
