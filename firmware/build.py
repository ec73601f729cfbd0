"""Compiles the firmware of a chip's board: MicroPython's own make, in ESP-IDF's environment or in its container.

The outputs lie in build/<board>[-<variant>]/ under the names that MicroPython and ESP-IDF give them.
"""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from firmware import paths, sdk, version
from firmware.errors import FirmwareError

OUTPUTS = ("micropython.bin", "micropython.elf", "bootloader/bootloader.bin", "partition_table/partition-table.bin")
CONTAINERS = ("docker", "podman")
IMAGE = f"espressif/idf:{sdk.ESP_IDF.tag}"
_STATE = "firmware-build.json"
# Settings of this project's make that mean something else to MicroPython's, which would take them from the environment,
# and those of a shell in which ESP-IDF was used for something else.
_OWN_SETTINGS = (
    *("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MAKEFILES", "GNUMAKEFLAGS"),
    *("BOARD", "BOARD_DIR", "BOARD_VARIANT", "VARIANT", "BUILD", "PORT", "BAUD", "PYTHON", "CMAKE_ARGS", "IDFPY_FLAGS"),
    *("FROZEN_MANIFEST", "USER_C_MODULES", "PASSWORD", "OTA_PASSWORD"),
    *("IDF_TARGET", "SDKCONFIG", "SDKCONFIG_DEFAULTS", "ESPPORT", "ESPBAUD"),
)
# mpy-cross is built beforehand, out of MicroPython's tree: one that a container made may not run on this machine, and
# the make that cmake would start for it takes over the BUILD= of its caller (py/mkrules.cmake:283, v1.28.0).
_STEPS = 'make -j4 -C "$1" BUILD="$2" && shift 2 && exec "$@"'


def folder(board):
    """Where the outputs of a board lie."""
    return paths.BUILD / board.label


def compile_board(board, container=None, image=IMAGE):
    """Build the firmware of a Board; returns the folder with OUTPUTS.

    `container` is the name of a program of CONTAINERS that runs `image`, None for the ESP-IDF of this machine.
    Raises FirmwareError.
    """
    if " " in str(paths.ROOT):
        raise FirmwareError(f"ESP-IDF cannot build in '{paths.ROOT}': move the checkout to a path without spaces")
    micropython = sdk.micropython()
    target = folder(board)
    version.write_module()
    mpy_cross = paths.BUILD / "mpy-cross" / (container or "here")
    steps = ["build", str(micropython / "mpy-cross"), str(mpy_cross), *_make(board, micropython, target)]
    # py/mkrules.cmake:275 and tools/makemanifest.py (v1.28.0) take it from the environment.
    compiler = {"MICROPY_MPYCROSS": str(mpy_cross / "mpy-cross")}
    if container:
        command = [*_run_container(container, micropython, compiler), image, "bash", "-c", _STEPS, *steps]
        variables, tools = os.environ, image
    else:
        idf_path = sdk.idf()
        sdk.check_programs()
        command = ["bash", "-c", sdk.ACTIVATE + _STEPS, *steps]
        variables, tools = sdk.environment(idf_path) | compiler, str(idf_path)
    _prepare(board, target, {"micropython": str(micropython), "tools": tools})
    variables = {name: value for name, value in variables.items() if name not in _OWN_SETTINGS}
    status = subprocess.run(command, env=variables, cwd=paths.ROOT, check=False).returncode
    if status == sdk.NOT_INSTALLED:
        raise FirmwareError(f"the tools of ESP-IDF in {tools} are not installed: run 'make sdk'")
    if status:
        raise FirmwareError(f"the firmware of {board.label} was not built, see above")
    missing = [name for name in OUTPUTS if not (target / name).is_file()]
    if missing:
        raise FirmwareError(f"the build of {board.label} left no {paths.show(target / missing[0])}")
    return target


def _make(board, micropython, target):
    """MicroPython's make; its variables are those of ports/esp32/Makefile:8-64 (v1.28.0)."""
    command = ["make", "-C", str(micropython / "ports" / "esp32")]
    command += [f"BOARD={board.name}", f"BOARD_DIR={board.folder}", f"BUILD={target}"]
    if board.variant:
        command.append(f"BOARD_VARIANT={board.variant}")
    return command


def _run_container(program, micropython, settings):
    """Command that runs a container with the sources mounted and the environment `settings`; the image follows it."""
    if program not in CONTAINERS:
        raise FirmwareError(f"CONTAINER={program}: must be {' or '.join(CONTAINERS)}")
    if shutil.which(program) is None:
        raise FirmwareError(
            f"there is no program '{program}'; install it, or build without CONTAINER= after 'make sdk'"
        )
    command = [program, "run", "--rm", "--security-opt", "label=disable"]  # SELinux would refuse the volumes
    if program == "podman":
        command.append("--userns=keep-id")
    command += ["--user", f"{os.getuid()}:{os.getgid()}"]
    # Under the same paths as outside, which the build folder remembers.
    inside = micropython.is_relative_to(paths.ROOT)
    for path in (paths.ROOT,) if inside else (paths.ROOT, micropython):
        command += ["--volume", f"{path}:{path}"]
    # The user has no home there, and git is to work on sources that belong to somebody else.
    settings = settings | {"HOME": "/tmp", "GIT_CONFIG_COUNT": "1"}
    settings |= {"GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    for name, value in settings.items():
        command += ["--env", f"{name}={value}"]
    return [*command, "--workdir", str(paths.ROOT)]


def _prepare(board, target, tools):
    """Remove from the build folder what ESP-IDF would wrongly keep.

    Its sdkconfig wins over changed fragments, and a folder that other tools configured is refused.
    """
    state = {**tools, "settings": _settings_digest(board)}
    try:
        before = json.loads((target / _STATE).read_text("utf-8"))
    except (OSError, ValueError):
        before = {}
    if any(before.get(key, tools[key]) != tools[key] for key in tools):
        print(f"{paths.show(target)} was built with another SDK, it starts anew", flush=True)
        shutil.rmtree(target)
    elif before.get("settings") != state["settings"]:
        (target / "sdkconfig").unlink(missing_ok=True)
    paths.write_atomically(target / _STATE, json.dumps(state, indent=1).encode())


def _settings_digest(board):
    """SHA-256 of all that the build's sdkconfig is made from."""
    files = {*board.fragments, board.partitions_csv, *board.folder.glob("*.cmake")}
    files.update(paths.BOARDS_COMMON.glob("*.cmake"))
    digest = hashlib.sha256()
    for path in sorted(map(Path, files)):
        digest.update(f"{path}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
