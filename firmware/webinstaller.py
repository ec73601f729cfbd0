"""Builds the web installer: one static folder with the page, ESP Web Tools, the images of a release and the docs.

ESP Web Tools (https://esphome.github.io/esp-web-tools/) reads a manifest: for each chip family the files to write and
their offsets in bytes. `manifest.json` has all boards, and the chip that is found decides; each board has manifests of
its own besides, in firmware/BOARD/. The ones named manifest-update.json leave the filesystem alone.
"""

import hashlib
import html
import json
import shutil
import string
import tempfile
from dataclasses import dataclass
from pathlib import Path

from firmware import npmtools, paths, webhelp
from firmware.boards import Board
from firmware.errors import FirmwareError

SOURCE = npmtools.SOURCE
OUTPUT = paths.BUILD / "web-installer"
RELEASES = paths.BUILD / "release"
TOOLS = "esp-web-tools"
NAME = "microAsyncWeb"
_STATIC = ("style.css", "installer.js")
_BUILD_ONE = "make release builds one"
# Seconds in which a board that was just written may begin to answer to Improv, which sets its Wi-Fi from the page.
# The first start takes about five, and a board that does not answer lets people wait.
IMPROV_WAIT = 15


@dataclass(frozen=True)
class Part:
    """One file of a board's image: `name` such as "app", its `offset` in flash, its bytes, its `path` on the page."""

    name: str
    offset: int
    data: bytes
    path: str


@dataclass(frozen=True)
class Entry:
    """A released board: `label` such as "ESP32", ESP Web Tools' `chip_family`, `flash_size` in bytes, its parts."""

    label: str
    variant: str
    chip_family: str
    flash_size: int
    note: str
    parts: tuple


def add_options(parser):
    """The options of `python -m firmware web-installer`."""
    parser.add_argument("--release", type=Path, help="folder of the release, default: the newest in build/release")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the folder to make, build/web-installer")


def run(options):
    """Build the folder and say how to look at it."""
    release = options.release or newest_release()
    version, entries = build(release, options.output, npmtools.install())
    where = paths.show(options.output)
    print(f"{where}: {NAME} {version} for {', '.join(entry.label for entry in entries)}")
    print(f"to look at it: python3 -m http.server --bind 127.0.0.1 --directory {where} 8000")


def newest_release(folder=RELEASES):
    """The folder of the release that was built last. Raises FirmwareError when there is none."""
    manifests = list(Path(folder).glob("*/*/manifest.json"))
    if not manifests:
        raise FirmwareError(f"there is no release in {paths.show(folder)}; {_BUILD_ONE}")
    return max(manifests, key=lambda path: path.stat().st_mtime).parents[1]


def build(release, output, modules):
    """Make the folder `output` anew from the folder `release`; `modules` is what npmtools.install() returned.

    Returns (version, [Entry]). Raises FirmwareError; `output` is then as it was before.
    """
    version, entries = read_release(release)
    files = {f"{TOOLS}/{name}": data for name, data in npmtools.web_tools(modules).items()}
    files["licences.txt"] = npmtools.licences(modules).encode()
    for name in _STATIC:
        files[name] = (SOURCE / name).read_bytes()
    files["favicon.svg"] = (paths.WEBROOT / "favicon.svg").read_bytes()
    files.update(webhelp.render(version))
    files.update(manifests(version, entries))
    for entry in entries:
        files.update({part.path: part.data for part in entry.parts})
    files["index.html"] = page(version, entries).encode()
    _replace(Path(output), files)
    return version, entries


def read_release(folder):
    """(version, [Entry]) of the folder that `make release` wrote. Raises FirmwareError naming file and remedy."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FirmwareError(f"release {paths.show(folder)} does not exist; {_BUILD_ONE}")
    found = sorted(folder.glob("*/manifest.json"))
    manifests = [(path, _read_manifest(path)) for path in found]
    versions = sorted({manifest["version"] for _path, manifest in manifests})
    if len(versions) > 1:
        raise FirmwareError(f"{paths.show(folder)} has boards of several versions: {', '.join(versions)}")
    entries = [_entry(path, manifest) for path, manifest in manifests if _is_for_users(manifest)]
    if not entries:
        raise FirmwareError(f"there is no released board in {paths.show(folder)}; {_BUILD_ONE}")
    return versions[0], entries


def _read_manifest(path):
    try:
        manifest = json.loads(path.read_text("utf-8"))
        for key in ("version", "board", "variant", "chip_family", "flash_size", "parts"):
            manifest[key]
        for part in manifest["parts"]:
            for key in ("name", "file", "offset", "size", "sha256"):
                part[key]
    except (ValueError, TypeError) as error:
        raise FirmwareError(f"{paths.show(path)} is no release manifest ({error}); {_BUILD_ONE}") from error
    except KeyError as error:
        raise FirmwareError(f"{paths.show(path)} has no field {error}; {_BUILD_ONE}") from error
    return manifest


def _is_for_users(manifest):
    """False for what no chip runs, such as the build for the emulator."""
    try:
        return Board.load(manifest["board"], manifest["variant"]).release
    except FirmwareError:
        return True  # released from another checkout, with boards of its own


def _entry(path, manifest):
    label = path.parent.name
    parts = tuple(_part(path, label, part) for part in manifest["parts"])
    return Entry(
        label,
        manifest["variant"],
        manifest["chip_family"],
        manifest["flash_size"],
        _note(manifest["board"], manifest["variant"], manifest["chip_family"]),
        parts,
    )


def _part(manifest, label, part):
    file = manifest.parent / part["file"]
    try:
        data = file.read_bytes()
    except OSError as error:
        raise FirmwareError(f"cannot read {paths.show(file)}: {error.strerror}; {_BUILD_ONE}") from error
    if len(data) != part["size"] or hashlib.sha256(data).hexdigest() != part["sha256"]:
        raise FirmwareError(f"{paths.show(file)} is not what {manifest.name} beside it describes; {_BUILD_ONE}")
    # The sum in the name keeps a browser's cache from mixing two releases.
    return Part(part["name"], part["offset"], data, f"firmware/{label}/{part['name']}-{part['sha256'][:8]}.bin")


def _note(board, variant, chip_family):
    """What tells this board from others with its chip: board.json's words on the variant, or the board's name."""
    try:
        about = json.loads((paths.ROOT / "boards" / board / "board.json").read_text("utf-8"))
        if variant:
            return about["variants"][variant]
    except (OSError, ValueError, KeyError):
        pass
    return "" if board.replace("_", "-") == chip_family else f"{board} {variant}".strip()


def automatic(entries):
    """The entries that can be chosen by the chip alone: for each family the only one that is no variant."""
    plain = [entry for entry in entries if not entry.variant]
    families = [entry.chip_family for entry in plain]
    return [entry for entry in plain if families.count(entry.chip_family) == 1]


def manifests(version, entries):
    """{path on the page: bytes} of all manifests for ESP Web Tools."""
    files = _pair("", version, automatic(entries))
    for entry in entries:
        files.update(_pair(f"firmware/{entry.label}/", version, [entry]))
    return files


def _pair(prefix, version, entries):
    whole = _manifest(prefix, NAME, version, entries, filesystem=True)
    # Without this ESP Web Tools erases the whole flash first, which is right for a new board only.
    update = {**_manifest(prefix, f"{NAME}, keeping files,", version, entries, filesystem=False)}
    update["new_install_prompt_erase"] = True
    pair = {"manifest.json": whole, "manifest-update.json": update}
    return {prefix + name: (json.dumps(content, indent=1) + "\n").encode() for name, content in pair.items()}


def _manifest(prefix, name, version, entries, filesystem):
    return {
        "name": name,
        "version": version,
        "new_install_improv_wait_time": IMPROV_WAIT,
        "builds": [
            {
                "chipFamily": entry.chip_family,
                "parts": [
                    {"path": part.path.removeprefix(prefix), "offset": part.offset}
                    for part in entry.parts
                    if filesystem or part.name != "filesystem"
                ],
            }
            for entry in entries
        ],
    }


def page(version, entries):
    """The text of index.html."""
    template = string.Template((SOURCE / "index.html").read_text("utf-8"))
    chosen = automatic(entries)
    choices = []
    if chosen:
        names = "; ".join(_title(entry) for entry in chosen)
        choices.append(_choice("", "Let the chip decide", names, checked=True))
    for entry in entries:
        choices.append(_choice(f"firmware/{entry.label}/", _title(entry), entry.note))
    return template.substitute(
        version=html.escape(version),
        choices="\n".join(choices),
        tables="\n".join(_table(entry) for entry in entries),
    )


def _title(entry):
    return f"{entry.chip_family}, {entry.flash_size >> 20} MB flash"


def _choice(value, title, note, checked=False):
    small = f" <small>{html.escape(note)}</small>" if note else ""
    return (
        f'<label class="choice"><input type="radio" name="board" value="{html.escape(value)}" required'
        f'{" checked" if checked else ""}> <span>{html.escape(title)}{small}</span></label>'
    )


def _table(entry):
    rows = "\n".join(
        f'<tr><td><a href="{html.escape(part.path)}" download>{html.escape(part.name)}</a></td>'
        f"<td>0x{part.offset:x}</td><td>{len(part.data)}</td></tr>"
        for part in entry.parts
    )
    heading = f"<caption>{html.escape(_title(entry))} <small>{html.escape(entry.label)}</small></caption>"
    return (
        f'<table>{heading}<thead><tr><th scope="col">File</th><th scope="col">Offset</th>'
        f'<th scope="col">Bytes</th></tr></thead><tbody>\n{rows}\n</tbody></table>'
    )


def _replace(folder, files):
    """Put {path: bytes} in the place of `folder`, which is whole at any time, or nothing at all."""
    if folder.exists() and not (folder / "manifest.json").exists() and any(folder.iterdir()):
        raise FirmwareError(f"{paths.show(folder)} has files that are no web installer; name another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=folder.name + ".", suffix=".new", dir=folder.parent))
        try:
            for path, data in files.items():
                target = aside / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            aside.chmod(0o755)
            shutil.rmtree(folder, ignore_errors=True)
            aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise FirmwareError(f"cannot write {paths.show(folder)}: {error.strerror or error}") from error
