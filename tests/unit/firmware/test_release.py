"""make release: the folder's manifest against its schema, its sums, its images against what was built."""

import hashlib
import json

import jsonschema
import pytest

from firmware import __main__, parts, paths, release, version
from firmware.boards import Board, boards

from .fake_chip import build_outputs

BOARDS = {board.label: board for board in boards()}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A build folder and pages of our own, and the function that builds a board there."""
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.html").write_text("one")

    def built(board, text=None):
        return build_outputs(tmp_path / "build" / board.label, board, version=text or version.version())

    def run(*arguments):
        return __main__.main(["release", "--webroot", str(tmp_path / "pages"), *arguments])

    built.run = run
    return built


@pytest.mark.parametrize("label", BOARDS)
def test_release_of_a_board(label, checkout):
    board = BOARDS[label]
    outputs = checkout(board)
    assert checkout.run("--board", board.name, "--variant", board.variant) == 0
    folder = release.folder(board)
    assert folder == paths.BUILD / "release" / version.version() / label

    manifest = json.loads((folder / "manifest.json").read_text())
    jsonschema.validate(manifest, json.loads(release.SCHEMA.read_text()))
    assert manifest["version"] == version.version()
    assert (manifest["board"], manifest["variant"], manifest["chip"]) == (board.name, board.variant, board.chip)
    assert (manifest["micropython"], manifest["esp_idf"]) == ("1.28.0", "5.5.1")

    # The form that `sha256sum --check` takes.
    sums = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert set(sums) == {path.name for path in folder.iterdir()} - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    entries = [manifest["image"], manifest["elf"], *manifest["parts"]]
    assert {entry["file"] for entry in entries} == set(sums) - {"manifest.json"}
    for entry in entries:
        assert (folder / entry["file"]).stat().st_size == entry["size"]
        assert sums[entry["file"]] == entry["sha256"]

    whole = (folder / manifest["image"]["file"]).read_bytes()
    assert len(whole) == manifest["flash_size"] == board.flash_size
    for part in manifest["parts"]:
        data = (folder / part["file"]).read_bytes()
        assert whole[part["offset"] : part["offset"] + part["size"]] == data
    names = [part["name"] for part in manifest["parts"]]
    assert names == ["bootloader", "partition-table", "otadata", "app", "filesystem"]
    offsets = [part["offset"] for part in manifest["parts"]]
    assert offsets == sorted(offsets)
    built = (outputs / "micropython.elf", outputs / parts.APP_FILE)
    released = (manifest["elf"]["file"], manifest["parts"][3]["file"])
    for path, name in zip(built, released, strict=True):
        assert (folder / name).read_bytes() == path.read_bytes()


def test_without_a_board_all_are_released_but_the_emulated(checkout, capsys):
    for board in BOARDS.values():
        checkout(board)
    assert checkout.run() == 0
    released = {path.name for path in (paths.BUILD / "release" / version.version()).iterdir()}
    assert released == {label for label, board in BOARDS.items() if board.release}
    assert "ESP32-QEMU" not in released
    assert capsys.readouterr().out.count("9 files") == len(released)


def test_what_lay_there_before_goes(checkout):
    board = BOARDS["ESP32"]
    checkout(board)
    folder = release.folder(board)
    folder.mkdir(parents=True)
    (folder / "old.bin").write_text("")
    assert checkout.run("--board", "ESP32") == 0
    assert not (folder / "old.bin").exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda outputs, checkout: (outputs / parts.APP_FILE).unlink(), "there is no firmware of ESP32"),
        (lambda outputs, checkout: (outputs / "micropython.elf").unlink(), "micropython.elf: No such file"),
        (lambda outputs, checkout: checkout(BOARDS["ESP32"], "9.9"), "was built as 9.9, the checkout is"),
    ],
)
def test_nothing_right_to_release(spoil, words, checkout, capsys):
    spoil(checkout(BOARDS["ESP32"]), checkout)
    assert checkout.run("--board", "ESP32") == 1
    error = capsys.readouterr().err
    assert words in error and "make firmware BOARD=ESP32" in error
    assert error.count("\n") == 1
    assert not release.folder(BOARDS["ESP32"]).exists()


def test_size_of_a_board_with_its_build(checkout, tmp_path, capsys):
    outputs = checkout(BOARDS["ESP32"])
    (outputs / "frozen_mpy" / "asyncio").mkdir(parents=True)
    (outputs / "frozen_mpy" / "asyncio" / "core.mpy").write_bytes(b"x" * 321)
    (outputs / "frozen_mpy" / "_boot.mpy").write_bytes(b"x" * 20)
    assert __main__.main(["size", "--board", "ESP32", "--webroot", str(tmp_path / "pages")]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["asyncio/core.mpy", "321"] in rows
    assert ["ota_1", "1572864", "0x190000"] in rows
    assert ["all", "2", "341"] in rows
    size = str((outputs / parts.APP_FILE).stat().st_size)
    slot = str(BOARDS["ESP32"].table["ota_0"].size)
    assert any(row[:7] == ["application", "in", "slot", "ota_0", size, "of", slot] for row in rows)
    assert any(row[:2] == ["filesystem,", "2"] for row in rows)


def test_size_of_a_board_without_a_build(checkout, tmp_path, capsys):
    assert __main__.main(["size", "--board", "ESP32_S3", "--webroot", str(tmp_path / "pages")]) == 0
    report = capsys.readouterr().out
    assert "no application yet: run 'make firmware BOARD=ESP32_S3'" in report
    assert "micropAsyncWeb/__init__.mpy" in report and "_board.mpy" in report


def test_boards_are_listed(capsys):
    assert __main__.main(["boards"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(BOARDS)
    assert Board.load("ESP32").label in BOARDS
