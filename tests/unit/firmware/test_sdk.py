"""make sdk with local repositories in the place of the public ones: pins, resuming, versions, ESP-IDF's tools."""

import fcntl
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from firmware import checkout, sdk
from firmware.errors import FirmwareError

INSTALL = 'echo "$1 $IDF_TOOLS_PATH ${VIRTUAL_ENV-none} $IDF_PATH" >> "$IDF_PATH/../installed"\n'


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """git may clone from files and knows a committer; nothing of the user's own SDK."""
    for name in ("MICROPYTHON_DIR", "IDF_PATH", "IDF_TOOLS_PATH", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.org")
    monkeypatch.setattr(sdk, "FOLDER", tmp_path / "sdk")


def git(folder, *arguments):
    command = ["git", "-C", folder, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def repository(path, files):
    """A repository of one commit; returns the commit."""
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "main")
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    git(path, "add", "-A")
    git(path, "commit", "-qm", "first")
    return git(path, "rev-parse", "HEAD")


@pytest.fixture
def upstream(tmp_path):
    """A tagged repository with two submodules, one with a submodule of its own; all have gone on since."""
    root = tmp_path / "upstream"
    repository(root / "inner.git", {"inner.c": "pinned"})
    repository(root / "lib.git", {"lib.c": "pinned"})
    repository(root / "unused.git", {"unused.c": "pinned"})
    git(root / "lib.git", "submodule", "--quiet", "add", "../inner.git", "inner")
    git(root / "lib.git", "commit", "-qm", "inner")
    repository(root / "main.git", {"main.c": "pinned"})
    for name in ("lib", "unused"):
        git(root / "main.git", "submodule", "--quiet", "add", f"../{name}.git", f"lib/{name}")
    git(root / "main.git", "commit", "-qm", "submodules")
    git(root / "main.git", "tag", "-am", "release", "v1.0")
    commit = git(root / "main.git", "rev-parse", "HEAD")
    for name in ("lib", "inner", "main"):
        (root / f"{name}.git" / "later.c").write_text("later")
        git(root / f"{name}.git", "add", "-A")
        git(root / f"{name}.git", "commit", "-qm", "later")
    return checkout.Source("Main", "main", f"file://{root / 'main.git'}", "v1.0", commit, ("lib/lib",))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "clone"


def assert_complete(source, folder):
    assert git(folder, "rev-parse", "HEAD") == source.commit
    assert git(folder, "rev-list", "--count", "HEAD") == "1"  # shallow
    assert git(folder, "describe", "--tags") == "v1.0"
    assert (folder / "main.c").read_text() == "pinned"
    assert (folder / "lib" / "lib" / "lib.c").read_text() == "pinned"
    assert (folder / "lib" / "lib" / "inner" / "inner.c").read_text() == "pinned"
    assert not list(folder.rglob("later.c"))
    assert list((folder / "lib" / "unused").iterdir()) == []
    assert checkout.is_complete(source, folder)


def test_clone_has_the_pinned_commits(upstream, folder):
    checkout.fetch(upstream, folder)
    assert_complete(upstream, folder)


def test_a_complete_clone_asks_nobody(upstream, folder, monkeypatch):
    checkout.fetch(upstream, folder)
    monkeypatch.setenv("PATH", "")
    checkout.fetch(upstream, folder)


def test_other_pins_bring_it_up_to_date(upstream, folder, tmp_path):
    checkout.fetch(upstream, folder)
    main = tmp_path / "upstream" / "main.git"
    git(main, "tag", "v2.0")
    newer = replace(upstream, tag="v2.0", commit=git(main, "rev-parse", "HEAD"), submodules=("lib/lib", "lib/unused"))
    assert not checkout.is_complete(newer, folder)
    checkout.fetch(newer, folder)
    assert git(folder, "rev-parse", "HEAD") == newer.commit
    assert (folder / "lib" / "unused" / "unused.c").exists()


def test_a_moved_tag_is_refused(upstream, folder, tmp_path):
    git(tmp_path / "upstream" / "main.git", "tag", "-f", "v1.0", "HEAD")
    with pytest.raises(FirmwareError, match=f"not {upstream.commit}: the tag was moved, nothing is built from it"):
        checkout.fetch(upstream, folder)
    assert not (folder / "main.c").exists()


def test_it_goes_on_where_it_stopped(upstream, folder, tmp_path):
    """The submodule's server is away at first; the main one's the second time, when it is not needed."""
    root = tmp_path / "upstream"
    (root / "lib.git").rename(root / "away.git")
    with pytest.raises(FirmwareError, match="'make sdk' goes on where it stopped"):
        checkout.fetch(upstream, folder)
    assert not checkout.is_complete(upstream, folder)
    (root / "away.git").rename(root / "lib.git")
    (root / "main.git").rename(root / "away.git")
    checkout.fetch(upstream, folder)
    assert_complete(upstream, folder)


def test_it_goes_on_after_git_was_killed(upstream, folder):
    checkout.fetch(upstream, folder)
    (folder / ".git" / "complete").unlink()
    (folder / "main.c").write_text("half of")
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/none\n")
    (folder / ".git" / "index.lock").write_text("")
    shutil.rmtree(folder / ".git" / "modules" / "lib" / "lib" / "refs")
    checkout.fetch(upstream, folder)
    assert_complete(upstream, folder)


@pytest.mark.parametrize("damage", ["empty", "no HEAD"])
def test_a_damaged_clone_never_means_the_repository_around_it(damage, upstream, tmp_path, monkeypatch):
    project = tmp_path / "project"
    commit = repository(project, {"mine.c": "mine"})
    folder = project / "build" / "clone"
    (folder / ".git").mkdir(parents=True)
    if damage == "no HEAD":
        git(folder, "init", "-q")
        (folder / ".git" / "HEAD").unlink()
    monkeypatch.setenv("GIT_DIR", str(project / ".git"))
    checkout.fetch(upstream, folder)
    monkeypatch.delenv("GIT_DIR")
    assert_complete(upstream, folder)
    assert git(project, "rev-parse", "HEAD") == commit
    assert git(project, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert "origin" not in git(project, "config", "--list", "--local")


def test_a_folder_in_the_way(upstream, folder):
    folder.mkdir()
    (folder / "file").write_text("somebody's")
    with pytest.raises(FirmwareError, match="is no git repository, remove it"):
        checkout.fetch(upstream, folder)
    assert (folder / "file").exists()


def test_no_git(upstream, folder, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FirmwareError, match="there is no program 'git'"):
        checkout.fetch(upstream, folder)


def test_the_pins_are_whole():
    for source in (sdk.MICROPYTHON, sdk.ESP_IDF):
        assert len(source.commit) == 40
        assert source.url.endswith(".git")
    assert (sdk.MICROPYTHON.tag, sdk.ESP_IDF.tag) == ("v1.28.0", "v5.5.1")


def micropython_files(minor=28, prerelease=0):
    lines = [("MAJOR", 1), ("MINOR", minor), ("MICRO", 0), ("PRERELEASE", prerelease)]
    return {
        "py/mpconfig.h": "".join(f"#define MICROPY_VERSION_{name} {number}\n" for name, number in lines),
        **{f"{path}/README.md": "" for path in sdk.MICROPYTHON.submodules},
    }


def idf_files(patch=1):
    lines = [("MAJOR", 5), ("MINOR", 5), ("PATCH", patch)]
    return {
        "tools/cmake/version.cmake": "".join(f"set(IDF_VERSION_{name} {number})\n" for name, number in lines),
        "install.sh": INSTALL,
    }


def tree(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("variable", "find", "files", "words"),
    [
        ("MICROPYTHON_DIR", sdk.micropython, {}, "there is no MicroPython; name another one"),
        ("MICROPYTHON_DIR", sdk.micropython, micropython_files(27), "is MicroPython v1.27.0, v1.28.0 is needed"),
        ("MICROPYTHON_DIR", sdk.micropython, micropython_files(28, 1), "v1.28.0-preview, v1.28.0 is needed"),
        ("IDF_PATH", sdk.idf, {}, "there is no ESP-IDF; name another one, or none for that of 'make sdk'"),
        ("IDF_PATH", sdk.idf, idf_files(2), "is ESP-IDF v5.5.2, v5.5.1 is needed"),
    ],
)
def test_a_tree_of_the_wrong_version(variable, find, files, words, tmp_path, monkeypatch):
    monkeypatch.setenv(variable, str(tree(tmp_path / "mine", files)))
    with pytest.raises(FirmwareError) as caught:
        find()
    assert words in str(caught.value)
    assert f"{variable}=" in str(caught.value)


def test_trees_of_the_right_version(tmp_path, monkeypatch):
    monkeypatch.setenv("MICROPYTHON_DIR", str(tree(tmp_path / "mine", micropython_files())))
    monkeypatch.setenv("IDF_PATH", str(tree(tmp_path / "idf", idf_files())))
    assert (sdk.micropython(), sdk.idf()) == (tmp_path / "mine", tmp_path / "idf")


def test_a_tree_without_its_submodules(tmp_path, monkeypatch):
    files = micropython_files()
    del files["lib/micropython-lib/README.md"]
    monkeypatch.setenv("MICROPYTHON_DIR", str(tree(tmp_path / "mine", files)))
    with pytest.raises(FirmwareError, match=r"lacks lib/micropython-lib; remedy: git -C .* submodule update --init"):
        sdk.micropython()


def test_no_sdk_says_how_to_get_one():
    with pytest.raises(FirmwareError, match=r"MicroPython v1\.28\.0 is not here: run 'make sdk'"):
        sdk.micropython()
    with pytest.raises(FirmwareError, match=r"ESP-IDF v5\.5\.1 is not here: run 'make sdk', .*CONTAINER=docker"):
        sdk.idf()
    (sdk.FOLDER / "esp-idf").mkdir(parents=True)
    with pytest.raises(FirmwareError, match=r"ESP-IDF v5\.5\.1 is not fetched to its end: run 'make sdk'"):
        sdk.idf()


@pytest.fixture
def public(tmp_path, monkeypatch):
    """Repositories that stand for the public ones."""
    for name, files in (("MICROPYTHON", micropython_files()), ("ESP_IDF", idf_files())):
        commit = repository(tmp_path / "public" / name, files)
        source = getattr(sdk, name)
        git(tmp_path / "public" / name, "tag", source.tag)
        url = f"file://{tmp_path / 'public' / name}"
        monkeypatch.setattr(sdk, name, replace(source, url=url, commit=commit, submodules=()))
    (tmp_path / "bin").mkdir()
    for name in ("cmake", "ninja"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "public"


def installed():
    path = sdk.FOLDER / "installed"
    return path.read_text().splitlines() if path.exists() else []


def test_install(public, monkeypatch):
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere/venv")
    monkeypatch.setenv("PATH", f"/somewhere/venv/bin{os.pathsep}{os.environ['PATH']}")
    sdk.install()
    assert sdk.micropython() == sdk.FOLDER / "micropython"
    assert sdk.idf() == sdk.FOLDER / "esp-idf"
    assert installed() == [f"esp32,esp32s3,esp32c3 {sdk.FOLDER / 'tools'} none {sdk.FOLDER / 'esp-idf'}"]
    variables = sdk.environment(sdk.idf())
    assert "/somewhere/venv/bin" not in variables["PATH"]
    assert variables["IDF_SKIP_CHECK_SUBMODULES"] == "1"
    sdk.install()
    assert len(installed()) == 1


def test_install_goes_on_after_a_failure(public, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", _failing("install.sh", subprocess.run))
        with pytest.raises(FirmwareError, match="tools of ESP-IDF could not be installed"):
            sdk.install()
    assert installed() == []
    sdk.install()
    assert len(installed()) == 1


def _failing(word, run):
    def failing(command, **options):
        if any(word in str(part) for part in command):
            return subprocess.CompletedProcess(command, 1)
        return run(command, **options)

    return failing


def test_tools_that_the_machine_lacks_are_esp_idfs(public, monkeypatch, tmp_path):
    seen = []
    run = subprocess.run

    def recorded(command, **options):
        if command[0] == "python3":
            seen.append([Path(part).name for part in command])
            return subprocess.CompletedProcess(command, 0)
        return run(command, **options)

    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name in ("cmake", "ninja") else which(name))
    monkeypatch.setattr(subprocess, "run", recorded)
    sdk.install()
    assert seen == [["python3", "idf_tools.py", "install", "cmake", "ninja"]]


def test_install_with_a_container_leaves_esp_idf_out(public):
    sdk.install(container=True)
    assert (sdk.FOLDER / "micropython").exists()
    assert not (sdk.FOLDER / "esp-idf").exists()


def test_install_takes_the_trees_that_are_named(public, tmp_path, monkeypatch):
    monkeypatch.setenv("MICROPYTHON_DIR", str(tree(tmp_path / "mine", micropython_files())))
    monkeypatch.setenv("IDF_PATH", str(tree(tmp_path / "idf", idf_files())))
    monkeypatch.setenv("IDF_TOOLS_PATH", "/their/tools")
    sdk.install()
    assert not (sdk.FOLDER / "micropython").exists()
    assert (tmp_path / "installed").read_text() == f"esp32,esp32s3,esp32c3 /their/tools none {tmp_path / 'idf'}\n"
    assert "IDF_SKIP_CHECK_SUBMODULES" not in sdk.environment(sdk.idf())


def test_tools_of_a_named_tree_that_are_there_are_left_alone(public, tmp_path, monkeypatch):
    files = idf_files() | {"export.sh": 'PATH="$IDF_PATH/tools:$PATH"\n', "tools/idf.py": "#!/bin/sh\n"}
    monkeypatch.setenv("IDF_PATH", str(tree(tmp_path / "idf", files)))
    (tmp_path / "idf" / "tools" / "idf.py").chmod(0o755)
    sdk.install()
    assert not (tmp_path / "installed").exists()
    (tmp_path / "idf" / "tools" / "idf.py").write_text("#!/bin/sh\nexit 1\n")
    sdk.install()
    assert (tmp_path / "installed").exists()


def test_two_at_once(public):
    sdk.FOLDER.mkdir()
    with (sdk.FOLDER / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(FirmwareError, match="another 'make sdk' is at work here"):
            sdk.install()


def test_a_program_that_is_missing(monkeypatch):
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "cc" else which(name))
    with pytest.raises(FirmwareError, match="there is no program 'cc'; on Debian and Ubuntu: apt-get install gcc"):
        sdk.check_programs()
