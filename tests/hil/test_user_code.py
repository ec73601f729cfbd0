"""What the user's own programs may do to the board: hang, end, fail, fill the heap, start threads, read the console."""

import contextlib

import pytest

from tests.console import PROMPT, SOFT_REBOOT


@contextlib.contextmanager
def program(board, path, source):
    """A file on the board's filesystem for the length of a `with` block; the board is left running without it."""
    with board.replaced(path, source.encode()):
        yield
    board.soft_reset()


def restart(console):
    """Soft reset, without waiting for the prompt."""
    console.prompt()
    console.write(b"\x04")
    console.read_until(SOFT_REBOOT)


@pytest.mark.parametrize("path", ["/app.py", "/boot.py", "/main.py"])
def test_endless_program_leaves_the_server_and_ctrl_c(board, path):
    source = "print('running', 'now')\nwhile True:\n    pass\n"
    with program(board, path, source), board.console() as console:
        restart(console)
        console.read_until(b"running now", 30)
        board.wait_http()
        assert board.get("/health")[0] == 200
        console.write(b"\x03")
        text = console.read_until(PROMPT)
        assert (b"app.py was ended by Ctrl-C" if path == "/app.py" else b"KeyboardInterrupt") in text


@pytest.mark.parametrize(
    ("source", "said"), [("import sys\nsys.exit()\n", b""), ("raise ValueError('oh')\n", b"ValueError: oh")]
)
def test_program_that_ends_or_fails_leaves_prompt_and_server(board, source, said):
    with program(board, "/app.py", source):
        with board.console() as console:
            restart(console)
            assert said in console.read_until(PROMPT, 30)
            assert console.line("1 + 1") == "2\r\n"
        assert board.get("/health")[0] == 200


@pytest.mark.parametrize("path", ["/boot.py", "/main.py"])
def test_program_of_main_c_that_fails_leaves_prompt_and_server(board, path):
    with program(board, path, "raise ValueError('oh')\n"):
        with board.console() as console:
            restart(console)
            assert b"ValueError: oh" in console.read_until(PROMPT, 30)
        board.wait_http()
        assert board.get("/health")[0] == 200


def test_program_that_takes_nearly_all_of_the_heap_leaves_the_server(board):
    source = """
import time
full = []
try:
    while True:
        full.append(bytearray(1024))
except MemoryError:
    del full[-16:]
print('heap is', 'full')
while True:
    time.sleep_ms(10)
"""
    with program(board, "/main.py", source), board.console() as console:
        restart(console)
        console.read_until(b"heap is full", 60)
        board.wait_http()
        assert board.get("/health")[0] == 200
        console.write(b"\x03")
        console.read_until(PROMPT)
        console.line("full = None")


def test_program_that_stops_the_services_and_another_that_starts_them(board):
    with program(board, "/boot.py", "import device\ndevice.stop()\n"):
        with board.console() as console:
            restart(console)
            console.read_until(PROMPT, 30)
            assert console.line("device.server.running") == "False\r\n"
            console.line("device.start()", 30)
        board.wait_http()
        assert board.get("/health")[0] == 200


def test_app_adds_a_route(board):
    source = """
from device import server
from micropAsyncWeb import Response

@server.route("/mine")
async def _(request):
    await Response.sendJson(request, {"mine": 1})
"""
    with program(board, "/app.py", source):
        board.soft_reset()
        assert board.get("/mine")[2] == b'{"mine": 1}'


def test_full_heap_ends_neither_server_nor_timers(board):
    board.exec("""
import machine, time
beats = 0
def beat(timer):
    global beats
    beats += 1
timer = machine.Timer(0)
timer.init(period=20, callback=beat)
full = None
try:
    while True:
        full = (full,)
except MemoryError:
    pass
time.sleep_ms(300)
full = None
""")
    assert board.get("/health")[0] == 200
    board.exec("before = beats\ntime.sleep_ms(500)\ntimer.deinit()\nassert beats > before")


def test_thread_that_sleeps_for_no_time_lets_the_others_run(board):
    board.exec("""
import _thread, time
going = True
def spin():
    while going:
        time.sleep_ms(0)
_thread.start_new_thread(spin, ())
""")
    try:
        assert board.get("/health")[0] == 200
        with board.console() as console:
            console.prompt()
    finally:
        board.exec("going = False")


def test_thread_and_repl_wait_for_the_same_byte(board):
    """Whoever gets it, the other must not stop the board. Enter is pressed until the thread has had one."""
    with board.console() as console:
        console.prompt()
        console.line("import _thread, sys")
        console.line("t = _thread.start_new_thread(lambda: print('taken', repr(sys.stdin.read(1))), ())")
        for _ in range(500):
            console.write(b"\r")
            try:
                console.read_until(b"taken '", 0.1)
                break
            except AssertionError:
                continue
        else:
            raise AssertionError("the thread never got a byte")
        assert board.get("/api/status")[0] == 200
        console.prompt()


def test_many_short_threads_while_the_heap_is_in_use(board):
    started = board.rounds(1500)
    board.exec(
        f"""
import _thread, time
ended = 0
def short():
    global ended
    ended += 1
def wait(number):
    # A chip has room for the stacks of a few at a time, and frees them when nothing else runs.
    deadline = time.ticks_add(time.ticks_ms(), {round(5000 * board.factor)})
    while ended < number and time.ticks_diff(deadline, time.ticks_ms()) > 0:
        time.sleep_ms(10)
    assert ended >= number, ended
for i in range({started}):
    _thread.start_new_thread(short, ())
    garbage = [0] * 40
    if i % 8 == 0:
        time.sleep_ms(10)
        wait(i - 8)
wait({started})
assert ended == {started}, ended
""",
        60,
    )
    assert board.get("/health")[0] == 200
