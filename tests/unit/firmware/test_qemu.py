"""make qemu: Espressif's QEMU found or not, its command line, the flash that it writes to. QEMU is a stand-in."""

import argparse
import json
import os
import socket
import subprocess
import sys

import pytest

from firmware import qemu
from firmware.errors import FirmwareError

FLASH_SIZE = 4 << 20
STAND_IN = """#!{python}
import json, sys
if sys.argv[1:] == ["-machine", "help"]:
    print("Supported machines are:\\n{machines}")
    sys.exit({status})
print(json.dumps(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch, tmp_path):
    """No QEMU but those that a test puts there."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("IDF_TOOLS_PATH", str(tmp_path / "tools of idf"))
    monkeypatch.setenv("IDF_PATH", "/opt/esp/idf")
    monkeypatch.setattr(qemu.sdk, "FOLDER", tmp_path / "sdk")
    monkeypatch.setattr(qemu.Path, "home", lambda: tmp_path / "home")


def install(folder, machines="esp32                Espressif ESP32 machine", status=0):
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / qemu.PROGRAM
    program.write_text(STAND_IN.format(python=sys.executable, machines=machines, status=status))
    program.chmod(0o755)
    return program


@pytest.fixture
def image(tmp_path):
    image = tmp_path / "flash.bin"
    image.write_bytes(b"\xe9" + bytes(FLASH_SIZE - 1))
    return image


def options(*arguments):
    parser = argparse.ArgumentParser()
    qemu.add_options(parser)
    return parser.parse_args([str(argument) for argument in arguments])


def started(image, *arguments):
    """What the stand-in was started with, and the lines before it; in a process of its own, which becomes QEMU."""
    code = (
        "import sys, argparse\nfrom pathlib import Path\nfrom firmware import qemu, sdk\n"
        "sdk.FOLDER = Path('/nonexistent')\nparser = argparse.ArgumentParser()\nqemu.add_options(parser)\n"
        "qemu.run(parser.parse_args(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "--flash", str(image), *arguments]
    done = subprocess.run(command, cwd=qemu.paths.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *banner, line = done.stdout.splitlines()
    return json.loads(line), "\n".join(banner)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def test_command_line_is_that_of_esp_idf_with_the_network(tmp_path, image):
    install(tmp_path / "bin")
    http, webrepl, console, other = free_ports(4)
    command, banner = started(
        image,
        *("--http-port", str(http), "--webrepl-port", str(webrepl), "--forward", str(other)),
        *("--console", f"socket://127.0.0.1:{console}", "--log", str(tmp_path / "a,b.log")),
    )
    folder = image.parent
    assert command == [
        *("-M", "esp32", "-m", "4M", "-nographic"),
        *("-drive", f"file={folder}/qemu.bin,if=mtd,format=raw"),
        *("-drive", f"file={folder}/qemu-efuse.bin,if=none,format=raw,id=efuse"),
        *("-global", "driver=nvram.esp32.efuse,property=drive,value=efuse"),
        *("-global", "driver=timer.esp32.timg,property=wdt_disable,value=true"),
        "-nic",
        f"user,model=open_eth,hostfwd=tcp:127.0.0.1:{http}-:80,hostfwd=tcp:127.0.0.1:{webrepl}-:8266"
        f",hostfwd=tcp:127.0.0.1:{other}-:{other}",
        "-chardev",
        f"socket,id=console,host=127.0.0.1,port={console},server=on,wait=off,logfile={folder}/a,,b.log",
        *("-serial", "chardev:console", "-monitor", "none"),
    ]
    assert f"page      http://127.0.0.1:{http}/" in banner
    assert f"console   socket://127.0.0.1:{console}" in banner


def test_serial_port_in_this_terminal(tmp_path, image):
    install(tmp_path / "bin")
    command, banner = started(image)
    assert command[-4:] == ["-serial", "mon:stdio", "-echr", "29"]
    assert "stop      Ctrl-], then x" in banner


def test_efuse_is_a_chip_of_revision_3(tmp_path, image):
    """The bits of ESP-IDF's: CHIP_VER_REV1 in word 3, CHIP_VER_REV2 in word 5 of block 0."""
    install(tmp_path / "bin")
    started(image)
    efuse = (image.parent / "qemu-efuse.bin").read_bytes()
    assert len(efuse) == 124
    words = [int.from_bytes(efuse[i : i + 4], "little") for i in range(0, len(efuse), 4)]
    assert {i: word for i, word in enumerate(words) if word} == {3: 1 << 15, 5: 1 << 20}


def test_what_the_board_stores_stays_until_there_is_a_newer_image(tmp_path, image):
    install(tmp_path / "bin")
    copy = image.with_name("qemu.bin")
    started(image)
    assert copy.read_bytes() == image.read_bytes()
    copy.write_bytes(b"stored".ljust(FLASH_SIZE))
    started(image)
    assert copy.read_bytes().startswith(b"stored")
    newer = copy.stat().st_mtime_ns + 10**9
    os.utime(image, ns=(newer, newer))
    started(image)
    assert copy.read_bytes() == image.read_bytes()
    copy.write_bytes(b"stored".ljust(FLASH_SIZE))
    started(image, "--new")
    assert copy.read_bytes() == image.read_bytes()


@pytest.mark.parametrize("root", ["tools of idf", "sdk/tools", "home/.espressif"])
def test_found_where_esp_idf_installs_it(tmp_path, root):
    folder = tmp_path / root / "tools" / "qemu-xtensa"
    install(folder / "esp_develop_8.2.0_20240122" / "qemu" / "bin")
    newest = install(folder / "esp_develop_9.0.0_20240606" / "qemu" / "bin")
    assert qemu.find() == newest


def test_another_qemu_on_path_is_passed_over(tmp_path):
    install(tmp_path / "bin", machines="virt                 virt machine")
    good = install(tmp_path / "sdk" / "tools" / "tools" / "qemu-xtensa" / "1" / "qemu" / "bin")
    assert qemu.find() == good


REMEDY = "; ESP-IDF installs Espressif's: python3 /opt/esp/idf/tools/idf_tools.py install qemu-xtensa"


def test_none_there():
    with pytest.raises(FirmwareError) as caught:
        qemu.find()
    assert str(caught.value) == "there is no qemu-system-xtensa" + REMEDY


def test_another_qemu_only(tmp_path):
    program = install(tmp_path / "bin", machines="sim                  sim machine (default)")
    with pytest.raises(FirmwareError) as caught:
        qemu.find()
    assert str(caught.value) == f"{program} does not know the machine esp32" + REMEDY


def test_one_that_lacks_a_library(tmp_path):
    program = install(tmp_path / "bin")
    program.write_text("#!/bin/sh\necho 'error while loading shared libraries: libpixman-1.so.0' >&2\nexit 127\n")
    with pytest.raises(FirmwareError) as caught:
        qemu.find()
    assert str(caught.value).startswith(f"{program} cannot be started: error while loading shared libraries: libpixman")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--variant", ""], "board ESP32 is not made for QEMU; BOARD=ESP32 VARIANT=QEMU is"),
        (["--board", "ESP32_C3", "--variant", ""], "board ESP32_C3 is not made for QEMU"),
        (["--console", "/dev/ttyS0"], "CONSOLE is '/dev/ttyS0'; it takes terminal, or socket://127.0.0.1:5555"),
        (["--console", "socket://127.0.0.1:70000"], "CONSOLE is 'socket://127.0.0.1:70000'; it takes terminal"),
        (["--http-port", "80a"], "HTTP_PORT is '80a', which is no port (1 to 65535)"),
        (["--flash", "/nonexistent/flash.bin"], "there is no /nonexistent/flash.bin; 'make firmware BOARD=ESP32"),
    ],
)
def test_wrong_settings_are_said_in_one_line(tmp_path, image, arguments, said):
    install(tmp_path / "bin")
    with pytest.raises(FirmwareError) as caught:
        qemu.run(options("--flash", image, *arguments))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_image_of_another_size(tmp_path, image):
    install(tmp_path / "bin")
    image.write_bytes(bytes(1000))
    with pytest.raises(FirmwareError, match="is 1000 bytes, the board's flash 4194304; 'make image BOARD=ESP32"):
        qemu.run(options("--flash", image))


def test_port_in_use(tmp_path, image):
    install(tmp_path / "bin")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FirmwareError, match=f"port {port} is in use; choose another with HTTP_PORT"):
            qemu.run(options("--flash", image, "--http-port", port))
        with pytest.raises(FirmwareError, match=f"port {port} is in use; choose another with CONSOLE"):
            qemu.run(options("--flash", image, "--console", f"socket://127.0.0.1:{port}"))
