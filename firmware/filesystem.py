"""The LittleFS image of the 'vfs' partition: built, read and unpacked."""

from pathlib import Path

from littlefs import LittleFS, LittleFSError

from firmware import paths
from firmware.errors import FirmwareError

BLOCK_SIZE = 4096
# As MicroPython's ESP32 port mounts it: a port with other values may read the image but not write it.
_PARAMETERS = {
    "block_size": BLOCK_SIZE,
    "read_size": 32,
    "prog_size": 32,
    "cache_size": 128,
    "lookahead_size": 32,
    "name_max": 255,
}
_BIGGEST_SHOWN = 5


def build(files, size):
    """LittleFS image of exactly `size` bytes with the {path: bytes}.

    Raises FirmwareError, which says by how much the files are too large and which are the biggest.
    """
    try:
        return _fill(files, size // BLOCK_SIZE)[0]
    except LittleFSError as error:
        if error.code != LittleFSError.Error.LFS_ERR_NOSPC:
            raise FirmwareError(f"the filesystem cannot be built: {error}") from error
    content = sum(len(data) for data in files.values())
    roomy = size // BLOCK_SIZE + 2 * len(files) + 2 * content // BLOCK_SIZE
    needed = _fill(files, roomy)[1] * BLOCK_SIZE
    biggest = sorted(files, key=lambda path: (-len(files[path]), path))[:_BIGGEST_SHOWN]
    shown = ", ".join(f"{path} {_kib(len(files[path]))}" for path in biggest)
    raise FirmwareError(
        f"the files need {_kib(needed)}, the filesystem partition has {_kib(size)}: "
        f"{_kib(max(needed - size, BLOCK_SIZE))} too much; the biggest: {shown}"
    )


def read(image):
    """{path: bytes} of everything in a LittleFS image. Raises FirmwareError when it cannot be mounted."""
    files = {}
    try:
        filesystem = _mount(image)
        for folder, _folders, names in filesystem.walk("/"):
            for name in names:
                path = f"{folder.rstrip('/')}/{name}"
                with filesystem.open(path, "rb") as file:
                    files[path.lstrip("/")] = file.read()
    except LittleFSError as error:
        raise FirmwareError(f"the image holds no readable LittleFS: {error}") from error
    return files


def read_file(image, path):
    """The bytes of one file of a LittleFS image. Raises FirmwareError when it is not there or cannot be read."""
    try:
        filesystem = _mount(image)  # has to outlive the file
        with filesystem.open(path, "rb") as file:
            return file.read()
    except (LittleFSError, OSError) as error:
        raise FirmwareError(f"the image holds no readable {path}: {error}") from error


def unpack(image, folder):
    """Write all files of a LittleFS image below `folder`; returns their number. Raises FirmwareError."""
    folder = Path(folder).resolve()
    files = read(image)
    for path, data in files.items():
        target = (folder / path).resolve()
        if not target.is_relative_to(folder):
            raise FirmwareError(f"the image names '{path}', which lies outside {paths.show(folder)}")
        paths.write_atomically(target, data)
    return len(files)


def _mount(image):
    filesystem = LittleFS(mount=False, block_count=len(image) // BLOCK_SIZE, **_PARAMETERS)
    filesystem.context.buffer = bytearray(image)
    filesystem.mount()
    return filesystem


def _fill(files, block_count):
    """(image, blocks in use)."""
    filesystem = LittleFS(block_count=block_count, **_PARAMETERS)
    for path, data in files.items():
        folder = path.rpartition("/")[0]
        if folder:
            filesystem.makedirs(folder, exist_ok=True)
        with filesystem.open(path, "wb") as file:
            file.write(data)
    return bytes(filesystem.context.buffer), filesystem.used_block_count


def _kib(size):
    return f"{size / 1024:.1f} KiB"
