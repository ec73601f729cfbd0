"""The guides in docs/ and the READMEs name only what there is: commands, settings, files, headings, offsets; and the
template of a board, which docs/boards.md has people copy, is a board."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firmware import paths, version, webhelp
from firmware.boards import Board, boards
from tests.unit.boards import checks
from tests.web import release

ROOT = paths.ROOT
TEMPLATE = ROOT / "docs" / "board-template"
FOLDERS = ("", "docs", "boards", "ci", "modules", "ports/esp32", "ports/unix", "tests/hil")
PAGES = [page for folder in FOLDERS for page in sorted((ROOT / folder).glob("*.md"))]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

CODE = re.compile(r"```.*?\n(.*?)```|`([^`\n]+)`", re.S)
MAKE = re.compile(r"(?:^|&& *|; *)(?:[A-Z_]+=\S* )*make((?: [^&;|#`\n]+)?)", re.M)
FIRMWARE = re.compile(r"python3? -m firmware ((?:[^&;|#`\n\\]|\\\n)+)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def code(page):
    """The pieces of code of a page, one string each, without the comments that tests read."""
    text = re.sub(r"<!--.*?-->", "", page.read_text("utf-8"), flags=re.S)
    return [block or span for block, span in CODE.findall(text)]


def makefile():
    """(targets, settings) of the Makefile."""
    text = (ROOT / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z-]+):", text, re.M)), set(re.findall(r"^# setting ([A-Z_]+) ", text, re.M))


@each_page
def test_make_s_targets_and_settings_are_there(page):
    targets, settings = makefile()
    for piece in code(page):
        for words in MAKE.findall(piece):
            arguments = words.replace("[", "").replace("]", "").split()
            if not arguments or arguments[0] == "-C" or "/" in arguments[0]:
                continue  # another Makefile, or make alone
            for argument in arguments:
                name, equals, _value = argument.partition("=")
                if equals and name.isupper():
                    assert name in settings, piece
                elif re.fullmatch(r"[a-z][a-z-]*", argument) and argument == arguments[0]:
                    assert argument in targets, piece


@pytest.fixture(scope="module")
def usage():
    """What `python -m firmware VERB --help` says, by verb."""
    known = {}

    def ask(verb):
        if verb not in known:
            command = [sys.executable, "-m", "firmware", verb, "--help"]
            run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            known[verb] = run.stdout if run.returncode == 0 else ""
        return known[verb]

    return ask


@each_page
def test_verbs_and_options_of_the_host_tools_are_there(page, usage):
    for piece in code(page):
        for words in FIRMWARE.findall(piece):
            verb, *arguments = words.split()
            assert usage(verb), piece
            for option in arguments:
                if option.startswith("--"):
                    assert re.search(rf"{option}\b", usage(verb)), piece


@each_page
def test_links_lead_to_files_and_headings(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    for link in LINK.findall(text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.M)
            assert anchor in {webhelp.anchor(heading) for heading in headings}, link


def test_every_guide_is_linked():
    """A page that nothing leads to is not found."""
    linked = set()
    for page in PAGES:
        names = [link.partition("#")[0] for link in LINK.findall(page.read_text("utf-8"))]
        linked.update((page.parent / name).resolve() for name in names if name and "://" not in name)
    assert [page.name for page in PAGES if page.parent == ROOT / "docs" and page not in linked] == []


def test_offsets_of_the_filesystem_are_those_of_the_tables():
    text = (ROOT / "docs" / "recovery.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (0x\w+) \| (0x\w+) \|$", text, re.M)
    told = {name: (int(offset, 16), int(size, 16)) for name, offset, size in rows}
    assert told == {b.name: (b.table["vfs"].offset, b.table["vfs"].size) for b in boards() if not b.variant}
    esp32 = Board.load("ESP32").table["vfs"]
    assert f"read-flash 0x{esp32.offset:x} 0x{esp32.size:x} " in text


def test_offsets_for_esptool_are_those_of_an_esp32():
    text = (ROOT / "docs" / "flash.md").read_text("utf-8")
    rows = re.findall(r"(0x\w+) microAsyncWeb-VERSION-ESP32-([a-z-]+)\.bin", text)
    told = {name: int(offset, 16) for offset, name in rows}
    wanted = release.offsets(Board.load("ESP32"))
    del wanted["filesystem"]  # the example keeps it
    assert told == wanted


def test_sizes_in_the_table_of_ports_are_those_of_the_boards():
    rows = {}
    for line in (ROOT / "docs" / "ports.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows[cells[0]] = cells[1:]
    columns = [Board.load(name) for name in ("ESP32", "ESP32", "ESP32_S3", "ESP32_C3", "ESP32")]
    for board, layout, files in zip(columns, rows["flash, slots"], rows["filesystem"], strict=True):
        slots = board.table.ota_slots()
        assert layout == f"{board.flash_size >> 20} MB, {len(slots)} × {_megabytes(slots[0].size)} MB"
        size = board.table["vfs"].size
        assert files == (f"{size >> 10} KB" if size < 1 << 20 else f"{size >> 20} MB")


def _megabytes(size):
    return f"{int(size / (1 << 20) * 10) / 10:g}"


@pytest.fixture
def template(tmp_path):
    """The Board that `cp -r docs/board-template boards/MY_BOARD` makes, beside the real files that all boards share."""
    version.write_module()
    for name in ("modules", "ports", "firmware", "build"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "common").symlink_to(ROOT / "boards" / "common")
    shutil.copytree(TEMPLATE, tmp_path / "boards" / "MY_BOARD")
    return Board.load("MY_BOARD", folder=tmp_path / "boards")


def test_the_template_is_a_board(template, tmp_path):
    checks.check_all(template)
    assert (template.chip, template.flash_size, template.release) == ("esp32s3", 16 << 20, True)
    # Its own settings, which are right.
    assert template.boot_json == template.folder / "boot.json"
    command = [sys.executable, "-m", "firmware", "boot-json", template.boot_json]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_cmake_takes_the_template(template, tmp_path):
    (tmp_path / "out").mkdir()
    values, warnings = checks.evaluate(template, tmp_path / "out")
    assert warnings == ""
    assert values["IDF_TARGET"] == "esp32s3"
    assert Path(values["MICROPY_FROZEN_MANIFEST"]).resolve() == template.manifest.resolve()


def test_the_template_names_no_file_that_it_lacks():
    """What docs/boards.md says about the folder's files is said about files that are there."""
    text = (ROOT / "docs" / "boards.md").read_text("utf-8")
    for name in ("mpconfigboard.cmake", "mpconfigboard.h", "sdkconfig.board", "partitions.csv", "manifest.py"):
        assert f"`{name}`" in text
        assert (TEMPLATE / name).is_file()
    for name in re.findall(r"`boards/(sdkconfig\.\w+)`", text):
        assert ["fragment", f"boards/{name}"] in [row[:2] for row in checks.read_data("upstream-names.tsv")], name


def test_the_table_of_modules_is_complete():
    text = (ROOT / "modules" / "README.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+\.py)`", text))
    there = {path.name for folder in ("modules", "modules/device") for path in (ROOT / folder).glob("*.py")}
    assert there - named == {"__init__.py"} and named <= there
