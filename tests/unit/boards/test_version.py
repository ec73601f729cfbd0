"""firmware.version: the version string that git's state gives, and the module and the command that carry it."""

import subprocess
import sys

import pytest

from firmware import paths, version
from firmware.errors import FirmwareError


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A git repository with one commit in the place of this one, as a function that runs git in it."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(version, "MODULE", tmp_path / "build" / "_firmware_version.py")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "nobody")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "nobody@example.org")

    def git(*arguments):
        run = subprocess.run(["git", "-C", tmp_path, *arguments], check=True, capture_output=True, text=True)
        return run.stdout.strip()

    git("init", "-q")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-q", "-m", "first")
    return git


def test_without_a_tag(repository):
    commit = repository("rev-parse", "--short", "HEAD")
    assert version.describe() == (f"{version.BASE}+g{commit}", None)


def test_tag_distance_and_changes(repository, tmp_path):
    repository("tag", "v1.2.0")
    assert version.version() == "1.2.0"
    repository("commit", "-q", "--allow-empty", "-m", "second")
    repository("tag", "other")
    commit = repository("rev-parse", "--short", "HEAD")
    assert version.version() == f"1.2.0-1-g{commit}"
    (tmp_path / "file").write_text("2")
    assert version.version() == f"1.2.0-1-g{commit}.dirty"


def test_too_long_for_an_image(repository):
    repository("tag", "v1.2.0-a-name-that-nobody-should-give")
    with pytest.raises(FirmwareError, match="at most 31 fit into an image: use shorter tags"):
        version.version()


def test_no_repository(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    text, problem = version.describe()
    assert text == version.BASE
    assert problem.startswith(
        f"git cannot tell the commit, the version is only {version.BASE}: fatal: not a git repository"
    )


def test_no_git(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    text, problem = version.describe()
    assert text == version.BASE
    assert "git: No such file or directory" in problem


def test_module_is_written_when_it_changes(repository):
    text = version.write_module()
    source = version.MODULE.read_text()
    compile(source, "module", "exec")
    assert f'VERSION = "{text}"' in source
    before = version.MODULE.stat().st_mtime_ns
    assert version.write_module() == text
    assert version.MODULE.stat().st_mtime_ns == before
    repository("tag", "v3")
    version.write_module()
    assert 'VERSION = "3"' in version.MODULE.read_text()


def test_command_needs_only_the_standard_library():
    """A build of MicroPython asks ESP-IDF's Python, which has none of this project's requirements."""
    code = "import sys, runpy; sys.argv[1:] = ['version']; runpy.run_module('firmware', run_name='__main__')"
    run = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=paths.ROOT, capture_output=True, text=True, timeout=20, check=False
    )
    assert (run.returncode, run.stdout.strip()) == (0, version.version()), run.stderr
