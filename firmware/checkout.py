"""Clones a git repository at one pinned commit, shallow, and goes on where an earlier try stopped."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from firmware import paths
from firmware.errors import FirmwareError

_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")  # set in a hook


@dataclass(frozen=True)
class Source:
    """What to clone: `commit` is what `tag` has to be, `submodules` are the paths of those that are needed."""

    title: str
    folder: str
    url: str
    tag: str
    commit: str
    submodules: tuple[str, ...] = ()

    @property
    def pin(self):
        """What a complete checkout is known by."""
        return "\n".join((self.commit, *self.submodules)) + "\n"


def is_complete(source, folder):
    """Whether fetch() has come to its end in `folder` with these pins."""
    try:
        return _marker(folder).read_text("utf-8") == source.pin
    except OSError:
        return False


def fetch(source, folder):
    """Bring `folder` to the Source's commit with its submodules, which have the commits that this one names.

    Asks the network for what is missing only. Raises FirmwareError; the next call goes on from there.
    """
    folder = Path(folder)
    if is_complete(source, folder):
        return
    if shutil.which("git") is None:
        raise FirmwareError("there is no program 'git'; on Debian and Ubuntu: apt-get install git")
    if not (folder / ".git").is_dir() and folder.exists() and any(folder.iterdir()):
        raise FirmwareError(f"{paths.show(folder)} is no git repository, remove it")
    folder.mkdir(parents=True, exist_ok=True)
    _git(source, folder, "init", "--quiet")  # mends a repository of which only a part was made
    # Left by a git that was killed. No other one is at work here: the caller holds the SDK's lock.
    for lock in (folder / ".git").rglob("*.lock"):
        lock.unlink()
    if _ask(folder, "config", "remote.origin.url") != source.url:
        # The submodules' addresses are relative to it.
        _git(source, folder, "config", "remote.origin.url", source.url)
    if _ask(folder, "rev-parse", "HEAD") != source.commit:
        _fetch_commit(source, folder)
    if source.submodules:
        _fetch_submodules(source, folder)
    _marker(folder).write_text(source.pin, "utf-8")


def _fetch_commit(source, folder):
    ref = f"refs/tags/{source.tag}"
    # With its tag, which MicroPython's and ESP-IDF's builds derive their version strings from.
    _git(source, folder, "fetch", "--depth", "1", "--force", "--no-tags", "origin", f"{ref}:{ref}")
    found = _ask(folder, "rev-parse", f"{ref}^{{commit}}")
    if found != source.commit:
        raise FirmwareError(
            f"{source.title} {source.tag} at {source.url} is commit {found}, not {source.commit}: "
            "the tag was moved, nothing is built from it"
        )
    _git(source, folder, "-c", "advice.detachedHead=false", "checkout", "--force", "--detach", source.commit)


def _fetch_submodules(source, folder):
    update = ("submodule", "update", "--init", "--recursive", "--force", "--depth", "1", "--jobs", "4", "--")
    try:
        _git(source, folder, *update, *source.submodules)
    except FirmwareError:
        # What a killed git left half cloned is in the way of the next try.
        broken = [path for path in source.submodules if not _ask(folder / path, "rev-parse", "HEAD", above=folder)]
        if not broken:
            raise
        for path in broken:
            shutil.rmtree(folder / ".git" / "modules" / path, ignore_errors=True)
            shutil.rmtree(folder / path, ignore_errors=True)
        _git(source, folder, *update, *source.submodules)


def _marker(folder):
    return Path(folder) / ".git" / "complete"


def _git(source, folder, *arguments):
    """Run git with its progress on the terminal."""
    run = subprocess.run(["git", "-C", folder, *arguments], check=False, env=_environment(folder.parent))
    if run.returncode:
        raise FirmwareError(
            f"{source.title} could not be fetched, see git's words above; 'make sdk' goes on where it stopped"
        )


def _ask(folder, *arguments, above=None):
    """What git prints, '' if it fails; a repository is looked for below the folder `above` only."""
    if not folder.is_dir():
        return ""
    variables = _environment(above or folder.parent)
    run = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=False, env=variables)
    return run.stdout.strip() if run.returncode == 0 else ""


def _environment(ceiling):
    """Never let git take this project's own repository, which the clone lies in, for a damaged clone."""
    variables = {name: value for name, value in os.environ.items() if name not in _REPOSITORY}
    return variables | {"GIT_CEILING_DIRECTORIES": str(ceiling)}
