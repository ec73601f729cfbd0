"""A stand-in for the browser's Web Serial: one port, whose other end is a bootloader stand-in in this process.

esp32-mock-bootloader answers as a chip's ROM does and keeps what is written. What a chip's reset lines do is the same
for it: it is in its bootloader whenever the port is open. Once something has been written the other end can be the
console of a board that runs.
"""

import contextlib
import dataclasses
import os
import socket
import threading

from esp32_mock_bootloader import chips, protocol
from esp32_mock_bootloader.server import BootloaderConnection, FlashImage, handle_client

# What the register at 0x40001000 of these chips holds (esptool 4.8, esptool/targets/*.py, CHIP_DETECT_MAGIC_VALUE); the
# C3's is that of revision 0.3.
_MAGIC = {"esp32": 0x00F01D83, "esp32s3": 0x9, "esp32c3": 0x1B31506F}

# Streams as in the Web Serial API; bytes travel as arrays of numbers through functions that playwright exposes.
SCRIPT = """(() => {
  class Port extends EventTarget {
    readable = null;
    writable = null;
    getInfo() { return { usbVendorId: 0x10c4, usbProductId: 0xea60 }; }
    async getSignals() { return {}; }
    async setSignals() {}
    async open() {
      const line = { open: true };
      this.line = line;
      await window.standInOpen();
      this.readable = new ReadableStream({
        async pull(controller) {
          while (line.open) {
            const bytes = await window.standInRead();
            if (bytes.length) return controller.enqueue(new Uint8Array(bytes));
            await new Promise((done) => setTimeout(done, 2));
          }
        },
        cancel() { line.open = false; },
      });
      this.writable = new WritableStream({ write: (chunk) => window.standInWrite([...chunk]) });
    }
    async close() {
      this.line.open = false;
      this.readable = this.writable = null;
      await window.standInClose();
    }
  }
  const serial = { requestPort: async () => new Port(), getPorts: async () => [], addEventListener() {} };
  Object.defineProperty(navigator, 'serial', { value: serial });
})()"""


class ChipStandIn:
    """A chip in its bootloader: `chip` such as "esp32s3", with `flash_size` bytes of flash full of `filled`.

    `console` is the serial port of what runs on it when it has been written.
    """

    def __init__(self, chip, flash_size, filled, console=None):
        self._chip = chip
        self._console = console
        self._blank = bytes([filled]) * flash_size
        self._stop = threading.Event()
        self._line = None
        self._threads = []
        self.image = FlashImage()
        self.image.data = bytearray([filled]) * flash_size

    def plug_into(self, page):
        """Make this the serial port of a playwright page, before it is opened."""
        page.expose_function("standInOpen", self._open)
        page.expose_function("standInRead", self._read)
        page.expose_function("standInWrite", self._write)
        page.expose_function("standInClose", self._close)
        page.add_init_script(SCRIPT)

    def unplug(self):
        """End its threads."""
        self._stop.set()
        self._close()
        for thread in self._threads:
            thread.join()

    def _open(self):
        if self._console and self.image.data != self._blank:
            self._line = _Tty(self._console)
            return
        self._line, other = socket.socketpair()
        self._line.setblocking(False)
        thread = threading.Thread(
            target=handle_client,
            args=(BootloaderConnection(sock=other), self._stop, self._chip),
            kwargs={"flash": self.image},
        )
        thread.start()
        self._threads.append(thread)

    def _read(self):
        try:
            return list(self._line.recv(4096))
        except OSError:  # nothing there yet, or closed meanwhile
            return []

    def _write(self, numbers):
        self._line.sendall(bytes(numbers))

    def _close(self):
        if self._line is not None:
            self._line.close()


class _Tty:
    """A serial port with the few methods of a socket that are used here."""

    def __init__(self, path):
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def recv(self, size):
        return os.read(self._fd, size)

    def sendall(self, data):
        os.write(self._fd, data)

    def close(self):
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@contextlib.contextmanager
def as_in_a_browser(chip, flash_size):
    """For the length of a `with` block the bootloader stand-in is what esptool-js expects of `chip`.

    esptool, which it is made for, asks newer chips for their number; esptool-js reads their "magic" register. The flash
    says that it has `flash_size` bytes.
    """
    flash_id, profile = protocol.MOCK_FLASH_ID, chips.PROFILES[chip]
    # The third byte of a JEDEC id is the binary logarithm of the size.
    protocol.MOCK_FLASH_ID = (flash_size.bit_length() - 1) << 16 | flash_id & 0xFFFF
    chips.PROFILES[chip] = dataclasses.replace(profile, detect_reg=chips.LEGACY_DETECT_REG, detect_magic=_MAGIC[chip])
    try:
        yield
    finally:
        protocol.MOCK_FLASH_ID = flash_id
        chips.PROFILES[chip] = profile
