"""/api/update: takes a new firmware over HTTP, into the slot that does not run; loaded by the first request for it.

The image goes to flash as it comes, one block at a time. What runs is not touched, and the boot loader hears of the
new image only when all of it lies in flash and has been checked there: an upload that breaks off, a wrong file and a
power cut leave the board as it was. After the restart the image is on trial, see selftest.py.
"""

import gc
from asyncio import sleep_ms
from hashlib import sha256
from struct import unpack_from

from micropAsyncWeb import HttpError
from micropython import const

from . import admin, bootjson, log, restart, slots

_BLOCK = const(4096)  # what the flash erases at once
_DIGEST = const(32)
_SEGMENTS_MAX = const(16)  # ESP_IMAGE_MAX_SEGMENTS

# esp_chip_id_t, the chips that MicroPython runs on
_CHIPS = {
    0x00: "ESP32",
    0x02: "ESP32-S2",
    0x05: "ESP32-C3",
    0x09: "ESP32-S3",
    0x0C: "ESP32-C2",
    0x0D: "ESP32-C6",
    0x12: "ESP32-P4",
    0x17: "ESP32-C5",
}

_busy = False  # from the first byte of an upload to its end; for ever when the restart is under way


class _Refused(Exception):
    """The image cannot be taken; arguments: status, words for its sender."""


async def answer(request):
    """GET: what describe() says. PUT: take the image in the body. For the admin only."""
    refused = await admin.check(request, "updates are taken")
    if refused:
        return refused
    if request.method != "PUT":
        return describe()
    try:
        return await _take(request)
    except _Refused as refused:
        log.warning("update refused: %s", refused.args[1])
        return _text(*refused.args)


def describe():
    """The slots as slots.describe() has them, with size and chip of the images that fit."""
    values = slots.describe()
    slot = slots.other()
    values["size"] = slot.info()[3] if slot else 0
    values["chip"] = _kind(slots.head(slots.running()))
    return values


def _text(status, words):
    return words + "\n", status, {"Content-Type": "text/plain; charset=utf-8"}


async def _take(request):
    global _busy
    if _busy:
        raise _Refused(409, "another update is under way: try again when it is done")
    if slots.pending():
        raise _Refused(409, "the running firmware is on trial and would be lost: try again when it is confirmed")
    _check_free()
    slot = slots.other()
    if slot is None:
        raise _Refused(507, "the partition table has no second application slot: flash the board by its serial port")
    length = request.left
    if length < 0:
        raise _Refused(411, "Content-Length is missing: send the image in one piece, not chunked")
    if not length:
        raise _Refused(400, "the request has no body: send the image as its body, such as curl -T FILE does")
    if length > slot.info()[3]:
        text = "the image has %d bytes, slot %s has room for %d: take a smaller one, or flash by the serial port"
        raise _Refused(413, text % (length, slot.info()[4], slot.info()[3]))
    _busy = True
    try:
        gc.collect()
        buffer = bytearray(_BLOCK)
        await _receive(request, slot, length, buffer)
        found = slots.head(slot)
        await _check(slot, length, found, buffer)
        _check_free()
        try:
            slot.set_boot()
        except OSError as error:
            raise _Refused(400, "the boot loader's check refuses the image (%s): send it again" % error)
    except BaseException as error:
        _busy = False
        if isinstance(error, OSError):
            log.warning("update broken off: %r", error)
        raise
    finally:
        gc.collect()
    log.info("update to %s in %s, restarting", slots.version(found), slot.info()[4])
    restart.soon(request)
    return {"slot": slot.info()[4], "version": slots.version(found), "size": length}


def _check_free():
    """Raise _Refused while settings are on trial or about to be: nobody could tell which of both has failed."""
    problem = bootjson.hindrance()
    if problem:
        raise _Refused(409, problem)


async def _receive(request, slot, length, buffer):
    """Write the body to the slot; its first block is looked at before anything is erased."""
    view = memoryview(buffer)
    filled = number = 0
    while length:
        count = await request.readinto(view[filled:])
        if not count:
            raise HttpError(400)
        filled += count
        length -= count
        if filled < _BLOCK and length:
            continue
        for index in range(filled, _BLOCK):
            buffer[index] = 0xFF
        if not number:
            _check_head(view[: slots.HEAD], slots.head(slots.running()))
        try:
            slot.writeblocks(number, buffer)
        except OSError as error:
            raise _Refused(507, "the flash cannot be written (%s): send it again, or flash by the serial port" % error)
        number += 1
        filled = 0
        # A fast sender would leave the others no turn.
        await sleep_ms(0)


def _kind(data):
    """What an image is for, by its first HEAD bytes: a chip's name, 'desktop board', '' for no image."""
    if bytes(data[:8]) == slots.DESKTOP_MAGIC:
        return "desktop board"
    if data[0] != slots.ESP_MAGIC:
        return ""
    chip = unpack_from("<H", data, 12)[0]
    return _CHIPS.get(chip, "chip 0x%04x" % chip)


def _check_head(data, own):
    """Raise _Refused unless `data`, the start of an image, is for this board, whose own begins with `own`."""
    kind = _kind(data)
    if not kind:
        raise _Refused(400, "this is no application image: send the file that ends with -app.bin")
    if kind != _kind(own):
        raise _Refused(400, "the image is for %s, this board is %s: send the one for it" % (kind, _kind(own)))
    if data[0] != slots.ESP_MAGIC:
        if unpack_from("<I", data, 8)[0] != 1:
            raise _Refused(400, "the image's header version is unknown: build it anew")
    elif not slots.is_application(data):
        raise _Refused(400, "this is a boot loader or a whole flash: send the file that ends with -app.bin")
    elif not data[23]:
        raise _Refused(400, "the image has no SHA-256 at its end (hash_appended): build it with one")


async def _check(slot, length, found, buffer):
    """Raise _Refused unless the slot holds a whole image of `length` bytes, which begins with `found`.

    The checksum byte of an ESP32 image is not looked at: the SHA-256 covers it, and set_boot() works both out again.
    """
    if found[0] == slots.ESP_MAGIC:
        start = 0
        end = _end(slot, length, found[1])
        digest = bytearray(_DIGEST)
        slot.readblocks(0, digest, end)
    else:
        start = slots.HEAD
        end = start + unpack_from("<I", found, 12)[0]
        if end != length:
            raise _Refused(400, _SIZE % (end, length))
        digest = found[16 : 16 + _DIGEST]
    view = memoryview(buffer)
    proof = sha256()
    for at in range(0, end, _BLOCK):
        slot.readblocks(at // _BLOCK, buffer)
        proof.update(view[max(start - at, 0) : min(end - at, _BLOCK)])
        await sleep_ms(0)
    if proof.digest() != digest:
        raise _Refused(400, "the image's SHA-256 does not match: it is damaged, send it again or build it anew")


def _end(slot, length, segments):
    """Where the SHA-256 of an ESP32 image begins (esp_image_format.c: segments, checksum in a block of 16 bytes)."""
    at = 24
    head = bytearray(8)
    for _ in range(min(segments, _SEGMENTS_MAX)):
        if at + 8 > length:
            raise _Refused(400, "the image ends within its segments: it is cut short, send it again")
        slot.readblocks(0, head, at)
        at += 8 + unpack_from("<I", head, 4)[0]
    end = at + 16 & ~15
    if end + _DIGEST != length:
        raise _Refused(400, _SIZE % (end + _DIGEST, length))
    return end


_SIZE = "by its header the image has %d bytes, %d came: send the file that ends with -app.bin, whole"
