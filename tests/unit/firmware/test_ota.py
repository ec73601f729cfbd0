"""`make ota` against a board that is played by a script: each way in which an update can end, and its words."""

import argparse
import http.server
import json
import threading

import pytest

from firmware import appimage, ota
from firmware.errors import FirmwareError

IMAGE = appimage.pack(b"x" * 20000, "2.0")
SLOTS = {
    "slot": "ota_0",
    "state": "valid",
    "other": {"slot": "ota_1", "version": None, "state": ""},
    "size": 0x180000,
    "chip": "desktop board",
}
NEW = {"slot": "ota_1", "state": "valid", "other": {"slot": "ota_0", "version": "1.0", "state": "valid"}}
TRIAL = {**NEW, "state": "pending"}
BACK = {"slot": "ota_0", "state": "rolled back", "other": {"slot": "ota_1", "version": "2.0", "state": "aborted"}}


class Board(http.server.ThreadingHTTPServer):
    """Answers as a board does: `slots` and `put` are (status, body), None: hang up; `after` what /api/status tells."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.slots = (200, SLOTS)
        self.put = (200, {"slot": "ota_1", "version": "2.0", "size": len(IMAGE)})
        self.after = [NEW]
        self.received = b""
        self.proof = ""

    @property
    def address(self):
        return "{}:{}".format(*self.server_address)

    def handle_error(self, request, client_address):
        """A client that hangs up is no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Silence."""

    def answer(self, status, body):
        data = json.dumps(body).encode() if isinstance(body, dict) else body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        board = self.server
        if self.path == "/api/update":
            board.proof = self.headers["Authorization"]
            self.answer(*board.slots)
        elif self.path == "/health":
            self.answer(200, {"version": "1.0"})
        else:
            found = board.after.pop(0) if len(board.after) > 1 else board.after[0]
            if found is None:
                self.close_connection = True  # it restarts
            else:
                self.answer(200, {"update": found})

    def do_PUT(self):
        board = self.server
        if board.put is None:
            self.close_connection = True
            return
        board.received = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(*board.put)


@pytest.fixture
def board(monkeypatch):
    monkeypatch.setattr(ota, "_POLL_S", 0.01)
    monkeypatch.delenv("OTA_PASSWORD", raising=False)
    board = Board()
    thread = threading.Thread(target=board.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield board
    board.shutdown()
    thread.join()
    board.server_close()


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "app.bin"
    path.write_bytes(IMAGE)
    return path


def update(address, *arguments):
    parser = argparse.ArgumentParser()
    ota.add_options(parser)
    ota.run(parser.parse_args(["--address", address, *map(str, arguments)]))


def fails(address, *arguments):
    with pytest.raises(FirmwareError) as error:
        update(address, *arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_update(board, image, capsys):
    board.after = [SLOTS, None, None, TRIAL, TRIAL, NEW]
    update(board.address, "--password", "secret", "--image", image)
    assert board.received == IMAGE
    assert board.proof == "Basic YWRtaW46c2VjcmV0"
    assert capsys.readouterr().out.splitlines() == [
        f"2.0, {len(IMAGE)} bytes, to slot ota_1 of {board.address}",
        "checked and taken, the board restarts",
        f"{board.address} runs 2.0, confirmed",
    ]


def test_password_from_the_environment(board, image, monkeypatch):
    monkeypatch.setenv("OTA_PASSWORD", "secret")
    update(board.address, "--image", image)
    assert board.proof == "Basic YWRtaW46c2VjcmV0"


def test_rolled_back(board, image):
    board.after = [SLOTS, None, TRIAL, None, BACK]
    text = fails(board.address, "--password", "secret", "--image", image)
    assert text == f"2.0 did not pass its self-test on {board.address}: the board has gone back to 1.0"


def test_never_confirmed(board, image, monkeypatch):
    monkeypatch.setattr(ota, "_PATIENCE_S", 0.2)
    board.after = [TRIAL]
    text = fails(board.address, "--password", "secret", "--image", image)
    assert text.endswith("(slot ota_1, pending): switched off and on, it goes back to 1.0")


@pytest.mark.parametrize(
    ("slots", "text"),
    [
        ((401, "401 Unauthorized"), "refuses the password: PASSWORD= is admin.password in its boot.json"),
        ((403, "admin.password is not set: set it\n"), "refuses the update: admin.password is not set: set it"),
        ((404, "404 Not Found"), "has no /api/update: it runs another firmware, flash it by its serial port"),
        ((200, {**SLOTS, "chip": "ESP32"}), "is for desktop board, the board is ESP32; BOARD= or IMAGE= names another"),
        ((200, {**SLOTS, "other": None}), "has no second application slot: flash it by its serial port"),
        ((200, {**SLOTS, "size": 20000}), "has 20128 bytes, 128 more than slot ota_1 has"),
        ((200, {"status": "ok"}), "does not answer as a board with this firmware: is ADDRESS right?"),
        ((200, "<html>"), "does not answer as a board with this firmware: is ADDRESS right?"),
    ],
)
def test_board_that_takes_no_updates(board, image, slots, text):
    board.slots = slots
    assert text in fails(board.address, "--password", "secret", "--image", image)
    assert not board.received


@pytest.mark.parametrize(
    ("put", "text"),
    [
        ((400, "the image's SHA-256 does not match\n"), "refuses the update: the image's SHA-256 does not match"),
        ((409, "another update is under way"), "refuses the update: another update is under way"),
        (None, "broke off"),
    ],
)
def test_upload_that_fails(board, image, put, text):
    board.put = put
    assert text in fails(board.address, "--password", "secret", "--image", image)


@pytest.mark.parametrize("address", ["", ":80", "host:", "host:99999", "host:http"])
def test_wrong_address(image, address):
    assert "is no address" in fails(address, "--password", "secret", "--image", image)


def test_nobody_there(board, image):
    address = board.address
    board.server_close()
    text = fails(address, "--password", "secret", "--image", image)
    assert text.startswith(f"no board answers at {address}")


def test_no_password(board, image):
    assert fails(board.address, "--image", image).startswith("no password")


def test_no_image(board, tmp_path):
    text = fails(board.address, "--password", "secret", "--image", tmp_path / "none.bin")
    assert "No such file" in text and "IMAGE= names another" in text


def test_damaged_image(board, tmp_path):
    path = tmp_path / "app.bin"
    path.write_bytes(IMAGE[:-1])
    assert "are there" in fails(board.address, "--password", "secret", "--image", path)
    path.write_bytes(b"hello")
    assert "is no image for an ESP chip" in fails(board.address, "--password", "secret", "--image", path)
