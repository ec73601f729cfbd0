"""`python -m ports.unix` as a program: banners, terminal, service, bad settings, being killed."""

import contextlib
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from ports.unix.client import ControlClient
from tests.unix.images import device, write_flash

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 20  # s, for anything that has to happen

SCRIPT = """
import socket, sys
here = call("net.listen", host="0.0.0.0", port=80, proto="tcp")
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(socket.getaddrinfo(here["host"], here["port"])[0][-1])
server.listen(1)
print("ready")
while True:
    print("got", sys.stdin.readline().encode())
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a flash image."""
    write_flash(tmp_path / "flash.bin", device(SCRIPT))
    return tmp_path


def command(folder, *options, http="0"):
    paths = [f"--{name}={folder / name}" for name in ("console", "control")]
    ports = ["--http-port", http, "--webrepl-port", "0"]
    return [
        sys.executable,
        "-m",
        "ports.unix",
        "run",
        f"--flash={folder / 'flash.bin'}",
        *paths,
        *ports,
        *options,
    ]


@contextlib.contextmanager
def started(folder, *options, **pipes):
    """A running board; killed at the end if it still lives."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes}
    process = subprocess.Popen(command(folder, *options), cwd=ROOT, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


def refused(folder, *options, **settings):
    """Run a board that cannot start: its exit status and what it said, which is one line."""
    done = subprocess.run(
        command(folder, *options, **settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout == "" and done.stderr.count("\n") == 1, done
    return done.returncode, done.stderr


def read_until(fd, text, seen=b""):
    """Read from descriptor `fd` until `text` has come; all that came."""
    deadline = time.monotonic() + TIMEOUT
    while text not in seen:
        left = deadline - time.monotonic()
        assert left > 0 and select.select([fd], [], [], left)[0], f"no {text!r} in {seen!r}"
        data = os.read(fd, 4096)
        assert data, f"the end came before {text!r}: {seen!r}"
        seen += data
    return seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_service_stops_cleanly(folder, number):
    with started(folder, "--banner", "json") as board:
        found = json.loads(board.stdout.readline())
        with ControlClient(found["control"]) as control:
            vm = control.info()["pid"]
        board.send_signal(number)
        assert board.wait(TIMEOUT) == 0
        assert board.stderr.read() == b""
    assert not os.path.lexists(folder / "console") and not os.path.lexists(folder / "control")
    with pytest.raises(ProcessLookupError):
        os.kill(vm, 0)


def test_json_banner_comes_when_the_page_can_be_had(folder):
    with started(folder, "--banner", "json") as board:
        found = json.loads(board.stdout.readline())
        socket.create_connection(found["http"]).close()
        assert found["page"] == "http://127.0.0.1:{}/".format(found["http"][1])
        assert (found["pid"], found["state"], found["webrepl"]) == (board.pid, "running", None)
        assert os.readlink(found["console"]) == found["pty"]
        assert found["flash"] == str(folder / "flash.bin")


def test_unused_ports_refuse_connections(folder):
    """No WebREPL, so after the start nothing may answer there, not even the program that keeps the port."""
    with started(folder, "--banner", "json") as board:
        board.stdout.readline()
        with ControlClient(folder / "control") as control:
            port = control.info()["ports"]["8266"]
        deadline = time.monotonic() + TIMEOUT
        with pytest.raises(ConnectionRefusedError):
            while time.monotonic() < deadline:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()


def test_crash_loop_is_told_on_standard_error(folder):
    write_flash(folder / "flash.bin", device("raise SystemExit(1)"))
    with started(folder) as board:
        text = read_until(board.stderr.fileno(), b"\n").decode()
    assert text.startswith("error: 24 crashes in a row")


def test_text_banner(folder):
    with started(folder) as board:
        text = read_until(board.stdout.fileno(), f"kill {board.pid}".encode()).decode()
    assert "http://127.0.0.1:" in text and str(folder / "console") in text and "no password" in text


def test_second_start_keeps_the_flash(folder):
    for _ in range(2):
        with started(folder, "--banner", "json") as board:
            board.stdout.readline()
            board.terminate()
            assert board.wait(TIMEOUT) == 0


def test_vm_ends_when_the_supervisor_is_killed(folder):
    with started(folder, "--banner", "json") as board:
        found = json.loads(board.stdout.readline())
        with ControlClient(found["control"]) as control:
            vm = control.info()["pid"]
        board.kill()
        board.wait()
        deadline = time.monotonic() + TIMEOUT
        with pytest.raises(ProcessLookupError):
            while time.monotonic() < deadline:
                os.kill(vm, 0)
                time.sleep(0.01)
    with started(folder, "--banner", "json") as board:  # what it left behind is in nobody's way
        assert json.loads(board.stdout.readline())["state"] == "running"


@contextlib.contextmanager
def in_terminal(folder):
    """A board in a terminal: its process and the user's end."""
    user, tty = pty.openpty()
    try:
        with started(folder, stdin=tty, stdout=tty, stderr=tty) as board:
            yield board, user, tty
    finally:
        os.close(user)
        os.close(tty)


@pytest.mark.parametrize("key", [b"\x1d", b"\x18"])
def test_terminal(folder, key):
    with in_terminal(folder) as (board, user, tty):
        before = termios.tcgetattr(tty)
        said = read_until(user, b"ready\r\n")
        assert said.index(b"Ctrl-]") < said.index(b"rst:0x1") < said.index(b"ready")
        assert termios.tcgetattr(tty) != before
        os.write(user, b"\x04\x03typed\n")
        read_until(user, b"got b'\\x04\\x03typed\\n'\r\n")
        os.write(user, b"before" + key + b"after")
        assert board.wait(TIMEOUT) == 0
        assert termios.tcgetattr(tty) == before


def test_terminal_is_restored_after_a_signal(folder):
    with in_terminal(folder) as (board, user, tty):
        before = termios.tcgetattr(tty)
        read_until(user, b"ready\r\n")
        board.terminate()
        assert board.wait(TIMEOUT) == 0
        assert termios.tcgetattr(tty) == before


def test_console_and_terminal_are_one_line(folder):
    with in_terminal(folder) as (_, user, _):
        read_until(user, b"ready\r\n")
        client = os.open(folder / "console", os.O_RDWR | os.O_NOCTTY)
        try:
            read_until(client, b"ready\r\n")
            os.write(client, b"from the console\n")
            for end in (client, user):
                read_until(end, b"got b'from the console\\n'\r\n")
        finally:
            os.close(client)


def test_port_that_was_asked_for_and_is_taken(folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        status, text = refused(folder, http=port)
    assert status == 2
    assert text == f"error: port {port} is in use; choose another with HTTP_PORT, or 0 for any free one\n"


def test_flash_that_is_in_use(folder):
    with started(folder, "--banner", "json") as board:
        board.stdout.readline()
        status, text = refused(folder)
    assert status == 2 and text.startswith(f"error: {folder / 'flash.bin'} is in use by a running board")


def test_flash_with_nothing_to_boot(folder):
    write_flash(folder / "flash.bin")
    status, text = refused(folder)
    assert status == 2 and "no bootable app partitions" in text
    assert not os.path.lexists(folder / "console") and not os.path.lexists(folder / "control")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--flash=none.bin"], "none.bin: No such file"),
        (["--air=none.json"], "none.json: No such file"),
        (["--air=README.md"], "README.md: no JSON"),
        (["--control=" + "x" * 120], "103 bytes"),
        (["--console=README.md"], "CONSOLE="),
        (["--http-port=70000"], "'70000' is no port"),
        *[([f"--heap={size}"], f"'{size}' is no size") for size in ("abc", "1", "10k", "2000m", "9" * 20)],
    ],
)
def test_bad_settings(folder, options, text):
    (folder / "README.md").write_text("x")
    options = [option.replace("README.md", str(folder / "README.md")) for option in options]
    status, said = refused(folder, *options)
    assert status == 2 and said.startswith("error: ") and text in said


def test_control_verb_on_the_command_line(folder):
    with started(folder, "--banner", "json") as board:
        board.stdout.readline()

        def control(*args):
            arguments = [
                sys.executable,
                "-m",
                "ports.unix",
                "control",
                "--control",
                folder / "control",
                *args,
            ]
            return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT)

        assert json.loads(control("pin", '{"id": 4, "value": 1}').stdout) == {"id": 4, "value": 1, "mode": 1}
        failed = control("pin", '{"id": 99}')
        assert (failed.returncode, failed.stdout, failed.stderr) == (
            1,
            "",
            "error: pin: there is no pin 99\n",
        )
        # Whoever reads it may have enough before the end, as `head` has.
        reading, writing = os.pipe()
        os.close(reading)
        arguments = [sys.executable, "-m", "ports.unix", "control", "--control", folder / "control", "air"]
        done = subprocess.run(arguments, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, timeout=TIMEOUT)
        os.close(writing)
        assert (done.returncode, done.stderr) == (0, b"")


def test_no_vm_for_this_platform(folder):
    """The wheel is missing: as in an interpreter that sees no packages but those of the host side."""
    code = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'micropython_run' else find(name, *a)\n"
        "from ports.unix.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = [sys.executable, "-c", code, *command(folder)[3:]]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: there is no MicroPython VM for CPython")
