"""Partition tables: ESP-IDF's CSV and binary formats, and the rules of its gen_esp32part.py."""

import hashlib
import struct

import pytest

from firmware.partitions import (
    FLASH_SIZE,
    TABLE_OFFSET,
    TABLE_SIZE,
    Partition,
    PartitionError,
    PartitionTable,
    default_table,
    read_flash,
)

GOOD = "nvs,data,nvs,0x9000,0x4000\napp,app,ota_0,0x10000,1M\n"


def test_default_table_is_the_documented_layout():
    rows = [(row.name, row.type_name, row.subtype_name, row.offset, row.size) for row in default_table()]
    assert rows == [
        ("nvs", "data", "nvs", 0x9000, 0x4000),
        ("otadata", "data", "ota", 0xD000, 0x2000),
        ("phy_init", "data", "phy", 0xF000, 0x1000),
        ("ota_0", "app", "ota_0", 0x10000, 0x180000),
        ("ota_1", "app", "ota_1", 0x190000, 0x180000),
        ("vfs", "data", "fat", 0x310000, 0xF0000),
    ]
    assert default_table()["vfs"].end == FLASH_SIZE
    assert [slot.name for slot in default_table().ota_slots()] == ["ota_0", "ota_1"]


def test_binary_is_byte_for_byte_what_esp_idf_writes():
    """The first row and the MD5 row, spelled out from ESP-IDF's partition-tables guide."""
    data = default_table().to_binary()
    assert len(data) == TABLE_SIZE
    assert (
        data[:32]
        == b"\xaa\x50"
        + bytes([1, 2])
        + struct.pack("<LL", 0x9000, 0x4000)
        + b"nvs".ljust(16, b"\0")
        + b"\0" * 4
    )
    rows = 6 * 32
    assert data[rows : rows + 16] == b"\xeb\xeb" + b"\xff" * 14
    assert data[rows + 16 : rows + 32] == hashlib.md5(data[:rows]).digest()
    assert set(data[rows + 32 :]) == {0xFF}


def test_csv_and_binary_carry_the_same():
    table = default_table()
    assert PartitionTable.from_binary(table.to_binary()) == table
    assert PartitionTable.from_csv(table.to_csv()) == table


def test_flags_sizes_and_missing_offsets():
    table = PartitionTable.from_csv("a,data,nvs,,12K,encrypted:readonly\nb,app,test,,1M\nc,0x40,7,,4096\n")
    assert table[0] == Partition("a", 1, 2, 0x9000, 0x3000, encrypted=True, readonly=True)
    assert (table["b"].offset, table["b"].subtype) == (0x10000, 0x20)
    assert (table["c"].offset, table["c"].type, table["c"].subtype) == (0x110000, 0x40, 7)
    assert PartitionTable.from_binary(table.to_binary()) == table


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,data,nvs,0x9000,16X", "t.csv:1: size '16X'"),
        ("a,daten,nvs,0x9000,16K", "t.csv:1: type 'daten'"),
        ("a,data,nix,0x9000,16K", "t.csv:1: subtype 'nix'"),
        ("a,app,,0x10000,16K", "t.csv:1: an app partition needs a subtype"),
        ("a,data,nvs,0x9000,", "t.csv:1: size ''"),
        ("a,data,nvs,0x9000,16K,secret", "flag 'secret'"),
        ("a-name-of-16-byte,data,nvs,0x9000,16K", "1 to 15 bytes"),
        ("a,data,nvs,0x8000,16K", "t.csv:1: partition 'a' at 0x8000 overlaps"),
        ("\n# c\na,data,nvs,0x9000,16K\nb,data,fat,0xa000,4K", "t.csv:4: partition 'b' at 0xa000 overlaps"),
    ],
)
def test_bad_csv_names_line_and_field(text, words):
    with pytest.raises(PartitionError, match=r"t\.csv") as caught:
        PartitionTable.from_csv(text, "t.csv")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,app,ota_0,0x11000,1M", "not a multiple of 0x10000"),
        ("a,data,fat,0x9100,4K", "not a multiple of 0x1000"),
        ("a,app,ota_0,0x10000,1000", "not a multiple of 0x1000"),
        ("a,data,ota,0xd000,4K", "must have the size 0x2000"),
        ("a,data,nvs,0x9000,8K", "at least 0x3000"),
        ("a,data,fat,0x9000,4K\na,data,fat,,4K", "two partitions are called 'a'"),
        ("a,data,ota,0xd000,8K\nb,data,ota,,8K", "only one partition may be of type data, ota"),
        ("a,data,fat,0x9000,4M", "0x9000 bytes behind the flash"),
        ("a,data,fat,0x9000,0", "is empty"),
    ],
)
def test_rules(text, words):
    with pytest.raises(PartitionError) as caught:
        PartitionTable.from_csv(text, "t.csv").verify(FLASH_SIZE)
    assert words in str(caught.value)


def test_overlap_of_unordered_rows_in_a_binary_table():
    rows = [Partition("b", 1, 0x81, 0xA000, 0x2000), Partition("a", 1, 0x81, 0x9000, 0x2000)]
    with pytest.raises(PartitionError, match="overlaps"):
        PartitionTable.from_binary(PartitionTable(rows).to_binary()).verify()


def test_every_damaged_byte_of_the_table_is_noticed():
    good = PartitionTable.from_csv(GOOD).to_binary()
    rows = 2 * 32
    filler = range(rows + 2, rows + 16)  # of the MD5 row; no sum covers it
    for position in set(range(rows + 32)) - set(filler):
        data = bytearray(good)
        data[position] ^= 0x10
        with pytest.raises(PartitionError):
            PartitionTable.from_binary(data)


@pytest.mark.parametrize("table", [b"", b"\xff" * TABLE_SIZE, b"\0" * TABLE_SIZE, b"<html>" * 512])
def test_what_is_no_table(table):
    with pytest.raises(PartitionError):
        PartitionTable.from_binary(table)


def test_read_flash_finds_and_verifies_the_table():
    flash = bytearray(b"\xff" * FLASH_SIZE)
    flash[TABLE_OFFSET : TABLE_OFFSET + TABLE_SIZE] = default_table().to_binary()
    assert read_flash(flash) == default_table()
    with pytest.raises(PartitionError, match="behind the flash"):
        read_flash(flash[: FLASH_SIZE // 2])


def test_unknown_name():
    with pytest.raises(PartitionError, match="no partition 'nix'"):
        default_table()["nix"]
    assert default_table().find("nix") is None
