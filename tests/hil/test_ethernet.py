"""The boot script's way with a cable in place of Wi-Fi."""

import json
import time

import pytest


def network(board):
    """What /api/status says of the network."""
    return json.loads(board.get("/api/status")[2])["network"]


def until(board, state, problem=""):
    """Wait until the network is in this state."""
    deadline = time.monotonic() + 20 * board.factor
    while (found := network(board))["state"] != state:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert problem in found["problem"] and bool(problem) == bool(found["problem"])


def check_connected(board):
    status = json.loads(board.get("/api/status")[2])
    expected = {
        "kind": "ethernet",
        "state": "connected",
        "ssid": "Ethernet",
        "accessPoint": "",
        "problem": "",
        "rssi": None,
    }
    assert {name: status["network"][name] for name in expected} == expected
    assert len(status["network"]["mac"]) == 17
    assert status["address"].count(".") == 3
    assert status["address"] != "0.0.0.0"


@pytest.mark.needs("ethernet")
def test_address_by_cable(board):
    check_connected(board)


@pytest.mark.needs("ethernet")
def test_soft_reset_keeps_the_address(board):
    before = json.loads(board.get("/api/status")[2])["address"]
    board.soft_reset()
    board.wait_http()
    check_connected(board)
    assert json.loads(board.get("/api/status")[2])["address"] == before


@pytest.mark.needs("wlan")
def test_board_with_wifi_says_so(board):
    assert network(board)["kind"] == "wifi"


@pytest.fixture
def cabled(start_board):
    """A desktop board with an Ethernet port and without Wi-Fi."""
    board = start_board("--network", "ethernet")
    board.wait_http()
    return board


@pytest.mark.needs("cable", "control")
def test_board_without_wifi(cabled):
    assert cabled.eval("hasattr(__import__('network'), 'WLAN')") is False
    until(cabled, "connected")
    check_connected(cabled)
    assert cabled.control("cable")["lan"]["hostname"] == "desktop"
    assert json.loads(cabled.get("/api/status")[2])["problems"] == []
    for reset in (cabled.soft_reset, cabled.hard_reset):
        reset()
        cabled.wait_http()
        until(cabled, "connected")


@pytest.mark.needs("cable", "control")
def test_cable_is_pulled_and_plugged_in(cabled):
    until(cabled, "connected")
    cabled.control("cable", plugged=False)
    until(cabled, "waiting", "no cable is plugged in")
    assert json.loads(cabled.get("/api/status")[2])["address"] == ""
    cabled.control("cable", plugged=True)
    until(cabled, "connected")


@pytest.mark.needs("cable", "control")
def test_cable_comes_after_the_start(cabled):
    cabled.control("cable", plugged=False)
    with cabled.console() as console:
        console.prompt()
        console.write(b"import machine; machine.reset()\r")
        console.read_until(b"no cable is plugged in", 30)
        console.read_until(b">>> ", 30)
    cabled.control("cable", plugged=True)
    until(cabled, "connected")


@pytest.mark.needs("cable", "control")
def test_no_dhcp_server(cabled):
    cabled.control("cable", dhcp="none")
    cabled.control("cable", plugged=False)
    cabled.control("cable", plugged=True)
    until(cabled, "connecting")
    assert json.loads(cabled.get("/api/status")[2])["address"] == ""
    cabled.control("cable", dhcp="ok")
    until(cabled, "connected")
