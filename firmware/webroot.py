"""What goes onto a board's filesystem: boot.json and the webroot, with .gz neighbours of its text files."""

import gzip
import hashlib
from pathlib import Path

from firmware import paths
from firmware.errors import FirmwareError

_TEXT = frozenset(
    [
        ".html",
        ".htm",
        ".css",
        ".js",
        ".mjs",
        ".json",
        ".svg",
        ".txt",
        ".xml",
        ".csv",
        ".md",
        ".map",
        ".webmanifest",
        ".wasm",
        ".ico",
    ]
)
# Up to here a body travels in one TCP segment, while a neighbour file costs a block of flash.
_GZIP_FROM = 1024


def collect(webroot, boot_json):
    """{path on the device: bytes}: boot.json, and the webroot's files below 'webroot/'.

    Hidden files and editors' backups stay on the host. Raises FirmwareError when the webroot is missing or
    empty, or a file cannot be read.
    """
    webroot = Path(webroot)
    remedy = "WEBROOT=FOLDER names the folder with the pages"
    if not webroot.is_dir():
        what = "is not a folder" if webroot.exists() else "does not exist"
        raise FirmwareError(f"webroot {paths.show(webroot)} {what}; {remedy}")
    files = {"boot.json": _read(Path(boot_json))}
    for path in sorted(webroot.rglob("*")):
        relative = path.relative_to(webroot)
        if path.is_file() and not _is_litter(relative):
            files[f"webroot/{relative.as_posix()}"] = _read(path)
    if len(files) == 1:
        raise FirmwareError(f"webroot {paths.show(webroot)} is empty; {remedy}")
    return files


def digest(files):
    """SHA-256 over the names and bytes of {path: bytes}, in hexadecimal."""
    state = hashlib.sha256()
    for path, data in sorted(files.items()):
        state.update(f"{path}\0{len(data)}\0".encode())
        state.update(data)
    return state.hexdigest()


def with_gzip_neighbours(files):
    """The files and, for each text file of the webroot that shrinks by it, one of the same name plus '.gz'.

    Reproducible: no time and no name in the gzip header (RFC 1952). A neighbour that is already there stays.
    """
    result = dict(files)
    for path, data in files.items():
        if (
            not path.startswith("webroot/")
            or Path(path).suffix.lower() not in _TEXT
            or len(data) < _GZIP_FROM
        ):
            continue
        packed = gzip.compress(data, 9, mtime=0)
        if len(packed) < len(data) * 0.9:
            result.setdefault(path + ".gz", packed)
    return dict(sorted(result.items()))


def _is_litter(relative):
    """Hidden, but for .well-known (RFC 8615), or a backup."""
    hidden = any(part.startswith(".") and part != ".well-known" for part in relative.parts)
    return hidden or relative.name.endswith("~")


def _read(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise FirmwareError(f"cannot read {paths.show(path)}: {error.strerror}") from error
