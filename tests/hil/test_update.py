"""An update over HTTP: what is refused, what is taken, and the board's way back from one that does not work."""

import base64
import contextlib
import http.client
import io
import json
import re
import time

import pytest

from firmware import appimage, modules, ota, paths, romfs
from firmware.errors import FirmwareError

PASSWORD = "correct battery"
UPDATE = "/api/update"
# Streams the image that the board runs, so that any board can be updated with what fits it.
SERVE_IMAGE = """
from device import server, slots, update
from micropAsyncWeb import Response
from struct import unpack_from
async def image(request):
    slot = slots.running()
    head = slots.head(slot)
    if head[0] == slots.ESP_MAGIC:
        size, probe = 24, bytearray(8)
        for _ in range(head[1]):
            slot.readblocks(0, probe, size)
            size += 8 + unpack_from("<I", probe, 4)[0]
        size = (size + 16 & ~15) + 32
    else:
        size = slots.HEAD + unpack_from("<I", head, 12)[0]
    await Response.start(request)
    await Response.header(request, "Content-Length", size)
    await Response.startBody(request)
    block = bytearray(4096)
    for at in range(0, size, 4096):
        slot.readblocks(at // 4096, block)
        await request.write(memoryview(block)[: min(4096, size - at)])
        await request.flush()
server.appendRoutes([["/test/image", image]])
"""


def login(password=PASSWORD):
    return {"Authorization": "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()}


def slots(board):
    """What /api/status says of the slots."""
    return json.loads(board.get("/api/status")[2])["update"]


def put(board, data, password=PASSWORD):
    """(status, text) of an upload."""
    status, _, body = board.request("PUT", UPDATE, data, login(password))
    return status, body.decode()


def until(board, slot, state, timeout=60):
    """Wait until the board runs from this slot in this state."""
    deadline = time.monotonic() + timeout * board.factor
    found = None
    while found is None or (found["slot"], found["state"]) != (slot, state):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError):
            found = slots(board)


@contextlib.contextmanager
def settings(board, **changes):
    """The board with other settings in its boot.json, if there is one, for the length of a `with` block."""
    config = {**json.loads(board.read_file("/boot.json", missing=b"{}")), **changes}
    with board.replaced("/boot.json", json.dumps(config).encode()):
        board.soft_reset()
        board.wait_http()
        yield


@pytest.fixture
def admin(board):
    """A board with an administrator's password; afterwards it has the settings that it had."""
    with settings(board, admin={"password": PASSWORD}):
        yield board


def test_without_a_password_there_are_no_updates(board):
    with settings(board, admin={}):
        for method, body in (("GET", None), ("PUT", b"x" * 100)):
            status, _, text = board.request(method, UPDATE, body, login())
            assert status == 403 and b"admin.password in boot.json" in text


def test_wrong_password(admin):
    status, headers, _ = admin.get(UPDATE)
    assert status == 401 and headers["WWW-Authenticate"].startswith("Basic ")
    before = slots(admin)
    assert put(admin, b"x" * 5000, "wrong")[0] == 401
    assert slots(admin) == before


def test_what_an_update_has_to_be(admin):
    status, _, body = admin.request("GET", UPDATE, headers=login())
    found = json.loads(body)
    assert status == 200
    assert found["slot"] != found["other"]["slot"]
    assert found["size"] >= 0x100000
    assert found["chip"] == "desktop board" or found["chip"].startswith("ESP32")


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 400, "no body"),
        (b"<html></html>", 400, "no application image"),
        (b"\xe9\x01".ljust(300, b"\0"), 400, ""),
        (b"MAWIMAGE".ljust(300, b"\0"), 400, ""),
    ],
)
def test_what_is_no_image_is_refused(admin, data, status, words):
    before = slots(admin)
    found, text = put(admin, data)
    assert found == status and words in text
    assert slots(admin) == before


def test_image_larger_than_the_slot_is_refused_at_once(admin):
    size = json.loads(admin.request("GET", UPDATE, headers=login())[2])["size"]
    head = {**login(), "Content-Length": str(size + 1)}
    status, _, body = admin.request("PUT", UPDATE, b"\xe9", head)
    assert status == 413 and str(size).encode() in body


def test_board_is_updated_with_what_it_runs(admin):
    admin.exec(SERVE_IMAGE)
    status, _, data = admin.get("/test/image")
    assert status == 200
    before = slots(admin)
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 0x10
    status, text = put(admin, bytes(damaged))
    assert status == 400 and "SHA-256" in text
    assert slots(admin)["slot"] == before["slot"]
    status, text = put(admin, data)
    assert status == 200, text
    assert json.loads(text)["slot"] == before["other"]["slot"]
    until(admin, before["other"]["slot"], "valid")
    assert slots(admin)["other"]["slot"] == before["slot"]


def build(text, **replaced):
    """An application image of the desktop board with version `text`, and other sources in the place of some modules."""
    port = modules.tree(paths.ROOT / "ports" / "unix" / "modules", "port")
    files = modules.compile_all(modules.read_manifest() + port)
    files = {name: data for name, data in files.items() if not name.startswith("_firmware_version")}
    files["_firmware_version.py"] = f"VERSION = {text!r}\n".encode()
    for name, source in replaced.items():
        path = name.replace("__", "/")
        files.pop(path + ".mpy", None)
        files[path + ".py"] = source.encode()
    return appimage.pack(romfs.build(files), text)


def address(board):
    return "{}:{}".format(*board.http)


def running(board):
    """The version that the board runs."""
    return json.loads(board.get("/health")[2])["version"]


def send(board, path, password=PASSWORD):
    """What `make ota` prints."""
    options = type("Options", (), {})()
    options.address, options.password, options.image = address(board), password, path
    options.board = options.variant = ""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        ota.run(options)
    return said.getvalue()


@pytest.mark.needs("control")
def test_make_ota_brings_a_new_version(admin, tmp_path):
    path = tmp_path / "app.bin"
    path.write_bytes(build("7.7.7"))
    before = running(admin)
    said = send(admin, path)
    assert said.splitlines()[-1] == f"{address(admin)} runs 7.7.7, confirmed"
    assert running(admin) == "7.7.7"
    assert slots(admin)["other"]["version"] == before
    assert admin.control("info")["slot"] == "ota_1"
    assert "7.7.7" in admin.eval("__import__('os').uname().machine")
    # It is confirmed: no reset brings the old one back.
    admin.hard_reset()
    admin.wait_http()
    assert slots(admin)["slot"] == "ota_1"


BAD = {
    "crashes": {"_boot": "import uctypes; uctypes.bytearray_at(8, 8)[0]"},
    "services do not start": {"device__boot": "def start():\n    raise ValueError('a bad day')\n"},
}


@pytest.mark.needs("control")
@pytest.mark.parametrize("name", BAD)
def test_make_ota_tells_that_the_board_went_back(admin, tmp_path, name):
    path = tmp_path / "app.bin"
    path.write_bytes(build("6.6.6", **BAD[name]))
    before = running(admin)
    with pytest.raises(FirmwareError) as error:
        send(admin, path)
    words = r"6\.6\.6 did not pass its self-test .* has gone back to " + re.escape(before)
    assert re.search(words, str(error.value))
    assert slots(admin) == {
        "slot": "ota_0",
        "state": "rolled back",
        "other": {"slot": "ota_1", "version": "6.6.6", "state": "aborted"},
    }
    # The next one is not kept from trying.
    path.write_bytes(build("6.6.7"))
    assert "runs 6.6.7, confirmed" in send(admin, path)


@pytest.mark.needs("control")
def test_make_ota_says_what_is_wrong(admin, tmp_path):
    path = tmp_path / "app.bin"
    path.write_bytes(build("5.5.5"))
    with pytest.raises(FirmwareError, match=r"refuses the password: PASSWORD= is admin\.password"):
        send(admin, path, "wrong")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FirmwareError, match="are there"):
        send(admin, path)
    with pytest.raises(FirmwareError, match=r"cannot read .*: No such file"):
        send(admin, tmp_path / "missing.bin")


@pytest.mark.needs("control")
def test_trial_ends_with_the_next_reset(admin, tmp_path):
    """An image whose network never comes up is not confirmed, and the board tells that it is on trial."""
    path = tmp_path / "app.bin"
    data = build("4.4.4", device__selftest="async def run():\n    pass\n\n\ndef idf_heaps():\n    return []\n")
    path.write_bytes(data)
    assert put(admin, data)[0] == 200
    until(admin, "ota_1", "pending")
    assert json.loads(admin.get("/health")[2])["state"] == "trial"
    status, text = put(admin, data)
    assert status == 409 and "on trial" in text
    admin.soft_reset()
    admin.wait_http()
    assert slots(admin)["state"] == "pending"
    admin.control("reset")
    until(admin, "ota_0", "rolled back")


@pytest.mark.needs("cut")
@pytest.mark.parametrize("cut", [1, 9, 60])
def test_power_cut_during_an_upload(admin, cut):
    data = build("3.3.3")
    before = slots(admin)
    admin.control("cut", after=cut)
    with pytest.raises((OSError, ValueError)):
        put(admin, data)
        raise ValueError("there was no power cut")
    admin.control("wait", **{"for": "off"})
    admin.control("power", on=True)
    admin.wait_http()
    assert (slots(admin)["slot"], slots(admin)["state"]) == (before["slot"], before["state"])
