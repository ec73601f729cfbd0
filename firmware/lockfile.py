"""A lock file: one process at a time works on what it stands for."""

import contextlib
import fcntl
from pathlib import Path

from firmware import paths
from firmware.errors import FirmwareError


@contextlib.contextmanager
def locked(path, busy):
    """Hold the lock file `path`, made if it is missing. Raises FirmwareError: `busy` when another process has it."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise FirmwareError(f"cannot write {paths.show(path)}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FirmwareError(busy) from error
        yield
