"""The pty: clients come and go, what nobody reads is dropped, the link is made and removed with care."""

import asyncio
import contextlib
import os

import pytest
import serial

from ports.unix import serialport
from ports.unix.errors import BoardError
from ports.unix.serialport import SerialPort


@contextlib.asynccontextmanager
async def opened(link):
    """A SerialPort and the list of what was typed into it."""
    typed = []
    port = SerialPort(link, typed.append)
    try:
        yield port, typed
    finally:
        port.close()


async def until(condition):
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("condition did not come true")


async def read(client, size):
    """`size` bytes from a pyserial client, in a thread: the port is served by this loop."""
    client.timeout = 5
    return await asyncio.to_thread(client.read, size)


def test_clients_open_close_and_open_again(tmp_path):
    async def test():
        async with opened(tmp_path / "console") as (port, typed):
            for number in range(3):
                with serial.Serial(str(tmp_path / "console")) as client:
                    client.write(b"%d\x03\r" % number)
                    await until(lambda number=number: b"".join(typed).endswith(b"%d\x03\r" % number))
                    port.write(b"out\r\n\xff\x00\x04")
                    assert await read(client, 8) == b"out\r\n\xff\x00\x04"

    asyncio.run(test())


def test_a_large_output_arrives_whole(tmp_path):
    async def test():
        data = os.urandom(500_000)
        async with opened(tmp_path / "console") as (port, _):
            with serial.Serial(str(tmp_path / "console")) as client:
                port.write(data)
                assert await read(client, len(data)) == data

    asyncio.run(test())


def test_what_nobody_reads_is_dropped_and_the_next_client_sees_what_is_new(tmp_path, monkeypatch):
    monkeypatch.setattr(serialport, "_STALLED_AFTER", 0.05)

    async def test():
        async with opened(tmp_path / "console") as (port, _):
            for number in range(200):
                port.write(b"%05d" % number * 1000)
                await asyncio.sleep(0.001)
            with serial.Serial(str(tmp_path / "console")) as client:  # which throws away what waits
                port.write(b"fresh")
                assert (await read(client, 5)) == b"fresh"
                data = os.urandom(100_000)
                port.write(data)
                assert await read(client, len(data)) == data

    asyncio.run(test())


def test_link_replaces_an_old_link_and_is_removed(tmp_path):
    link = tmp_path / "deep" / "console"
    link.parent.mkdir()
    link.symlink_to("/dev/pts/gone")

    async def test():
        async with opened(link) as (port, _):
            assert os.readlink(link) == port.name

    asyncio.run(test())
    assert not os.path.lexists(link)


def test_link_of_another_board_is_left(tmp_path):
    link = tmp_path / "console"

    async def test():
        async with opened(link):
            link.unlink()
            link.symlink_to("/dev/other")

    asyncio.run(test())
    assert os.readlink(link) == "/dev/other"


def test_a_file_is_not_overwritten(tmp_path):
    link = tmp_path / "console"
    link.write_text("mine")

    async def test():
        with pytest.raises(BoardError, match="CONSOLE="):
            SerialPort(link, print)

    asyncio.run(test())
    assert link.read_text() == "mine"
