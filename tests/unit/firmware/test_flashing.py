"""make flash and its kin against a bootloader: the bytes that arrive, and what is said when it is the wrong chip."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from firmware import chips, filesystem, flasher, parts, paths, webroot
from firmware.boards import Board, boards
from firmware.errors import FirmwareError

from .fake_chip import Bootloader, build_outputs

MICROPYTHON = Path(sys.executable).with_name("micropython")
BOARDS = [board for board in boards() if board.release]
ESP32, S3 = Board.load("ESP32"), Board.load("ESP32_S3")


@pytest.fixture
def bootloader(monkeypatch):
    """Switch a chip on: `bootloader("esp32s3", 8)`."""
    running = []

    def start(*arguments, **options):
        running.append(Bootloader(monkeypatch, *arguments, **options))
        return running[-1]

    yield start
    for chip in running:
        chip.close()


@pytest.fixture
def content(tmp_path):
    """A folder with pages, boot.json and build outputs below outputs/, as settings of make."""
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.html").write_text("<p>all work and no play</p>\n" * 100)
    (tmp_path / "pages" / "photo.png").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "boot.json").write_text('{"hostname": "x"}')
    return {"WEBROOT": tmp_path / "pages", "BOOT_JSON": tmp_path / "boot.json", "OUTPUTS": tmp_path / "outputs"}


def make(target, **settings):
    settings["PY"] = sys.executable  # packs the same bytes as expected() here: gzip's depend on the library
    arguments = ["make", target, *(f"{name}={value}" for name, value in settings.items())]
    environment = {name: value for name, value in os.environ.items() if name not in ("BOARD", "VARIANT", "PORT")}
    return subprocess.run(
        arguments, cwd=paths.ROOT, capture_output=True, text=True, timeout=120, env=environment, check=False
    )


def expected(board, content):
    """The Parts that belong on the chip."""
    files = parts.filesystem_part(board, content["WEBROOT"], content["BOOT_JSON"])
    return [*parts.firmware_parts(board, content["OUTPUTS"]), files]


def assert_written(flash, pieces):
    """The Parts lie in their places, and no sector but theirs was touched."""
    untouched = bytearray(flash)
    for part in pieces:
        assert flash[part.offset : part.end] == part.data, part.name
        untouched[part.offset : -(-part.end // 4096) * 4096] = b""
        untouched[part.offset : part.offset] = b"\xa5" * (-(-part.end // 4096) * 4096 - part.offset)
    assert untouched.count(0xA5) == len(untouched)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.label)
def test_flash(board, bootloader, content):
    build_outputs(content["OUTPUTS"], board)
    chip = bootloader(board.chip, board.flash_size >> 20)
    run = make("flash", BOARD=board.name, VARIANT=board.variant, PORT=chip.port, **content)
    assert run.returncode == 0, run.stderr
    assert f"board {board.label} has bootloader" in run.stdout
    assert_written(chip.flash, expected(board, content))


def test_flash_over_a_terminal_device_and_without_a_board(bootloader, content):
    """As on a real port; the chip says which board it must be."""
    build_outputs(content["OUTPUTS"], ESP32)
    chip = bootloader("esp32", tty=True)
    run = make("flash", PORT=chip.port, **content)
    assert run.returncode == 0, run.stderr
    assert_written(chip.flash, expected(ESP32, content))


def test_flashed_filesystem_is_mounted_on_the_vm(bootloader, content, tmp_path):
    build_outputs(content["OUTPUTS"], S3)
    chip = bootloader("esp32s3", 8)
    assert make("flash", BOARD="ESP32_S3", PORT=chip.port, **content).returncode == 0
    place = S3.table["vfs"]
    image = tmp_path / "vfs.bin"
    image.write_bytes(chip.flash[place.offset : place.end])
    program = f"""
import binascii, json, os, vfs
class Flash:
    def __init__(self): self.f = open({str(image)!r}, "r+b")
    def readblocks(self, n, buf, off=0): self.f.seek(n * 4096 + off); self.f.readinto(buf)
    def writeblocks(self, n, buf, off=None): self.f.seek(n * 4096 + (off or 0)); self.f.write(buf)
    def ioctl(self, op, arg):
        if op == 4: return {place.size} // 4096
        if op == 5: return 4096
        if op == 6: return 0
def walk(folder):
    for name, kind, *_ in os.ilistdir(folder):
        path = folder + "/" + name
        if kind == 0x4000: yield from walk(path)
        else: yield path
vfs.mount(vfs.VfsLfs2(Flash()), "/flash")
print(json.dumps({{path: binascii.hexlify(open(path, "rb").read()) for path in walk("/flash")}}))
"""
    run = subprocess.run([MICROPYTHON, "-c", program], capture_output=True, text=True, timeout=20)
    assert run.stderr == ""
    files = webroot.with_gzip_neighbours(webroot.collect(content["WEBROOT"], content["BOOT_JSON"]))
    assert json.loads(run.stdout) == {f"/flash/{path}": data.hex() for path, data in files.items()}
    assert len(files) == 4


def test_flash_app_keeps_the_files(bootloader, content):
    build_outputs(content["OUTPUTS"], ESP32)
    chip = bootloader("esp32")
    run = make("flash-app", BOARD="ESP32", PORT=chip.port, OUTPUTS=content["OUTPUTS"])
    assert run.returncode == 0, run.stderr
    assert_written(chip.flash, expected(ESP32, content)[:-1])


def test_flash_webroot_writes_the_filesystem_alone(bootloader, content):
    build_outputs(content["OUTPUTS"], ESP32)
    chip = bootloader("esp32")
    assert make("flash", BOARD="ESP32", PORT=chip.port, **content).returncode == 0
    before = chip.flash
    (content["WEBROOT"] / "index.html").write_text("<p>new</p>")
    del content["OUTPUTS"]
    run = make("flash-webroot", BOARD="ESP32", PORT=chip.port, **content)
    assert run.returncode == 0, run.stderr
    place = ESP32.table["vfs"]
    assert chip.flash[: place.offset] == before[: place.offset]
    assert filesystem.read(chip.flash[place.offset : place.end])["webroot/index.html"] == b"<p>new</p>"


def test_flash_webroot_refuses_another_layout(bootloader, content):
    chip = bootloader("esp32")
    run = make("flash-webroot", BOARD="ESP32", PORT=chip.port, **content)
    assert_one_error(run, "has not the partition table of board ESP32: run 'make flash' first")
    assert_written(chip.flash, [])


def test_erase(bootloader):
    chip = bootloader("esp32c3")
    run = make("erase", PORT=chip.port)
    assert run.returncode == 0, run.stderr
    assert chip.flash.count(0xFF) == len(chip.flash)


def assert_one_error(run, *words):
    assert run.returncode != 0
    errors = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "Traceback" not in run.stderr
    for word in words:
        assert word in errors[0]


@pytest.mark.parametrize("target", ["flash", "erase"])
def test_another_chip_is_not_touched(target, bootloader, content):
    build_outputs(content["OUTPUTS"], S3)
    chip = bootloader("esp32")
    run = make(target, BOARD="ESP32_S3", PORT=chip.port, **content)
    assert_one_error(run, "is an ESP32, board ESP32_S3 has an ESP32-S3", "BOARD=")
    assert_written(chip.flash, [])


def test_smaller_flash_is_not_touched(bootloader, content):
    build_outputs(content["OUTPUTS"], S3)
    chip = bootloader("esp32s3", 4)
    run = make("flash", BOARD="ESP32_S3", PORT=chip.port, **content)
    assert_one_error(run, "has 4MB of flash, board ESP32_S3 needs 8MB")
    assert_written(chip.flash, [])


def test_what_is_missing_is_told_before_the_chip_is_asked(content):
    """The port leads nowhere: nobody tried it."""
    port = "socket://127.0.0.1:1"
    run = make("flash", BOARD="ESP32", PORT=port, **content)
    assert_one_error(run, "there is no firmware of ESP32", "make firmware BOARD=ESP32")
    build_outputs(content["OUTPUTS"], ESP32, app_size=2 << 20)
    run = make("flash", BOARD="ESP32", PORT=port, **content)
    assert_one_error(run, "slot ota_0 of board ESP32 has", "too many")
    content["BOOT_JSON"].write_text('{"watchdog": 1}')
    run = make("flash-webroot", BOARD="ESP32", PORT=port, **content)
    assert_one_error(run, "watchdog is 1")


def test_nothing_answers_at_the_port(content):
    build_outputs(content["OUTPUTS"], ESP32)
    run = make("flash", BOARD="ESP32", PORT="socket://127.0.0.1:1", **content)
    assert_one_error(run, "socket://127.0.0.1:1: cannot be opened")


@pytest.mark.parametrize("target", ["flash", "flash-app", "flash-webroot", "monitor"])
def test_no_port(target):
    assert_one_error(make(target, BOARD="ESP32"), "no PORT is given")


def test_a_chip_that_two_boards_have(bootloader, monkeypatch):
    twins = [ESP32, Board.load("ESP32")]
    monkeypatch.setattr("firmware.boards.boards", lambda: twins)
    with pytest.raises(FirmwareError, match="is an ESP32; BOARD= says which board it is on: ESP32, ESP32"):
        chips._board_on(bootloader("esp32").port)


def test_a_chip_without_a_board(bootloader, monkeypatch):
    monkeypatch.setattr("firmware.boards.boards", list)
    with pytest.raises(FirmwareError, match=r"is an ESP32-C3; .*there is none yet"):
        chips._board_on(bootloader("esp32c3").port)


def test_silent_chip_names_the_buttons():
    assert "hold BOOT" in flasher._one_line(Exception("Failed to connect to ESP32: No serial data received."))
    assert flasher._one_line(Exception("two\nlines")) == "two lines"
