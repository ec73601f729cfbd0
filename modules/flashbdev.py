"""`from flashbdev import bdev`: the filesystem's block device, under the name that ports/esp32/modules/flashbdev.py
of MicroPython v1.28.0 gives it. None when the flash has no partition 'vfs'.
"""

from device.storage import partition

bdev = partition()
