"""Resets in a row: the server is back after each of them and nothing grows."""

import os

import pytest


def _growth(board):
    """(descriptors of the board's process or 0, free heap on the board)."""
    process = getattr(board, "process", None)
    descriptors = len(os.listdir(f"/proc/{process.pid}/fd")) if process and os.path.isdir("/proc") else 0
    return descriptors, board.eval("(__import__('gc').collect(), __import__('gc').mem_free())[1]")


@pytest.mark.parametrize(("kind", "times"), [("soft_reset", 50), ("hard_reset", 20)])
def test_resets_in_a_row(board, kind, times):
    before = None
    for _ in range(times):
        getattr(board, kind)()
        board.wait_http()
        assert board.get("/index.html")[0] == 200
        before = before or _growth(board)
    descriptors, free = _growth(board)
    assert descriptors <= before[0]
    assert free > before[1] * 0.97


def test_reset_cause_is_told(board):
    board.hard_reset()
    assert board.eval("(lambda m: m.reset_cause() in (m.HARD_RESET, m.PWRON_RESET))(__import__('machine'))")
    board.soft_reset()
    assert board.eval("(lambda m: m.reset_cause() == m.SOFT_RESET)(__import__('machine'))")


def test_rtc_memory_survives_resets(board):
    board.exec("import machine\nmachine.RTC().memory(b'kept')")
    board.soft_reset()
    assert board.eval("__import__('machine').RTC().memory().decode()") == "kept"


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
