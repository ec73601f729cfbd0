"""The two application slots: which one runs, whether it is confirmed, what the other one holds.

ESP-IDF keeps this in the partition otadata: in each of its two sectors an esp_ota_select_entry_t (sequence number,
label, state, CRC-32 of the number; esp_flash_partitions.h:74 in v5.5.1). The highest number counts, and the number
minus one, modulo the number of slots, is the slot. Here it is only read: Partition.set_boot(),
mark_app_valid_cancel_rollback() and the boot loader write it.
"""

from binascii import crc32
from struct import unpack_from

from esp32 import Partition
from micropython import const

_OTADATA = const(0)  # ESP_PARTITION_SUBTYPE_DATA_OTA
_OTA_0 = const(0x10)  # ESP_PARTITION_SUBTYPE_APP_OTA_0

# esp_ota_img_states_t, the states that mean anything to a user
_STATES = {0: "new", 1: "pending", 2: "valid", 3: "invalid", 4: "aborted"}

HEAD = const(128)  # bytes at the start of an image that tell what it is
ESP_MAGIC = const(0xE9)  # ESP_IMAGE_HEADER_MAGIC
DESKTOP_MAGIC = b"MAWIMAGE"
# esp_app_desc_t stands first in the first segment: 24 bytes of image header and 8 of segment header before it.
_DESCRIPTION = const(32)
_DESCRIPTION_MAGIC = b"\x32\x54\xcd\xab"


def running():
    """The Partition that the board started from."""
    return Partition(Partition.RUNNING)


def other():
    """The Partition that the next update goes to, or None where the table has only one application slot."""
    here = running()
    try:
        slot = here.get_next_update()
    except OSError:
        return None
    return None if slot.info()[2] == here.info()[2] else slot


def head(slot):
    """The first HEAD bytes of what a slot holds."""
    data = bytearray(HEAD)
    slot.readblocks(0, data, 0)
    return data


def version(data):
    """The version string of the image that begins with `data` (HEAD bytes), None if it is none."""
    if data[: len(DESKTOP_MAGIC)] == DESKTOP_MAGIC:
        text = data[48:80]
    elif is_application(data):
        text = data[_DESCRIPTION + 16 : _DESCRIPTION + 48]
    else:
        return None
    try:
        return str(bytes(text).split(b"\0")[0], "utf-8")
    except UnicodeError:
        return ""


def is_application(data):
    """Whether `data` is the start of an ESP32 application, not of a boot loader or of something else."""
    return data[0] == ESP_MAGIC and data[_DESCRIPTION : _DESCRIPTION + 4] == _DESCRIPTION_MAGIC


def describe():
    """What /api/status says: slot in use, state of the last update, the other slot and its version.

    state     'pending': on trial, given up at the next start unless the self-test passes before; 'rolled back':
              the last update was given up and the one before runs; else 'valid'
    """
    here = running().info()
    sequence, state = _newest(here)
    values = {"slot": here[4], "state": "pending" if state == "pending" else "valid", "other": None}
    slot = other()
    if slot is not None:
        there = slot.info()
        later, state = _newest(there)
        if later > sequence and state in ("aborted", "invalid"):
            values["state"] = "rolled back"
        values["other"] = {"slot": there[4], "version": version(head(slot)), "state": state}
    return values


def pending():
    """Whether the running image is on trial: the boot loader gives it up at the next start unless it is confirmed."""
    return _newest(running().info())[1] == "pending"


def give_up():
    """If the running image is on trial: reset, so that the boot loader goes back to the one before."""
    if pending():
        import machine

        print("the update does not work: going back to the firmware before it")
        machine.reset()


def _newest(info):
    """(sequence number, state) of the newest entry of otadata about the slot with this Partition.info().

    (0, '') without one.
    """
    found = Partition.find(Partition.TYPE_DATA, _OTADATA)
    count = sum(1 for slot in Partition.find(Partition.TYPE_APP) if slot.info()[1] & 0xF0 == _OTA_0)
    newest = (0, "")
    if not found or not count:
        return newest
    entry = bytearray(32)
    for number in range(2):
        found[0].readblocks(number, entry)
        sequence, state, crc = unpack_from("<I20xII", entry)
        if sequence in (0, 0xFFFFFFFF) or crc != crc32(entry[:4], 0xFFFFFFFF):
            continue
        if (sequence - 1) % count == info[1] - _OTA_0 and sequence > newest[0]:
            newest = (sequence, _STATES.get(state, ""))
    return newest
