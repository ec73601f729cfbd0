"""The SDK that firmware for chips is built with: MicroPython and ESP-IDF, found, checked and fetched.

Below build/sdk/ by `make sdk`; MICROPYTHON_DIR and IDF_PATH in the environment name others.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from firmware import checkout, paths
from firmware.checkout import Source
from firmware.errors import FirmwareError
from firmware.lockfile import locked

FOLDER = paths.BUILD / "sdk"
CHIPS = ("esp32", "esp32s3", "esp32c3")

MICROPYTHON = Source(
    title="MicroPython",
    folder="micropython",
    url="https://github.com/micropython/micropython.git",
    tag="v1.28.0",
    commit="e0e9fbb17ed6fd06bb76e266ae554784c9c80804",
    # Those that ports/esp32 asks for: extmod/extmod.cmake:112 and py/mkrules.cmake:264 (v1.28.0).
    submodules=("lib/berkeley-db-1.xx", "lib/micropython-lib"),
)
ESP_IDF = Source(
    title="ESP-IDF",
    folder="esp-idf",
    url="https://github.com/espressif/esp-idf.git",
    tag="v5.5.1",
    commit="fcae32885b0296b32044cb99ecbdc50d98dddb83",
    # All of v5.5.1 but openthread/openthread, openthread/lib, bt/esp_ble_mesh/lib/lib, which are compiled only when
    # they are switched on, and the Bluetooth libraries of other chips.
    submodules=tuple(
        f"components/{path}"
        for path in (
            "bootloader/subproject/components/micro-ecc/micro-ecc",
            "bt/controller/lib_esp32",
            "bt/controller/lib_esp32c3_family",
            "bt/host/nimble/nimble",
            "cmock/CMock",
            "esp_coex/lib",
            "esp_phy/lib",
            "esp_wifi/lib",
            "heap/tlsf",
            "json/cJSON",
            "lwip/lwip",
            "mbedtls/mbedtls",
            "mqtt/esp-mqtt",
            "protobuf-c/protobuf-c",
            "spiffs/spiffs",
            "unity/unity",
        )
    ),
)
# For bash: what follows runs in ESP-IDF's environment. export.sh has to be sourced; in a function it does not see the
# arguments of the script. Its status says nothing, whether idf.py is found does.
ACTIVATE = 'activate() { . "$IDF_PATH/export.sh"; }; activate >/dev/null; command -v idf.py >/dev/null || exit 97; '
NOT_INSTALLED = 97
_PROGRAMS = {"bash": "bash", "make": "make", "cc": "gcc", "python3": "python3"}  # and Debian's packages of them


def micropython():
    """Path of the MicroPython sources. Raises FirmwareError if there are none or not of this version."""
    folder = _find(MICROPYTHON, "MICROPYTHON_DIR", micropython_version)
    for path in MICROPYTHON.submodules:  # ESP-IDF fetches its own when a build misses them, MicroPython does not
        if not (folder / path).is_dir() or not any((folder / path).iterdir()):
            raise FirmwareError(
                f"{paths.show(folder)} lacks {path}; remedy: git -C {paths.show(folder)} submodule update --init {path}"
            )
    return folder


def idf():
    """Path of ESP-IDF. Raises FirmwareError if there is none or not of this version."""
    return _find(ESP_IDF, "IDF_PATH", idf_version)


def own_idf(path):
    """Whether this is the ESP-IDF that `make sdk` fetched."""
    return Path(path) == FOLDER / ESP_IDF.folder


def micropython_version(folder):
    """Such as '1.28.0' or '1.28.0-preview' from a source tree, None if it is none."""
    numbers = _defines(folder / "py" / "mpconfig.h", r"#define MICROPY_VERSION_(\w+) (\d+)")
    if not {"MAJOR", "MINOR", "MICRO"} <= set(numbers):
        return None
    preview = "-preview" if numbers.get("PRERELEASE") == "1" else ""
    return f"{numbers['MAJOR']}.{numbers['MINOR']}.{numbers['MICRO']}{preview}"


def idf_version(folder):
    """Such as '5.5.1' from an ESP-IDF tree, None if it is none."""
    numbers = _defines(folder / "tools" / "cmake" / "version.cmake", r"set\(IDF_VERSION_(\w+) (\d+)\)")
    if not {"MAJOR", "MINOR", "PATCH"} <= set(numbers):
        return None
    return f"{numbers['MAJOR']}.{numbers['MINOR']}.{numbers['PATCH']}"


def environment(idf_path):
    """Environment in which the tools of the ESP-IDF at `idf_path` are installed and found."""
    variables = dict(os.environ, IDF_PATH=str(idf_path))
    # idf_tools.py refuses to work in a virtual environment.
    venv = variables.pop("VIRTUAL_ENV", None)
    if venv:
        entries = variables.get("PATH", "").split(os.pathsep)
        variables["PATH"] = os.pathsep.join(entry for entry in entries if Path(entry) != Path(venv) / "bin")
    if own_idf(idf_path):
        variables.setdefault("IDF_TOOLS_PATH", str(FOLDER / "tools"))
        # tools/cmake/git_submodules.cmake:19 (v5.5.1) would fetch those that are left out here.
        variables["IDF_SKIP_CHECK_SUBMODULES"] = "1"
    return variables


def check_programs(names=tuple(_PROGRAMS)):
    """Raise FirmwareError if a program of the build machine is missing."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        packages = " ".join(_PROGRAMS[name] for name in missing)
        raise FirmwareError(
            f"there is no program '{', '.join(missing)}'; on Debian and Ubuntu: apt-get install {packages}"
        )


def install(container=False):
    """What `make sdk` does: clone what the environment does not name, and install ESP-IDF's tools.

    With `container` MicroPython only, as the container's image has ESP-IDF. Raises FirmwareError.
    """
    with _lock():
        if os.environ.get("MICROPYTHON_DIR"):
            print(f"MicroPython {MICROPYTHON.tag}: {micropython()}")
        else:
            _clone(MICROPYTHON)
        if container:
            return
        check_programs()
        if os.environ.get("IDF_PATH"):
            print(f"ESP-IDF {ESP_IDF.tag}: {idf()}")
        else:
            _clone(ESP_IDF)
        _install_tools(idf())


def _find(source, variable, version_of):
    named = os.environ.get(variable)
    if not named:
        folder = FOLDER / source.folder
        if not checkout.is_complete(source, folder):
            state = "is not fetched to its end" if folder.exists() else "is not here"
            raise FirmwareError(
                f"{source.title} {source.tag} {state}: run 'make sdk', or name yours with {variable}="
                + ("; 'make firmware CONTAINER=docker' needs none" if source is ESP_IDF else "")
            )
        return folder
    folder = Path(named).expanduser().absolute()
    found = version_of(folder)
    remedy = f"name another one, or none for that of 'make sdk' ({variable}=)"
    if found is None:
        raise FirmwareError(f"{variable}={named}: there is no {source.title}; {remedy}")
    if f"v{found}" != source.tag:
        raise FirmwareError(f"{variable}={named} is {source.title} v{found}, {source.tag} is needed; {remedy}")
    return folder


def _clone(source):
    folder = FOLDER / source.folder
    print(f"{source.title} {source.tag}: {paths.show(folder)}", flush=True)
    checkout.fetch(source, folder)


def _install_tools(idf_path):
    """Compilers and the Python environment; ESP-IDF's script leaves alone what is there already."""
    variables = environment(idf_path)
    if not own_idf(idf_path):
        # Somebody else's, or that of Espressif's container: as a rule all is there, and not ours to change.
        check = subprocess.run(
            ["bash", "-c", ACTIVATE + "exec idf.py --version"], env=variables, capture_output=True, check=False
        )
        if check.returncode == 0:
            return
    done = FOLDER / "tools.installed"
    state = f"{idf_path}\n{variables.get('IDF_TOOLS_PATH', '')}\n{ESP_IDF.commit}\n{','.join(CHIPS)}\n"
    if done.is_file() and done.read_text("utf-8") == state:
        return
    commands = [["bash", f"{idf_path}/install.sh", ",".join(CHIPS)]]
    # Optional ones on Linux and macOS (tools/tools.json, v5.5.1), but a build needs them.
    absent = [name for name in ("cmake", "ninja") if shutil.which(name) is None]
    if absent:
        commands.append(["python3", f"{idf_path}/tools/idf_tools.py", "install", *absent])
    for command in commands:
        if subprocess.run(command, env=variables, cwd=idf_path, check=False).returncode:
            raise FirmwareError(
                "the tools of ESP-IDF could not be installed, see above; 'make sdk' goes on where it stopped"
            )
    paths.write_atomically(done, state.encode())


def _lock():
    return locked(FOLDER / "lock", "another 'make sdk' is at work here, wait for it")


def _defines(path, pattern):
    try:
        return dict(re.findall(pattern, path.read_text("utf-8", "replace")))
    except OSError:
        return {}
