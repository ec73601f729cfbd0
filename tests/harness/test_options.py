"""The options that say which board is tested: what a kind of target declares, what is wrong with an option."""

import pytest

from tests import capabilities
from tests.capabilities import parse_endpoint

DESKTOP_ONLY = {"air", "cable", "control", "cut", "power", "process", "timing"}


@pytest.mark.parametrize(
    ("board", "have", "lacks"),
    [
        ("desktop", DESKTOP_ONLY | {"wlan", "watchdog", "ports", "tty", "webrepl"}, {"rts", "ethernet"}),
        ("socket://127.0.0.1:5555", {"ethernet"}, DESKTOP_ONLY | {"rts", "tty", "wlan", "watchdog", "ports"}),
        ("rfc2217://far:4000", {"rts", "wlan", "watchdog", "ports"}, DESKTOP_ONLY | {"tty", "ethernet"}),
        ("/dev/ttyUSB0", {"rts", "tty", "wlan", "watchdog", "ports"}, DESKTOP_ONLY | {"ethernet"}),
    ],
)
def test_what_a_kind_of_target_declares(board, have, lacks):
    declared = capabilities.declared(board, webrepl=False)
    assert have <= declared
    assert not lacks & declared
    assert capabilities.declared(board, webrepl=True) - declared <= {"webrepl"}


def test_options_add_and_remove():
    have = capabilities.declared("socket://far:1", True, ["ports", "wlan"], ["ethernet", "webrepl"])
    assert have == {"ports", "wlan"}


def test_every_capability_is_explained_in_the_readme(request):
    text = (request.config.rootpath / "tests" / "hil" / "README.md").read_text("utf-8")
    missing = [name for name in capabilities.CAPABILITIES if f"`{name}`" not in text]
    assert not missing


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--board", "/dev/ttyUSB0"], "--address host[:port] has to say where the board's web server is"),
        (["--board", "telnet://far:23", "--address", "far"], "begins with neither socket:// nor rfc2217://"),
        (["--board", "socket://far:1", "--address", "far:http"], "'far:http' is not host[:port]"),
        (["--board", "socket://far:1", "--address", "far", "--webrepl", ":8266"], "':8266' is not host[:port]"),
        (["--capability", "wings"], "'wings' is no capability; there are air, cable"),
        (["--without", "wings"], "'wings' is no capability"),
        (["--slow", "0"], "--slow is a factor greater than 0"),
    ],
)
def test_wrong_options_are_said_in_one_line(run_pytest, arguments, said):
    run = run_pytest("tests/hil", "--collect-only", *arguments)
    assert run.status == 4
    assert said in run.output
    assert len(run.output.strip().splitlines()) == 1
    assert not run.names


def test_a_test_cannot_need_what_does_not_exist(run_pytest, tmp_path):
    (tmp_path / "test_it.py").write_text("import pytest\n@pytest.mark.needs('wings')\ndef test_it(): pass\n")
    run = run_pytest("-p", "tests.conftest", "--rootdir", str(tmp_path), str(tmp_path / "test_it.py"))
    assert run.status == 4
    assert "test_it.py::test_it: 'wings' is no capability" in run.output


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("far", ("far", 8266)),
        ("far:80", ("far", 80)),
        ("192.168.4.1:8080", ("192.168.4.1", 8080)),
        ("[::1]", ("::1", 8266)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_addresses(text, endpoint):
    assert parse_endpoint(text, 8266) == endpoint
