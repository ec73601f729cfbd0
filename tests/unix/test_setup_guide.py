"""docs/setup.md, "On the desktop board": what it says is what happens."""

import base64
import json
import re
import subprocess
import sys

from firmware.paths import ROOT
from tests.boards import DesktopBoard

SECTION = (ROOT / "docs" / "setup.md").read_text("utf-8").partition("## On the desktop board")[2]
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", SECTION, re.S))
PYTHON = "".join(re.findall(r"^>>> (.*\n)", SECTION, re.M))


def test_first_contact_and_repair_without_a_chip(tmp_path):
    settings = re.search(r"^echo '(.*)' > build/empty.json$", SHELL, re.M)[1]
    assert "make erase BOOT_JSON=build/empty.json\nmake run\n" in SHELL
    # What `make erase` does, beside the flash image of the checkout.
    (tmp_path / "empty.json").write_text(settings)
    flash = tmp_path / "new.bin"
    command = [sys.executable, "-m", "firmware", "image", "--new", "--flash", flash]
    subprocess.run([*command, "--boot-json", tmp_path / "empty.json"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    board = DesktopBoard(tmp_path, flash)
    try:
        _portal(board)
        status, _, page = board.get("/setup")
        assert status == 200 and b"neighbour" in page and b"/repair" not in page
        assert "control air\n" in SHELL
        air = {point["ssid"]: point["password"] for point in board.control("air")["air"]["access_points"]}
        assert air["neighbour"] and "home" not in air
        assert PYTHON.endswith("machine.reset()\n")
        board.exec(PYTHON.removesuffix("machine.reset()\n"))
        board.hard_reset()
        _portal(board)
        page = board.get("/setup")[2].decode()
        assert '<a href="/repair">repair it</a> as user admin, with the password of the board\'s own Wi-Fi' in page
        password = board.control("air")["ap"]["password"]
        assert board.get("/repair", **_proof(password))[0] == 200
        assert board.get("/repair", **_proof("other"))[0] == 401
    finally:
        board.close()


def _portal(board):
    """Wait until the setup page is open."""
    board.wait_http()
    board.until(lambda: json.loads(board.get("/api/status")[2])["portal"], within=60)


def _proof(password):
    return {"Authorization": "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()}
