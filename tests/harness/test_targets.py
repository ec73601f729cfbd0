"""The hardware-in-loop tests against boards that are reached over TCP: the desktop board behind a port server."""

import shutil

from firmware import partitions

from .portserver import AutoResetCircuit, LinesServer, RawServer

# A choice for the time it takes. Every test of tests/hil runs this way when an emulator is tested, see ci/qemu.sh.
OVER_A_SOCKET = "prompt_answers or live or mpremote or test_webrepl or rtc or app_adds or by_cable or wifi"
ON_NO_FILES = "root_is_the_index or of_a_folder or image_larger or app_adds or full_heap or login"
OVER_RFC2217 = "prompt_answers or exec_and_eval or reset_by_the_lines or cause or login"

FILES_AND_STATE = "[__import__('os').listdir('/'), __import__('device').storage.state]"

# What an emulator lacks, whatever the choice.
NOT_FOR_AN_EMULATOR = {
    "test_ethernet::test_board_with_wifi_says_so": "wlan",
    "test_ethernet::test_cable_is_pulled_and_plugged_in": "cable, control",
    "test_mpremote::test_repl_in_a_terminal": "tty",
    "test_repl::test_busy_repl_hardly_slows_the_server": "timing",
    "test_repl::test_repl_echoes_at_once_under_full_load": "timing",
    "test_repl::test_second_server_in_the_same_loop": "ports",
    "test_resets::test_reset_by_the_lines_forgets_everything": "rts",
    "test_resets::test_watchdog_resets_for_real": "watchdog",
    "test_resets::test_rtc_memory_does_not_survive_power_off": "power",
    "test_resets::test_crash_is_followed_by_a_reset": "control",
    "test_update::test_power_cut_during_an_upload[60]": "cut",
}


def address(endpoint):
    return "{}:{}".format(*endpoint)


def erase_filesystem(flash):
    """Make the flash image one that nobody has put files into."""
    place = partitions.default_table()["vfs"]
    with open(flash, "r+b") as file:
        file.seek(place.offset)
        file.write(b"\xff" * place.size)


def test_tests_run_over_a_socket(start_board, run_pytest):
    """As against an emulator: a cable, no Wi-Fi, no lines, no power switch; WebREPL's password is found on it."""
    board = start_board("--network", "ethernet")
    with RawServer(board.device) as server:
        run = run_pytest(
            *("tests/hil", "--board", f"socket://127.0.0.1:{server.port}", "-k", OVER_A_SOCKET),
            *("--address", address(board.http), "--webrepl", address(board.webrepl)),
        )
    assert (run.status, run.bad) == (0, 0), run.output
    assert len(run.names) >= 18
    for name in (
        "test_ethernet::test_address_by_cable",
        "test_mpremote::test_mount_a_folder",
        "test_webrepl::test_ctrl_c_over_webrepl",
    ):
        assert name in run.names
    assert NOT_FOR_AN_EMULATOR.items() <= run.deselected.items()
    assert not set(run.names) & set(run.deselected)


def test_tests_run_on_a_board_without_files(start_board, run_pytest, flash_image, tmp_path):
    """As in an emulator that boots what MicroPython's own build made: no webroot, no boot.json, and none is left."""
    erase_filesystem(shutil.copyfile(flash_image, tmp_path / "flash.bin"))
    board = start_board("--network", "ethernet")
    assert board.eval(FILES_AND_STATE) == [["rom"], "new"]
    webrepl = board.http[0], board.control("info")["ports"]["8266"]
    with RawServer(board.device) as server:
        run = run_pytest(
            *("tests/hil", "--board", f"socket://127.0.0.1:{server.port}", "-k", ON_NO_FILES),
            *("--address", address(board.http), "--webrepl", address(webrepl)),
        )
    assert (run.status, run.bad) == (0, 0), run.output
    assert {name.partition("::")[0] for name in run.names} == {
        *("test_boot", "test_update", "test_user_code", "test_webrepl")
    }
    assert board.eval(FILES_AND_STATE) == [["rom"], "ok"]


def test_tests_run_on_a_device_file(start_board, run_pytest):
    """As on /dev/ttyUSB0, but for the lines, which a pty does not have."""
    board = start_board()
    run = run_pytest(
        *("tests/hil", "--board", board.device, "--address", address(board.http)),
        *("-k", "in_a_terminal or reset_cause or lines"),
    )
    assert (run.status, run.bad) == (0, 0), run.output
    assert set(run.names) == {"test_mpremote::test_repl_in_a_terminal", "test_resets::test_reset_cause_is_told"}
    assert run.deselected["test_resets::test_reset_by_the_lines_forgets_everything"] == "rts"


def test_tests_run_over_rfc2217_and_reset_by_the_lines(start_board, run_pytest):
    """The board's settings have no password for WebREPL: the tests start it with one of theirs."""
    board = start_board()
    board.write_file("/boot.json", b'{"hostname": "bare"}')
    board.soft_reset()
    circuit = AutoResetCircuit(lambda: board.control("reset", kind="hard"))
    with LinesServer(board.device, circuit) as server:
        run = run_pytest(
            *("tests/hil", "--board", f"rfc2217://127.0.0.1:{server.port}", "-k", OVER_RFC2217),
            *("--address", address(board.http), "--webrepl", address(board.webrepl), "--without", "wlan"),
        )
    assert (run.status, run.bad) == (0, 0), run.output
    assert "test_resets::test_reset_by_the_lines_forgets_everything" in run.names
    assert "test_webrepl::test_login_and_expression_under_load" in run.names
    assert run.deselected["test_mpremote::test_repl_in_a_terminal"] == "tty"
    # That one test resets by the lines. Opening and closing the port, which all do, must not.
    assert circuit.starts == 1
    assert circuit.changes.count(("dtr", True)) > len(run.names)
