"""What a firmware build leaves behind, made of bytes, and a chip that waits in its bootloader to be flashed with it."""

import contextlib
import hashlib
import random
import socket
import struct
import threading

from esp32_mock_bootloader import protocol, server

from firmware import parts

_MEGABYTES = {1: 0, 2: 1, 4: 2, 8: 3, 16: 4}
_JEDEC_ID = {4: 0x164020, 8: 0x174020}


def esp_image(board, size, version="1.2.3", flash_size=None, chip_id=None):
    """An application image of about `size` bytes for a Board, as esp_app_format.h and esp_app_desc.h describe it."""
    spi_size = _MEGABYTES[(flash_size or board.flash_size) >> 20]
    chip = board.chip_id if chip_id is None else chip_id
    header = struct.pack("<BBBBLB3sHBHH4sB", 0xE9, 2, 2, spi_size << 4, 0x40080400, 0xEE, b"", chip, 0, 0, 0, b"", 1)
    description = struct.pack("<LL8x32s32s", 0xABCD5432, 0, version.encode(), b"micropython").ljust(256, b"\0")
    content = random.Random(size).randbytes(max(size - 1024, 64) & ~3)
    data = header
    checksum = 0xEF
    for address, segment in ((0x3F400020, description + content), (0x40080400, bytes(range(256)))):
        data += struct.pack("<LL", address, len(segment)) + segment
        for byte in segment:
            checksum ^= byte
    data += b"\0" * (15 - len(data) % 16) + bytes([checksum])
    return data + hashlib.sha256(data).digest()


def build_outputs(folder, board, app_size=60_000, version="1.2.3"):
    """Write into `folder` what the build of a Board leaves there; returns the folder."""
    outputs = {
        parts.BOOTLOADER_FILE: esp_image(board, 20_000),
        parts.TABLE_FILE: board.table.to_binary(),
        parts.APP_FILE: esp_image(board, app_size, version),
        "micropython.elf": b"\x7fELF" + board.label.encode(),
    }
    for name, data in outputs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


class _PatientConnection(server.BootloaderConnection):
    """Waits for the other side as long as the chip is on; the library gives up on a slow reader after 50 ms."""

    stop: threading.Event

    def recv(self, size):
        while not self.stop.is_set():
            with contextlib.suppress(TimeoutError):
                return super().recv(size)
        return b""


class Bootloader:
    """A chip with `megabytes` of flash full of 0xA5, in its ROM bootloader, behind a TCP port or a pseudo-terminal."""

    def __init__(self, monkeypatch, chip, megabytes=4, tty=False):
        monkeypatch.setattr(protocol, "FLASH_MOCK_SIZE", megabytes << 20)
        monkeypatch.setattr(protocol, "MOCK_FLASH_ID", _JEDEC_ID[megabytes])
        self._chip = chip
        self._flash = server.FlashImage()
        self._flash.data[:] = b"\xa5" * len(self._flash.data)
        self._stop = threading.Event()
        self._tty = self._listener = None
        if tty:
            self._tty = server.PtyMasterTransport.create()
            self.port = self._tty.client_path
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.port = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def flash(self):
        """What lies in its flash, as bytes."""
        return bytes(self._flash.data)

    def close(self):
        """Switch it off."""
        self._stop.set()
        if self._listener:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self._thread.join(10)
        if self._tty:
            self._tty.close()

    def _serve(self):
        while not self._stop.is_set():
            if self._tty:
                connection = _PatientConnection(pty=self._tty)
            else:
                try:
                    connection = _PatientConnection(sock=self._listener.accept()[0])
                except OSError:
                    return
            connection.stop = self._stop
            server.handle_client(connection, self._stop, self._chip, flash=self._flash)
