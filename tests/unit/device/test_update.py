"""/api/update on the VM, with slots in files: what is taken, what is refused and with which words."""

import struct
import zlib

import pytest
from esptool.bin_image import LoadFirmwareImage

from unit.device import images, vm

SLOT = 5 * 4096
NEW, PENDING, VALID, INVALID, ABORTED = range(5)

HEAD = """
import asyncio, os, sys
from binascii import b2a_base64
events = []

class Partition:
    RUNNING, TYPE_APP, TYPE_DATA = 1, 0, 1
    def __init__(self, row):
        self.row = ROWS[0] if row == self.RUNNING else row
    @staticmethod
    def find(type, subtype=0xFF, label=None):
        return [Partition(row) for row in ROWS if row[0] == type and subtype in (0xFF, row[1])]
    def info(self):
        return self.row
    def get_next_update(self):
        slots = [row for row in ROWS if row[0] == 0]
        return Partition(slots[-1])
    def _file(self, at, mode):
        file = open(self.row[4] + ".bin", mode)
        file.seek(at)
        return file
    def readblocks(self, number, buffer, offset=0):
        with self._file(number * 4096 + offset, "rb") as file:
            file.readinto(buffer)
    def writeblocks(self, number, buffer, offset=None):
        assert offset is None and len(buffer) == 4096
        events.append(number)
        if BROKEN == number:
            raise OSError(-259, "ESP_ERR_INVALID_STATE")
        with self._file(number * 4096, "r+b") as file:
            file.write(buffer)
    def set_boot(self):
        if BROKEN == "boot":
            raise OSError(-5379, "ESP_ERR_OTA_VALIDATE_FAILED")
        events.append("set_boot " + self.row[4])

class esp32:
    pass
class machine:
    def reset():
        events.append("reset")
esp32.Partition = Partition
sys.modules["esp32"] = esp32
sys.modules["machine"] = machine

import device
device.config = {"admin": {"password": "secret"}}
class recovery:
    def intended():
        pass
sys.modules["device.recovery"] = device.recovery = recovery
from device import restart, slots, update
from micropAsyncWeb import HttpError

class Server:
    connections = []
class Request:
    method = "PUT"
    conn = server = Server()
    client = ("10.0.0.9", 50000)
    keep = 1
    def __init__(self, data, password="secret", left=None):
        self.data = memoryview(data)
        self.left = len(data) if left is None else left
        self.header = {"authorization": "Basic " + b2a_base64(("admin:" + password).encode()).decode().strip()}
    def frame(self, field):
        pass
    async def readinto(self, buffer):
        if not self.data:
            raise OSError(104)
        count = min(len(buffer), len(self.data), STEP)
        buffer[:count] = self.data[:count]
        self.data = self.data[count:]
        return count

async def put(request):
    try:
        result = await update.answer(request)
    except (HttpError, OSError) as error:
        result = repr(error)
    if isinstance(result, tuple):
        print(result[1], result[0].strip())
    else:
        print(result if isinstance(result, str) else sorted(result.items()))
    if update._busy:
        await restart.task
    print([e for e in events if not isinstance(e, int)], len(events))

def read(name):
    with open(name, "rb") as file:
        return file.read()
"""


def otadata(*entries):
    """The partition with up to two (sequence number, state)."""
    data = b""
    for sequence, state in entries:
        number = struct.pack("<I", sequence)
        entry = struct.pack("<I20xII", sequence, state, zlib.crc32(number, 0xFFFFFFFF))
        data += entry.ljust(4096, b"\xff")
    return data.ljust(8192, b"\xff")


@pytest.fixture
def chip(tmp_path):
    """A chip that runs images.esp() and has an older image in its other slot; put() sends it another one."""

    class Chip:
        step = 1460
        broken = None
        rows = ((0, 16, 0x10000, SLOT, "ota_0", False), (0, 17, 0x190000, SLOT, "ota_1", False))

        def __init__(self):
            self.runs(images.esp(version="1.0"))
            self.write("ota_1", images.esp(version="0.9"))
            self.write("otadata", otadata((1, VALID)))

        def write(self, name, data):
            (tmp_path / f"{name}.bin").write_bytes(data.ljust(SLOT, b"\xff"))

        def runs(self, image):
            self.write("ota_0", image)

        def do(self, program):
            rows = [*self.rows, (1, 0, 0xD000, 0x2000, "otadata", False)]
            head = f"ROWS = {rows!r}\nSTEP = {self.step}\nBROKEN = {self.broken!r}\n"
            return vm.run(head + HEAD + program, tmp_path).splitlines()

        def put(self, data, request="Request(read('upload'))"):
            (tmp_path / "upload").write_bytes(data)
            return self.do(f"asyncio.run(put({request}))\n")

        def other(self):
            return (tmp_path / "ota_1.bin").read_bytes()

    return Chip()


def test_the_images_of_these_tests_are_what_esptool_takes_for_images():
    for chip in (images.ESP32, images.ESP32_S3):
        name = {images.ESP32: "esp32", images.ESP32_S3: "esp32s3"}[chip]
        image = LoadFirmwareImage(name, images.esp(chip))
        assert image.checksum == image.calculate_checksum()
        assert image.stored_digest == image.calc_digest


@pytest.mark.parametrize("step", [1, 1000, 4096, 100000])
def test_image_is_taken_whatever_pieces_it_comes_in(chip, step):
    image = images.esp(version="2.0")
    chip.step = step
    assert chip.put(image) == [
        f"[('size', {len(image)}), ('slot', 'ota_1'), ('version', '2.0')]",
        f"['set_boot ota_1', 'reset'] {len(image) // 4096 + 3}",
    ]
    assert chip.other()[: len(image)] == image


@pytest.mark.parametrize("size", [8192 - 128, 8192 - 129, 8192 - 127, 100])
def test_image_of_the_desktop_board(chip, size):
    chip.runs(images.desktop(version="1.0"))
    image = images.desktop(version="2.0", size=size)
    lines = chip.put(image)
    assert "('version', '2.0')" in lines[0] and "set_boot" in lines[1]
    assert chip.other()[: len(image)] == image


def test_largest_image_that_fits(chip):
    image = images.esp(sizes=(1024, SLOT - 1024 - 24 - 16 - 32 - 16))
    assert len(image) == SLOT
    assert "set_boot" in chip.put(image)[1]


ESP = images.esp()
REFUSED = {
    "page": (b"<html></html>" * 500, "no application image: send the file that ends with -app.bin"),
    "empty": (b"", "the request has no body"),
    "erased": (b"\xff" * 5000, "no application image"),
    "other chip": (images.esp(images.ESP32_S3), "the image is for ESP32-S3, this board is ESP32"),
    "unknown chip": (images.esp(0x77), "the image is for chip 0x0077, this board is ESP32"),
    "desktop board": (images.desktop(), "the image is for desktop board, this board is ESP32"),
    "boot loader": (images.esp(description=0), "boot loader or a whole flash"),
    "no SHA-256": (images.esp(digest=False), "no SHA-256 at its end (hash_appended)"),
    "cut short": (ESP[:2000], "ends within its segments"),
    "without its end": (ESP[:-40], "by its header the image has"),
    "cut within the first segments": (ESP[:60], "ends within its segments"),
    "longer than it says": (ESP + b"\0" * 16, f"by its header the image has {len(ESP)} bytes, {len(ESP) + 16} came"),
    "damaged code": (images.spoiled(ESP, 3000), "SHA-256 does not match"),
    "damaged checksum": (images.spoiled(ESP, len(ESP) - 33), "SHA-256 does not match"),
    "damaged SHA-256": (images.spoiled(ESP, len(ESP) - 1), "SHA-256 does not match"),
    "damaged length of a segment": (images.spoiled(ESP, 24 + 4), "ends within its segments"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_image_is_refused_with_words(chip, name):
    data, words = REFUSED[name]
    before = chip.other()
    line, events = chip.put(data)
    assert line.startswith("400 ") and words in line
    assert events.startswith("[] ")
    if name in ("page", "erased", "other chip", "unknown chip", "desktop board", "boot loader", "no SHA-256"):
        assert chip.other() == before, "its first block was looked at too late"


DESKTOP = images.desktop()
DESKTOP_REFUSED = {
    "for a chip": (ESP, "the image is for ESP32, this board is desktop board"),
    "header version": (images.spoiled(DESKTOP, 8), "header version is unknown"),
    "cut short": (DESKTOP[:-1], "by its header the image has 9128 bytes, 9127 came"),
    "longer": (DESKTOP + b"x", "by its header the image has 9128 bytes, 9129 came"),
    "damaged": (images.spoiled(DESKTOP, 5000), "SHA-256 does not match"),
    "damaged SHA-256": (images.spoiled(DESKTOP, 20), "SHA-256 does not match"),
}


@pytest.mark.parametrize("name", DESKTOP_REFUSED)
def test_bad_image_of_the_desktop_board_is_refused_with_words(chip, name):
    chip.runs(images.desktop(version="1.0"))
    data, words = DESKTOP_REFUSED[name]
    line, events = chip.put(data)
    assert line.startswith("400 ") and words in line
    assert events.startswith("[] ")


def test_image_larger_than_the_slot(chip):
    image = images.esp(sizes=(1024, SLOT))
    line, events = chip.put(image)
    assert line.startswith(f"413 the image has {len(image)} bytes, slot ota_1 has room for {SLOT}")
    assert events == "[] 0"


def test_length_has_to_be_known(chip):
    assert chip.put(ESP, "Request(read('upload'), left=-1)")[0].startswith("411 Content-Length is missing")


def test_upload_that_breaks_off(chip):
    lines = chip.put(ESP[:5000], f"Request(read('upload'), left={len(ESP)})")
    assert lines == ["OSError(104,)", "[] 1"]


def test_another_upload_can_follow_one_that_broke_off(chip):
    program = f"""
asyncio.run(put(Request(read('upload')[:5000], left={len(ESP)})))
asyncio.run(put(Request(read('upload'))))
"""
    chip.put(ESP)
    lines = chip.do(program)
    assert "set_boot ota_1" in lines[-1]


def test_two_at_once(chip):
    chip.put(ESP)
    program = """
async def both():
    class Slow(Request):
        async def readinto(self, buffer):
            await asyncio.sleep_ms(1)
            return await super().readinto(buffer)
    first = asyncio.create_task(update.answer(Slow(read('upload'))))
    await asyncio.sleep_ms(0)
    print((await update.answer(Request(read('upload'))))[:2])
    print((await first)["slot"])
    print((await update.answer(Request(read('upload'))))[1])
asyncio.run(both())
"""
    assert chip.do(program) == ["('another update is under way: try again when it is done\\n', 409)", "ota_1", "409"]


def test_flash_that_cannot_be_written(chip):
    chip.broken = 1
    line, events = chip.put(ESP)
    assert line.startswith("507 the flash cannot be written") and events == "[] 2"


def test_image_that_the_boot_loader_would_not_take(chip):
    chip.broken = "boot"
    line, events = chip.put(ESP)
    assert line.startswith("400 the boot loader's check refuses the image") and "reset" not in events


def test_table_with_one_slot(chip):
    chip.rows = chip.rows[:1]
    line, events = chip.put(ESP)
    assert line.startswith("507 the partition table has no second application slot") and events == "[] 0"


def test_firmware_on_trial_is_not_overwritten(chip):
    chip.write("otadata", otadata((1, PENDING)))
    line, events = chip.put(ESP)
    assert line.startswith("409 the running firmware is on trial") and events == "[] 0"


def test_password(chip):
    assert chip.put(ESP, "Request(read('upload'), 'wrong')") == ["HttpError(401,)", "[] 0"]
    line, events = chip.put(ESP, "device.config['admin'].update(password='') or Request(read('upload'), '')")
    assert line.startswith("403 admin.password in boot.json is not set") and events == "[] 0"


@pytest.mark.parametrize(
    ("entries", "state", "other"),
    [
        ((), "valid", ""),
        (((1, VALID),), "valid", ""),
        (((1, PENDING),), "pending", ""),
        (((1, VALID), (2, NEW)), "valid", "new"),
        (((1, VALID), (2, ABORTED)), "rolled back", "aborted"),
        (((3, VALID), (2, ABORTED)), "valid", "aborted"),
        (((3, PENDING), (2, VALID)), "pending", "valid"),
        (((3, VALID), (4, INVALID)), "rolled back", "invalid"),
        (((0xFFFFFFFF, VALID), (1, VALID)), "valid", ""),
    ],
)
def test_state_of_the_slots(chip, entries, state, other):
    chip.write("otadata", otadata(*entries))
    program = "d = slots.describe()\nprint(d['slot'], d['state'], d['other']['version'], d['other']['state'])"
    assert chip.do(program) == [f"ota_0 {state} 0.9 {other}"]


def test_torn_entry_does_not_count(chip):
    data = bytearray(otadata((1, VALID), (2, PENDING)))
    data[4096 + 28] ^= 1
    chip.write("otadata", bytes(data))
    assert chip.do("print(slots.describe()['other']['state'], slots.pending())") == [" False"]


@pytest.mark.parametrize(("content", "version"), [(b"", "None"), (images.desktop("3"), "3"), (b"\xe9" * 200, "None")])
def test_version_of_the_other_slot(chip, content, version):
    chip.write("ota_1", content)
    assert chip.do("print(slots.describe()['other']['version'])") == [version]


def test_settings_and_firmware_are_not_on_trial_together(chip):
    """Settings on trial, or about to be: before the upload, and again at its end."""
    chip.put(ESP)
    program = """
from device import bootjson
words = ["on trial"]
bootjson.hindrance = lambda: words.pop(0) if len(words) > 1 else words[0]
asyncio.run(put(Request(read('upload'))))
words = ["", "about to restart"]
asyncio.run(put(Request(read('upload'))))
print(update._busy)
"""
    answers = chip.do(program)
    assert answers[:3] == ["409 on trial", "[] 0", "409 about to restart"]
    assert answers[3].startswith("[] ")
    assert answers[4] == "False"
