"""The command line and the Makefile as a user meets them: one clear line for what is wrong."""

import subprocess
import sys

import pytest

from firmware import bootstrap, paths


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
