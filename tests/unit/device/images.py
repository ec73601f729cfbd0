"""Application images as the tests need them: small, in both formats, whole or spoiled at one place."""

import hashlib
import struct

from firmware import appimage

ESP32, ESP32_S3 = 0x0000, 0x0009


def esp(chip_id=ESP32, version="9.9", sizes=(1024, 5000, 36), description=0xABCD5432, digest=True):
    """An ESP32 application (esp_app_format.h, esp_app_desc.h of ESP-IDF v5.5) with segments of `sizes` bytes."""
    head = struct.pack("<LL8x32s32s", description, 0, version.encode(), b"micropython").ljust(256, b"\0")
    # magic, segments, DIO, 40 MHz and 4 MB, entry, WP pin, chip, its revisions, SHA-256 at the end
    image = struct.pack("<BBBBIB3xHBHH4xB", 0xE9, len(sizes), 2, 0x20, 0x40081000, 0xEE, chip_id, 0, 0, 0, digest)
    checksum = 0xEF
    for number, size in enumerate(sizes):
        data = bytes((number * 7 + at * 13) & 0xFF for at in range(size))
        if not number:
            data = head + data[len(head) :]
        image += struct.pack("<II", 0x3F400020 + number * 0x10000, size) + data
        for byte in data:
            checksum ^= byte
    image += b"\0" * (15 - len(image) % 16) + bytes([checksum])
    return image + hashlib.sha256(image).digest() if digest else image


def desktop(version="9.9", size=9000):
    """An image of the desktop board."""
    return appimage.pack(bytes(at * 11 & 0xFF for at in range(size)), version)


def spoiled(image, at):
    """The image with another byte at `at`."""
    data = bytearray(image)
    data[at] ^= 1
    return bytes(data)
