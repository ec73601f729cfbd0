"""The filesystem at start: mounted, rescued or left alone, after each kind of damage to its superblocks."""

import pytest

from firmware import filesystem
from unit.device import vm

SIZE = 64 * 4096
FILES = {"boot.json": b"{}", "webroot/index.html": b"x" * 5000}
PROGRAM = """
import os, vfs
vfs.umount("/")
vfs.mount(vfs.VfsPosix(), "/host")
os.chdir("/host" + HERE)
sys.path[:] = [folder if folder[:1] != "/" else "/host" + folder for folder in sys.path]
from device import log, storage
print(storage.mount(), [text.split(";")[0] for _, _, text in log.records()])
try:
    print(sorted(os.listdir("/")))
    with open("/new", "w") as file:
        file.write("x")
    print("written")
except OSError as error:
    print(error)
"""


@pytest.fixture
def chip(tmp_path):
    """A chip whose flash holds a filesystem with FILES, and start() that tells what the board finds."""

    class Chip:
        flash = tmp_path / "vfs.bin"

        def spoil(self, block, byte):
            data = bytearray(self.flash.read_bytes())
            data[block * 4096 : (block + 1) * 4096] = bytes([byte]) * 4096
            self.flash.write_bytes(data)

        def start(self, more=""):
            return vm.run(f"HERE = {str(tmp_path)!r}" + PROGRAM + more, tmp_path).splitlines()

    # Folders first: each makes a new entry in the superblock pair, so that its two blocks differ.
    Chip.flash.write_bytes(filesystem.build(FILES, SIZE))
    return Chip()


def test_good(chip):
    assert chip.start() == ["ok []", "['boot.json', 'host', 'webroot']", "written"]


@pytest.mark.parametrize("fill", [b"\xff", b"\0"], ids=["erased", "zeroed, as in an emulator's padded image"])
def test_new_chip_is_formatted(chip, fill):
    chip.flash.write_bytes(fill * SIZE)
    assert chip.start() == ["new ['the flash was erased: made an empty filesystem']", "['host']", "written"]
    assert chip.start()[0] == "ok []"
    assert filesystem.read(chip.flash.read_bytes()) == {"new": b"x"}


def test_both_superblocks_damaged_is_left_as_it_is(chip):
    chip.spoil(0, 0)
    chip.spoil(1, 0)
    before = chip.flash.read_bytes()
    lines = chip.start()
    assert lines[0] == "damaged ['the filesystem is damaged and was left as it is']"
    assert "written" not in lines
    assert chip.flash.read_bytes() == before


def test_superblocks_erased_but_data_behind_is_not_a_new_chip(chip):
    chip.spoil(0, 0xFF)
    chip.spoil(1, 0xFF)
    before = chip.flash.read_bytes()
    assert chip.start()[0].startswith("damaged")
    assert chip.flash.read_bytes() == before


def test_lost_root_is_noticed_and_read_only(chip):
    """One superblock block gone can leave the older one, whose root is empty."""
    chip.start()
    intact = chip.flash.read_bytes()
    outcomes = []
    for block in (0, 1):
        chip.flash.write_bytes(intact)
        chip.spoil(block, 0)
        before = chip.flash.read_bytes()
        lines = chip.start()
        state = lines[0].split(" ")[0]
        outcomes.append(state)
        if state == "empty":
            assert "lost its files and is read-only" in lines[0]
            assert lines[1] == "['host']"
            assert chip.flash.read_bytes() == before
        else:
            assert lines[0] == "ok []"
            assert "'boot.json'" in lines[1]
    assert outcomes.count("empty") <= 1


def test_emptied_by_its_user_can_be_written_to(chip):
    chip.start()
    chip.start("for name in ('boot.json', 'new', 'webroot/index.html'): os.remove('/' + name)\nos.rmdir('/webroot')\n")
    assert chip.start() == ["ok []", "['host']", "written"]


def test_lost_root_can_be_formatted(chip):
    chip.start()
    chip.flash.write_bytes(filesystem.build({}, SIZE))
    chip.spoil(1, 0)
    assert chip.start()[0].startswith("empty")
    lines = chip.start(
        "storage.format()\nopen('/again', 'w').close()\nprint(storage.state, os.listdir('/'))\n"
    )
    assert lines[-1] == "new ['host', 'again']"
    assert chip.start()[0] == "ok []"


def test_no_partition(chip):
    chip.flash.unlink()
    assert chip.start()[0] == "missing [\"the flash has no partition 'vfs', there is no filesystem\"]"


def test_not_tried_where_the_start_before_ended(chip):
    before = chip.flash.read_bytes()
    program = PROGRAM.replace("storage.mount()", "storage.mount(False)")
    said = vm.run(f"HERE = {str(chip.flash.parent)!r}" + program, chip.flash.parent).splitlines()
    assert said[0] == "damaged ['the filesystem is damaged and was left as it is']"
    assert chip.flash.read_bytes() == before


def test_any_block_may_be_damaged(chip):
    """Whatever is lost, mount() comes back, and writes to nothing that is not whole."""
    files = {f"folder{number}/file": b"x" * 2000 for number in range(14)}
    chip.flash.write_bytes(filesystem.build({**FILES, **files}, SIZE))
    program = PROGRAM[: PROGRAM.index("print(storage")] + """
gc.enable()
with open("vfs.bin", "rb") as file:
    intact = file.read()
storage.mount()
found = {}
for fill in (b"\\0", b"\\xff", b"\\x55"):
    for number in range(len(intact) // 4096):
        try:
            vfs.umount("/")
        except OSError:
            pass
        with open("vfs.bin", "r+b") as file:
            file.write(intact)
            file.seek(number * 4096)
            file.write(fill * 4096)
        state = storage.mount()
        with open("vfs.bin", "rb") as file:
            after = file.read()
        assert state == "ok" or after == intact[: number * 4096] + fill * 4096 + intact[number * 4096 + 4096 :]
        found[state] = found.get(state, 0) + 1
print(sorted(found))
"""
    said = vm.run(f"HERE = {str(chip.flash.parent)!r}" + program, chip.flash.parent).splitlines()
    assert set(eval(said[-1])) <= {"ok", "empty", "damaged"} and "ok" in said[-1]


@pytest.mark.parametrize(("free", "said"), [(3, 3), (0, 0), (4294967295, 0), (-1, 0)])
def test_full_filesystem_has_no_room(tmp_path, free, said):
    program = "from device import storage\n"
    program += f"storage.os = type('os', (), {{'statvfs': lambda path: (4096, 4096, 60, {free}, {free})}})\n"
    assert vm.run(program + "print(storage.room())\n", tmp_path) == f"(4096, 60, {said})\n"
