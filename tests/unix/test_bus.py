"""The bus: frames, answers, errors, interrupts, garbage."""

import asyncio
import contextlib
import errno
import json
import socket
import struct

import pytest

from ports.unix.bus import BLOB_MAX, Bus, BusError


def frame(message, blob=b""):
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    return struct.pack("<HI", len(text), len(blob)) + text + blob


class Device:
    """The other end of a Bus: `calls` and `interrupts` sockets, and why the bus was lost."""

    def __init__(self):
        self.lost = []
        self.bus = Bus(self.lost.append)
        self.calls, calls = socket.socketpair()
        self.interrupts, interrupts = socket.socketpair()
        self.calls.setblocking(False)
        self.interrupts.setblocking(False)
        self.bus.connect(calls, interrupts)

    async def send(self, data):
        await asyncio.get_running_loop().sock_sendall(self.calls, data)

    async def receive(self, end=None):
        """(message, blob) of the next frame."""
        end = end or self.calls
        json_size, blob_size = struct.unpack("<HI", await self._read(end, 6))
        return json.loads(await self._read(end, json_size)), await self._read(end, blob_size)

    async def call(self, op, blob=b"", **args):
        await self.send(frame({"op": op, **args}, blob))
        return await self.receive()

    async def _read(self, end, size):
        data = b""
        while len(data) < size:
            part = await asyncio.get_running_loop().sock_recv(end, size - len(data))
            assert part, "the bus hung up"
            data += part
        return data


@contextlib.asynccontextmanager
async def connected():
    device = Device()
    try:
        yield device
    finally:
        device.bus.disconnect()
        device.calls.close()
        device.interrupts.close()


def run(test):
    async def with_device():
        async with connected() as device:
            await asyncio.wait_for(test(device), 10)

    asyncio.run(with_device())


def test_call_and_answer_with_blobs():
    async def test(device):
        device.bus.register("swap", lambda args, blob: ({"got": args}, blob[::-1]))
        assert await device.call("swap", b"abc", a=1) == ({"got": {"a": 1}}, b"cba")

    run(test)


def test_frames_may_arrive_in_any_pieces():
    async def test(device):
        device.bus.register("echo", lambda args, blob: ({}, blob))
        data = frame({"op": "echo"}, b"one") + frame({"op": "echo"}, b"two")
        for byte in data:
            await device.send(bytes((byte,)))
            await asyncio.sleep(0)
        assert [(await device.receive())[1] for _ in range(2)] == [b"one", b"two"]

    run(test)


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (b"no json", errno.ENOSYS),
        (b"[]", errno.ENOSYS),
        (b'{"op": ["x"]}', errno.ENOSYS),
        (b"\xff\xfe", errno.ENOSYS),
        ({"op": "unknown"}, errno.ENOSYS),
        ({}, errno.ENOSYS),
        ({"op": "number"}, errno.EINVAL),
        ({"op": "number", "n": "x"}, errno.EINVAL),
        ({"op": "refuse"}, errno.EACCES),
        ({"op": "large"}, errno.EMSGSIZE),
    ],
)
def test_bad_calls_are_answered_by_an_error_and_the_bus_goes_on(call, number):
    def refuse(args, blob):
        raise BusError(errno.EACCES, "no")

    async def test(device):
        device.bus.register("number", lambda args, blob: {"n": int(args["n"])})
        device.bus.register("refuse", refuse)
        device.bus.register("large", lambda args, blob: ({}, bytes(5000)))
        await device.send(frame(call))
        reply, _ = await device.receive()
        assert reply["error"][0] == number and reply["error"][1]
        assert await device.call("number", n=2) == ({"n": 2}, b"")
        assert device.lost == []

    run(test)


def test_a_fault_of_the_host_is_an_error_for_the_device(capsys):
    async def test(device):
        device.bus.register("fault", lambda args, blob: 1 // 0)
        reply, _ = await device.call("fault")
        assert reply["error"] == [errno.EIO, "fault: ZeroDivisionError: integer division or modulo by zero"]

    run(test)
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("header", [struct.pack("<HI", 60000, 0), struct.pack("<HI", 2, BLOB_MAX + 1)])
def test_impossible_frame_loses_the_bus(header):
    async def test(device):
        await device.send(header)
        while not device.lost:
            await asyncio.sleep(0.001)
        assert device.lost[0].startswith("bus frame of")

    run(test)


def test_hanging_up_loses_the_bus():
    async def test(device):
        device.calls.close()
        while not device.lost:
            await asyncio.sleep(0.001)
        device.bus.disconnect()
        device.bus.disconnect()
        assert set(device.lost) == {""}

    run(test)


def test_no_answer_after_a_handler_that_disconnects():
    async def test(device):
        device.bus.register("reset", lambda args, blob: device.bus.disconnect())
        await device.send(frame({"op": "reset"}) * 2)
        assert await asyncio.get_running_loop().sock_recv(device.calls, 10) == b""

    run(test)


def test_interrupts_wait_for_a_slow_device_and_stay_whole():
    async def test(device):
        count = 2000
        for number in range(count):
            device.bus.notify({"irq": "pin", "id": number})
        device.bus.notify({"irq": "blob"}, b"xyz")
        seen = []
        while not seen or "id" in seen[-1]:
            message, blob = await device.receive(device.interrupts)
            seen.append(message)
        assert seen[-1] == {"irq": "blob"} and blob == b"xyz"
        assert [message["id"] for message in seen[:-1]] == list(range(count))

    run(test)


def test_interrupts_that_nobody_takes_are_dropped_whole():
    async def test(device):
        for number in range(100_000):
            device.bus.notify({"irq": "pin", "id": number})
        seen = []
        with contextlib.suppress(asyncio.TimeoutError):
            while True:
                message, _ = await asyncio.wait_for(device.receive(device.interrupts), 0.3)
                seen.append(message["id"])
        assert seen == list(range(len(seen))) and len(seen) < 100_000

    run(test)


def test_interrupt_without_a_device():
    Bus(print).notify({"irq": "wake"})


def test_an_operation_has_one_handler():
    bus = Bus(print)
    bus.register("x", print)
    with pytest.raises(ValueError, match="twice"):
        bus.register("x", print)
