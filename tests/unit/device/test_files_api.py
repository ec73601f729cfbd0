"""/api/files on the VM: a real server, a LittleFS of 64 blocks in RAM, broken connections and a full filesystem."""

import base64
import http.client
import json
import os
import socket
import subprocess
import time

import pytest

from unit import bare_vm
from unit.device.vm import FAKES, MICROPYTHON

BLOCKS = 64
PROGRAM = """
import os, sys, vfs
import esp32  # the fake, before its folder goes out of the path
vfs.mount(vfs.VfsPosix(MODULES), "/lib")
sys.path[:] = [".frozen", "/lib"]

class Ram:
    def __init__(self):
        self.data = bytearray(4096 * BLOCKS)
    def readblocks(self, number, buffer, offset=0):
        at = number * 4096 + offset
        buffer[:] = self.data[at : at + len(buffer)]
    def writeblocks(self, number, buffer, offset=0):
        at = number * 4096 + offset
        self.data[at : at + len(buffer)] = buffer
    def ioctl(self, op, arg):
        return {4: BLOCKS, 5: 4096}.get(op, 0)

# Nothing can be unmounted that a module still comes from: all are imported before.
import asyncio
import device
device.config = {"admin": {"password": "secret"}}
from device import admin, files_api, log
from micropAsyncWeb import MicropAsyncWeb, auth, body, control, extra, hooks, patterns, reasons, refuse, rest, saving
from micropAsyncWeb import stream, dates, precise, files

async def no_pause(ms):
    pass
admin.sleep_ms = no_pause  # test_admin.py has the pauses
ram = Ram()
vfs.VfsLfs2.mkfs(ram)
vfs.umount("/")
vfs.mount(vfs.VfsLfs2(ram, mtime=True), "/")
for name, text in FILES.items():
    with open(name, "w") as file:
        file.write(text)
server = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=None)
def report(level, text, error):
    print(text)
    sys.print_exception(error)
server.log = report
async def tree(request):
    return walk("/")
def walk(path):
    found = {}
    for name, kind, *more in os.ilistdir(path):
        if name != "lib":
            found[path + name] = "folder" if kind & 0x4000 else more[1]
            if kind & 0x4000:
                found.update(walk(path + name + "/"))
    return found
server.appendRoutes([["/tree", tree], ["/api/files", files_api.answer], ["/api/files/", files_api.answer]])
server.appendRoutes(
    ["/api/files" + "/*" * n, files_api.answer, "GET, PUT, DELETE", 1 << 20] for n in range(1, 6)
)
asyncio.run(server.runAsync())
"""
FILES = {"/boot.json": '{"admin": {"password": "secret"}}', "/boot.good.json": "{}", "/app.py": "print(1)\n"}
ADMIN = "Basic " + base64.b64encode(b"admin:secret").decode()


class Device:
    """The server, and requests to it."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None, **headers):
        """(status, header fields, body) with the administrator's password, unless another Authorization is given."""
        headers = {"Authorization": ADMIN, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def tree(self):
        return json.loads(self.ask("GET", "/tree")[2])

    def free(self):
        return json.loads(self.ask("GET", "/api/files/")[2])["free"]


@pytest.fixture
def device(tmp_path):
    port = bare_vm.free_port()
    lib = str(bare_vm.MODULES)
    head = f"MODULES, PORT, BLOCKS, FILES = {lib!r}, {port}, {BLOCKS}, {FILES!r}\n"
    head += f"import sys\nsys.path.append({str(FAKES)!r})\n"
    with open(tmp_path / "console.txt", "w+") as console:
        command = [MICROPYTHON, "-X", "heapsize=2m", "-c", head + PROGRAM]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        try:
            deadline = time.monotonic() + 15
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 5).close()
                    break
                except ConnectionRefusedError:
                    assert process.poll() is None, (tmp_path / "console.txt").read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
            yield Device(port)
            assert (tmp_path / "console.txt").read_text() == ""
        finally:
            process.kill()
            process.wait()


def test_write_read_list_remove(device):
    page = os.urandom(20_000)
    status, _, body = device.ask("PUT", "/api/files/webroot/sub/page.html", page)
    assert (status, json.loads(body)) == (201, {"path": "/webroot/sub/page.html", "size": 20000})
    status, headers, body = device.ask("GET", "/api/files/webroot/sub/page.html")
    assert (status, body) == (200, page)
    # Nothing that is stored here is run as a page of this origin.
    assert headers["Content-Type"] == "application/octet-stream"
    status, headers, body = device.ask("HEAD", "/api/files/webroot/sub/page.html")
    assert (status, headers["Content-Length"], body) == (200, "20000", b"")
    assert device.ask("PUT", "/api/files/webroot/sub/page.html", b"new")[0] == 200
    status, headers, body = device.ask("GET", "/api/files/webroot/sub")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    listing = json.loads(body)
    assert (listing["path"], listing["size"]) == ("/webroot/sub", BLOCKS * 4096)
    assert [(entry["name"], entry["folder"], entry["size"]) for entry in listing["entries"]] == [
        ("page.html", False, 3)
    ]
    assert listing["entries"][0]["time"].startswith("20")
    assert json.loads(device.ask("GET", "/api/files/webroot")[2])["entries"] == [{"name": "sub", "folder": True}]
    status, _, body = device.ask("DELETE", "/api/files/webroot/sub")
    assert status == 409 and b"not empty" in body
    for path in ("/webroot/sub/page.html", "/webroot/sub", "/webroot"):
        assert device.ask("DELETE", "/api/files" + path)[0] == 204
    assert device.tree() == {path: len(text) for path, text in FILES.items()}


@pytest.mark.parametrize("path", ["", "/"])
def test_the_root(device, path):
    names = {entry["name"] for entry in json.loads(device.ask("GET", "/api/files" + path)[2])["entries"]}
    assert {"boot.json", "app.py"} <= names


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_for_the_administrator(device, method):
    before = device.tree()
    for path in ("/api/files/app.py", "/api/files/new", "/api/files/boot.json"):
        wrong = "Basic " + base64.b64encode(b"admin:guess").decode()
        assert device.ask(method, path, b"x", Authorization=wrong)[0] == 401
        assert device.ask(method, path, b"x", Authorization="")[0] == 401
    if method != "GET":
        assert device.ask(method, "/api/files/app.py", b"x", Origin="http://evil.example")[0] == 403
    assert device.tree() == before


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("name", ["boot.json", "boot.good.json", "boot.trial.json", "boot.tried.json", "boot.json.new"])
def test_settings_and_their_passwords_are_left_out(device, method, name):
    before = device.tree()
    for path in (name, name.replace("b", "%62", 1), name.replace(".", "%2e")):
        status, _, body = device.ask(method, "/api/files/" + path, b"{}")
        assert status == 403 and b"secret" not in body and b"/api/settings" in body
    assert device.tree() == before


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/../boot.json", "/%2e%2e/boot.json", "/webroot/../boot.json", "/.%2Fboot.json", "/a/./b", "//boot.json"]
)
def test_paths_lead_nowhere_else(device, method, path):
    before = device.tree()
    status, _, body = device.ask(method, "/api/files" + path, b"x")
    assert status in (400, 404) and b"secret" not in body
    assert device.tree() == before


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "missing", 404, "there is no /missing"),
        ("DELETE", "missing", 404, "there is no /missing"),
        ("DELETE", "", 405, ""),
        ("PUT", "app.py/below", 409, "a part of the path is a file"),
        ("PUT", "x" * 300, 400, "the name is too long"),
        ("PUT", "a%0Ab", 400, "control character"),
        ("DELETE", "a%7Fb/c", 400, "control character"),
        ("PUT", "page.html.uploading", 400, "uploads that are under way"),
        ("PUT", "page.html.uploading+", 400, "uploads that are under way"),
        ("GET", ".recovery/boot.json", 403, "the firmware's own"),
        ("PUT", ".recovery/boot.json", 403, "the firmware's own"),
        ("DELETE", "%2erecovery", 403, "the firmware's own"),
        ("GET", "app.py/below", 404, "there is no"),
    ],
)
def test_what_cannot_be_done_is_said(device, method, path, status, words):
    before = device.tree()
    found, _, body = device.ask(method, "/api/files/" + path, b"x")
    assert (found, words in body.decode()) == (status, True), body
    assert device.tree() == before


def test_a_folder_is_not_overwritten(device):
    assert device.ask("PUT", "/api/files/a/b", b"x")[0] == 201
    status, _, body = device.ask("PUT", "/api/files/a", b"x")
    assert status == 409 and b"is a folder" in body


def test_a_part_of_a_file_is_not_taken_for_all_of_it(device):
    assert device.ask("PUT", "/api/files/app.py", b"x", Content_Range="bytes 0-0/9")[0] == 400
    assert device.tree()["/app.py"] == len(FILES["/app.py"])


def test_an_upload_leaves_all_other_files_alone(device):
    for name in ("page.html.part", "page.html.new", "page.html~"):
        assert device.ask("PUT", "/api/files/" + name, b"mine")[0] == 201
    before = device.tree()
    assert device.ask("PUT", "/api/files/page.html", b"x")[0] == 201
    assert device.tree() == {**before, "/page.html": 1}
    assert device.ask("GET", "/api/files/page.html.part")[2] == b"mine"


def test_chunked_and_empty_uploads(device):
    parts = [b"one ", b"two ", b"three"]
    assert device.ask("PUT", "/api/files/parts.txt", iter(parts))[0] == 201
    assert device.ask("GET", "/api/files/parts.txt")[2] == b"".join(parts)
    assert device.ask("PUT", "/api/files/empty.txt", b"")[0] == 201
    assert device.ask("GET", "/api/files/empty.txt")[2] == b""


def test_too_large_is_said_before_it_is_sent(device):
    before, free = device.tree(), device.free()
    with socket.create_connection(("127.0.0.1", device.port), 10) as client:
        head = f"PUT /api/files/a/b/big.bin HTTP/1.1\r\nHost: x\r\nAuthorization: {ADMIN}\r\n"
        client.sendall(f"{head}Content-Length: {free}\r\nExpect: 100-continue\r\n\r\n".encode())
        answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 507 ") and b"there is room for" in answer
    assert device.tree() == before


def test_the_room_that_is_promised_is_there(device):
    status, _, body = device.ask("PUT", "/api/files/a/b/big.bin", b"x" * device.free())
    assert status == 507
    room = int(body.decode().split("room for ")[1].split(":")[0])
    assert room > (BLOCKS - 16) * 4096
    data = os.urandom(room)
    assert device.ask("PUT", "/api/files/a/b/big.bin", data)[0] == 201
    assert device.ask("GET", "/api/files/a/b/big.bin")[2] == data
    # LittleFS counts some blocks of a full filesystem twice; the difference to all of them is no huge number then.
    while device.ask("PUT", f"/api/files/{len(device.tree())}", iter([b"x" * 600]))[0] == 201:
        pass
    assert 0 <= device.free() < 4 * 4096


def test_an_upload_that_fills_the_filesystem_leaves_nothing(device):
    """Nobody knows beforehand how long a chunked body is."""
    before, free = device.tree(), device.free()
    status, _, body = device.ask("PUT", "/api/files/new/big.bin", iter([b"x" * 10_000] * (free // 10_000 + 5)))
    assert status == 507 and b"is full" in body
    assert (device.tree(), device.free()) == (before, free)
    # The one that it would have replaced is still there.
    assert device.ask("PUT", "/api/files/app.py", iter([b"x" * 10_000] * (free // 10_000 + 5)))[0] == 507
    assert device.ask("GET", "/api/files/app.py")[2] == FILES["/app.py"].encode()
    assert (device.tree(), device.free()) == (before, free)


@pytest.mark.parametrize("path", ["/app.py", "/new/folder/page.html"])
def test_a_broken_upload_leaves_nothing(device, path):
    before, free = device.tree(), device.free()
    with socket.create_connection(("127.0.0.1", device.port), 10) as client:
        head = f"PUT /api/files{path} HTTP/1.1\r\nHost: x\r\nAuthorization: {ADMIN}\r\nContent-Length: 50000\r\n\r\n"
        client.sendall(head.encode() + b"y" * 30_000)
        deadline = time.monotonic() + 10
        while path + ".uploading" not in device.tree():
            assert time.monotonic() < deadline
    while device.tree() != before:
        assert time.monotonic() < deadline, device.tree()
    assert device.free() == free
    assert device.ask("GET", "/api/files/app.py")[2] == FILES["/app.py"].encode()
