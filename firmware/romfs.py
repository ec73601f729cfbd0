"""Packs files into a ROMFS image with mpremote's writer."""

from mpremote.romfs import VfsRomWriter

from firmware.errors import FirmwareError


def build(files):
    """ROMFS image as bytes for {path with '/': bytes}. Raises FirmwareError for a name that is not ASCII."""
    tree = {}
    for path, data in files.items():
        if not path.isascii():
            raise FirmwareError(f"ROMFS cannot hold the name '{path}', use ASCII")
        *folders, name = path.split("/")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[name] = data
    writer = VfsRomWriter()
    _write(writer, tree)
    return bytes(writer.finalise())


def _write(writer, node):
    for name in sorted(node):
        if isinstance(node[name], dict):
            writer.opendir(name)
            _write(writer, node[name])
            writer.closedir()
        else:
            writer.mkfile(name, node[name])
