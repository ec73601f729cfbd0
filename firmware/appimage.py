"""What an application slot of the desktop board holds: a header with version and SHA-256, then the ROMFS."""

import hashlib
import struct
from dataclasses import dataclass

from firmware.errors import FirmwareError

MAGIC = b"MAWIMAGE"
HEADER_VERSION = 1
_HEADER = struct.Struct("<8sII32s32s48x")  # magic, header version, payload size, SHA-256, version string
HEADER_SIZE = _HEADER.size


class AppImageError(FirmwareError):
    """The bytes are no application image, or a damaged one."""


@dataclass(frozen=True)
class AppImage:
    """A checked image: its `version` string, the `payload` (ROMFS) and its SHA-256 `digest`."""

    version: str
    payload: memoryview
    digest: bytes


def pack(payload, version):
    """Header and payload as bytes. Raises AppImageError when `version` has more than 32 UTF-8 bytes."""
    label = version.encode()
    if len(label) > 32:
        raise AppImageError(f"version '{version}' has {len(label)} bytes, the image header holds 32")
    digest = hashlib.sha256(payload).digest()
    return _HEADER.pack(MAGIC, HEADER_VERSION, len(payload), digest, label) + payload


def parse(slot):
    """The AppImage at the start of `slot` (bytes-like). Raises AppImageError, which says what is wrong."""
    view = memoryview(slot)
    if len(view) < HEADER_SIZE:
        raise AppImageError("the image is shorter than its header")
    magic, header_version, size, digest, label = _HEADER.unpack_from(view)
    if magic != MAGIC:
        raise AppImageError("there is no application image")
    if header_version != HEADER_VERSION:
        raise AppImageError(f"the image's header version is {header_version}, not {HEADER_VERSION}")
    if size > len(view) - HEADER_SIZE:
        raise AppImageError(f"the image says {size} bytes, but only {len(view) - HEADER_SIZE} are there")
    payload = view[HEADER_SIZE : HEADER_SIZE + size]
    if hashlib.sha256(payload).digest() != digest:
        raise AppImageError("the image's SHA-256 does not match, it is damaged")
    return AppImage(label.rstrip(b"\0").decode("utf-8", "replace"), payload, digest)
