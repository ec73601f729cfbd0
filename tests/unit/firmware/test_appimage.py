"""The application image's header, and that no damage to the image goes unnoticed."""

import hashlib
import struct

import pytest

from firmware import appimage


def test_layout():
    image = appimage.pack(b"payload", "1.2.3")
    assert image[:8] == b"MAWIMAGE"
    assert struct.unpack_from("<II", image, 8) == (1, 7)
    assert image[16:48] == hashlib.sha256(b"payload").digest()
    assert image[48:80] == b"1.2.3".ljust(32, b"\0")
    assert image[80:] == b"\0" * 48 + b"payload"


def test_read_back_from_a_larger_slot():
    image = appimage.parse(appimage.pack(b"payload", "1.2.3") + b"\xff" * 100)
    assert (image.version, bytes(image.payload)) == ("1.2.3", b"payload")


@pytest.mark.parametrize("position", [0, 8, 12, 16, 47, 128, 134])
def test_damage_is_noticed(position):
    image = bytearray(appimage.pack(b"payload", "1.2.3"))
    image[position] ^= 1
    with pytest.raises(appimage.AppImageError):
        appimage.parse(image)


@pytest.mark.parametrize("data", [b"", b"\xff" * 200, appimage.pack(b"payload", "1")[:-1]])
def test_what_is_no_image(data):
    with pytest.raises(appimage.AppImageError):
        appimage.parse(data)


def test_version_must_fit():
    with pytest.raises(appimage.AppImageError, match="33 bytes"):
        appimage.pack(b"", "v" * 33)
