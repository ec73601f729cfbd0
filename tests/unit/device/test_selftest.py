"""The self-test of a start: what it waits for, what it confirms and keeps, when it gives up."""

import pytest

from unit.device import vm

HEAD = """
import asyncio, sys
events = []
class Partition:
    @staticmethod
    def mark_app_valid_cancel_rollback():
        events.append("confirmed")
class esp32:
    HEAP_DATA = 4
    block = 100000
    @staticmethod
    def idf_heap_info(capabilities):
        if not capabilities & 1 << 11:  # PSRAM counts, too
            return [(8000000, 8000000, 8000000, 8000000)]
        return [(200000, 120000, esp32.block, 90000), (20000, 9000, 5000, 4000)]
class machine:
    @staticmethod
    def reset():
        events.append("reset")
        raise SystemExit  # a chip does not come back from it
class boot:
    VERSION = "2.0"
    network_service = None
class slots:
    trial = True
    @staticmethod
    def pending():
        return slots.trial
class recovery:
    NO_PROGRAMS = 2
    step = 0
    kept = True
    stays = False
    alone = staticmethod(lambda lack: events.append("alone") if not lack() else None)
    @staticmethod
    def settled():
        return True
for name in ("succeeded", "failed", "intended", "show_files"):
    setattr(recovery, name, staticmethod(lambda name=name: events.append(name)))
class bootjson:
    source = "boot.json"
    @staticmethod
    def keep_good():
        events.append("kept")
esp32.Partition = Partition
sys.modules["esp32"] = esp32
sys.modules["machine"] = machine
import device
for part in (boot, slots, recovery, bootjson):
    sys.modules["device." + part.__name__] = part
    setattr(device, part.__name__, part)
from device import log, selftest

class Network:
    ready = False
    def address(self):
        return "10.0.0.7" if self.ready else ""
class Server:
    running = False
    port = 0
    connections = ()
    maxConnections = 2
network = boot.network_service = Network()
device.server = Server()

async def answer(reader, writer):
    request = await reader.readline()
    writer.write(b"HTTP/1.1 %s\\r\\n\\r\\n" % (b"200 OK" if b"/health" in request else b"404 Not Found"))
    await writer.drain()
    writer.close()
    await writer.wait_closed()

slept = []
async def sleep_ms(ms):
    slept.append(ms)
    steps.pop(0)() if steps else None
    await asyncio.sleep_ms(0)
selftest.sleep_ms = sleep_ms
steps = []
def end():
    print(events, len(slept), [text for _, _, text in log.records()])
"""


def run(program, folder):
    return vm.run(HEAD + program, folder).splitlines()


def test_confirms_when_the_board_can_be_reached(tmp_path):
    program = """
async def main():
    steps[:] = [
        lambda: print(events),
        lambda: setattr(network, "ready", True),
        lambda: setattr(Server, "running", True),
    ]
    selftest._ask = ask
    await selftest.run()
    end()
async def ask(port):
    return b"HTTP/1.1 200 OK"
asyncio.run(main())
"""
    good = "'succeeded', 'show_files', 'kept'"
    assert run(program, tmp_path) == ["[]", f"['confirmed', {good}] 3 ['the update to 2.0 is confirmed']"]


def test_asks_the_server_itself(tmp_path):
    program = """
async def main():
    network.ready = Server.running = True
    for port in range(20000, 30000):
        try:
            listening = await asyncio.start_server(answer, "127.0.0.1", port)
            break
        except OSError:
            pass
    Server.port = port
    print(repr(await selftest.failure()))
    listening.close()
    await listening.wait_closed()
    print((await selftest.failure())[:26])
asyncio.run(main())
"""
    assert run(program, tmp_path) == ["''", "the server does not answer"]


def test_gives_up_and_resets(tmp_path):
    program = """
try:
    asyncio.run(selftest.run())
except SystemExit:
    end()
"""
    assert run(program, tmp_path) == ["['intended', 'reset'] 299 ['the update is given up: the board has no address']"]


def test_what_counts_as_an_answer(tmp_path):
    program = """
async def ask(port):
    return answers.pop(0)
selftest._ask = ask
network.ready = Server.running = True
answers = [b"HTTP/1.1 401 Unauthorized", b"HTTP/1.1 308 Permanent Redirect", b"\\x15\\x03\\x01\\x00\\x02\\x02\\x46"]
while answers:
    print(repr(asyncio.run(selftest.failure())))
answers = [b"HTTP/1.1 503 Service Unavailable", b""]
while answers:
    print(asyncio.run(selftest.failure()))
boot.network_service = None
print(asyncio.run(selftest.failure()))
"""
    assert run(program, tmp_path) == [
        "''",
        "''",
        "''",
        "the server answers b'HTTP/1.1 503 Service Unavailable'",
        "the server answers b''",
        "the board has no address",
    ]


READY = """
network.ready = Server.running = True
slots.trial = False
async def ask(port):
    return b"HTTP/1.1 200 OK"
selftest._ask = ask
"""


def test_ordinary_start_that_succeeds(tmp_path):
    assert run(READY + "asyncio.run(selftest.run())\nend()", tmp_path) == ["['succeeded', 'show_files', 'kept'] 0 []"]


def test_settings_of_a_step_of_the_recovery_are_not_kept(tmp_path):
    program = READY + "recovery.step = 1\nasyncio.run(selftest.run())\nend()"
    assert run(program, tmp_path) == ["['succeeded', 'show_files'] 0 []"]


def test_board_without_the_programs_starts_as_usual_when_nobody_is_at_work_on_it(tmp_path):
    program = (
        READY
        + """
recovery.step = 2
Server.connections = (1,)
steps[:] = [
    lambda: None,  # an hour
    lambda: None,
    lambda: (setattr(Server, "connections", ()), setattr(recovery, "stays", True)),
    lambda: setattr(recovery, "stays", False),
]
try:
    asyncio.run(selftest.run())
except SystemExit:
    print(events, slept)
"""
    )
    assert run(program, tmp_path) == ["['succeeded', 'show_files', 'intended', 'reset'] [3600000, 1000, 1000, 1000]"]


def test_start_has_not_succeeded_before_the_programs_have_run_for_a_while(tmp_path):
    program = (
        READY
        + """
recovery.settled = lambda: len(slept) >= 23
asyncio.run(selftest.run())
print(events, slept)
"""
    )
    # Asked often, so that it is known how soon after the boot script a program made a soft reset.
    assert run(program, tmp_path) == [f"['succeeded', 'show_files', 'kept'] {[100] * 23 + [700]}"]


def test_server_that_does_not_answer_leads_to_the_next_step(tmp_path):
    program = (
        READY
        + """
Server.running = False
try:
    asyncio.run(selftest.run())
except SystemExit:
    end()
"""
    )
    assert run(program, tmp_path) == ["['failed', 'reset'] 23 ['starting anew: the server does not run']"]


@pytest.mark.parametrize(
    ("missing", "said"),
    [("network.ready = False", "alone"), ("Server.running = recovery.kept = False", "")],
)
def test_neither_an_outage_nor_a_chip_without_memory_leads_to_resets(tmp_path, missing, said):
    program = (
        READY
        + missing
        + """
async def main():
    task = asyncio.create_task(selftest.run())
    while len(slept) < 1000:
        await asyncio.sleep_ms(0)
    task.cancel()
    print(len(slept), *set(events))
asyncio.run(main())
"""
    )
    assert run(program, tmp_path)[0].strip() == f"1000 {said}".strip()


def test_server_is_not_asked_again_and_again_while_there_is_no_address(tmp_path):
    program = (
        READY
        + """
asked = 0
async def ask(port):
    global asked
    asked += 1
    return b"HTTP/1.1 200 OK"
selftest._ask = ask
network.ready = False
steps[:] = [lambda: None] * 50 + [lambda: setattr(network, "ready", True)]
asyncio.run(selftest.run())
print(asked)
"""
    )
    assert run(program, tmp_path) == ["2"]


def test_busy_server_is_neither_asked_nor_silent(tmp_path):
    program = (
        READY
        + """
asked = []
async def ask(port):
    asked.append(len(Server.connections))
    return b"HTTP/1.1 200 OK"
selftest._ask = ask
Server.connections = (1, 2)
steps[:] = [lambda: None] * 200 + [lambda: setattr(Server, "connections", (1,))]
asyncio.run(selftest.run())
print(asked)
end()
"""
    )
    said = run(program, tmp_path)
    assert said[0] == "[1]" and said[1].startswith("['succeeded'")


@pytest.mark.parametrize(("trial", "asked"), [(False, 1), (True, 2)])
def test_server_is_asked_when_the_programs_have_settled(tmp_path, trial, asked):
    program = (
        READY
        + f"""
slots.trial = {trial}
asked = 0
async def ask(port):
    global asked
    asked += 1
    return b"HTTP/1.1 200 OK"
selftest._ask = ask
recovery.settled = lambda: len(slept) >= 10
asyncio.run(selftest.run())
print(asked)
"""
    )
    assert run(program, tmp_path) == [str(asked)]


@pytest.mark.parametrize(
    ("free", "block", "said"),
    [
        (50000, 100000, "''"),
        (16384, 8192, "''"),
        # The port counts the block in what is free: a block that is large enough is not enough.
        (16383, 8192, "'only 16383 bytes of memory are free'"),
        (50000, 4000, "'only 5000 bytes of memory in one piece are left for the network'"),
    ],
)
def test_floor_of_memory(tmp_path, free, block, said):
    program = f"""
class gc:
    collect = staticmethod(lambda: None)
    mem_free = staticmethod(lambda: {free})
selftest.gc = gc
esp32.block = {block}
print(repr(selftest.memory()))
"""
    assert run(program, tmp_path) == [said]
