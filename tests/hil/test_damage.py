"""A board whose filesystem is damaged: it boots to its prompt and serves, says what is wrong, and formats nothing."""

import json

import pytest

from firmware import partitions

SECTOR = 4096
TABLE = partitions.default_table()
ERASED, ZEROED = b"\xff", b"\0"

# What LittleFS keeps its superblocks in is blocks 0 and 1. {block: what it is filled with}: the states that may follow.
DAMAGE = {
    "block 0 zeroed": ({0: ZEROED}, {"ok", "empty"}),
    "block 1 zeroed": ({1: ZEROED}, {"ok", "empty"}),
    "both zeroed": ({0: ZEROED, 1: ZEROED}, {"damaged"}),
    "block 0 erased, 1 damaged": ({0: ERASED, 1: ZEROED}, {"damaged"}),
}


def spoil(path, blocks):
    """Fill blocks of the filesystem in a flash image; returns the filesystem's bytes."""
    data = bytearray(path.read_bytes())
    place = TABLE["vfs"]
    for number, fill in blocks.items():
        start = place.offset + number * SECTOR
        data[start : start + SECTOR] = fill * SECTOR
    path.write_bytes(data)
    return bytes(data[place.offset : place.end])


@pytest.mark.needs("control")
@pytest.mark.parametrize("name", DAMAGE)
def test_board_with_a_damaged_filesystem(start_board, name):
    blocks, states = DAMAGE[name]
    # A first start, in which the board sees that there are files.
    board = start_board()
    board.wait_http()
    board.control("power", on=False)
    before = spoil(board.flash, blocks)
    with board.console() as console:
        board.control("power", on=True)
        start = console.read_until(b"\r\n>>> ", 30).decode()
        assert console.line("6 * 7") == "42\r\n"
    state = board.eval("__import__('device').storage.state")
    assert state in states
    assert board.eval("__import__('device').server.running") is True
    if state != "ok":
        problems = board.eval("__import__('device').status()['problems']")
        assert f"the filesystem is {state}" in problems
        # The console names the way out.
        assert "storage.format()" in start
        # Neither formatted nor written to, at this start and the next.
        board.hard_reset()
        assert board.eval("__import__('device').storage.state") == state
        place = TABLE["vfs"]
        assert board.flash.read_bytes()[place.offset : place.end] == before
    else:
        assert board.get("/index.html")[0] == 200


@pytest.mark.needs("control")
def test_way_out_of_a_damaged_filesystem(start_board):
    board = start_board()
    board.wait_http()
    board.control("power", on=False)
    spoil(board.flash, {0: ZEROED, 1: ZEROED})
    board.control("power", on=True)
    with board.console() as console:
        console.prompt()
        assert "storage.format()" in console.line("import device; device.log.show()")
    board.exec("from device import storage\nstorage.format()")
    board.write_file("/boot.json", b'{"hostname": "anew"}')
    board.hard_reset()
    board.wait_http()
    assert json.loads(board.get("/api/status")[2])["hostname"] == "anew"
    assert board.eval("__import__('device').storage.state") == "ok"


def test_block_device_of_the_filesystem_under_its_old_name(board):
    assert board.eval("__import__('flashbdev').bdev.info()[4]") == "vfs"
