"""The server thread's loop and the ways to it from the main thread."""

import socket

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


# What a chip raises in its threads before a soft reset (ports/esp32/unwind.c), and deletes them two seconds later.
EXIT = """
exit = SystemExit("soft_reset")
closed = []
async def service():
    try:
        while True:
            await asyncio.sleep_ms(5)
    finally:
        closed.append(1)
def ended():
    until(lambda: not loop._alive)
    print(len(closed), ticks[-1], loop.running(), texts())
"""

WAYS = {
    "in a service": """
async def hit():
    try:
        await asyncio.sleep_ms(20)
        raise exit
    finally:
        closed.append(1)
loop.start([("service", service), ("ticker", ticker), ("hit", hit)])
closed.append(1)
ended()
""",
    "in a task of a program": """
async def hit():
    raise exit
loop.start([("service", service), ("ticker", ticker)])
asyncio.create_task(hit())
closed += [1, 1]
ended()
""",
    "between two tasks": """
loop.start([("service", service), ("ticker", ticker)])
poll = asyncio.core.IOQueue.wait_io_event
def hit(queue, dt):
    asyncio.core.IOQueue.wait_io_event = poll
    raise exit
asyncio.core.IOQueue.wait_io_event = hit
closed += [1, 1]
ended()
""",
    "in a call from another thread": """
async def hit():
    raise exit
loop.start([("service", service), ("ticker", ticker)])
try:
    loop.call(hit())
except SystemExit as error:
    closed.append(error is exit)
closed.append(1)
ended()
""",
    "in the loop's own task": """
class Calls(list):
    def __bool__(self):
        raise exit
loop.start([("service", service), ("ticker", ticker)])
loop._calls = Calls()
closed += [1, 1]
ended()
""",
}


@pytest.mark.parametrize("way", WAYS)
def test_soft_reset_unwinds_the_services(run, way):
    assert run(EXIT + WAYS[way]) == ["3 end False []"]


@pytest.mark.parametrize("wait", ["pass", "await asyncio.sleep_ms(20)"], ids=["at once", "after a wait"])
def test_soft_reset_in_a_request_is_no_answer(run, wait):
    """A handler's own sys.exit() is a 500; the port's goes on to the loop, and the connection is closed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = f"""
import socket
from micropAsyncWeb import MicropAsyncWeb
web = MicropAsyncWeb(port={port}, address="127.0.0.1", webroot=None)
raised = SystemExit()
@web.route("/exit")
async def leave(request):
    {wait}
    raise raised
def answer():
    sock = socket.socket()
    sock.connect(socket.getaddrinfo("127.0.0.1", {port})[0][-1])
    sock.write(b"GET /exit HTTP/1.0\\r\\n\\r\\n")
    data = sock.read()
    sock.close()
    return data[:12]
loop.start([("service", service), ("ticker", ticker), ("server", web.runAsync)])
until(lambda: web.running)
print(answer(), loop.running())
raised = exit
print(answer())
closed += [1, 1]
ended()
print(web.running, web.connections)
"""
    assert run(EXIT + program) == ["b'HTTP/1.1 500' True", "b''", "3 end False []", "False []"]


def test_soft_reset_does_not_wait_for_a_service_that_does_not_end(run):
    program = """
async def stubborn():
    while True:
        try:
            await asyncio.sleep_ms(5)
        except asyncio.CancelledError:
            closed.append(1)
async def hit():
    raise exit
loop.start([("stubborn", stubborn), ("ticker", ticker)])
asyncio.create_task(hit())
ended()
"""
    assert run(EXIT + program) == ["1 end False []"]


def test_second_request_ends_the_thread_at_once(run):
    program = """
async def stubborn():
    while True:
        try:
            await asyncio.sleep_ms(5)
        except asyncio.CancelledError:
            closed.append(1)
            asyncio.create_task(hit())
async def hit():
    raise exit
loop.start([("ticker", ticker), ("stubborn", stubborn)])
asyncio.create_task(hit())
ended()
"""
    assert run(EXIT + program) == ["1 end False []"]


def test_exit_of_a_program_ends_its_task_only(run):
    program = """
async def leave():
    import sys
    sys.exit(3)
loop.start([("ticker", ticker)])
asyncio.create_task(leave())
until(texts)
print(texts()[0].split("\\n")[0].split(":")[0], loop.call(double(4)))
try:
    loop.call(leave())
except SystemExit as error:
    print(error.args, loop.call(double(5)))
loop.stop()
print(ticks[-1])
"""
    assert run(EXIT + program) == ["sys.exit() has ended a task on the server's loop 8", "(3,) 10", "end"]


def test_service_that_calls_exit_is_started_again(run):
    program = """
starts = []
async def leave():
    import sys
    starts.append(1)
    sys.exit()
loop._RESTART_MS = 20
loop.start([("leave", leave)])
until(lambda: len(starts) == 3)
loop.stop()
print("again")
"""
    assert run(EXIT + program) == ["again"]


CORES = """
import sys
class Threadcore:
    __name__ = "threadcore"
    now = 0
    def get(self):
        return self.now
    def set(self, core):
        if core not in (0, 1)[:self.CORES]:
            raise ValueError("no core %d: this chip has %d" % (core, self.CORES))
        self.now = core
threadcore = sys.modules["threadcore"] = Threadcore()
threadcore.CORES = {cores}
seen = []
original = loop._thread.start_new_thread
class Thread:
    get_ident = loop._thread.get_ident
    stack_size = loop._thread.stack_size
    def start_new_thread(*args):
        seen.append(threadcore.get())
        return original(*args)
loop._thread = Thread
print(loop.start([], {core}), seen, threadcore.get())
loop.stop()
"""


def test_thread_starts_on_the_core_that_it_is_given(run):
    assert run(CORES.format(cores=2, core=0)) == ["None [0] 0"]
    assert run(CORES.format(cores=2, core=1)) == ["None [1] 0"]


def test_core_that_the_chip_lacks_is_reported(run):
    assert run(CORES.format(cores=1, core=1)) == ["no core 1: this chip has 1 [0] 0"]
    assert run("print(loop.start([]))\nloop.stop()\nprint(loop.start([], 1))\nloop.stop()") == [
        "None",
        "this firmware starts all threads on one core",
    ]


def test_late_clients_of_webrepl_are_swept_out_once_a_second(run):
    program = """
import sys
sweeps = []
class WebRepl:
    def sweep():
        sweeps.append(1)
sys.modules["webrepl"] = WebRepl
loop.start([])
until(lambda: len(sweeps) == 2)
def sweep():
    raise OSError(9)
WebRepl.sweep = sweep
until(texts)
print(texts()[0].split(":")[0], loop.call(double(1)))
del WebRepl.sweep
before = loop.uptime_s
until(lambda: loop.uptime_s > before + 1)
loop.stop()
"""
    assert run(program) == ["webrepl 2"]
