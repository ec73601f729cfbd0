"""The C of ports/esp32, compiled for this computer against a small imitation of MicroPython and FreeRTOS, and run."""

import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.paths import ROOT

PORT = ROOT / "ports/esp32"
HERE = Path(__file__).parent
PROGRAMS = ("cases.c", "input_cases.c")  # each has a table of its cases at the end
CMAKE = Path(sys.executable).with_name("cmake")
GCC = shutil.which("gcc")
# Every name under which the port includes something that is not its own.
HEADERS = [
    *("py/runtime.h", "py/mphal.h", "py/mpthread.h", "extmod/misc.h", "freertos/FreeRTOS.h", "freertos/task.h"),
    *("esp_cpu.h", "esp_rom_sys.h", "esp_err.h", "esp_eth.h", "esp_attr.h", "sdkconfig.h", "xtensa/hal.h"),
    *("py/ringbuf.h", "py/stream.h", "shared/runtime/interrupt_char.h", "shared/tinyusb/mp_usbd_cdc.h"),
    *("uart.h", "usb_serial_jtag.h", "shared/runtime/pyexec.h", "shared/tinyusb/mp_usbd.h"),
]
# The flags of ESP-IDF's build (tools/cmake/build.cmake), and stricter ones.
FLAGS = [
    *("-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror"),
    *("-Wmissing-prototypes", "-Wno-unused-parameter", "-Wno-sign-compare"),
]
# An ESP32 as the emulator has it, and an ESP32-C3.
BUILDS = {
    "two cores": [
        "-DCONFIG_IDF_TARGET_ARCH_XTENSA=1",
        "-DCONFIG_ETH_USE_OPENETH=1",
        "-DCONFIG_ETH_USE_ESP32_EMAC=1",
    ],
    "one core": ["-DCONFIG_FREERTOS_UNICORE=1"],
}

needs_gcc = pytest.mark.skipif(
    not GCC or sys.platform != "linux", reason="needs Linux, gcc and its headers (apt install gcc libc6-dev)"
)


def wraps(with_openeth=True):
    """{function: file} as micropython.cmake lists what it wraps."""
    text = (PORT / "micropython.cmake").read_text()
    lists = re.findall(r"(?:set\(|list\(APPEND )MAW_WRAPS\n(.*?)\)", text, re.DOTALL)
    return dict(re.findall(r"(\w+) # (\w+\.c)", "".join(lists if with_openeth else lists[:1])))


def compile_port(folder, arguments, sources=None):
    """gcc's result for `sources` (all of the port) with `arguments`."""
    for name in HEADERS:
        header = folder / "include" / name
        header.parent.mkdir(parents=True, exist_ok=True)
        header.write_text('#include "fake.h"\n')
    includes = [f"-I{path}" for path in (folder / "include", HERE / "fake", PORT)]
    sources = sources or sorted(PORT.glob("*.c"))
    return subprocess.run([GCC, *FLAGS, *includes, *sources, *arguments], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """{(build, file with cases): program}."""
    found = {}
    for build, file in itertools.product(BUILDS, PROGRAMS):
        folder = tmp_path_factory.mktemp("port")
        found[build, file] = folder / "cases"
        options = [f"-Wl,--wrap={name}" for name in wraps(build == "two cores")]
        sources = [*sorted(PORT.glob("*.c")), *sorted(HERE.glob("fake/*.c")), HERE / file]
        done = compile_port(folder, [*BUILDS[build], *options, "-pthread", "-o", found[build, file]], sources)
        assert done.returncode == 0, done.stderr
    return found


def cases():
    """(build, file, name of a case) for each row of the tables; rows within #if are for two cores."""
    found = []
    for file in PROGRAMS:
        table = (HERE / file).read_text().split(" cases[] = {")[1]
        for build in BUILDS:
            rows = table if build == "two cores" else re.sub(r"#if.*?#endif", "", table, flags=re.DOTALL)
            found += [(build, file, name) for name in re.findall(r"CASE\((\w+)\)", rows)]
    return found


@needs_gcc
@pytest.mark.parametrize(("build", "file", "case"), cases())
def test_case(programs, build, file, case):
    done = subprocess.run([programs[build, file], case], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("ok\n", "")


def test_each_wrap_has_its_function_and_each_function_its_wrap():
    defined = {}
    for path in PORT.glob("*.c"):
        for name in re.findall(r"^[\w *]*\b__wrap_(\w+)\([^;{]*\) \{", path.read_text(), re.MULTILINE):
            defined[name] = path.name
    assert defined == wraps()


def test_every_source_is_in_the_build():
    text = (PORT / "micropython.cmake").read_text()
    assert sorted(re.findall(r"\$\{CMAKE_CURRENT_LIST_DIR\}/(\w+\.c)", text)) == sorted(
        path.name for path in PORT.glob("*.c")
    )


def test_every_file_and_wrap_is_in_the_readme():
    text = (PORT / "README.md").read_text("utf-8")
    names = [*wraps(), *(path.name for path in PORT.iterdir() if path.is_file() and path.name != "README.md")]
    assert [name for name in names if f"`{name}`" not in text] == []


@needs_gcc
@pytest.mark.parametrize("version", ["1, 27, 0", "1, 29, 0"])
def test_another_micropython_does_not_compile(tmp_path, version):
    sources = [path for path in sorted(PORT.glob("*.c")) if path.name != "openeth.c"]
    for source in sources:
        arguments = [f"-DMICROPY_VERSION=MICROPY_MAKE_VERSION({version})", "-E"]
        done = compile_port(tmp_path, arguments, [source])
        assert done.returncode != 0
        assert "wraps functions of MicroPython v1.28.0" in done.stderr


@needs_gcc
def test_board_without_the_hooks_does_not_compile(tmp_path):
    (tmp_path / "include").mkdir()
    (tmp_path / "include/hooks.h").write_text("")  # is found before the real one
    done = compile_port(tmp_path, ["-E"], [PORT / "gil.c"])
    assert done.returncode != 0
    assert "has to include boards/common/mpconfigboard_common.h" in done.stderr


def configure(folder, version="1.28.0", environment=None, settings=()):
    """cmake's result for a project that includes micropython.cmake as py/usermod.cmake does; it prints the options."""
    numbers = version.replace("-preview", "").split(".")
    micropython = folder / "micropython/py"
    micropython.mkdir(parents=True)
    lines = [
        f"#define MICROPY_VERSION_{part} {number}"
        for part, number in zip(
            ("MAJOR", "MINOR", "MICRO", "PRERELEASE"), [*numbers, int("preview" in version)], strict=True
        )
    ]
    (micropython / "mpconfig.h").write_text("// Version\n" + "\n".join(lines) + "\n")
    (folder / "CMakeLists.txt").write_text(f"""
cmake_minimum_required(VERSION 3.16)
project(test NONE)
set(MICROPY_DIR ${{CMAKE_SOURCE_DIR}}/micropython)
add_library(usermod INTERFACE)
include({PORT.as_posix()}/micropython.cmake)
foreach(property LINK_OPTIONS SOURCES)
    get_target_property(value usermod_threadcore INTERFACE_${{property}})
    message("${{property}}=${{value}}")
endforeach()
get_target_property(value usermod INTERFACE_LINK_LIBRARIES)
message("usermod=${{value}}")
""")
    return subprocess.run(
        [CMAKE, "-S", folder, "-B", folder / "build", *(f"-D{setting}" for setting in settings)],
        env={"IDF_VERSION": "5.5.1", "PATH": "/usr/bin:/bin", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )


def values(done, name):
    """The list that the project has printed under `name`."""
    return re.search(rf"^{name}=(.*)$", done.stderr + done.stdout, re.MULTILINE)[1].split(";")


def test_cmake_links_every_wrap(tmp_path):
    done = configure(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    expected = [f"-Wl,{option}{name}" for name in wraps(False) for option in ("--wrap=", "--undefined=__wrap_")]
    assert values(done, "LINK_OPTIONS") == expected
    assert {Path(path) for path in values(done, "SOURCES")} == set(PORT.glob("*.c"))
    assert values(done, "usermod") == ["usermod_threadcore"]


def test_cmake_wraps_the_mac_only_for_the_emulator(tmp_path):
    done = configure(tmp_path, settings=["CONFIG_ETH_USE_OPENETH=1", "CONFIG_ETH_USE_ESP32_EMAC=1"])
    assert "-Wl,--wrap=esp_eth_mac_new_esp32" in values(done, "LINK_OPTIONS")


@pytest.mark.parametrize("version", ["1.27.0", "1.28.1", "1.28.0-preview", "1.29.0", "2.0.0"])
def test_cmake_refuses_another_micropython_and_names_both(tmp_path, version):
    done = configure(tmp_path, version)
    assert done.returncode != 0
    message = " ".join(done.stderr.split())
    assert f"is MicroPython v{version}," in message
    assert "of v1.28.0" in message
    assert "README.md" in message


def test_cmake_warns_of_another_esp_idf(tmp_path):
    done = configure(tmp_path, environment={"IDF_VERSION": "5.3.2"})
    assert done.returncode == 0
    assert "ESP-IDF v5.3.2" in done.stderr
