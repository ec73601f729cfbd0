"""The desktop board's REPL on the VM: what a terminal, mpremote and a program's `sys.stdin` see of it."""

import os
import pty
import re
import select
import struct
import subprocess
import sys
import threading
import time
import tty

import pytest

from .repl_board import TIMEOUT, Board

BANNER = (
    rb"MicroPython \S+ on [-0-9]+; microAsyncWeb test with ESP32 stand-ins\r\n"
    rb'Type "help\(\)" for more information.\r\n>>> '
)
RAW = b"raw REPL; CTRL-B to exit\r\n>"
TRACE = 'Traceback (most recent call last):\r\n  File "<stdin>", line {}, in <module>\r\n'


@pytest.fixture
def board():
    """A board at the friendly prompt."""
    b = Board()
    b.expect(BANNER)
    yield b
    b.stop()


@pytest.fixture
def raw():
    """A board in the raw REPL."""
    b = Board("raw")
    b.expect(RAW)
    yield b
    b.stop()


def run_raw(board, code):
    """Run `code` in the raw REPL; (output, exception)."""
    board.send(code)
    board.send("\x04")
    board.expect("OK")
    return board.expect("\x04"), board.expect("\x04>")


def raw_paste(board, code):
    """Send `code` in raw-paste mode as mpremote does; (stopped by the board, output, exception)."""
    board.send(b"\x05A\x01")
    board.expect(b"R\\x01")
    window = struct.unpack("<H", board.take(2))[0]
    room = window
    stopped = False
    sent = 0
    while sent < len(code) and not stopped:
        while not stopped and (room == 0 or board.output):
            flow = board.take(1)
            assert flow in (b"\x01", b"\x04")
            room += window
            stopped = flow == b"\x04"
        part = b"" if stopped else code[sent : sent + room]
        board.send(part)
        sent += len(part)
        room -= len(part)
    board.send(b"\x04")
    if not stopped:
        board.expect(b"\x01*\x04")
    return stopped, board.expect("\x04"), board.expect("\x04>")


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("1+1\r", "1+1\r\n2\r\n"),
        ("_\r", "_\r\n" + TRACE.format(1) + "NameError: name '_' isn't defined\r\n"),
        ("'a'\n", "'a'\r\n'a'\r\n"),
        ("None\r", "None\r\n"),
        ("\r", "\r\n"),
        ("1/0\r", "1/0\r\n" + TRACE.format(1) + "ZeroDivisionError: divide by zero\r\n"),
        ("(1 +\r2)\r", "(1 +\r\n... 2)\r\n3\r\n"),
        ("'''a\rb'''\r", "'''a\r\n... b'''\r\n'a\\nb'\r\n"),
        ("1 + \\\r2\r", "1 + \\\r\n... 2\r\n3\r\n"),
        ("if 1:\r5\r\r\r\r", "if 1:\r\n...     5\r\n...     \r\n...     \r\n... \r\n5\r\n"),
        ("if 1:\r\b5\x03", "if 1:\r\n...     \b\b\b\b\x1b[K5\r\n"),
        ("if 1:\r 5\r\r", "if 1:\r\n...     \b\b\b5\r\n... \r\n5\r\n"),
        ("abc\x03", "abc\r\n"),
        ("13\x1b[D2\r", "13\b23\b\r\n123\r\n"),
        ("3\x1b[H1\x1b[4~\x7f\r", "3\b13\b3\b\x1b[K\r\n1\r\n"),
        ("12\x1bOH\x1b[3~\r", "12\b\b\x1b[K2\b\r\n2\r\n"),
        ("123\x01\x0b4\r", "123\b\b\b\x1b[K4\r\n4\r\n"),
        ("123\x02\x154\r", "123\b\b\b\x1b[K3\b43\b\r\n43\r\n"),
        ("imp\t\x15", "import \x1b[7D\x1b[K"),
        ("'\u00fc'\r", "''\r\n''\r\n"),  # as on a board, the line editor knows ASCII only
    ],
)
def test_friendly(board, typed, shown):
    board.send(typed)
    if not typed.endswith("\x15"):
        shown += ">>> "
    assert board.take(len(shown)).decode() == shown


def test_history(board):
    for i in range(10):
        board.talk(f"{i}\r")
    assert board.talk("\x1b[A" * 20 + "\r").endswith(b"2\r\n2\r\n")  # eight are kept
    assert board.talk("\x1b[A\x1b[A\x10\x0e\r").endswith(b"9\r\n9\r\n")


def test_completion(board):
    board.talk("import gc\r")
    assert board.talk("gc.mem_f\t()>0\r") == b"gc.mem_free()>0\r\nTrue\r\n"
    board.send("gc.\t")
    shown = board.expect(b">>> gc\\.$")
    assert b"\r\ncollect         disable         enable          isenabled\r\nmem_alloc       mem" in shown
    board.talk("\x03")
    board.send("import ma\t\t")
    board.expect("import ma\r\nmachine         math\r\n>>> import ma")


def test_escape_sequence_in_pieces(board):
    board.send("13")
    board.expect("13")
    for piece in ("\x1b", "[", "D", "2", "\r"):
        board.send(piece)
        time.sleep(0.02)
    assert board.expect(">>> ").endswith(b"\r\n123\r\n")


def test_paste_mode(board):
    board.send("\x05")
    board.expect("\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
    code = "# don't\r\nd = lambda f: f\r@d\rdef f():\r\r  '''\rx'''\r  1/0\r"
    code += "if 0: pass\relse:\r  'z'\r\r1; 2\rf()"
    board.send(code)
    board.expect(code.replace("\r", "\r\n=== "))
    trace = TRACE.format(14) + '  File "<stdin>", line 8, in f\r\nZeroDivisionError: divide by zero\r\n'
    assert board.talk("\x04").decode() == "\r\n'z'\r\n1\r\n2\r\n" + trace
    assert board.talk("\x05print(1)\rif\x04").endswith(b'line 2\r\nSyntaxError: invalid syntax\r\n')
    board.send("\x05print(1)\r\x03")
    assert b"\r\n1\r\n" not in board.expect("\r\n>>> ")


def test_raw(raw):
    assert run_raw(raw, "print('\u00fc')") == ("\u00fc\r\n".encode(), b"")
    assert run_raw(raw, "x = 5\n1") == (b"", b"")
    assert run_raw(raw, "print(x, __name__, __file__)") == (b"5 __main__ <stdin>\r\n", b"")
    trace = TRACE.format(2) + "ZeroDivisionError: divide by zero\r\n"
    assert run_raw(raw, "print(1)\n1/0") == (b"1\r\n", trace.encode())
    trace = TRACE.format(1).replace(", in <module>", "") + "SyntaxError: invalid syntax\r\n"
    assert run_raw(raw, "if") == (b"", trace.encode())
    assert run_raw(raw, "nonsense\x03print(2)") == (b"2\r\n", b"")
    raw.send("\x01")
    raw.expect(RAW)
    raw.send("\x02")
    raw.expect(b"\r\n" + BANNER)


def test_raw_paste(raw):
    assert raw_paste(raw, b"print(x := 7)") == (False, b"7\r\n", b"")
    big = b"x = '''" + b"a" * 50000 + b"'''\nprint(len(x))\n1/0"
    trace = (TRACE.format(3) + "ZeroDivisionError: divide by zero\r\n").encode()
    assert raw_paste(raw, big) == (False, b"50000\r\n", trace)
    stopped, output, error = raw_paste(raw, b"#" * 500000)
    assert stopped and output == b"" and error.startswith(b"MemoryError: ")
    raw.send("\x05A\x01")
    raw.expect(b"R\\x01\x80\\x00\\x01")
    raw.send("print(1)\x03")
    raw.expect("\x04\x04KeyboardInterrupt: \r\n\x04>")
    raw.send("\x05B\x01")
    raw.expect("R\0>")


def test_soft_reset(board):
    board.send("\x04")
    board.expect("\r\nMPY: soft reboot\r\n")
    board.expect(BANNER)
    board.talk("import sys\r")
    board.send("sys.exit()\r")
    board.expect("sys.exit()\r\nMPY: soft reboot\r\n")
    board.expect(BANNER)
    board.send("\x01\x04")
    board.expect(re.escape(RAW) + b"OK\r\nMPY: soft reboot\r\n" + re.escape(RAW))
    board.send("raise SystemExit\x04")
    board.expect(b"OK\x04\x04MPY: soft reboot\r\n" + re.escape(RAW))
    assert [r["mode"] for r in board.resets] == ["friendly", "friendly", "raw", "raw"]


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass\r",
        "import time; time.sleep(1000)",
        "import sys; sys.stdin.read(1)",
        "input()",
        "import select; select.poll().poll()",
    ],
)
@pytest.mark.parametrize("times", [1, 20])
def test_ctrl_c(board, code, times):
    board.send(code + "\r")
    board.wait_interrupt()
    board.send("\x03" * times)
    # A further one drops the traceback: the VM has one KeyboardInterrupt object only.
    board.expect(rb"\r\n(Traceback .*\n)?KeyboardInterrupt: \r\n>>> ")
    assert board.interrupt == -1
    board.send("6*7\r")
    board.expect("6*7\r\n42\r\n>>> ")


def test_ctrl_c_as_data(board):
    board.send("import micropython, sys; micropython.kbd_intr(-1); print('rea' + 'dy'); sys.stdin.buffer.read(3)\r")
    board.expect("ready\r\n")
    assert board.talk("a\x03b").endswith(b"b'a\\x03b'\r\n")


def test_full_heap(board):
    board.talk("x = []\r")
    for _ in range(3):
        assert b"MemoryError: " in board.talk("while True: x.append(bytearray(30))\r\r")
        assert b"MemoryError: " in board.talk("bytearray(100000)\r")
    board.talk("x = None\r")
    assert board.talk("len(bytearray(100000))\r").endswith(b"\r\n100000\r\n")
    assert board.talk("import micropython; micropython.heap_lock()\r").endswith(b"lock()\r\n")
    assert board.talk("[1, 2]\r").endswith(b"\r\n[1, 2]\r\n")


def test_stdin(board):
    """What the REPL has not read is there for the program, and for select."""
    board.talk("import select, sys; p = select.poll(); p.register(sys.stdin, 1)\r")
    assert board.result("p.poll(); sys.stdin.readline()", "t\u00fc\r").endswith(b", 1)]\r\n't\\xfc\\n'\r\n")
    assert board.result("p.poll(0)") == b"[]\r\n"
    board.send(b"sys.stdin.buffer.read(4)\r\r\x00\xff\x04")
    assert board.expect(">>> ").endswith(b")\r\nb'\\r\\x00\\xff\\x04'\r\n")
    board.talk("b = bytearray(4)\r")
    assert board.result("sys.stdin.buffer.readinto(b, 2), b", "xy") == b"(2, bytearray(b'xy\\x00\\x00'))\r\n"
    assert board.result("sys.stdin.read(2)", "\u00fc\u20ac") == b"'\\xfc\\u20ac'\r\n"
    assert b"OSError: [Errno 1] EPERM" in board.result("sys.stdin.write('')")


def test_stdout(board):
    board.talk("import sys; out = sys.stdout; raw = out.buffer\r")
    assert board.result("out.write('a\\nb')") == b"a\r\nb3\r\n"
    assert board.result("n = out.write(b'a\\xff\\n\\n')") == b"a\xff\r\n\r\n"
    assert board.result("n = raw.write(bytes(range(256)))") == bytes(range(256))
    assert board.result("n = raw.write(b'abcdef', 2); raw.write(b'abcdef', 3, 2)") == b"abde2\r\n"
    assert board.result("print(1, file=out)") == b"1\r\n"
    assert board.result("sys.print_exception(OSError(2), sys.stderr)") == b"OSError: [Errno 2] ENOENT\r\n"
    assert b"OSError: [Errno 1] EPERM" in board.result("out.read(1)")
    assert board.result("hasattr(out, 'flush')") == b"False\r\n"  # nor has a board


def test_input(board):
    board.send("input('name? ')\r")
    board.expect("\r\nname? ")
    assert board.talk("joe\x7fy\r") == b"joe\b\x1b[Ky\r\n'joy'\r\n"
    board.send("input()\r")
    board.wait_interrupt()
    assert b"EOFError" in board.talk("\x04")


def test_sys(board):
    board.talk("import sys\r")
    assert board.result("sys.platform, sys.implementation[0]") == b"('esp32', 'micropython')\r\n"
    assert board.result("sys.implementation._machine") == b"'microAsyncWeb test with ESP32 stand-ins'\r\n"
    assert board.result("from sys import path, platform; path is sys.path") == b"True\r\n"
    assert board.result("sys, sys.modules['sys'] is sys") == b"(<module 'sys'>, True)\r\n"
    board.talk("from sys import *\r")
    assert board.result("stdin is sys.stdin, hasattr(sys, 'exc_info')") == b"(True, False)\r\n"
    board.talk("sys.path = ['/x']\r")
    assert board.result("sys.path") == b"['/x']\r\n"
    board.send("sys.ps1, sys.ps2 = '$ ', '? '\r")
    board.expect("'\r\n$ ")
    assert board.talk("(\r1)\r", "\r\n$ ") == b"(\r\n? 1)\r\n1"
    assert b"AttributeError" in board.talk("sys.nope = 1\r", "\r\n$ ")


def test_end_of_input(board):
    os.close(board.console_in)
    board.process.wait(TIMEOUT)
    assert board.process.returncode == 0 and not board.output
    board.console_in = os.open(os.devnull, os.O_WRONLY)


def test_run_file_looks_in_the_current_directory(tmp_path):
    (tmp_path / "boot.py").write_text("print('not this one')\n")
    (tmp_path / "safe" / "main.py").mkdir(parents=True)
    script = "import os; os.chdir('safe'); print([repl.run_file(n) for n in ('boot.py', 'main.py')])"
    board = Board(script=script, cwd=tmp_path)
    try:
        assert board.expect(BANNER) == b"[True, True]\r\n"
    finally:
        board.stop()


def test_run_file(tmp_path):
    (tmp_path / "boot.py").write_text("a = __file__\nprint('boot')\n")
    (tmp_path / "main.py").write_text("def f():\n  1/0\nf()\n")
    script = "for n in ('boot.py', 'none.py', 'main.py'): print(n, repl.run_file(n))"
    board = Board(script=script, cwd=tmp_path)
    try:
        trace = TRACE.format(3) + TRACE.format(2).split("\n", 1)[1].replace("<module>", "f")
        trace = trace.replace("<stdin>", "main.py") + "ZeroDivisionError: divide by zero\r\n"
        board.expect("boot\r\nboot.py True\r\nnone.py True\r\n" + trace + "main.py False\r\n")
        board.expect(BANNER)
        assert board.talk("a\r") == b"a\r\n'boot.py'\r\n"
    finally:
        board.stop()


@pytest.fixture
def device(tmp_path):
    """The name of a pty that leads to a board whose current folder is `tmp_path`/board."""
    (tmp_path / "board").mkdir()
    board = Board(cwd=tmp_path / "board")
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    stop, stopped = os.pipe()

    def pump():
        while ours in select.select([ours, stop], [], [])[0]:
            board.send(os.read(ours, 4096))

    board.listener = lambda text: os.write(ours, text)
    thread = threading.Thread(target=pump)
    thread.start()
    yield os.ttyname(theirs)
    os.close(stopped)
    thread.join()
    board.stop()
    for fd in (ours, theirs, stop):
        os.close(fd)


def test_mpremote(device, tmp_path):
    def mpremote(*command, check=True):
        command = [sys.executable, "-m", "mpremote", "connect", device, *command]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=check)
        return result.stdout.decode().replace("\r\n", "\n")

    blob = bytes(range(256)) * 40
    (tmp_path / "blob").write_bytes(blob)
    (tmp_path / "script.py").write_text("print('run', __name__)\n1/0\n")
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "there.py").write_text("print('from the computer')\n")
    assert mpremote("exec", "print('a' * 3000)") == "a" * 3000 + "\n"
    assert mpremote("eval", "2 ** 70") == f"{2**70}\n"
    assert mpremote("run", "script.py", check=False).startswith("run __main__\nTraceback")
    mpremote("fs", "cp", "blob", ":blob")
    assert (tmp_path / "board" / "blob").read_bytes() == blob
    mpremote("fs", "cp", ":blob", "back")
    assert (tmp_path / "back").read_bytes() == blob
    assert "blob" in mpremote("fs", "ls")
    mpremote("fs", "rm", ":blob")
    assert "blob" not in mpremote("fs", "ls")
    assert "filesystem" in mpremote("df")
    mpremote("exec", "x = 1")
    assert mpremote("resume", "eval", "x") == "1\n"
    mpremote("soft-reset")
    assert mpremote("resume", "eval", "'x' in globals()") == "False\n"
    shown = mpremote("mount", "local", "exec", "import there, os; print(os.listdir())")
    assert "from the computer\n['there.py']" in shown
