"""The server thread's loop and the ways to it from the main thread."""

import pytest

from unit.device import vm

HEAD = """
import asyncio, time
from device import log, loop

def until(condition):
    deadline = time.ticks_add(time.ticks_ms(), 5000)
    while not condition():
        assert time.ticks_diff(deadline, time.ticks_ms()) > 0, "not in time"
        time.sleep_ms(5)

async def double(x):
    await asyncio.sleep_ms(20)
    return x * 2

async def fail():
    await asyncio.sleep_ms(1)
    raise ValueError("on purpose")

ticks = []
async def ticker():
    try:
        while True:
            ticks.append(1)
            await asyncio.sleep_ms(5)
    finally:
        ticks.append("end")

def texts():
    return [text for _, _, text in log.records()]

"""


@pytest.fixture
def run(tmp_path):
    return lambda program: vm.run(HEAD + program, tmp_path).splitlines()


def test_call_returns_results_and_raises_exceptions(run):
    program = """
loop.start([("ticker", ticker)])
print(loop.call(double(4)))
try:
    loop.call(fail())
except ValueError as error:
    print(repr(error))
before = len(ticks)
until(lambda: len(ticks) > before)
loop.stop()
print(ticks[-1], loop.running())
"""
    assert run(program) == ["8", "ValueError('on purpose',)", "end False"]


def test_asyncio_of_the_main_thread_is_handed_over(run):
    program = """
loop.start([("ticker", ticker)])
print(asyncio.run(double(1)))
print(asyncio.get_event_loop().run_until_complete(double(2)))
print(asyncio.new_event_loop().run_until_complete(double(3)))
try:
    asyncio.run(fail())
except ValueError as error:
    print(error)
async def stopper():
    await asyncio.sleep_ms(50)
    asyncio.get_event_loop().stop()
asyncio.create_task(stopper())
asyncio.get_event_loop().run_forever()
print("stopped waiting", loop.running(), texts())
loop.stop()
print(asyncio.run(double(5)))
"""
    assert run(program) == ["2", "4", "6", "on purpose", "stopped waiting True []", "10"]


def test_misuse_gets_advice(run):
    program = """
def attempt(function, *args):
    try:
        function(*args)
    except Exception as error:
        print(type(error).__name__, error)
attempt(loop.call, double(1))
loop.start([])
attempt(loop.call, double)
async def nested():
    attempt(loop.call, double(1))
    attempt(loop.stop)
loop.call(nested())
attempt(loop.start, [])
loop.stop()
"""
    assert run(program) == [
        "RuntimeError the server does not run: device.start() starts it",
        "TypeError a coroutine is needed: call(f()), not call(f)",
        "RuntimeError this is the server's loop already: use await",
        "RuntimeError stop() cannot wait for its own thread: call it from the REPL",
        "RuntimeError the services run already",
    ]


def test_interrupt_cancels_the_coroutine(run):
    program = """
loop.start([])
ended = []
async def endless():
    try:
        while True:
            await asyncio.sleep_ms(10)
    finally:
        ended.append(1)
real = time.sleep_ms
count = [0]
class Time:
    ticks_ms = time.ticks_ms
    ticks_add = time.ticks_add
    ticks_diff = time.ticks_diff
    def sleep_ms(ms):
        count[0] += 1
        if count[0] > 5:
            raise KeyboardInterrupt
        real(ms)
loop.time = Time
try:
    loop.call(endless())
except KeyboardInterrupt:
    print("interrupted")
loop.time = time
until(lambda: ended)
print("cancelled", loop.running())
loop.stop()
"""
    assert run(program) == ["interrupted", "cancelled True"]


def test_failing_service_is_logged_and_started_again(run):
    program = """
starts = []
async def shaky():
    starts.append(1)
    if len(starts) == 1:
        raise OSError(98)
    while True:
        await asyncio.sleep_ms(10)
loop._RESTART_MS = 50
loop.start([("shaky", shaky), ("ticker", ticker)])
until(lambda: len(texts()) == 1)
print(texts()[0].split(":")[0], "OSError" in texts()[0])
until(lambda: len(starts) == 2)
print("again")
loop.stop()
"""
    assert run(program) == ["shaky True", "again"]


def test_failed_task_of_a_user_is_logged_not_printed(run):
    program = """
loop.start([])
asyncio.create_task(fail())
until(texts)
print(texts()[0].startswith("a task failed: "), "on purpose" in texts()[0])
loop.stop()
"""
    assert run(program) == ["True True"]


def test_start_and_stop_again(run):
    program = """
for turn in range(5):
    loop.start([("ticker", ticker)])
    print(loop.call(double(turn)))
    loop.stop()
print(ticks.count("end"))
"""
    assert run(program) == ["0", "2", "4", "6", "8", "5"]
