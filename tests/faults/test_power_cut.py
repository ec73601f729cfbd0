"""The power fails at every single write to the flash, while settings, pages and an update are written.

A whole board does the work once, and every operation on its flash is recorded. For each of them the flash is then made
as a cut in its middle leaves it: all operations before it, and half of it; and as one right before it does. Each of
these flashes is looked into with the LittleFS of the tools, and a board is booted from each of the first kind that
differs from all others.
"""

import asyncio
import base64
import contextlib
import hashlib
import http.client
import json
import shutil
import struct
import subprocess
import sys
import zlib

import pytest

from firmware import filesystem, partitions
from ports.unix.flash import SECTOR_SIZE, Flash, PowerCut
from ports.unix.network import HTTP_PORT, Reservation
from ports.unix.serialport import SerialPort
from ports.unix.supervisor import State, Supervisor
from tests.hil.test_update import build
from tests.unix.bench import Bench

TABLE = partitions.default_table()
ADMIN = {"Authorization": "Basic " + base64.b64encode(b"admin:desktop").decode()}
PAGE = "webroot/index.html"
SETTLED_S = 20  # after a start: the self-test has passed, and the settings are kept as the last good ones
BOOTS = 12  # boards that start at the same time: they mostly wait


class Recorder(Flash):
    """A flash that notes in `operations` what is done to it: (offset, data), data None for the erasure of a sector."""

    def __init__(self, path):
        super().__init__(path)
        self.operations = []

    def erase(self, offset, length):
        self.operations += [(sector, None) for sector in range(offset, offset + length, SECTOR_SIZE)]
        super().erase(offset, length)

    def program(self, offset, data):
        self.operations.append((offset, bytes(data)))
        super().program(offset, data)


def do(flash, operation):
    """One recorded operation once more."""
    offset, data = operation
    if data is None:
        flash.erase(offset, SECTOR_SIZE)
    else:
        flash.program(offset, data)


class Device(Bench):
    """A board in this process, on a flash image."""

    def ask(self, method, target, body=None, **headers):
        """One HTTP request by the administrator, to be awaited: (status, body)."""
        return asyncio.to_thread(self._ask, method, target, body, {**ADMIN, **headers})

    def _ask(self, method, target, body, headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.board.ports[HTTP_PORT], timeout=30)
        try:
            connection.request(method, target, body, {key.replace("_", "-"): value for key, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    async def execute(self, line):
        """Type a line of Python at the prompt and wait for the next prompt."""
        self.said = b""
        self.board.console.feed(line.encode() + b"\r")
        await self.says(b"\r\n>>> ")

    async def started(self, boots):
        """Wait until it has started that many times and is at its prompt. What it said is in `summary`."""
        await self.until(lambda: self.board.boots >= boots and self.board.booted, f"start number {boots}", 30)
        self.summary = await self.says(b">>> ")


@contextlib.asynccontextmanager
async def running(flash):
    """The Device on a Flash, switched on, at its prompt."""
    board = Supervisor(flash, Reservation(0, "HTTP_PORT"), Reservation(0, "WEBREPL_PORT"), "320k")
    try:
        device = Device(board)
        board.power_on()
        await device.started(1)
        yield device
    finally:
        board.close()
        flash.close()


def part(flash_image, name):
    """The bytes of a partition."""
    return flash_image[TABLE[name].offset : TABLE[name].end]


def files_of(flash_image):
    """{path: bytes} of the filesystem in a flash image."""
    return filesystem.read(part(flash_image, "vfs"))


def nvs_of(flash_image):
    """{(namespace, key): value} of the partition nvs, as ports/unix/modules/_chip/nvs.py writes it."""
    data = part(flash_image, "nvs")
    banks = []
    for bank in (data[: len(data) // 2], data[len(data) // 2 :]):
        magic, sequence, crc = struct.unpack_from("<4sII", bank)
        if magic == b"MNVS" and crc == zlib.crc32(bank[:8]):
            banks.append((sequence, bank))
    bank = max(banks)[1]
    values = {}
    at = 16
    while bank[at] != 0xFF:
        kind, *lengths, size = struct.unpack_from("<BBBxI", bank, at)
        end = at + 8 + sum(lengths) + size
        if zlib.crc32(bank[at:end]) != struct.unpack_from("<I", bank, end)[0]:
            break  # torn: the last one
        names = bank[at + 8 :][: sum(lengths)]
        values[names[: lengths[0]], names[lengths[0] :]] = (kind, bank[end - size : end])
        at = end + 4
    return values


@pytest.fixture(scope="module")
def settled(flash_image, tmp_path_factory):
    """A flash whose board has been up for a while: nothing is written any more unless somebody asks for it."""
    path = tmp_path_factory.mktemp("settled") / "flash.bin"
    shutil.copyfile(flash_image, path)

    async def test():
        async with running(Flash(path)) as device:
            await device.board.clock.skip(SETTLED_S)

    asyncio.run(test())
    return path


class Cuts:
    """All that a power cut can leave of what `work(device)`, a coroutine function, writes.

    before      the flash when it begins, bytes; `after` that when it has ended
    operations  how many operations on the flash there are between them
    """

    def __init__(self, folder, settled, work):
        self._folder = folder
        self._path = folder / "worked.bin"
        shutil.copyfile(settled, self._path)
        self._record(work)

    def _record(self, work):
        async def record():
            flash = Recorder(self._path)
            async with running(flash) as device:
                await device.board.clock.skip(SETTLED_S)
                self.before = bytes(flash.view)
                flash.operations.clear()
                await work(device)
                self._recorded = list(flash.operations)
                self.after = bytes(flash.view)

        asyncio.run(asyncio.wait_for(record(), 120))
        self.operations = len(self._recorded)
        self._bounds = [(read, read(self.before), read(self.after)) for read in (files_of, nvs_of)]

    def check(self, spare, boot):
        """Look at each cut, and call boot(device, files), a coroutine function, with a board on each different flash.

        A file, and a value in NVS, has the content of before or of afterwards, or one that `spare`, {path: contents},
        allows; None stands for a file that is not there. The other partitions are as before, unless `spare` names
        them. The board leaves the files as they are, but for those that boot() returns.
        """
        asyncio.run(asyncio.wait_for(self._check(spare, boot), 300))

    async def _check(self, spare, boot):
        seen = set()
        tasks = set()
        for number, torn, image in self._images():
            key = hashlib.sha256(image).digest()
            if key in seen:
                continue
            seen.add(key)
            with self._told(number):
                self._look(image, spare)
            if not torn:
                continue
            if len(tasks) >= BOOTS:
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            tasks.add(asyncio.create_task(self._boot(number, image, boot)))
        await asyncio.gather(*tasks)

    def _images(self):
        """(number of the operation, whether it had begun, the flash after a cut then) in their order."""
        whole, cut = self._folder / "whole.bin", self._folder / "cut.bin"
        whole.write_bytes(self.before)
        with contextlib.closing(Flash(whole)) as flash:
            for number, operation in enumerate(self._recorded, 1):
                shutil.copyfile(whole, cut)
                with contextlib.closing(Flash(cut)) as torn:
                    torn.cut_after(1)
                    with contextlib.suppress(PowerCut):
                        do(torn, operation)
                    image = bytes(torn.view)
                yield number, True, image
                yield number, False, bytes(flash.view)
                do(flash, operation)
            assert bytes(flash.view) == self.after

    def _look(self, image, spare):
        for name in ("otadata", "phy_init", "ota_0", "ota_1"):
            assert name in spare or part(image, name) == part(self.before, name), name
        for read, before, after in self._bounds:
            found = read(image)
            for name in {*before, *after, *found}:
                allowed = (before.get(name), after.get(name), *spare.get(name, ()))
                assert found.get(name) in allowed, name

    async def _boot(self, number, image, boot):
        path = self._folder / f"cut{number}.bin"
        path.write_bytes(image)
        files = files_of(image)
        with self._told(number):
            async with running(Flash(path)) as device:
                changed = await boot(device, files) or ()
                assert device.board.state == State.RUNNING
                found = files_of(bytes(device.board.flash.view))
            for name in {*files, *found} - {*changed}:
                assert found.get(name) == files.get(name), name
        path.unlink()

    @contextlib.contextmanager
    def _told(self, number):
        """Say of what fails within at which cut it was."""
        try:
            yield
        except Exception as error:
            offset, data = self._recorded[number - 1]
            what = "the erasure of a sector" if data is None else f"a write of {len(data)} bytes"
            raise AssertionError(f"cut {number} of {self.operations}, in {what} at 0x{offset:x}: {error}") from error


async def serves(device, files):
    """The board is up, and gives the page that lies in its flash."""
    status, body = await device.ask("GET", "/index.html")
    assert (status, body) == (200, files[PAGE])


def hostname_of(data):
    """The host name in the bytes of a boot.json."""
    return json.loads(data)["hostname"]


def saved_and_kept(cuts):
    """The bytes of the new boot.json, which the board keeps as its last good one at once."""
    files = files_of(cuts.after)
    assert files["boot.json"] == files["boot.good.json"] != files_of(cuts.before)["boot.json"]
    return files["boot.json"]


def halves(data, *names):
    """What the files that are written beside these may hold."""
    return {name + ".new": (None, b"", data) for name in names}


def test_settings_that_are_saved_at_once(tmp_path, settled):
    async def work(device):
        status, answer = await device.ask("PATCH", "/api/settings", b'{"log": {"level": "warning"}}')
        assert status == 200 and json.loads(answer)["saved"]

    async def boot(device, files):
        status, answer = await device.ask("GET", "/api/settings")
        assert status == 200
        assert json.loads(answer).get("log") == json.loads(files["boot.json"]).get("log")
        await serves(device, files)
        # Nothing of the cut is in the way of the next attempt.
        await work(device)
        return "boot.json", "boot.json.new", "boot.good.json", "boot.good.json.new"

    cuts = Cuts(tmp_path, settled, work)
    new = saved_and_kept(cuts)
    assert json.loads(new)["log"] == {"level": "warning"}
    assert cuts.operations > 3
    cuts.check(halves(new, "boot.json", "boot.good.json"), boot)


def test_settings_on_trial(tmp_path, settled):
    """From the request that changes the host name over the restart and the confirmation to the copy that is kept."""

    async def work(device):
        status, answer = await device.ask("PATCH", "/api/settings", b'{"hostname": "shed"}')
        assert status == 202, answer
        await device.started(2)
        status, answer = await device.ask("POST", "/api/settings/confirm")
        assert status == 200, answer
        await device.board.clock.skip(SETTLED_S)

    async def boot(device, files):
        status, answer = await device.ask("GET", "/api/settings")
        # A trial that has not begun yet begins, one that was under way is over.
        expected = hostname_of(files.get("boot.trial.json", files["boot.json"]))
        assert (status, json.loads(answer)["hostname"]) == (200, expected)
        await serves(device, files)
        return "boot.trial.json", "boot.tried.json"

    cuts = Cuts(tmp_path, settled, work)
    files = files_of(cuts.after)
    new = files["boot.json"]
    assert hostname_of(new) == hostname_of(files["boot.good.json"]) == "shed"
    beside = halves(new, "boot.trial.json", "boot.good.json")
    cuts.check({"boot.trial.json": (None, new), "boot.tried.json": (None, new), **beside}, boot)


def test_a_network_that_is_added(tmp_path, settled):
    """As the setup page and Improv do it."""

    async def work(device):
        await device.execute("from device import bootjson")
        await device.execute("bootjson.add_network('garage', 'correct horse', 'shed')")

    async def boot(device, files):
        assert b"on %s\r\n" % hostname_of(files["boot.json"]).encode() in device.summary
        await serves(device, files)

    cuts = Cuts(tmp_path, settled, work)
    new = saved_and_kept(cuts)
    assert json.loads(new)["wifi"]["networks"][0]["ssid"] == "garage"
    cuts.check(halves(new, "boot.json", "boot.good.json"), boot)


def changed_page(settled):
    """What takes the place of the start page: almost as long, and other bytes all over."""
    page = files_of(settled.read_bytes())[PAGE]
    return page.swapcase()[:-100]


def test_a_page_that_is_replaced_over_http(tmp_path, settled):
    new = changed_page(settled)

    async def work(device):
        assert (await device.ask("PUT", "/api/files/" + PAGE, new))[0] == 200

    async def boot(device, files):
        await serves(device, files)
        # Nothing of the cut is in the way of the next attempt.
        await work(device)
        await serves(device, {PAGE: new})
        return PAGE, PAGE + ".uploading"

    cuts = Cuts(tmp_path, settled, work)
    assert files_of(cuts.after)[PAGE] == new
    cuts.check({PAGE + ".uploading": (None, b"", new)}, boot)


def test_a_new_page_in_a_new_folder(tmp_path, settled):
    """And what a cut has left beside it is gone after the next upload."""
    new = changed_page(settled)
    path = "webroot/garden/beds/page.html"

    async def work(device):
        assert (await device.ask("PUT", "/api/files/" + path, new))[0] == 201

    async def boot(device, files):
        await serves(device, files)
        if path + ".uploading" in files:
            assert (await device.ask("PUT", "/api/files/" + path, new))[0] in (200, 201)
            return path, path + ".uploading"
        return None

    cuts = Cuts(tmp_path, settled, work)
    assert files_of(cuts.after)[path] == new
    cuts.check({path + ".uploading": (b"", new)}, boot)


def test_a_page_that_mpremote_copies(tmp_path, settled):
    new = changed_page(settled)
    (tmp_path / "page.html").write_bytes(new)

    async def work(device):
        console = device.board.console
        port = SerialPort(tmp_path / "console", console.feed)
        detach = console.attach(port.write)
        try:
            command = ["-m", "mpremote", "connect", port.link, "cp", tmp_path / "page.html", ":/" + PAGE]
            process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=subprocess.DEVNULL)
            assert await process.wait() == 0
        finally:
            detach()
            port.close()

    cuts = Cuts(tmp_path, settled, work)
    assert files_of(cuts.after)[PAGE] == new
    cuts.check({}, serves)


def test_an_update_over_http(tmp_path, settled):
    """From the first byte of the image to its confirmation, before which the old firmware starts."""
    new = build("new")

    async def work(device):
        status, answer = await device.ask("PUT", "/api/update", new)
        assert (status, json.loads(answer)["version"]) == (200, "new")
        await device.started(2)
        await device.board.clock.skip(SETTLED_S)
        assert b"trial" not in (await device.ask("GET", "/health"))[1]

    versions = set()

    async def boot(device, files):
        versions.add(device.board.image.version)
        await serves(device, files)

    cuts = Cuts(tmp_path, settled, work)
    assert part(cuts.after, "ota_1").startswith(new)
    cuts.check({"otadata": (), "ota_1": ()}, boot)
    assert len(versions) == 1 and "new" not in versions
