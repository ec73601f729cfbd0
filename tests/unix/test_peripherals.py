"""RTC memory and clock, retained memory, watchdog, pins, without a VM."""

import asyncio
import time

import pytest

from ports.unix.bus import BusError
from ports.unix.peripherals import RETAINED_SIZE, RTC_MEMORY_SIZE, Pins, Retained, Rtc, Watchdog


class Handlers(dict):
    """A bus that keeps its handlers and the interrupts."""

    def __init__(self, peripheral):
        self.irqs = []
        peripheral.register(self)

    def register(self, op, handler):
        self[op] = lambda blob=b"", **args: handler(args, blob)

    def notify(self, irq, blob=b""):
        self.irqs.append(irq)


def test_rtc_memory():
    rtc = Rtc()
    call = Handlers(rtc)
    assert call["rtc.read"]() == ({}, b"")
    call["rtc.write"](b"kept")
    assert call["rtc.read"]() == ({}, b"kept")
    call["rtc.write"](bytes(RTC_MEMORY_SIZE))
    with pytest.raises(BusError):
        call["rtc.write"](bytes(RTC_MEMORY_SIZE + 1))
    rtc.power_on()
    assert call["rtc.read"]() == ({}, b"")


def test_rtc_clock_begins_at_2000_and_can_be_set():
    rtc = Rtc()
    call = Handlers(rtc)
    board = time.time() + call["rtc.clock"]()["offset_us"] / 1e6
    assert time.gmtime(board)[:5] == (2000, 1, 1, 0, 0)
    assert call["rtc.clock"](offset_us=-5) == {"offset_us": -5}
    assert call["rtc.clock"]() == {"offset_us": -5}


def test_retained_memory():
    retained = Retained()
    call = Handlers(retained)
    assert call["retained.read"](off=0, len=RETAINED_SIZE) == ({}, bytes(RETAINED_SIZE))
    call["retained.write"](b"kept", off=RETAINED_SIZE - 4)
    assert call["retained.read"](off=RETAINED_SIZE - 4, len=4) == ({}, b"kept")
    retained.power_on()
    assert call["retained.read"](off=0, len=RETAINED_SIZE) == ({}, bytes(RETAINED_SIZE))


@pytest.mark.parametrize(("off", "size"), [(-1, 1), (RETAINED_SIZE, 1), (RETAINED_SIZE - 3, 4), (0, RETAINED_SIZE + 1)])
def test_retained_memory_has_an_end(off, size):
    call = Handlers(Retained())
    with pytest.raises(BusError, match="outside"):
        call["retained.write"](bytes(size), off=off)
    with pytest.raises(BusError, match="outside"):
        call["retained.read"](off=off, len=size)


def test_watchdog_bites_when_it_is_not_fed():
    async def test():
        bitten = []
        watchdog = Watchdog(lambda: bitten.append(asyncio.get_running_loop().time()))
        call = Handlers(watchdog)
        call["wdt.feed"]()  # has no effect on one that does not run
        begin = asyncio.get_running_loop().time()
        call["wdt.start"](ms=200)
        for _ in range(10):
            await asyncio.sleep(0.04)
            call["wdt.feed"]()
        assert not bitten
        await asyncio.sleep(0.4)
        assert len(bitten) == 1 and bitten[0] - begin >= 0.6
        with pytest.raises(BusError):
            call["wdt.start"](ms=0)

    asyncio.run(test())


def test_watchdog_that_is_started_again_has_another_time_out():
    async def test():
        bitten = []
        call = Handlers(Watchdog(lambda: bitten.append(1)))
        call["wdt.start"](ms=50)
        call["wdt.start"](ms=60_000)
        await asyncio.sleep(0.2)
        assert not bitten
        call["wdt.start"](ms=10)
        await asyncio.sleep(0.2)
        assert bitten

    asyncio.run(test())


def test_watchdog_does_not_outlive_a_hard_reset():
    async def test():
        bitten = []
        watchdog = Watchdog(lambda: bitten.append(1))
        Handlers(watchdog)["wdt.start"](ms=20)
        watchdog.reset()
        await asyncio.sleep(0.1)
        assert not bitten

    asyncio.run(test())


@pytest.fixture
def pins():
    pins = Pins()
    pins.call = Handlers(pins)
    return pins


def level(pins, number=4):
    return pins.call["pin.get"](id=number)["value"]


def test_input_follows_the_wire_then_the_pull(pins):
    assert level(pins) == 0
    pins.call["pin.mode"](id=4, mode=Pins.MODE_IN, pull=2)
    assert level(pins) == 1
    assert pins.command({"id": 4, "value": 0})["value"] == 0
    assert level(pins) == 0
    pins.command({"id": 4, "value": None})
    assert level(pins) == 1


def test_output_drives_and_is_seen_from_outside(pins):
    pins.call["pin.mode"](id=4, mode=Pins.MODE_OUT)
    pins.call["pin.set"](id=4, value=1)
    assert pins.command({"id": 4}) == {"id": 4, "value": 1, "mode": Pins.MODE_OUT}
    pins.call["pin.toggle"](id=4)
    assert level(pins) == 0


def test_open_drain_only_pulls_down(pins):
    pins.call["pin.mode"](id=4, mode=Pins.MODE_OPEN_DRAIN, pull=2)
    pins.call["pin.set"](id=4, value=1)
    pins.command({"id": 4, "value": 0})
    assert level(pins) == 0
    pins.command({"id": 4, "value": 1})
    assert level(pins) == 1
    pins.call["pin.set"](id=4, value=0)
    assert level(pins) == 0


@pytest.mark.parametrize(("trigger", "count"), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 1), (5, 1)])
def test_interrupts_on_the_edges_that_were_asked_for(pins, trigger, count):
    pins.call["pin.irq"](id=4, trigger=trigger)
    for value in (0, 1, 1, 0, 0):
        pins.command({"id": 4, "value": value})
    assert pins.call.irqs == [{"irq": "pin", "id": 4}] * count


def test_resets(pins):
    pins.call["pin.mode"](id=4, mode=Pins.MODE_OUT)
    pins.call["pin.set"](id=4, value=1)
    pins.call["pin.irq"](id=5, trigger=3)
    pins.soft_reset()
    pins.command({"id": 5, "value": 1})
    assert (level(pins), level(pins, 5), pins.call.irqs) == (1, 1, [])
    pins.hard_reset()
    assert (level(pins), level(pins, 5)) == (0, 1)


@pytest.mark.parametrize("number", [-1, 40, "4", None])
def test_no_such_pin(pins, number):
    with pytest.raises(ValueError, match="no pin"):
        pins.command({"id": number})
