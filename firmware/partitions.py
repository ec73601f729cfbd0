"""ESP-IDF partition tables: CSV to binary and back, and the rules of ESP-IDF v5.5's gen_esp32part.py."""

import csv
import hashlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from firmware.errors import FirmwareError
from firmware.paths import PARTITIONS_CSV, show

FLASH_SIZE = 0x400000  # of the desktop board; those of the chips are in their board definitions
SECTOR_SIZE = 0x1000
TABLE_OFFSET = 0x8000
TABLE_SIZE = 0xC00  # 96 rows; the rest of the sector is left for a signature
FIRST_FREE = TABLE_OFFSET + SECTOR_SIZE

TYPE_APP = 0
TYPE_DATA = 1
SUBTYPE_OTADATA = 0x00
SUBTYPE_NVS = 0x02
SUBTYPE_OTA_0 = 0x10
OTA_SLOTS_MAX = 16
OTADATA_SIZE = 2 * SECTOR_SIZE
NVS_SIZE_MIN = 0x3000  # NVS needs one spare page beside two in use, unless it is never written

_TYPES = {"app": TYPE_APP, "data": TYPE_DATA}
_SUBTYPES = {
    TYPE_APP: {
        "factory": 0x00,
        "test": 0x20,
        **{f"ota_{slot}": SUBTYPE_OTA_0 + slot for slot in range(OTA_SLOTS_MAX)},
    },
    TYPE_DATA: {
        "ota": SUBTYPE_OTADATA,
        "phy": 0x01,
        "nvs": SUBTYPE_NVS,
        "coredump": 0x03,
        "nvs_keys": 0x04,
        "efuse": 0x05,
        "undefined": 0x06,
        "esphttpd": 0x80,
        "fat": 0x81,
        "spiffs": 0x82,
        "littlefs": 0x83,
    },
}
_FLAGS = {"encrypted": 1 << 0, "readonly": 1 << 1}
_ALIGN_APP_OFFSET = 0x10000  # the flash cache maps pages of 64 KiB
_ROW = struct.Struct("<2sBBLL16sL")
_ROW_MAGIC = b"\xaa\x50"
_MD5_MAGIC = b"\xeb\xeb" + b"\xff" * 14
_BLANK_ROW = b"\xff" * _ROW.size


class PartitionError(FirmwareError):
    """A partition table that the bootloader would refuse or that ESP-IDF's tool would not build."""


@dataclass(frozen=True)
class Partition:
    """One row: `name` (at most 15 bytes), numeric `type` and `subtype`, `offset` and `size` in bytes."""

    name: str
    type: int
    subtype: int
    offset: int
    size: int
    encrypted: bool = False
    readonly: bool = False

    @property
    def end(self):
        """Offset of the first byte behind the partition."""
        return self.offset + self.size

    @property
    def type_name(self):
        """The CSV word for the type, or its number."""
        return _word(self.type, _TYPES)

    @property
    def subtype_name(self):
        """The CSV word for the subtype, or its number."""
        return _word(self.subtype, _SUBTYPES.get(self.type, {}))


class PartitionTable(Sequence):
    """The rows of a table in their order; indexed by number or by name."""

    def __init__(self, rows, source="partition table"):
        self._rows = tuple(rows)
        self._source = source

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, key):
        if isinstance(key, str):
            found = self.find(key)
            if found is None:
                raise PartitionError(f"{self._source}: there is no partition '{key}'")
            return found
        return self._rows[key]

    def __eq__(self, other):
        return isinstance(other, PartitionTable) and self._rows == other._rows

    def find(self, name):
        """The Partition of that name, or None."""
        return next((row for row in self._rows if row.name == name), None)

    def find_by_type(self, type, subtype):
        """List of the partitions of that numeric type and subtype."""
        return [row for row in self._rows if (row.type, row.subtype) == (type, subtype)]

    def ota_slots(self):
        """The OTA application slots, ota_0 first."""
        slots = range(SUBTYPE_OTA_0, SUBTYPE_OTA_0 + OTA_SLOTS_MAX)
        apps = [row for row in self._rows if row.type == TYPE_APP and row.subtype in slots]
        return sorted(apps, key=lambda row: row.subtype)

    @classmethod
    def from_csv(cls, text, source="partitions.csv"):
        """Parse ESP-IDF's CSV; an empty offset follows the row before, sizes take K and M.

        Raises PartitionError, which names `source`, the line and the field.
        """
        rows = []
        end = FIRST_FREE
        for number, fields in _csv_rows(text):
            where = f"{source}:{number}"
            row = _row_from_fields(fields, end, where)
            if row.offset < end:
                raise PartitionError(
                    f"{where}: partition '{row.name}' at 0x{row.offset:x} overlaps what ends at 0x{end:x}"
                )
            rows.append(row)
            end = row.end
        return cls(rows, source)

    def to_csv(self):
        """The table as CSV with every offset and size in hexadecimal."""
        lines = ["# Name, Type, SubType, Offset, Size, Flags"]
        for row in self._rows:
            flags = ":".join(flag for flag in _FLAGS if getattr(row, flag))
            cells = (row.name, row.type_name, row.subtype_name, hex(row.offset), hex(row.size), flags)
            lines.append(",".join(cells))
        return "\n".join(lines) + "\n"

    @classmethod
    def from_binary(cls, data, source="partition table"):
        """Parse the bytes at TABLE_OFFSET; needs a right MD5 row and the end mark. Raises PartitionError."""
        rows = []
        data = bytes(data)
        md5_found = False
        for start in range(0, len(data) - _ROW.size + 1, _ROW.size):
            cell = data[start : start + _ROW.size]
            if cell == _BLANK_ROW:
                if not md5_found:
                    raise PartitionError(f"{source}: the MD5 row is missing")
                return cls(rows, source)
            if cell[:2] == _MD5_MAGIC[:2]:
                if cell[16:] != hashlib.md5(data[:start]).digest():
                    raise PartitionError(f"{source}: the MD5 sum does not match, the table is damaged")
                md5_found = True
            else:
                rows.append(_row_from_binary(cell, source))
        raise PartitionError(f"{source}: the end mark is missing")

    def to_binary(self):
        """The table as it lies in flash: TABLE_SIZE bytes with MD5 row. Raises PartitionError if too long."""
        data = b"".join(_row_to_binary(row) for row in self._rows)
        data += _MD5_MAGIC + hashlib.md5(data).digest()
        if len(data) >= TABLE_SIZE:
            raise PartitionError(f"{self._source}: {len(self._rows)} partitions are more than a table holds")
        return data.ljust(TABLE_SIZE, b"\xff")

    def verify(self, flash_size=None):
        """Check the rules of ESP-IDF and, if given, that all lies within `flash_size` bytes.

        Raises PartitionError with the partition and the rule.
        """
        names = [row.name for row in self._rows]
        for name in names:
            if names.count(name) > 1:
                raise PartitionError(f"{self._source}: two partitions are called '{name}'")
        for row in self._rows:
            problem = _row_problem(row)
            if problem:
                raise PartitionError(f"{self._source}: partition '{row.name}' {problem}")
        end = FIRST_FREE
        for row in sorted(self._rows, key=lambda row: row.offset):
            if row.offset < end:
                raise PartitionError(
                    f"{self._source}: partition '{row.name}' at 0x{row.offset:x} "
                    f"overlaps what ends at 0x{end:x}"
                )
            end = row.end
        if len(self.find_by_type(TYPE_DATA, SUBTYPE_OTADATA)) > 1:
            raise PartitionError(f"{self._source}: only one partition may be of type data, ota")
        if flash_size is not None and end > flash_size:
            raise PartitionError(
                f"{self._source}: the partitions end at 0x{end:x}, "
                f"0x{end - flash_size:x} bytes behind the flash"
            )


def read_flash(flash, source="flash image"):
    """The verified PartitionTable of a whole flash image (bytes-like). Raises PartitionError."""
    view = memoryview(flash)
    table = PartitionTable.from_binary(view[TABLE_OFFSET : TABLE_OFFSET + TABLE_SIZE], source)
    table.verify(len(view))
    return table


def read_csv(path, flash_size=FLASH_SIZE):
    """The PartitionTable of a CSV file, verified for a flash of `flash_size` bytes. Raises PartitionError."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise PartitionError(f"cannot read {show(path)}: {error.strerror}") from error
    table = PartitionTable.from_csv(text, show(path))
    table.verify(flash_size)
    return table


def default_table():
    """The table of the desktop board, which the chips with 4 MB share."""
    return read_csv(PARTITIONS_CSV)


def _csv_rows(text):
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line and not line.startswith("#"):
            cells = [cell.strip() for cell in next(csv.reader([line]))]
            yield number, (cells + [""] * 6)[:6]


def _row_from_fields(fields, end, where):
    name, type_text, subtype_text, offset_text, size_text, flags_text = fields
    if not name or len(name.encode()) > 15:
        raise PartitionError(f"{where}: the name '{name}' must have 1 to 15 bytes")
    type = _number(type_text, where, "type", _TYPES)
    known = _SUBTYPES.get(type, {})
    if not subtype_text and type == TYPE_APP:
        raise PartitionError(f"{where}: an app partition needs a subtype, one of {', '.join(known)}")
    subtype = _number(subtype_text or "undefined", where, "subtype", known)
    for value, field in ((type, "type"), (subtype, "subtype")):
        if not 0 <= value <= 0xFF:
            raise PartitionError(f"{where}: {field} {value} is not a byte")
    align = _ALIGN_APP_OFFSET if type == TYPE_APP else SECTOR_SIZE
    offset = _number(offset_text, where, "offset") if offset_text else -(-end // align) * align
    size = _number(size_text, where, "size")
    flags = [flag for flag in flags_text.split(":") if flag]
    for flag in flags:
        if flag not in _FLAGS:
            raise PartitionError(f"{where}: flag '{flag}' is not one of {', '.join(_FLAGS)}")
    return Partition(name, type, subtype, offset, size, "encrypted" in flags, "readonly" in flags)


def _number(text, where, field, words=None):
    if words and text.lower() in words:
        return words[text.lower()]
    match = re.fullmatch(r"(0x[0-9a-f]+|[0-9]+)([km]?)", text.lower())
    if match is None:
        allowed = f"a number or one of {', '.join(words)}" if words else "a number such as 0x1000, 4K or 1M"
        raise PartitionError(f"{where}: {field} '{text}' must be {allowed}")
    return int(match[1], 0) * {"": 1, "k": 1024, "m": 1024 * 1024}[match[2]]


def _row_problem(row):
    """What ESP-IDF would say about one row alone, or None."""
    align = _ALIGN_APP_OFFSET if row.type == TYPE_APP else SECTOR_SIZE
    if row.offset % align:
        return f"starts at 0x{row.offset:x}, which is not a multiple of 0x{align:x}"
    if row.size <= 0:
        return "is empty"
    if row.type == TYPE_APP and row.size % SECTOR_SIZE:
        return f"has the size 0x{row.size:x}, which is not a multiple of 0x{SECTOR_SIZE:x}"
    if (row.type, row.subtype) == (TYPE_DATA, SUBTYPE_OTADATA):
        if row.size != OTADATA_SIZE:
            return f"must have the size 0x{OTADATA_SIZE:x}"
        if row.readonly:
            return "cannot be readonly, the bootloader writes it"
    if (row.type, row.subtype) == (TYPE_DATA, SUBTYPE_NVS) and row.size < NVS_SIZE_MIN and not row.readonly:
        return f"must have at least 0x{NVS_SIZE_MIN:x} bytes"
    return None


def _row_from_binary(cell, source):
    magic, type, subtype, offset, size, name, flags = _ROW.unpack(cell)
    if magic != _ROW_MAGIC:
        raise PartitionError(f"{source}: no partition table at 0x{TABLE_OFFSET:x}, is this a flash image?")
    try:
        text = name.rstrip(b"\0").decode()
    except UnicodeDecodeError as error:
        raise PartitionError(f"{source}: a partition's name is not UTF-8") from error
    return Partition(text, type, subtype, offset, size, *(bool(flags & bit) for bit in _FLAGS.values()))


def _row_to_binary(row):
    flags = sum(bit for flag, bit in _FLAGS.items() if getattr(row, flag))
    return _ROW.pack(_ROW_MAGIC, row.type, row.subtype, row.offset, row.size, row.name.encode(), flags)


def _word(value, words):
    return next((word for word, number in words.items() if number == value), str(value))
