"""A board whose filesystem is damaged: it boots to its prompt and serves, says what is wrong, and formats nothing
unasked; its page helps to save what is there and to begin anew.
"""

import base64
import json
import re

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


@pytest.fixture
def damaged(start_board):
    """A board in its network whose filesystem cannot be read any more, and that filesystem's bytes."""
    board = start_board()
    board.wait_http()
    board.skip(15)  # a good start, after which the board knows its network and its password
    return board, damage(board)


def damage(board):
    """Spoil the filesystem while the power is off; its bytes."""
    board.control("power", on=False)
    data = spoil(board.flash, {0: ZEROED, 1: ZEROED})
    board.control("power", on=True)
    board.wait_http()
    return data


def login(password):
    return {"Authorization": "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()}


def format_flash(board, password, word="FORMAT"):
    headers = {**login(password), "Content-Type": "application/x-www-form-urlencoded"}
    return board.request("POST", "/api/repair", f"confirm={word}".encode(), headers)


@pytest.mark.needs("control")
def test_board_stays_in_its_network_without_its_files(damaged):
    board, _ = damaged
    board.until(lambda: json.loads(board.get("/api/status")[2])["network"]["state"] == "connected", 30)
    status = json.loads(board.get("/api/status")[2])
    assert (status["hostname"], status["network"]["ssid"]) == ("desktop", "home")
    assert "the filesystem is damaged" in status["problems"]
    # It is as good a start as any other.
    board.skip(15)
    assert board.eval("__import__('device').recovery.good") is True


@pytest.mark.needs("control")
def test_everybody_sees_what_is_wrong_and_the_administrator_saves_it(damaged):
    board, data = damaged
    status, headers, page = board.get("/")
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert b"cannot be read" in page and b'href="/repair"' in page
    for path in ("/repair", "/api/repair/image"):
        assert board.get(path)[0] == 401
    page = board.request("GET", "/repair", headers=login("desktop"))[2]
    assert b"/api/repair/image" in page and b"FORMAT" in page
    status, headers, copy = board.request("GET", "/api/repair/image", headers=login("desktop"))
    assert status == 200 and copy == data
    assert headers["Content-Disposition"] == 'attachment; filename="desktop-files.bin"'


@pytest.mark.needs("control")
def test_formatting_asks_first_and_keeps_the_network(damaged):
    board, data = damaged
    place = TABLE["vfs"]
    assert format_flash(board, "wrong")[0] == 401
    assert format_flash(board, "desktop", "yes")[0] == 400
    assert board.flash.read_bytes()[place.offset : place.end] == data
    boots = board.control("info")["boots"]
    status, _, page = format_flash(board, "desktop")
    assert status == 200 and b"The filesystem is new" in page
    board.control("wait", **{"for": "listening", "boots": boots + 1})
    board.wait_http()
    status = json.loads(board.get("/api/status")[2])
    assert status["flash"]["state"] == "ok"
    assert (status["hostname"], status["settings"]["source"]) == ("desktop", "boot.json")
    assert json.loads(board.read_file("/boot.json"))["wifi"]["networks"][0]["ssid"] == "home"


@pytest.mark.needs("control")
def test_board_that_never_had_a_password_asks_for_its_access_points(start_board):
    board = start_board()
    board.wait_http()
    board.write_file("/boot.json", b'{"hostname": "bare"}')
    board.hard_reset()
    board.wait_http()
    board.skip(15)
    board.control("power", on=False)
    data = spoil(board.flash, {0: ZEROED, 1: ZEROED})
    with board.console() as console:
        board.control("power", on=True)
        said = console.read_until(b"\r\n>>> ", 30).decode()
    password = re.search("admin +password (.*)\r", said)[1]
    assert password == re.search("access point .*, password (.*)\r", said)[1]
    assert board.get("/api/repair/image")[0] == 401
    assert board.request("GET", "/api/repair/image", headers=login(password))[2] == data
    # Nobody but the console tells it.
    assert password.encode() not in board.get("/api/status")[2]


@pytest.mark.needs("control")
def test_filesystem_whose_mounting_ended_a_start_is_left_alone(start_board):
    """One that hangs or crashes the driver: the next start does without it, and leads to the repair page."""
    board = start_board()
    board.wait_http()
    board.write_file("/boot.json", b'{"hostname": "sound"}')
    board.hard_reset()
    board.skip(15)
    board.exec("from device import recovery\nrecovery._note(1, 1)")
    board.control("crash")
    board.wait_http()
    status = json.loads(board.get("/api/status")[2])
    assert status["recovery"]["step"] == 1 and "the filesystem" in status["recovery"]["reason"]
    assert status["flash"]["state"] == "damaged" and status["hostname"] == "sound"
    # It was sound, and the next start finds that.
    board.skip(15)
    board.hard_reset()
    board.wait_http()
    assert json.loads(board.get("/api/status")[2])["flash"]["state"] == "ok"
