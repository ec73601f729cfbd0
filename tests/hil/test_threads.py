"""Threads beside the server: their core, the GIL they share, and what a soft reset does to them."""

import pytest


def test_server_runs_on_the_core_of_boot_json(board):
    board.exec("import device, threadcore\nasync def where():\n    return threadcore.current()\n")
    core = board.config["server"]["core"]
    cores = board.eval("threadcore.CORES")
    assert board.eval("device.call(where())") == (core if core < cores else 0)
    assert board.eval("threadcore.current()") == cores - 1
    assert board.eval("threadcore.get()") == 0


def test_thread_starts_on_the_core_that_is_chosen(board):
    board.exec("""
import _thread, threadcore, time
seen = []
for core in range(threadcore.CORES):
    threadcore.set(core)
    _thread.start_new_thread(lambda: seen.append(threadcore.current()), ())
    while len(seen) <= core:
        time.sleep_ms(10)
threadcore.set(0)
""")
    assert board.eval("seen == list(range(threadcore.CORES))") is True


def test_scheduled_callback_that_waits_comes_back_beside_a_busy_thread(board):
    board.exec(
        """
import _thread, micropython, time
done = []
def callback(_):
    for _ in range(3):
        time.sleep_ms(20)
    done.append(1)
def later():
    time.sleep_ms(50)
    micropython.schedule(callback, None)
_thread.start_new_thread(later, ())
end = time.ticks_add(time.ticks_ms(), 20000)
while not done and time.ticks_diff(end, time.ticks_ms()) > 0:
    pass
""",
        timeout=40,
    )
    assert board.eval("done") == [1]


@pytest.mark.parametrize("round_", range(3))
def test_soft_reset_with_threads_of_all_kinds(board, round_):
    """One that obeys, one that swallows the request to end, one that cannot hear it."""
    board.exec("""
import _thread, time
def obedient():
    while True:
        time.sleep_ms(1)
def deaf():
    lock = _thread.allocate_lock()
    lock.acquire()
    lock.acquire()
def stubborn():
    while True:
        try:
            obedient()
        except BaseException:
            pass
for thread in (obedient, deaf, stubborn):
    _thread.start_new_thread(thread, ())
time.sleep_ms(100)
""")
    board.soft_reset()
    board.wait_http()
    assert board.eval("'obedient' in globals()") is False
