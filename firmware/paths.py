"""Where things lie in the repository, and how a path is shown to the user."""

import os
import tempfile
from pathlib import Path

from firmware.errors import FirmwareError

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
BOARDS_COMMON = ROOT / "boards" / "common"
MANIFEST = BOARDS_COMMON / "manifest.py"
PARTITIONS_CSV = BOARDS_COMMON / "partitions.csv"
WEBROOT = ROOT / "firmware" / "webroot"


def show(path):
    """The path as the user would type it: relative to the working directory where that is shorter."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def write_atomically(path, data):
    """Write the bytes `data` to `path` so that a failure leaves the old file whole: aside, sync, rename.

    Raises FirmwareError when the folder cannot be written.
    """
    path = Path(path)
    aside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, aside = tempfile.mkstemp(prefix=path.name + ".", suffix=".new", dir=path.parent)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except OSError as error:
        if aside is not None and os.path.exists(aside):
            os.unlink(aside)
        raise FirmwareError(f"cannot write {show(path)}: {error.strerror or error}") from error
