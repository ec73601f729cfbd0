"""What the web installer's folder is made of, and what is said when something is missing; no browser needed."""

import hashlib
import json
import os
import re

import jsonschema
import pytest

from firmware import npmtools, paths, webhelp, webinstaller
from firmware.boards import Board, boards
from firmware.errors import FirmwareError

from . import release

SOURCE = npmtools.SOURCE


@pytest.fixture
def modules(tmp_path):
    """A folder as npm leaves it, with as much of ESP Web Tools as is looked at."""
    folder = tmp_path / "npm" / "node_modules"
    package = folder / "esp-web-tools"
    (package / "dist" / "web").mkdir(parents=True)
    (package / "dist" / "web" / "install-button.js").write_text("// the button")
    (package / "package.json").write_text('{"name": "esp-web-tools", "version": "10.4.0"}')
    (package / "LICENSE").write_text("Some licence")
    return folder


def build(tmp_path, modules, **how):
    version, entries = webinstaller.build(release.write(tmp_path / "release", **how), tmp_path / "site", modules)
    return tmp_path / "site", version, entries


def test_the_releases_of_these_tests_are_as_make_release_writes_them(tmp_path):
    schema = json.loads((paths.ROOT / "firmware" / "release.schema.json").read_text())
    for manifest in release.write(tmp_path).glob("*/manifest.json"):
        jsonschema.validate(json.loads(manifest.read_text()), schema)


def test_one_folder_with_everything(tmp_path, modules):
    site, version, entries = build(tmp_path, modules)
    assert version == release.VERSION
    assert [entry.label for entry in entries] == [board.label for board in boards() if board.release]
    assert (site / "esp-web-tools" / "install-button.js").read_text() == "// the button"
    assert "==== esp-web-tools 10.4.0 ====\n\nSome licence" in (site / "licences.txt").read_text()
    # Nothing of a build for the emulator.
    assert "QEMU" not in "".join(str(path) for path in site.rglob("*"))


def test_the_parts_are_the_release_s_and_named_after_their_content(tmp_path, modules):
    site, version, _entries = build(tmp_path, modules)
    for manifest in (tmp_path / "release" / version).glob("*/manifest.json"):
        for part in json.loads(manifest.read_text())["parts"]:
            data = (manifest.parent / part["file"]).read_bytes()
            sum_ = hashlib.sha256(data).hexdigest()
            assert (site / "firmware" / manifest.parent.name / f"{part['name']}-{sum_[:8]}.bin").read_bytes() == data


def test_only_the_installation_of_a_new_board_erases_it(tmp_path, modules):
    site, _version, _entries = build(tmp_path, modules)
    # ESP Web Tools erases unless it is told to ask.
    assert "new_install_prompt_erase" not in json.loads((site / "manifest.json").read_text())
    update = json.loads((site / "manifest-update.json").read_text())
    assert update["new_install_prompt_erase"] is True
    assert not [part for build in update["builds"] for part in build["parts"] if "filesystem" in part["path"]]


def test_a_board_just_written_has_time_to_answer_to_improv(tmp_path, modules):
    site, _version, _entries = build(tmp_path, modules)
    for path in site.rglob("manifest*.json"):
        assert json.loads(path.read_text())["new_install_improv_wait_time"] == webinstaller.IMPROV_WAIT > 10


def test_a_chip_with_several_boards_has_to_be_chosen(tmp_path, modules):
    esp32, s3 = Board.load("ESP32"), Board.load("ESP32_S3")
    folder = release.write(tmp_path / "release", [esp32, s3])
    release.write_board(folder / "GREENHOUSE", esp32)
    manifest = json.loads((folder / "GREENHOUSE" / "manifest.json").read_text())
    (folder / "GREENHOUSE" / "manifest.json").write_text(json.dumps({**manifest, "board": "GREENHOUSE"}))
    _version, entries = webinstaller.build(folder, tmp_path / "site", modules)
    automatic = json.loads((tmp_path / "site" / "manifest.json").read_text())
    assert [build["chipFamily"] for build in automatic["builds"]] == ["ESP32-S3"]
    assert "GREENHOUSE" in (tmp_path / "site" / "index.html").read_text()
    # With no chip left that decides, nothing is chosen to begin with.
    assert "Let the chip decide" not in webinstaller.page("1", [entry for entry in entries if "S3" not in entry.label])


def test_texts_of_a_release_are_no_html(tmp_path, modules):
    site, _version, _entries = build(tmp_path, modules, version="1.0<b>")
    text = (site / "index.html").read_text()
    assert "1.0&lt;b&gt;" in text
    assert "<b>" not in text


def test_made_anew_in_the_place_of_an_old_one(tmp_path, modules):
    site, _version, _entries = build(tmp_path, modules)
    (site / "old.txt").write_text("left over")
    webinstaller.build(tmp_path / "release" / release.VERSION, site, modules)
    assert not (site / "old.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["npm", "release", "site"]


def test_a_folder_with_other_files_is_left_alone(tmp_path, modules):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thesis.txt").write_text("years of work")
    with pytest.raises(FirmwareError, match="no web installer; name another folder"):
        build(tmp_path, modules)
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["thesis.txt"]


def break_nothing_built(folder):
    for path in folder.rglob("*"):
        path.is_file() and path.unlink()


def break_json(folder):
    (folder / "ESP32" / "manifest.json").write_text("{")


def break_field(folder):
    path = folder / "ESP32" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["chip_family"]
    path.write_text(json.dumps(manifest))


def break_part(folder):
    next((folder / "ESP32").glob("*-app.bin")).unlink()


def break_bytes(folder):
    path = next((folder / "ESP32").glob("*-app.bin"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def break_versions(folder):
    release.write_board(folder / "OTHER", Board.load("ESP32"), "9.9")


@pytest.mark.parametrize(
    "damage, says",
    [
        (break_nothing_built, "there is no released board in .*; make release builds one"),
        (break_json, r"ESP32/manifest\.json is no release manifest .*make release"),
        (break_field, r"ESP32/manifest\.json has no field 'chip_family'; make release"),
        (break_part, r"cannot read .*ESP32-app\.bin: No such file.*make release"),
        (break_bytes, r"ESP32-app\.bin is not what manifest\.json beside it describes; make release"),
        (break_versions, "boards of several versions: 1.2.3.*, 9.9"),
    ],
)
def test_a_release_that_is_not_whole_is_refused_in_one_line(tmp_path, modules, damage, says):
    folder = release.write(tmp_path / "release")
    damage(folder)
    with pytest.raises(FirmwareError, match=says) as caught:
        webinstaller.build(folder, tmp_path / "site", modules)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "site").exists()


def test_without_a_release_it_says_how_to_build_one(tmp_path, modules):
    with pytest.raises(FirmwareError, match=r"there is no release in .*; make release builds one"):
        webinstaller.newest_release(tmp_path)
    with pytest.raises(FirmwareError, match="does not exist; make release builds one"):
        webinstaller.build(tmp_path / "none", tmp_path / "site", modules)


def test_the_newest_release_is_taken(tmp_path):
    for age, version in enumerate(("2.0", "1.0")):
        release.write(tmp_path, [Board.load("ESP32")], version)
        os.utime(tmp_path / version / "ESP32" / "manifest.json", (1000 - age, 1000 - age))
    assert webinstaller.newest_release(tmp_path) == tmp_path / "2.0"


def test_npm_s_failure_is_one_line_with_its_reason(tmp_path, monkeypatch):
    # A registry that answers nothing, in the place of the user's.
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(FirmwareError, match=r"^npm cannot install esp-web-tools: .*ECONNREFUSED.*npm\.log$") as caught:
        npmtools.install(tmp_path / "npm")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "npm" / "installed.txt").exists()


def test_npm_packages_are_pinned_by_version_and_checksum():
    wanted = json.loads((SOURCE / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    lock = json.loads((SOURCE / "package-lock.json").read_text())["packages"]
    assert lock.pop("")["dependencies"] == wanted
    for name, package in lock.items():
        assert package["integrity"].startswith("sha512-"), name
        # Where it comes from is the business of who installs.
        assert "resolved" not in package, name


def test_help_pages_are_the_docs(tmp_path):
    files = webhelp.render("1.2.3")
    assert {name for name in files if name.endswith(".html")} == {
        f"help/{path.stem}.html" for path in (paths.ROOT / "docs").glob("*.md")
    }
    (tmp_path / "one.md").write_text(
        "# A `title` & more\n\n<!-- a comment -->\nSee [two](two.md#second-part), [code](../modules/x.py), [net](https://example.org/).\n"
    )
    (tmp_path / "two.md").write_text("# Two\n\n## Second part\n\n| a |\n|---|\n| b |\n")
    files = webhelp.render("1.2.3", tmp_path)
    one, two = files["help/one.html"].decode(), files["help/two.html"].decode()
    assert "<title>A title &amp; more – microAsyncWeb</title>" in one
    assert "a comment" not in one
    assert 'href="two.html#second-part"' in one
    assert "<span>code</span>" in one
    assert 'href="https://example.org/"' in one
    assert '<h2 id="second-part">Second part</h2>' in two
    assert "<td>b</td>" in two
