# What an ESP32-S3 freezes.
include("../common/manifest.py")
include("../../ports/esp32/manifest.py")
module("_board.py", base_path="modules")
