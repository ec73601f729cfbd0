"""The command line and the Makefile as a user meets them: one clear line for what is wrong."""

import os
import shlex
import subprocess
import sys

import pytest

from firmware import __main__, bootstrap, paths
from firmware.boards import Board


def firmware(*arguments):
    command = [sys.executable, "-m", "firmware", *map(str, arguments)]
    return subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def flash(tmp_path_factory):
    path = tmp_path_factory.mktemp("flash") / "flash.bin"
    run = firmware("image", "--flash", path)
    assert (run.returncode, run.stderr) == (0, "")
    return path


def test_image_list_and_unpack(flash, tmp_path):
    assert "webroot/index.html.gz" in firmware("list", flash).stdout
    assert firmware("unpack", flash, tmp_path / "out").returncode == 0
    page = (paths.WEBROOT / "index.html").read_bytes()
    assert (tmp_path / "out" / "webroot" / "index.html").read_bytes() == page


def test_size_has_the_packages_and_the_partitions():
    report = firmware("size").stdout
    for words in ("micropAsyncWeb/__init__.mpy", "slot ota_0", "filesystem", " of   983040"):
        assert words in report


def test_table():
    assert "vfs,data,fat,0x310000,0xf0000," in firmware("table").stdout
    assert Board.load("ESP32_S3").table.to_csv() == firmware("table", "--board", "ESP32_S3").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("image", "--webroot", "/nix"), "webroot /nix does not exist"),
        (("image", "--boot-json", "/nix.json"), "cannot read /nix.json"),
        (("list", "/nix.bin"), "cannot read /nix.bin"),
        (("boot-json", "/nix.json"), "cannot read /nix.json"),
    ],
)
def test_errors_are_one_line(arguments, words, tmp_path):
    if arguments[0] == "image":
        arguments = (*arguments, "--flash", tmp_path / "flash.bin")
    run = firmware(*arguments)
    assert run.returncode == 1
    assert run.stderr.startswith("error: ")
    assert run.stderr.count("\n") == 1
    assert words in run.stderr
    assert not (tmp_path / "flash.bin").exists()


def test_all_errors_of_a_boot_json(tmp_path):
    path = tmp_path / "boot.json"
    path.write_text('{"watchdog": 1,\n "hostname": "",\n "x": 1}')
    run = firmware("boot-json", path)
    assert run.returncode == 1
    assert [line.split(": ")[0] for line in run.stderr.splitlines()] == ["error", "error", "warning", "error"]
    assert "boot.json:2:2: hostname" in run.stderr


def test_make_help_lists_every_target():
    run = subprocess.run(["make", "help"], cwd=paths.ROOT, capture_output=True, text=True, timeout=20)
    listed = {line.split()[0] for line in run.stdout.splitlines() if line.startswith("  ")}
    makefile = (paths.ROOT / "Makefile").read_text()
    phony = next(line for line in makefile.splitlines() if line.startswith(".PHONY:")).split()[1:]
    assert set(phony) <= listed
    assert (
        run.stdout
        == subprocess.run(["make"], cwd=paths.ROOT, capture_output=True, text=True, timeout=20).stdout
    )


@pytest.mark.parametrize(
    ("target", "settings", "words"),
    [
        ("image", {}, ["image", "--flash", "build/flash.bin", "--webroot", "firmware/webroot"]),
        ("image", {"BOARD": "ESP32", "VARIANT": "QEMU"}, ["--board", "ESP32", "--variant", "QEMU"]),
        ("image", {"BOARD": "ESP32", "OUTPUTS": "x"}, ["--outputs", "x"]),
        ("image", {"BOARD": "ESP32", "WEBROOT": "w", "BOOT_JSON": "j"}, ["--webroot", "w", "--boot-json", "j"]),
        ("erase", {}, ["image", "--new"]),
        ("erase", {"PORT": "p"}, ["erase", "--port", "p"]),
        ("size", {"BOARD": "ESP32"}, ["--webroot", "firmware/webroot", "--board", "ESP32"]),
        ("sdk", {"CONTAINER": "docker"}, ["sdk", "--container", "docker"]),
        ("firmware", {"BOARD": "ESP32"}, ["build", "--board", "ESP32", "--container", ""]),
        ("firmware", {"BOARD": "ESP32", "CONTAINER": "podman", "IDF_IMAGE": "i"}, ["podman", "--image", "i"]),
        ("flash", {"PORT": "p", "BAUD": "115200"}, ["flash", "--port", "p", "--baud", "115200"]),
        ("flash-webroot", {"PORT": "p", "BOARD": "ESP32"}, ["flash-webroot", "--port", "p", "--board", "ESP32"]),
        ("monitor", {"PORT": "p"}, ["monitor", "--port", "p"]),
        ("ota", {"ADDRESS": "a", "IMAGE": "i"}, ["ota", "--address", "a", "--image", "i"]),
        ("release", {"BOARD": "ESP32"}, ["release", "--board", "ESP32"]),
        ("qemu", {}, ["qemu", "--board", "ESP32", "--variant", "QEMU"]),
        ("web-installer", {"RELEASE": "r"}, ["web-installer", "--release", "r"]),
    ],
)
def test_make_passes_settings_on(target, settings, words):
    command = shlex.split(dry_run(target, **settings))
    assert any(command[start : start + len(words)] == words for start in range(len(command)))


def dry_run(target, **settings):
    """What `make target` would run."""
    variables = ("BOARD", "VARIANT", "PORT", "BOOT_JSON", "CONTAINER")
    environment = {name: value for name, value in os.environ.items() if name not in variables}
    arguments = ["make", "-n", target, *(f"{name}={value}" for name, value in settings.items())]
    run = subprocess.run(arguments, cwd=paths.ROOT, capture_output=True, text=True, timeout=20, env=environment)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_password_is_in_no_command_line():
    assert "se$cret" not in dry_run("ota", ADDRESS="a", PASSWORD="se$cret")


def test_ctrl_c_and_a_missing_module_are_no_traceback(monkeypatch, capsys):
    def fail(error):
        def run():
            raise error

        return run

    monkeypatch.setattr("firmware.boards.boards", fail(KeyboardInterrupt()))
    assert __main__.main(["boards"]) == 130
    monkeypatch.setattr("firmware.boards.boards", fail(ModuleNotFoundError("no esptool", name="esptool")))
    assert __main__.main(["boards"]) == 1
    assert "has no module 'esptool'; make installs it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sys.version_info": (3, 9, 2)}, "Python 3.10 to 3.14 is needed"),
        ({"sys.version_info": (3, 15, 0)}, "Python 3.10 to 3.14 is needed"),
        ({"platform.python_implementation": lambda: "PyPy"}, "CPython is needed"),
        ({"platform.machine": lambda: "riscv64"}, "no MicroPython VM for"),
        (
            {
                "platform.system": lambda: "Linux",
                "platform.machine": lambda: "x86_64",
                "platform.libc_ver": lambda: ("", ""),
            },
            "glibc 2.28",
        ),
    ],
)
def test_bootstrap_names_what_is_missing(monkeypatch, change, words):
    for name, value in change.items():
        monkeypatch.setattr(f"firmware.bootstrap.{name}", value)
    assert words in bootstrap.problem()


def test_bootstrap_is_content_here():
    assert bootstrap.problem() is None
