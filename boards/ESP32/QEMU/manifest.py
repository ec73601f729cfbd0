# What an ESP32 in QEMU freezes: no ESP-NOW, and its own _board.py.
include("../../common/manifest.py")
include("../../../ports/esp32/manifest.py", espnow=False)
module("_board.py", base_path="modules")
