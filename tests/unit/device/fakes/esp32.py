"""A stand-in with what device/ asks of esp32: a partition in a file, NVS in a dict kept in a second file."""

import json
import os

FLASH = "vfs.bin"
STORE = "nvs.json"


class Partition:
    TYPE_DATA = 1

    def __init__(self):
        self.size = os.stat(FLASH)[6]
        self.file = open(FLASH, "r+b")  # noqa: SIM115 - open as long as the chip runs

    @staticmethod
    def find(type, label):
        try:
            return [Partition()]
        except OSError:
            return []

    def info(self):
        return (1, 0x81, 0x310000, self.size, "vfs", False)

    def readblocks(self, number, buffer, offset=0):
        self.file.seek(number * 4096 + offset)
        self.file.readinto(buffer)

    def writeblocks(self, number, buffer, offset=0):
        self.file.seek(number * 4096 + offset)
        self.file.write(buffer)
        self.file.flush()

    def ioctl(self, op, arg):
        if op == 4:
            return self.size // 4096
        if op == 5:
            return 4096
        return 0


class NVS:
    def __init__(self, namespace):
        self.prefix = namespace + "."
        try:
            with open(STORE) as file:
                self.values = json.load(file)
        except OSError:
            self.values = {}

    def get_i32(self, key):
        if self.prefix + key not in self.values:
            raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")
        return self.values[self.prefix + key]

    def set_i32(self, key, value):
        self.values[self.prefix + key] = value

    def get_blob(self, key, buffer):
        data = self.get_i32(key).encode()
        buffer[: len(data)] = data
        return len(data)

    def set_blob(self, key, value):
        self.values[self.prefix + key] = value if isinstance(value, str) else value.decode()

    def erase_key(self, key):
        self.get_i32(key)
        del self.values[self.prefix + key]

    def commit(self):
        with open(STORE, "w") as file:
            json.dump(self.values, file)
