"""The webroot on its way into a LittleFS image, and the image on the VM that a board mounts it with."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from firmware import filesystem, webroot
from firmware.errors import FirmwareError

MICROPYTHON = Path(sys.executable).with_name("micropython")
SIZE = 0xF0000
TEXT = b"<p>all work and no play</p>\n" * 200


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "pages"
    (folder / "sub" / ".well-known").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "index.html").write_bytes(TEXT)
    (folder / "short.css").write_bytes(b"a{}")
    (folder / "photo.png").write_bytes(bytes(range(256)) * 8)
    (folder / "sub" / "ünïcode.txt").write_bytes(TEXT)
    (folder / "sub" / ".well-known" / "x").write_bytes(b"x")
    (folder / ".git" / "config").write_bytes(b"no")
    (folder / "index.html~").write_bytes(b"no")
    (tmp_path / "boot.json").write_bytes(b"{}")
    return folder


def collect(pages):
    return webroot.collect(pages, pages.parent / "boot.json")


def test_collect_takes_the_pages_and_leaves_the_litter(pages):
    assert set(collect(pages)) == {
        "boot.json",
        "webroot/index.html",
        "webroot/short.css",
        "webroot/photo.png",
        "webroot/sub/ünïcode.txt",
        "webroot/sub/.well-known/x",
    }


def test_gzip_neighbours_of_texts_that_shrink(pages):
    files = webroot.with_gzip_neighbours(collect(pages))
    added = set(files) - set(collect(pages))
    assert added == {"webroot/index.html.gz", "webroot/sub/ünïcode.txt.gz"}
    packed = files["webroot/index.html.gz"]
    assert gzip.decompress(packed) == TEXT
    assert packed[4:8] == b"\0\0\0\0"
    assert packed[3] == 0
    assert files == webroot.with_gzip_neighbours(collect(pages))


def test_own_neighbour_stays(pages):
    (pages / "index.html.gz").write_bytes(b"mine")
    assert webroot.with_gzip_neighbours(collect(pages))["webroot/index.html.gz"] == b"mine"


def test_digest_follows_names_and_bytes():
    one = webroot.digest({"a": b"1", "b": b"2"})
    assert one == webroot.digest({"b": b"2", "a": b"1"})
    assert one != webroot.digest({"a": b"12", "b": b""})
    assert one != webroot.digest({"a": b"1", "c": b"2"})


@pytest.mark.parametrize("name", ["nix", "boot.json"])
def test_missing_webroot(pages, name):
    with pytest.raises(FirmwareError, match="WEBROOT="):
        webroot.collect(pages.parent / name, pages.parent / "boot.json")


def test_empty_webroot(pages, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FirmwareError, match="is empty"):
        webroot.collect(tmp_path / "empty", pages.parent / "boot.json")


def test_image_holds_the_files_and_is_reproducible(pages):
    files = collect(pages)
    image = filesystem.build(files, SIZE)
    assert len(image) == SIZE
    assert filesystem.read(image) == files
    assert filesystem.build(files, SIZE) == image


def test_vm_mounts_it_reads_it_and_writes_to_it(pages, tmp_path):
    path = tmp_path / "vfs.bin"
    path.write_bytes(filesystem.build(collect(pages), SIZE))
    program = f"""
import os, vfs
class Flash:
    def __init__(self): self.f = open({str(path)!r}, "r+b")
    def readblocks(self, n, buf, off=0): self.f.seek(n * 4096 + off); self.f.readinto(buf)
    def writeblocks(self, n, buf, off=None): self.f.seek(n * 4096 + (off or 0)); self.f.write(buf)
    def ioctl(self, op, arg):
        if op == 4: return {SIZE} // 4096
        if op == 5: return 4096
        if op == 6: return 0
vfs.mount(vfs.VfsLfs2(Flash()), "/flash")
print(sorted(os.listdir("/flash/webroot")))
print(len(open("/flash/webroot/index.html").read()))
with open("/flash/new.txt", "w") as file:
    file.write("from the board")
vfs.umount("/flash")
"""
    run = subprocess.run([MICROPYTHON, "-c", program], capture_output=True, text=True, timeout=20)
    assert run.stderr == ""
    assert run.stdout == f"['index.html', 'photo.png', 'short.css', 'sub']\n{len(TEXT)}\n"
    assert filesystem.read(path.read_bytes())["new.txt"] == b"from the board"


def test_too_large_says_by_how_much_and_names_the_biggest():
    files = {"webroot/film.mp4": b"x" * 900_000, "webroot/b.bin": b"y" * 200_000, "webroot/index.html": b"z"}
    with pytest.raises(FirmwareError) as caught:
        filesystem.build(files, SIZE)
    text = str(caught.value)
    assert "has 960.0 KiB" in text
    over = float(text.split(" too much")[0].rsplit(": ", 1)[1].removesuffix(" KiB"))
    assert 1_100_000 / 1024 - 960 <= over <= 1_100_000 / 1024 - 960 + 40
    assert "webroot/film.mp4 878.9 KiB, webroot/b.bin 195.3 KiB" in text


def test_unpack(pages, tmp_path):
    image = filesystem.build(collect(pages), SIZE)
    assert filesystem.unpack(image, tmp_path / "out") == 6
    assert (tmp_path / "out" / "webroot" / "index.html").read_bytes() == TEXT


def test_what_is_no_filesystem():
    with pytest.raises(FirmwareError, match="no readable LittleFS"):
        filesystem.read(b"\xff" * SIZE)
