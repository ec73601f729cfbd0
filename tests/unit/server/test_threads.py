"""Starting, stopping and starting again, in a thread or in a loop, beside other tasks and servers."""

import time

from .conftest import free_port, run_vm

HEAD = """
import asyncio, _thread, time, socket, gc
from micropAsyncWeb import MicropAsyncWeb, Response

PORT = {port}
web = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=None, maxConnections=32)
log = []
web.log = lambda level, text, error: log.append((level, repr(error)))

@web.route("/ping")
async def ping(request):
    return "pong"

@web.route("/slow")
async def slow(request):
    await asyncio.sleep_ms(300)
    return "slow"

@web.route("/forever")
async def forever(request):
    await asyncio.sleep(60)

def ask(path, port=PORT, wait=True):
    # A blocking client; beside a server in another thread only.
    sock = socket.socket()
    sock.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
    sock.write(b"GET %s HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n" % path)
    return sock if not wait else finish(sock)

def finish(sock):
    data = sock.read()
    sock.close()
    return data.rpartition(b"\\r\\n\\r\\n")[2].decode()

async def get(path, port=PORT):
    # The same for the server's own loop.
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET %s HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n" % path)
    await writer.drain()
    data = await reader.read()
    writer.close()
    await writer.wait_closed()
    return data.rpartition(b"\\r\\n\\r\\n")[2].decode()

async def listening(server=web):
    while not server.running:
        await asyncio.sleep_ms(5)

def until(condition):
    deadline = time.ticks_add(time.ticks_ms(), 8000)
    while not condition():
        assert time.ticks_diff(deadline, time.ticks_ms()) > 0
        time.sleep_ms(5)
"""


def run(source, **options):
    """Run a program after HEAD; returns the lines it has printed."""
    options.setdefault("timeout", 20)
    return run_vm(HEAD.replace("{port}", str(free_port())) + source, **options).split("\n")[:-1]


# The VM has no lock around its threads (a board has): the main thread of these programs waits in the system's calls
# and allocates next to nothing while the server runs.


def test_run_thread_and_stop():
    assert run("""
web.runThread()
until(lambda: web.running)
print(ask("/ping"))
began = time.ticks_ms()
web.stop()
print(web.running, time.ticks_diff(time.ticks_ms(), began) < 1500, log)
try:
    ask("/ping")
except OSError:
    print("refused")
""") == ["pong", "False True []", "refused"]


def test_start_again_after_stop():
    assert run("""
for _ in range(3):
    web.runThread()
    until(lambda: web.running)
    print(ask("/ping"), ask("/slow"))
    web.stop()
print(web.running, len(web.connections), log)
""") == ["pong slow"] * 3 + ["False 0 []"]


def test_stop_lets_running_requests_finish():
    assert run("""
web.runThread()
until(lambda: web.running)
socks = [ask("/slow", wait=False) for _ in range(3)]
time.sleep_ms(100)
web.stop()
print([finish(sock) for sock in socks], web.running, log)
""") == ["['slow', 'slow', 'slow'] False []"]


def test_stop_waits_at_most_about_five_seconds():
    began = time.monotonic()
    assert run("""
web.runThread()
until(lambda: web.running)
sock = ask("/forever", wait=False)
time.sleep_ms(100)
web.stop()
print(web.running, repr(finish(sock)))
""") == ["False ''"]
    assert time.monotonic() - began < 8


def test_stop_twice_and_before_start():
    assert run("""
web.stop()
web.runThread()
until(lambda: web.running)
web.stop()
web.stop()
print(web.running)
""") == ["False"]


def test_port_taken_is_logged_in_a_thread_and_raised_in_a_loop():
    assert run("""
taken = socket.socket()
taken.bind(socket.getaddrinfo("127.0.0.1", PORT)[0][-1])
taken.listen(1)
web.runThread()
until(lambda: log)
print(log, web.running)
try:
    asyncio.run(web.runAsync())
except OSError as error:
    print("raised", error.errno)
taken.close()
web.runThread()
until(lambda: web.running)
print(ask("/ping"))
web.stop()
""") == ["[('error', 'OSError(98,)')] False", "raised 98", "pong"]


def test_await_stop_in_the_servers_own_loop():
    assert run("""
async def main():
    task = asyncio.create_task(web.runAsync())
    await listening()
    client = asyncio.create_task(get("/slow"))
    await asyncio.sleep_ms(100)
    await web.stop()
    print(await client, web.running)
    await task
    # And again, in the same loop.
    task = asyncio.create_task(web.runAsync())
    await listening()
    print(await get("/ping"))
    await web.stop()
    await task

asyncio.run(main())
print(log)
""") == ["slow False", "pong", "[]"]


def test_stop_from_a_handler():
    assert run("""
@web.route("/stop")
async def stop(request):
    web.stop()
    return "stopping"

async def main():
    task = asyncio.create_task(web.runAsync())
    await listening()
    print(await get("/stop"))
    await task
    print(web.running)

asyncio.run(main())
""") == ["stopping", "False"]


def test_cancelled_server_closes_everything():
    assert run("""
async def main():
    task = asyncio.create_task(web.runAsync())
    await listening()
    client = asyncio.create_task(get("/forever"))
    await asyncio.sleep_ms(50)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled", web.running, len(web.connections))
    print(repr(await client))

asyncio.run(main())
""") == ["cancelled False 0", "''"]


def test_other_servers_in_the_same_loop():
    """Another MicropAsyncWeb and a plain asyncio server; each answers while the others are busy."""
    port, plain = free_port(), free_port()
    assert run(f"""
other = MicropAsyncWeb(port={port}, address="127.0.0.1", webroot=None)

@other.route("/ping")
async def ping(request):
    return "other " + await get("/ping")

async def echo(reader, writer):
    line = await reader.readline()
    writer.write(line.upper())
    await writer.drain()
    writer.close()
    await writer.wait_closed()

async def talk(text):
    reader, writer = await asyncio.open_connection("127.0.0.1", {plain})
    writer.write(text)
    await writer.drain()
    data = await reader.read()
    writer.close()
    await writer.wait_closed()
    return data

async def main():
    tasks = [asyncio.create_task(server.runAsync()) for server in (web, other)]
    await listening()
    await listening(other)
    server = await asyncio.start_server(echo, "127.0.0.1", {plain})
    print(await asyncio.gather(*[f for _ in range(5) for f in (get("/slow"), get("/ping", {port}), talk(b"hello\\n"))]))
    await web.stop()
    print(await talk(b"still\\n"))
    try:
        print(await get("/ping"))
    except OSError:
        print("refused")
    await other.stop()
    server.close()
    print(web.running, other.running)

asyncio.run(main())
""") == [str(["slow", "other pong", b"HELLO\n"] * 5), "b'STILL\\n'", "refused", "False False"]


def test_other_tasks_run_beside_a_busy_server():
    """A task that sleeps 10 ms wakes up about as often as it should while clients keep the server busy."""
    assert run("""
async def ticker():
    ticks = 0
    end = time.ticks_add(time.ticks_ms(), 600)
    while time.ticks_diff(end, time.ticks_ms()) > 0:
        await asyncio.sleep_ms(10)
        ticks += 1
    return ticks

async def client():
    while web.running:
        await get("/ping")

async def main():
    task = asyncio.create_task(web.runAsync())
    await listening()
    clients = [asyncio.create_task(client()) for _ in range(3)]
    ticks = await ticker()
    print(ticks > 25 or ticks)
    await web.stop()

asyncio.run(main())
""") == ["True"]


def test_handlers_that_wait_for_anything():
    assert run("""
event = asyncio.Event()
lock = asyncio.Lock()

@web.route("/gather")
async def gather(request):
    return await asyncio.gather(get("/ping"), get("/slow"), get("/ping"))

@web.route("/timeout")
async def timeout(request):
    try:
        await asyncio.wait_for_ms(get("/slow"), 50)
    except asyncio.TimeoutError:
        return "timeout"

@web.route("/timeout-of-body", "POST")
async def timeout_of_body(request):
    try:
        await asyncio.wait_for_ms(request.body(), 50)
    except asyncio.TimeoutError:
        return "no body"

@web.route("/event")
async def wait_event(request):
    await event.wait()
    return "event"

@web.route("/set")
async def set_event(request):
    event.set()

@web.route("/lock")
async def locked(request):
    async with lock:
        await asyncio.sleep_ms(20)
        return "locked"

@web.route("/task")
async def task(request):
    return await asyncio.create_task(get("/ping"))

@web.route("/zero")
async def zero(request):
    for _ in range(5):
        await asyncio.sleep_ms(0)
    return "zero"

async def main():
    task = asyncio.create_task(web.runAsync())
    await listening()
    print(await get("/gather"))
    print(await get("/timeout"))
    print(await asyncio.gather(get("/event"), get("/event"), get("/set")))
    print(await asyncio.gather(*[get("/lock") for _ in range(4)]))
    print(await get("/task"), await get("/zero"))
    await web.stop()
    print(log)

asyncio.run(main())
""") == [
        '["pong", "slow", "pong"]',
        "timeout",
        "['event', 'event', '']",
        "['locked', 'locked', 'locked', 'locked']",
        "pong zero",
        "[]",
    ]


def test_core_without_a_choice():
    assert run("""
try:
    web.runThread(core=0)
except ValueError as error:
    print(error)
""") == ["core: this firmware starts all threads on one core"]


def test_run_thread_on_a_core():
    assert run("""
import sys
class threadcore:
    @staticmethod
    def set(core):
        print("core", core)
sys.modules["threadcore"] = threadcore
web.runThread(core=1)
until(lambda: web.running)
print(ask("/ping"))
web.stop()
""") == ["core 1", "pong"]
