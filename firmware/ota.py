"""`python -m firmware ota`: sends an application image to a running board and waits until it has come up with it."""

import base64
import http.client
import json
import os
import sys
import time
from pathlib import Path

from firmware import appimage, chips, espimage, paths
from firmware.errors import FirmwareError

_USER = "admin"
_BLOCK = 4096
_ANSWER_S = 30  # an erased and written block takes a chip a tenth of a second, the check at the end some seconds
_POLL_S = 0.5
_POLL_ANSWER_S = 3
_PATIENCE_S = 360  # the board gives an update up by itself after five minutes
_UPDATE = "/api/update"


def add_options(parser):
    """The options that run() reads."""
    parser.add_argument("--address", required=True, help="host[:port] of the board's web server")
    parser.add_argument("--password", help="admin.password of its boot.json; else from the environment's OTA_PASSWORD")
    parser.add_argument("--image", type=Path, help="application image, that of the last build if none is named")
    chips.add_board(parser)


def run(options):
    """Update the board; prints what happens. Raises FirmwareError, which says what went wrong and what runs now."""
    password = options.password or os.environ.get("OTA_PASSWORD", "")
    if not password:
        raise FirmwareError("no password: PASSWORD= is admin.password in the boot.json of the board")
    data, name = _image(options)
    board = _Board(options.address, password)
    slots = board.slots()
    version = _check(data, name, slots)
    print(f"{version}, {len(data)} bytes, to slot {slots['other']['slot']} of {board.address}", flush=True)
    taken = board.send(data)
    print("checked and taken, the board restarts", flush=True)
    board.wait_for(taken["slot"], version)
    print(f"{board.address} runs {version}, confirmed")


def _image(options):
    """The bytes to send, and what to call them in messages."""
    if options.image is None and not options.board:
        from firmware import image

        return image.build_app("unix"), "build/unix/app.bin"
    path = options.image
    if path is None:
        from firmware import build

        path = build.folder(chips.board(options)) / "micropython.bin"
    try:
        return path.read_bytes(), paths.show(path)
    except OSError as error:
        raise FirmwareError(
            f"cannot read {paths.show(path)}: {error.strerror}; make firmware BOARD= builds it, IMAGE= names another"
        ) from error


def _check(data, name, slots):
    """The version of the image; FirmwareError for one that the board, whose /api/update said `slots`, would refuse."""
    if data.startswith(appimage.MAGIC):
        version, kind = appimage.parse(data).version, "desktop board"
    else:
        found = espimage.read(data, name)
        version, kind = found.version, espimage.chip_name(found.chip_id)
    if kind != slots["chip"]:
        raise FirmwareError(f"{name} is for {kind}, the board is {slots['chip']}; BOARD= or IMAGE= names another")
    if slots["other"] is None:
        raise FirmwareError("the board's partition table has no second application slot: flash it by its serial port")
    if len(data) > slots["size"]:
        raise FirmwareError(
            f"{name} has {len(data)} bytes, {len(data) - slots['size']} more than slot {slots['other']['slot']} has"
        )
    return version


class _Board:
    """The HTTP side of a board at `address` (host[:port])."""

    def __init__(self, address, password):
        host, _, port = address.rpartition(":") if ":" in address else (address, "", "80")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise FirmwareError(f"'{address}' is no address: ADDRESS=host or ADDRESS=host:port of the board's page")
        self.address = address
        self._place = host, int(port)
        self._version = ""
        proof = base64.b64encode(f"{_USER}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {proof}"}

    def slots(self):
        """What GET /api/update answers; also finds out whether the board takes updates from us."""
        try:
            status, body = self._get(_UPDATE, _ANSWER_S, self._headers)
            self._version = json.loads(self._get("/health", _ANSWER_S)[1]).get("version", "") if status == 200 else ""
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unreachable(error) from error
        if status == 404:
            raise FirmwareError(
                f"{self.address} has no {_UPDATE}: it runs another firmware, flash it by its serial port"
            )
        return self._answer(status, body)

    def send(self, data):
        """Upload the image; the board's answer as a dict."""
        connection = http.client.HTTPConnection(*self._place, timeout=_ANSWER_S)
        try:
            try:
                connection.putrequest("PUT", _UPDATE)
                for field, value in {**self._headers, "Content-Length": str(len(data))}.items():
                    connection.putheader(field, value)
                connection.endheaders()
                for at in range(0, len(data), _BLOCK):
                    connection.send(data[at : at + _BLOCK])
                    _progress(min(at + _BLOCK, len(data)), len(data))
            except ConnectionError:
                _progress(0, 0)  # it has answered before the end: what it says is more to the point
            response = connection.getresponse()
            return self._answer(response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise FirmwareError(
                f"the upload to {self.address} broke off ({error or type(error).__name__}): "
                f"the board goes on with the firmware that it has"
            ) from error
        finally:
            connection.close()

    def wait_for(self, slot, version):
        """Wait until the board runs from `slot` and has confirmed the image, `version`."""
        deadline = time.monotonic() + _PATIENCE_S
        seen = "no answer"
        while time.monotonic() < deadline:
            time.sleep(_POLL_S)
            try:
                status, body = self._get("/api/status", _POLL_ANSWER_S)
                found = json.loads(body)["update"] if status == 200 else None
            except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
                found = None
            if found is None:
                continue
            if found["slot"] == slot and found["state"] == "valid":
                return
            if found["slot"] != slot and found["state"] == "rolled back":
                raise FirmwareError(
                    f"{version} did not pass its self-test on {self.address}: "
                    f"the board has gone back to {self._version or 'the firmware before'}"
                )
            seen = f"slot {found['slot']}, {found['state']}"
        raise FirmwareError(
            f"{self.address} has not confirmed {version} within {_PATIENCE_S} s ({seen}): "
            f"switched off and on, it goes back to {self._version or 'the firmware before'}"
        )

    def _get(self, target, timeout, headers=None):
        """(status, body) of a GET."""
        connection = http.client.HTTPConnection(*self._place, timeout=timeout)
        try:
            connection.request("GET", target, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _answer(self, status, body):
        """The JSON of a good answer; FirmwareError in the board's words for any other."""
        if status == 401:
            raise FirmwareError(f"{self.address} refuses the password: PASSWORD= is admin.password in its boot.json")
        if status != 200:
            raise FirmwareError(f"{self.address} refuses the update: {body.decode('utf-8', 'replace').strip()}")
        try:
            values = json.loads(body)
            values["slot"]
        except (ValueError, TypeError, KeyError) as error:
            raise FirmwareError(
                f"{self.address} does not answer as a board with this firmware: is ADDRESS right?"
            ) from error
        return values

    def _unreachable(self, error):
        text = getattr(error, "strerror", None) or error or type(error).__name__
        return FirmwareError(f"no board answers at {self.address} ({text}): is it on, and ADDRESS right?")


def _progress(done, total):
    """Show how far the upload is where somebody looks, and end the line when it is over."""
    if not sys.stderr.isatty():
        return
    if not total or done == total:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    else:
        print(f"\r{100 * done // total:3} %", end="", file=sys.stderr, flush=True)
