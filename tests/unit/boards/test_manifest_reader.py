"""firmware.modules.read_manifest on what chips' manifests use: freeze(), options, includes, and what is not ours."""

import pytest

from firmware import modules
from firmware.errors import FirmwareError


@pytest.fixture
def folder(tmp_path):
    """A manifest that includes another, with two folders of modules."""
    for name in ("own/a.py", "own/deep/b.py", "port/c.py", "port/d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "port" / "manifest.py").write_text(
        'options.defaults(extra=True)\nmodule("c.py")\nif options.extra:\n    module("d.py", opt=options.level)\n'
    )
    return tmp_path


def targets(folder, text):
    """The targets that the manifest `text` in `folder` names."""
    (folder / "manifest.py").write_text(text)
    return [row.target for row in modules.read_manifest(folder / "manifest.py")]


def test_freeze(folder):
    assert targets(folder, 'freeze("own")') == ["a.py", "deep/b.py"]
    assert targets(folder, 'freeze("port", "c.py", opt=3)') == ["c.py"]
    assert targets(folder, 'freeze("port", ("d.py", "c.py"))') == ["d.py", "c.py"]
    with pytest.raises(FirmwareError, match=r"manifest\.py: folder 'none' has no \.py files"):
        targets(folder, 'freeze("none")')
    with pytest.raises(FirmwareError, match=r"own/none\.py, which does not exist"):
        targets(folder, 'freeze("own", "none.py")')


def test_options_reach_the_included_manifest(folder):
    assert targets(folder, 'include("port/manifest.py")') == ["c.py", "d.py"]
    assert targets(folder, 'include("port", extra=False)') == ["c.py"]
    (folder / "manifest.py").write_text('include("port", level=2)')
    assert [row.opt for row in modules.read_manifest(folder / "manifest.py")] == [0, 2]


def test_a_manifest_is_read_once(folder):
    assert targets(folder, 'include(("port", "port/manifest.py"))\ninclude("port")') == ["c.py", "d.py"]


def test_what_micropython_brings_is_passed_over(folder):
    text = 'freeze("$(PORT_DIR)/modules", ("machine.py",))\ninclude("$(MPY_DIR)/extmod/asyncio")\nrequire("mip", x=1)'
    assert targets(folder, text) == []


def test_an_included_manifest_is_named_in_errors(folder):
    (folder / "port" / "manifest.py").write_text("nonsense()\n")
    with pytest.raises(FirmwareError, match=r"port/manifest\.py: name 'nonsense' is not defined"):
        targets(folder, 'include("port")')
    with pytest.raises(FirmwareError, match=r"cannot read .*nowhere/manifest\.py"):
        targets(folder, 'include("nowhere/manifest.py")')
