"""Coming back, on whole desktop boards: each rung of the ladder by real resets and crashes, watchdog, factory reset.

Only power, crash, pins, console, network and the simulated clock are used. A start is good some ten seconds after its
boot script; that time is skipped.
"""

import base64
import functools
import json

import pytest

from firmware import appimage, modules, otadata, romfs
from tests.boards import DesktopBoard
from tests.console import PROMPT
from tests.unix.images import write_flash
from tests.unix.scripted import port_files

PASSWORD = "correct battery"
GOOD_S = 15
RESET = b"import machine\nmachine.reset()\n"
SETTINGS = {
    "hostname": "shed",
    "wifi": {"networks": [{"ssid": "home", "password": "correct horse"}]},
    "admin": {"password": PASSWORD},
    "webrepl": {"password": "micropyt"},
    "watchdog": 5,
}


def status(board):
    return json.loads(board.get("/api/status")[2])


def recovery(board):
    """(step, reason) of a board that is up."""
    board.wait_http()
    found = status(board)["recovery"]
    return found["step"], found["reason"]


def good(board):
    """Let the start succeed."""
    board.wait_http()
    board.skip(GOOD_S)
    assert board.eval("__import__('device').recovery.good") is True


def log(board):
    return board.eval("[text for _, _, text in __import__('device').log.records()]")


def login():
    return {"Authorization": "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()}


def post(board, path, fields):
    return board.request(
        "POST", path, fields.encode(), {**login(), "Content-Type": "application/x-www-form-urlencoded"}
    )


def restart(board, seconds=30):
    """Reset at the prompt, wait for the prompt of the start that comes to one; what the console said."""
    with board.console() as console:
        console.prompt()
        console.write(b"import machine; machine.reset()\r")
        console.read_until(b"machine.reset()\r\n")
        return console.read_until(PROMPT, seconds).decode()


@pytest.fixture
def shed(start_board):
    """A board with SETTINGS whose first start was a good one, so that they are the last good ones, too."""
    board = start_board()
    board.wait_http()
    board.write_file("/boot.json", json.dumps(SETTINGS).encode())
    restart(board)
    good(board)
    return board


def test_app_that_resets_the_board_is_left_out_at_step_2(shed):
    shed.write_file("/app.py", RESET)
    said = restart(shed)
    reason = "a reset or a crash ended the start before in app.py"
    assert f"recovery, step 1 of 4: {reason}" in said
    assert f"recovery, step 2 of 4: {reason}" in said
    assert recovery(shed) == (2, reason)
    assert f"recovery: {reason}" in status(shed)["problems"]
    assert any(line.startswith("recovery, step 2 of 4") for line in log(shed))
    assert status(shed)["settings"]["source"] == "last good"
    # mpremote begins with a soft reset: what is left out stays so while the program is being mended.
    shed.soft_reset()
    assert recovery(shed) == (2, reason)
    good(shed)
    shed.write_file("/app.py", b"print('mended')\n")
    assert "mended" in restart(shed)
    assert recovery(shed) == (0, "")


def test_crash_during_a_start(shed):
    shed.write_file("/app.py", b"print('app', 'runs')\nimport time\ntime.sleep(60)\n")
    with shed.console() as console:
        console.prompt()
        console.write(b"import machine; machine.reset()\r")
        for step in range(2):
            console.read_until(b"app runs", 30)
            assert recovery(shed)[0] == step
            shed.control("crash")
        console.read_until(PROMPT, 30)
    assert recovery(shed) == (2, "a reset or a crash ended the start before in app.py")
    good(shed)
    # Power-on begins at the beginning.
    shed.control("power", on=False)
    shed.control("power", on=True)
    assert recovery(shed) == (0, "")


def test_app_that_never_returns_is_a_good_start(shed):
    shed.write_file("/app.py", b"import time\nwhile True:\n    time.sleep(1)\n")
    with shed.console() as console:
        console.prompt()
        console.write(b"import machine; machine.reset()\r")
        console.read_until(b"machine.reset()\r\n")
    shed.wait_http()
    shed.skip(2 * GOOD_S)
    shed.control("crash")
    assert recovery(shed) == (0, "")


def test_settings_that_make_the_start_fail(shed):
    shed.write_file("/app.py", b"import device, machine\nif device.config['hostname'] == 'bad':\n    machine.reset()\n")
    shed.write_file("/boot.json", json.dumps({**SETTINGS, "hostname": "bad"}).encode())
    restart(shed)
    assert recovery(shed) == (1, "a reset or a crash ended the start before in app.py")
    found = status(shed)
    assert found["hostname"] == "shed" and found["settings"]["source"] == "last good"
    good(shed)
    # The file is still there to be mended, and the last good one is not replaced by it.
    assert json.loads(shed.read_file("/boot.json"))["hostname"] == "bad"
    shed.write_file("/boot.json", json.dumps({**SETTINGS, "hostname": "barn"}).encode())
    restart(shed)
    assert recovery(shed) == (0, "") and status(shed)["hostname"] == "barn"


@pytest.mark.parametrize("name", ["boot.py", "main.py"])
def test_program_of_main_c_that_resets_the_board(shed, name):
    """It looks as if somebody pressed reset in a hurry: several of them in a row are a failure all the same."""
    shed.write_file("/" + name, RESET)
    said = restart(shed, 60)
    assert said.count("rst:0x") == 9
    assert "step 1 of 4: several starts in a row were ended by a reset soon after they began" in said
    assert recovery(shed)[0] == 2
    assert shed.read_file("/" + name) == RESET
    shed.skip(GOOD_S)
    assert shed.eval("__import__('os').getcwd()") == "/"


def test_boot_py_that_ends_in_a_soft_reset(shed):
    """On SystemExit main.c begins anew at once: a board that nobody gets hold of."""
    shed.write_file("/boot.py", b"import sys\nsys.exit()\n")
    said = restart(shed, 60)
    assert said.count("soft reboot") > 10
    assert recovery(shed)[0] == 2


RESTARTS = b"""
import machine
machine.Timer(1).init(mode=machine.Timer.ONE_SHOT, period=%d000, callback=lambda timer: machine.reset())
"""


def test_program_that_restarts_the_board_all_through_an_outage_is_not_left_out(shed):
    wifi = {**SETTINGS["wifi"], "ap": {"mode": "never"}}
    shed.write_file("/boot.json", json.dumps({**SETTINGS, "wifi": wifi}).encode())
    shed.write_file("/app.py", RESTARTS % 100)
    shed.control("air", vanish="home")
    boots = shed.control("info")["boots"]
    with shed.console() as console:
        console.prompt()
        console.write(b"import machine; machine.reset()\r")
        console.read_until(b"machine.reset()\r\n")
    shed.until(lambda: shed.control("info")["boots"] > boots + 10, 1500, step=20)
    shed.control("air", appear="home")
    shed.until(lambda: recovery(shed) == (0, ""), 60)


def test_board_whose_programs_were_left_out_tries_them_again(shed):
    shed.write_file("/app.py", RESET)
    restart(shed)
    assert recovery(shed)[0] == 2
    # For an hour, if nobody makes it less.
    assert shed.eval("__import__('device').selftest.again_s") == 3600
    shed.exec("import device; device.selftest.again_s = 100")
    shed.write_file("/app.py", b"")
    boots = shed.control("info")["boots"]
    shed.skip(80)
    assert recovery(shed)[0] == 2
    shed.until(lambda: shed.control("info")["boots"] > boots, 60, step=5)
    assert recovery(shed) == (0, "")


def test_resets_in_a_hurry_do_no_harm(shed):
    for _ in range(5):
        shed.hard_reset()
    assert recovery(shed) == (0, "")
    good(shed)
    shed.hard_reset()
    assert recovery(shed) == (0, "")


def test_deep_sleep_at_the_top_of_the_app_and_the_button_out_of_it(shed):
    shed.write_file("/app.py", b"import machine\nmachine.deepsleep(50)\n")
    with shed.console() as console:
        console.prompt()
        console.write(b"import machine; machine.reset()\r")
        for _ in range(3):
            console.read_until(b"DEEPSLEEP", 30)
        shed.control("pin", id=0, value=0)
        said = console.read_until(PROMPT, 30).decode()
        shed.control("pin", id=0, value=None)
    assert "the button is held down: the user's programs are not run" in said
    assert recovery(shed) == (0, "")


@functools.cache
def firmware(script=None, version="test"):
    """An application image with the firmware of this checkout, or with `script` in the place of its _boot."""
    files = {**port_files(), **modules.compile_all(modules.read_manifest())}
    if script:
        files.pop("_boot.mpy", None)
        files["_boot.py"] = script.encode()
    return appimage.pack(romfs.build(files), version)


FAILS = """
from device import recovery
import machine
recovery.begin()
print("step", recovery.step)
if recovery.step == 4:
    recovery.repl_only()
else:
    machine.reset()
"""


def two_slots(tmp_path, first, second, *entries):
    """A desktop board with these images in its slots."""
    files = {"boot.json": json.dumps(SETTINGS).encode()}
    return DesktopBoard(tmp_path, write_flash(tmp_path / "flash.bin", first, second, entries=entries, files=files))


def test_other_slot_takes_over_from_a_firmware_that_does_not_start(tmp_path):
    board = two_slots(tmp_path, firmware(FAILS, "1.0"), firmware(version="2.0"))
    try:
        board.wait_http(60)
        found = status(board)
        assert found["recovery"]["step"] == 3 and found["update"]["slot"] == "ota_1"
        good(board)
        assert status(board)["update"]["state"] == "valid"
        restart(board)
        assert recovery(board) == (0, "") and status(board)["update"]["slot"] == "ota_1"
    finally:
        board.close()


def test_two_firmwares_that_do_not_start_leave_the_repl(tmp_path):
    board = two_slots(tmp_path, firmware(FAILS, "1.0"), firmware(FAILS, "2.0"))
    try:
        with board.console() as console:
            console.prompt(60)
            console.line("from device import recovery; import machine")
            assert console.line("recovery.step, recovery.reason") == (
                "(4, 'the firmware in the other slot does not start either')\r\n"
            )
            boots = board.control("info")["boots"]
            # Nobody is there: it tries again, and comes to the same end.
            board.skip(16 * 60)
            said = console.read_until(b"Only the REPL runs", 30).decode()
            assert said.count("step 0") == 1 and "device.recovery.stay()" in console.read_until(PROMPT).decode()
            assert board.control("info")["boots"] > boots
            console.line("import device; device.recovery.stay()")
            boots = board.control("info")["boots"]
            board.skip(30 * 60)
            assert board.control("info")["boots"] == boots
            # By hand it is a start as usual.
            console.write(b"import machine; machine.reset()\r")
            console.read_until(b"step 0", 30)
            console.read_until(PROMPT, 30)
    finally:
        board.close()


def test_update_that_hangs_before_its_server_runs(tmp_path):
    """No power cycle is needed: the watchdog is armed before anything else, and the boot loader goes back."""
    hangs = "from device import recovery, watchdog\nrecovery.begin()\nwatchdog.begin()\nprint('hangs')\n"
    hangs += "import time\nwhile True:\n    time.sleep(1)\n"
    entries = (otadata.Entry(1, otadata.State.VALID), otadata.Entry(2, otadata.State.NEW))
    board = two_slots(tmp_path, firmware(version="1.0"), firmware(hangs, "2.0"), *entries)
    try:
        with board.console() as console:
            board.skip(70)
            console.prompt(30)
        assert recovery(board) == (0, "")
        assert status(board)["update"]["state"] == "rolled back"
    finally:
        board.close()


def test_watchdog_ends_a_handler_that_hangs(shed):
    shed.write_file(
        "/app.py",
        b"from device import server\n@server.route('/hang')\nasync def hang(request):\n    while True:\n        pass\n",
    )
    restart(shed)
    good(shed)
    with pytest.raises(OSError):
        shed.get("/hang")
    shed.wait_http()
    found = status(shed)
    assert found["resetCause"] == "watchdog"
    # The start had been a good one, so the next one is as usual.
    assert found["recovery"]["step"] == 0
    # It is armed once the loop runs, a moment after the first answer.
    shed.until(lambda: status(shed)["watchdog"] == SETTINGS["watchdog"], 10)


def test_watchdog_ends_a_start_whose_server_hangs(shed):
    hang = "import device\nasync def hang():\n    while True:\n        pass\n"
    shed.write_file("/app.py", f"{hang}if not device.recovery.step:\n    device.call(hang())\n".encode())
    said = restart(shed, 60)
    assert "step 1 of 4: the watchdog ended the start before in app.py" in said
    assert recovery(shed)[0] == 1


def test_services_that_are_stopped_by_hand_need_no_feeding(shed):
    boots = shed.control("info")["boots"]
    shed.exec("import device\ndevice.stop()")
    shed.skip(3600)
    assert shed.control("info")["boots"] == boots
    shed.exec("import device\ndevice.start()")
    shed.wait_http()
    shed.skip(60)
    assert shed.control("info")["boots"] == boots
    # Taken back: a loop that stands still is noticed again.
    with shed.console() as console:
        console.prompt()
        console.write(b"import device\rasync def hang():\r    while True:\r        pass\r\r\rdevice.call(hang())\r")
        console.read_until(b"Rebooting", 30)
        console.read_until(PROMPT, 30)
    assert recovery(shed) == (0, "")


@pytest.mark.parametrize(
    ("path", "source", "seconds", "reason"),
    [
        ("/boot.py", b"import device\ndevice.stop()\n", 3700, b"the watchdog ended"),
        ("/app.py", b"import device\ndevice.server.stop()\n", 130, b"the server of the start before did not answer"),
    ],
    ids=["services", "server"],
)
def test_program_that_stops_what_its_user_needs_is_left_out(shed, path, source, seconds, reason):
    shed.write_file(path, source)
    with shed.console() as console:
        console.prompt()
        console.write(b"import machine; machine.reset()\r")
        for step in (1, 2):
            console.read_until(b">>> ", 30)
            shed.skip(seconds)
            console.read_until(b"step %d of 4: %s" % (step, reason), 30)
    assert recovery(shed)[0] == 2


def forgotten(board):
    """Whether the board has just started on default settings; its files are still there."""
    board.wait_http()
    found = status(board)
    assert found["settings"]["source"] == "defaults" and found["hostname"].startswith("maw-")
    assert board.eval("[name for name in __import__('os').listdir('/') if name.endswith('.json')]") == []


@pytest.mark.parametrize(("argument", "left"), [("", b"kept"), ("files=True", None)])
def test_factory_reset_by_the_console(shed, argument, left):
    shed.write_file("/kept.txt", b"kept")
    with shed.console() as console:
        console.prompt()
        console.write(f"from device import factory; factory.reset({argument})\r".encode())
        console.read_until(f"({argument})\r\n".encode())
        console.read_until(PROMPT, 30)
    forgotten(shed)
    if left:
        assert shed.read_file("/kept.txt") == left
    else:
        assert shed.eval("__import__('os').listdir('/')") == ["rom"]


def test_factory_reset_by_the_page(shed):
    assert shed.request("POST", "/api/factory-reset", b"confirm=RESET")[0] == 401
    assert post(shed, "/api/factory-reset", "confirm=please")[0] == 400
    assert status(shed)["hostname"] == "shed"
    boots = shed.control("info")["boots"]
    assert post(shed, "/api/factory-reset", "confirm=RESET")[0] == 200
    shed.control("wait", **{"for": "listening", "boots": boots + 1})
    forgotten(shed)


def test_factory_reset_by_the_button(shed):
    shed.control("power", on=False)
    shed.control("power", on=True)
    shed.wait_http()
    boots = shed.control("info")["boots"]
    shed.control("pin", id=0, value=0)
    shed.skip(8)
    shed.control("pin", id=0, value=None)
    shed.skip(1)
    # Let go too early.
    assert shed.control("info")["boots"] == boots and status(shed)["hostname"] == "shed"
    shed.control("pin", id=0, value=0)
    shed.skip(11)
    shed.control("pin", id=0, value=None)
    shed.control("wait", **{"for": "listening", "boots": boots + 1})
    forgotten(shed)


def test_pin_of_the_button_belongs_to_the_programs(shed):
    """An output at 0 reads as a button that is held down."""
    shed.write_file("/app.py", b"import machine\nmachine.Pin(0, machine.Pin.OUT, value=0)\n")
    shed.control("power", on=False)
    shed.control("power", on=True)
    shed.wait_http()
    boots = shed.control("info")["boots"]
    shed.skip(45)
    assert shed.control("info")["boots"] == boots and status(shed)["hostname"] == "shed"
    assert shed.eval("__import__('machine').Pin(0).value()") == 0


def test_button_is_an_ordinary_one_later(shed):
    shed.control("power", on=False)
    shed.control("power", on=True)
    shed.wait_http()
    shed.skip(40)
    boots = shed.control("info")["boots"]
    shed.control("pin", id=0, value=0)
    shed.skip(20)
    assert shed.control("info")["boots"] == boots and status(shed)["hostname"] == "shed"
