"""Manifest rows, compiling with its cache, and the ROMFS that the VM mounts."""

import subprocess
import sys
from pathlib import Path

import pytest

from firmware import modules, paths, romfs
from firmware.errors import FirmwareError

MICROPYTHON = Path(sys.executable).with_name("micropython")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project folder with a package, a module and a manifest; the cache is its own."""
    monkeypatch.setattr(modules, "_CACHE", tmp_path / "cache")
    (tmp_path / "package" / "inner").mkdir(parents=True)
    (tmp_path / "package" / "__init__.py").write_text("NAME = 'package'\n")
    (tmp_path / "package" / "inner" / "deep.py").write_text("def f():\n    return 42\n")
    (tmp_path / "single.py").write_text(
        "import package.inner.deep\nprint(package.NAME, package.inner.deep.f())\n"
    )
    (tmp_path / "manifest.py").write_text(
        'package("package")\nmodule("single.py", opt=3)\n'
        'include("$(MPY_DIR)/extmod/asyncio")\nrequire("webrepl")\n'
    )
    return tmp_path


def test_manifest_rows(folder):
    rows = [(row.target, row.opt) for row in modules.read_manifest(folder / "manifest.py")]
    assert rows == [("package/__init__.py", 0), ("package/inner/deep.py", 0), ("single.py", 3)]


def test_include_of_a_neighbour_and_named_files(folder):
    (folder / "outer.py").write_text('include("manifest.py")\npackage("package", files=["__init__.py"])\n')
    assert len(modules.read_manifest(folder / "outer.py")) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('module("nix.py")', "nix.py, which does not exist"),
        ('package("nix")', "package 'nix' has no .py files"),
        ('fridge("x")', "name 'fridge' is not defined"),
        ("module(", "manifest.py: "),
        ('module("single.py", color=1)', "color"),
    ],
)
def test_bad_manifest(folder, text, words):
    (folder / "manifest.py").write_text(text)
    with pytest.raises(FirmwareError) as caught:
        modules.read_manifest(folder / "manifest.py")
    assert words in str(caught.value)
    assert "manifest.py" in str(caught.value)


def test_project_manifest_names_every_file_below_modules():
    targets = {row.target for row in modules.read_manifest()}
    here = {
        path.relative_to(paths.ROOT / "modules").as_posix() for path in (paths.ROOT / "modules").rglob("*.py")
    }
    assert here <= targets


def test_syntax_error_names_file_line_and_reason(folder):
    (folder / "single.py").write_text("x = 1\ny = = 2\n")
    with pytest.raises(FirmwareError, match=r"single\.py:2: SyntaxError"):
        modules.compile_all(modules.read_manifest(folder / "manifest.py"))


def test_cache_follows_the_content(folder, monkeypatch):
    rows = modules.read_manifest(folder / "manifest.py")
    first = modules.compile_all(rows)
    compiled = []
    real = modules._mpy_cross
    monkeypatch.setattr(modules, "_mpy_cross", lambda row: compiled.append(row.target) or real(row))
    assert modules.compile_all(rows) == first
    assert compiled == []
    (folder / "single.py").write_text("print('changed')\n")
    assert modules.compile_all(rows) != first
    assert compiled == ["single.py"]


def test_romfs_runs_on_the_vm(folder):
    image = folder / "romfs.img"
    image.write_bytes(romfs.build(modules.compile_all(modules.read_manifest(folder / "manifest.py"))))
    program = (
        "import sys, vfs\n"
        f"data = open({str(image)!r}, 'rb').read()\n"
        "vfs.mount(vfs.VfsRom(data), '/rom')\n"
        "sys.path[:] = ['/rom']\n"
        "import single\n"
    )
    run = subprocess.run([MICROPYTHON, "-c", program], capture_output=True, text=True, timeout=20)
    assert (run.stdout, run.stderr) == ("package 42\n", "")


def test_romfs_is_reproducible_and_ascii():
    assert romfs.build({"b/x": b"1", "a": b"2"}) == romfs.build({"a": b"2", "b/x": b"1"})
    with pytest.raises(FirmwareError, match="ASCII"):
        romfs.build({"ä": b""})
