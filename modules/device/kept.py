"""Reads the lines of the log that memory has kept over a reset. Loaded at the start, then dropped.

They lie in bytes 80 to 1023 of the module `retained`, written by log.py one after the other, round and round. Each
record tells by itself whether it is whole, so that it does not matter where a reset or a crash has interrupted:

    magic, bytes of the text, severity, number (2 bytes), time.time() (4), the text, CRC-32 of all that (2 of its bytes)
"""

from binascii import crc32
from struct import unpack_from

from micropython import const

_MAGIC = const(0xA5)
_FIRST = const(80)
_HEAD = const(9)
_FRAME = const(11)
_WINDOW = const(128)  # more lines than the memory can hold are between the newest and one that is left from long ago


def load(retained, lost=False):
    """([(time, severity, text) …], offset for the next record, its number). lost: the content means nothing."""
    size = retained.SIZE - _FIRST
    if lost:
        retained.write(_FIRST, bytes(size))
        return [], _FIRST, 0
    memory = retained.read(_FIRST, size)
    found = []
    newest = None  # its number and where it ends
    at = 0
    while at + _FRAME <= size:
        end = _end(memory, at)
        if not end:
            at += 1
            continue
        number = unpack_from("<H", memory, at + 3)[0]
        found.append((number, at))
        if newest is None or (number - newest[0]) & 0xFFFF < 0x8000:
            newest = number, end
        at = end
    if not found:
        return [], _FIRST, 0
    last, end = newest
    # Numbers begin again at 0 after 65535.
    found = [((last - number) & 0xFFFF, at) for number, at in found]
    found.sort(reverse=True)
    return [_line(memory, at) for age, at in found if age < _WINDOW], _FIRST + end, (last + 1) & 0xFFFF


def _end(memory, at):
    # Where the record that begins at `at` ends; 0 if there is none, or not a whole one.
    if memory[at] != _MAGIC:
        return 0
    end = at + _FRAME + memory[at + 1]
    if end > len(memory):
        return 0
    return end if crc32(memory[at : end - 2]) & 0xFFFF == unpack_from("<H", memory, end - 2)[0] else 0


def _line(memory, at):
    size, severity, _, stamp = unpack_from("<BBHI", memory, at + 1)
    text = memory[at + _HEAD : at + _HEAD + size]
    while True:
        try:
            return stamp, severity, text.decode()
        except UnicodeError:
            # Cut within its last character.
            text = text[:-1]
