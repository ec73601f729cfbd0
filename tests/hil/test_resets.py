"""Resets in a row: the server is back after each of them and nothing grows."""

import json
import os

import pytest

from tests.boards import Board

from .load import Load

# MicroPython's heap grows by parts that it takes from ESP-IDF's (py/gc.c:284, v1.28.0), in one run and not in the next.
# Hence the sum of what ESP-IDF has free and of MicroPython's heap, less what would be counted twice: gc.mem_free()
# has the largest part in it that could still be taken (py/modgc.c:62).
_MEMORY = """
import esp32, gc, json
def memory():
    gc.collect()
    used, unused, regions = gc.mem_alloc(), gc.mem_free(), esp32.idf_heap_info(esp32.HEAP_DATA)
    free, largest = sum(region[1] for region in regions), max(region[2] for region in regions)
    return used, free - largest + used + unused
print(json.dumps(memory()))
"""


def _measure(board):
    """(descriptors of the board's process or 0, bytes in use of MicroPython's heap, bytes that others have not taken).

    The last counts what threads, sockets and drivers take from ESP-IDF; on the desktop board it stays the same.
    """
    process = getattr(board, "process", None)
    descriptors = len(os.listdir(f"/proc/{process.pid}/fd")) if process and os.path.isdir("/proc") else 0
    used, left = json.loads(board.exec(_MEMORY))
    return descriptors, used, left


def _nothing_has_grown(before, after):
    print(f"before {before}, after {after}")
    assert after[0] <= before[0]
    assert after[1] <= before[1] * 1.03 + 4096
    # What closed connections hold until their time is over differs by some hundred bytes each, a lost stack by 10 KB.
    assert after[2] >= before[2] - 8192


@pytest.mark.parametrize(("kind", "times"), [("soft_reset", 50), ("hard_reset", 20)])
def test_resets_in_a_row(board, kind, times):
    before = None
    with board.replaced(board.webroot + "/test.txt", b"kept"):
        for _ in range(board.rounds(times)):
            if kind == "hard_reset":
                board.settle()
            getattr(board, kind)()
            board.wait_http()
            assert board.get("/test.txt")[2] == b"kept"
            before = before or _measure(board)
        _nothing_has_grown(before, _measure(board))


def test_soft_resets_under_load(board):
    """The server's thread is in the middle of something each time."""
    before = None
    for _ in range(board.rounds(20)):
        with Load(board, 4) as load:
            load.wait(10)
            board.soft_reset()
        board.wait_http()
        before = before or _measure(board)
    _nothing_has_grown(before, _measure(board))


def test_reset_cause_is_told(board):
    Board.hard_reset(board)
    board.wait_http()
    assert board.eval("(lambda m: m.reset_cause() in (m.HARD_RESET, m.PWRON_RESET))(__import__('machine'))")
    board.soft_reset()
    assert board.eval("(lambda m: m.reset_cause() == m.SOFT_RESET)(__import__('machine'))")


@pytest.mark.needs("rts")
def test_reset_by_the_lines_forgets_everything(board):
    """As EN does, which RTS pulls down. The cause of a reset over USB-Serial-JTAG has no name in MicroPython: 0."""
    board.exec("kept = 1")
    board.hard_reset()
    board.wait_http()
    assert board.eval("'kept' in globals()") is False
    assert board.eval("(lambda m: m.reset_cause() in (m.PWRON_RESET, m.HARD_RESET, 0))(__import__('machine'))")


def test_rtc_memory_survives_resets(board):
    board.exec("import machine\nmachine.RTC().memory(b'kept')")
    board.soft_reset()
    assert board.eval("__import__('machine').RTC().memory().decode()") == "kept"
    board.exec("import machine\nmachine.RTC().memory(b'')")


@pytest.mark.needs("watchdog")
def test_watchdog_resets_for_real(board):
    with board.console() as console:
        console.prompt()
        console.write(b"import machine; w = machine.WDT(timeout=1000)\r")
        console.read_until(b"timeout=1000)\r\n")
        console.read_until(b'Type "help()"', 60)
    assert board.eval("(lambda m: m.reset_cause() == m.WDT_RESET)(__import__('machine'))")
    board.wait_http()


@pytest.mark.needs("power")
def test_rtc_memory_does_not_survive_power_off(board):
    board.exec("import machine\nmachine.RTC().memory(b'gone')")
    board.control("power", on=False)
    board.control("power", on=True)
    board.wait_http()
    assert board.eval("__import__('machine').RTC().memory().decode()") == ""


@pytest.mark.needs("control")
def test_crash_is_followed_by_a_reset(board):
    board.control("crash")
    board.control("wait", **{"for": "running"})
    board.wait_http()
    assert board.eval("__import__('machine').reset_cause()") != 5
