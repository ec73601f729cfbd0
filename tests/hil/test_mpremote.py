"""mpremote, unmodified, against the board's console."""

import os
import pty
import select
import subprocess
import sys
import time

import pytest


@pytest.fixture
def mpremote(board):
    def run(*arguments):
        command = [sys.executable, "-m", "mpremote", "connect", board.device, *arguments]
        timeout = 60 * board.factor
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.replace("\r\n", "\n")

    return run


def test_exec_and_eval(mpremote):
    assert mpremote("exec", "print(6 * 7)") == "42\n"
    assert mpremote("eval", "6 * 7") == "42\n"


def test_error_gives_the_traceback_and_a_failure(board):
    command = [sys.executable, "-m", "mpremote", "connect", board.device, "exec", "1 / 0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 * board.factor)
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stdout + done.stderr


def test_run_a_script(mpremote, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("total = 0\nfor i in range(10):\n    total += i\nprint('total', total)\n")
    assert mpremote("run", str(script)) == "total 45\n"


def test_files(mpremote, tmp_path):
    data = bytes(range(256)) * 20
    (tmp_path / "a.bin").write_bytes(data)
    mpremote("fs", "cp", str(tmp_path / "a.bin"), ":test.bin")
    assert "5120 test.bin" in mpremote("fs", "ls")
    mpremote("fs", "cp", ":test.bin", str(tmp_path / "b.bin"))
    assert (tmp_path / "b.bin").read_bytes() == data
    mpremote("fs", "rm", ":test.bin")
    assert "test.bin" not in mpremote("fs", "ls")


def test_mount_a_folder(mpremote, tmp_path):
    (tmp_path / "here.py").write_text("print('from the computer')\n")
    assert "from the computer" in mpremote("mount", str(tmp_path), "exec", "import here")


def test_soft_reset_and_resume(mpremote):
    mpremote("exec", "kept = 1")
    assert mpremote("resume", "exec", "print(kept)") == "1\n"
    mpremote("soft-reset")
    assert mpremote("resume", "exec", "print('kept' in globals())") == "False\n"


def test_df(board, mpremote):
    lines = mpremote("df").splitlines()
    root = next(line for line in lines if line.split()[-1] == "/")
    size = board.eval("(lambda p: p.find(p.TYPE_DATA, label='vfs')[0].info()[3])(__import__('esp32').Partition)")
    assert str(size) in root


@pytest.mark.needs("tty")
def test_repl_in_a_terminal(board):
    """mpremote's own terminal, in a pty of the test's."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "mpremote", "connect", board.device, "repl"]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)

    def wait(marker):
        deadline, seen = time.monotonic() + 20 * board.factor, b""
        while marker not in seen:
            assert time.monotonic() < deadline, seen
            if select.select([master], [], [], 0.1)[0]:
                seen += os.read(master, 4096)

    try:
        wait(b"Ctrl-]")
        os.write(master, b"\x03\r")
        wait(b">>> ")
        os.write(master, b"6 * 7\r")
        wait(b"42")
        os.write(master, b"\x1d")
        assert process.wait(20 * board.factor) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_board_does_not_notice_that_the_console_is_closed(board):
    for _ in range(board.rounds(10)):
        with board.console() as console:
            console.prompt()
    assert board.get("/api/status")[0] == 200
