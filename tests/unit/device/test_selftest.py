"""The self-test of an update: what it waits for, when it confirms, when it gives up."""

from unit.device import vm

HEAD = """
import asyncio, sys
events = []
class Partition:
    @staticmethod
    def mark_app_valid_cancel_rollback():
        events.append("confirmed")
class esp32:
    pass
class machine:
    @staticmethod
    def reset():
        events.append("reset")
        raise SystemExit  # a chip does not come back from it
class boot:
    VERSION = "2.0"
    network_service = None
esp32.Partition = Partition
sys.modules["esp32"] = esp32
sys.modules["machine"] = machine
import device
sys.modules["device.boot"] = device.boot = boot
from device import log, selftest

class Network:
    ready = False
    def address(self):
        return "10.0.0.7" if self.ready else ""
class Server:
    running = False
    port = 0
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
    assert run(program, tmp_path) == ["[]", "['confirmed'] 3 ['the update to 2.0 is confirmed']"]


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
    assert run(program, tmp_path) == ["['reset'] 300 ['the update is given up: the board has no address']"]


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
