"""The board's time and how it runs ahead: alarms, the order of what waits, resets, a device that never waits."""

import asyncio

import pytest

from ports.unix import clock as clock_module
from ports.unix.clock import Clock
from tests.unix.scripted import check


class Device:
    """A device that skips what it may, in steps."""

    def __init__(self, clock):
        self.skipped = 0
        self._clock = clock
        clock.register(self)

    def register(self, op, handler):
        self._ask = handler

    def run(self):
        """Skip all there is."""
        while (piece := self._ask({"ms": 1000}, b""))["ms"]:
            self.skipped += piece["ms"]
            self._clock.follow(self.skipped)


def test_alarms_ring_at_their_time_while_time_is_skipped():
    async def test():
        clock = Clock(lambda: asyncio.get_running_loop().call_soon(lambda: device.run()))
        device = Device(clock)
        rung = []
        begin = clock.now()
        for seconds in (30, 20, 40, 20.5):
            clock.call_later(seconds, lambda seconds=seconds: rung.append((seconds, clock.now() - begin - seconds)))
        cancelled = clock.call_later(25, lambda: rung.append("cancelled"))
        cancelled.cancel()
        await clock.skip(35)
        assert [seconds for seconds, _ in rung] == [20, 20.5, 30]
        assert all(0 <= late < 5 for _, late in rung)
        assert clock.skipped_us == 35_000_000 and not clock.skipping

    asyncio.run(test())


def test_an_alarm_rings_without_anything_skipped():
    async def test():
        rung = asyncio.Event()
        Clock().call_later(0.01, rung.set)
        await asyncio.wait_for(rung.wait(), 10)

    asyncio.run(test())


def test_two_ask_for_time_at_once():
    async def test():
        clock = Clock()
        device = Device(clock)
        long, short = asyncio.create_task(clock.skip(3)), asyncio.create_task(clock.skip(1))
        await asyncio.sleep(0)
        device.run()
        await asyncio.gather(long, short)
        assert device.skipped == 3000

    asyncio.run(test())


def test_nothing_is_skipped_while_others_need_time():
    async def test():
        clock = Clock()
        device = Device(clock)
        skip = asyncio.create_task(clock.skip(1))
        await asyncio.sleep(0)
        clock.hold(60)
        device.run()
        assert device.skipped == 0 and clock.skipping
        clock.hold(0)
        device.run()
        await skip

    asyncio.run(test())


def test_a_device_that_never_waits(monkeypatch):
    monkeypatch.setattr(clock_module, "_PATIENCE", 0.05)

    async def test():
        clock = Clock()
        with pytest.raises(ValueError, match="does not come to wait"):
            await clock.skip(1)
        assert not clock.skipping

    asyncio.run(test())


def test_a_board_that_is_switched_off():
    async def test():
        clock = Clock()
        skip = asyncio.create_task(clock.skip(1))
        await asyncio.sleep(0)
        clock.stop("the board is off")
        with pytest.raises(ValueError, match="the board is off"):
            await skip

    asyncio.run(test())


def test_all_that_waits_is_due_in_its_order(tmp_path):
    """Threads, timers, polls, asyncio's tasks, sleeps of the main thread: each at its time, whoever waits longest."""

    async def drive(it):
        await it.says(b"go")
        await it.board.clock.skip(700)

    check(
        tmp_path,
        """
import _thread, asyncio, machine, select, socket
seen = []
start = time.ticks_ms()
wall = time.time()
def note(seconds):
    seen.append((seconds, time.ticks_diff(time.ticks_ms(), start) // 1000))
def sleeper():
    for seconds in (50, 130, 405):
        time.sleep(seconds - time.ticks_diff(time.ticks_ms(), start) // 1000)
        note(seconds)
def poller():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    p = select.poll()
    p.register(s, select.POLLIN)
    for seconds in (60, 140, 410):
        assert p.poll((seconds - time.ticks_diff(time.ticks_ms(), start) // 1000) * 1000) == []
        note(seconds)
async def task(*times):
    for seconds in times:
        await asyncio.sleep(seconds - time.ticks_diff(time.ticks_ms(), start) // 1000)
        note(seconds)
async def tick():
    while len(seen) < 18:
        await asyncio.sleep_ms(100)
async def loop():
    await asyncio.gather(task(70, 150, 420), task(80, 160, 430), tick())
for function in (sleeper, poller, lambda: asyncio.run(loop())):
    _thread.start_new_thread(function, ())
beats = iter((90, 180, 270))
timer = machine.Timer(0, period=90_000, callback=lambda t: note(next(beats)))
print("go")
for seconds in (100, 300, 500):
    time.sleep(seconds - time.ticks_diff(time.ticks_ms(), start) // 1000)
    note(seconds)
    if seconds == 300:
        timer.deinit()
until(lambda: len(seen) == 18)
assert [due for due, _ in seen] == sorted(due for due, _ in seen), seen
assert all(0 <= at - due <= 5 for due, at in seen), seen
assert time.time() - wall >= 500
""",
        drive,
    )


def test_resets_and_sleep_while_time_is_skipped(tmp_path):
    async def drive(it):
        begin = it.board.clock.now()
        await it.says(b"start 0")
        await it.board.clock.skip(10_000)
        await it.says(b"start 3")
        assert it.board.clock.now() - begin >= 10_000

    check(
        tmp_path,
        """
import machine
rtc = machine.RTC()
starts = len(rtc.memory())
rtc.memory(bytes(starts + 1))
print("start", starts)
if starts == 0:
    assert machine.reset_cause() == machine.PWRON_RESET
    time.sleep(100)
    rtc.memory(time.time().to_bytes(5, "big")[4:])  # a byte: one start
    machine.reset()
if starts == 1:
    assert machine.reset_cause() == machine.HARD_RESET and 100 <= time.time() < 150, time.time()
    machine.deepsleep(3_600_000)
if starts == 2:
    assert machine.reset_cause() == machine.DEEPSLEEP_RESET and 3700 <= time.time() < 3800, time.time()
    machine.WDT(timeout=60_000)
    time.sleep(100_000)
assert machine.reset_cause() == machine.WDT_RESET and 3760 <= time.time() < 3900, time.time()
""",
        drive,
    )


def test_a_hanging_program_is_bitten_in_real_time(tmp_path, monkeypatch):
    monkeypatch.setattr(clock_module, "_PATIENCE", 0.2)

    async def drive(it):
        await it.says(b"hang")
        with pytest.raises(ValueError, match="does not come to wait"):
            await it.board.clock.skip(1)

    check(
        tmp_path,
        """
import machine
if machine.reset_cause() == machine.PWRON_RESET:
    machine.WDT(timeout=2000)
    print("hang")
    while True:
        pass
assert machine.reset_cause() == machine.WDT_RESET
""",
        drive,
    )


def test_the_radio_follows(tmp_path):
    async def drive(it):
        it.board.radio.command({"set": {"ssid": "home", "dhcp": 300_000}})
        await it.says(b"connecting")
        await it.board.clock.skip(290)
        await it.says(b"nothing yet")
        await it.board.clock.skip(20)

    check(
        tmp_path,
        """
import network
sta = network.WLAN()
sta.active(True)
start = time.ticks_ms()
sta.connect("home", "correct horse")
print("connecting")
while time.ticks_diff(time.ticks_ms(), start) < 290_000:
    time.sleep_ms(500)
assert not sta.isconnected()
print("nothing yet")
while not sta.isconnected():
    time.sleep_ms(500)
""",
        drive,
    )


def test_sockets_work_meanwhile(tmp_path):
    async def drive(it):
        await it.says(b"up")
        skip = asyncio.create_task(it.board.clock.skip(200))
        reader, writer = await asyncio.open_connection("127.0.0.1", it.board.network.listening["5005/tcp"])
        for n in range(20):
            writer.write(b"%d\n" % n)
            assert await asyncio.wait_for(reader.readline(), 10) == b"%d\n" % n
        writer.close()
        await skip

    check(
        tmp_path,
        """
import asyncio
async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()
async def main():
    async with await asyncio.start_server(serve, "0.0.0.0", 5005):
        print("up")
        await asyncio.sleep(190)
asyncio.run(main())
""",
        drive,
    )
