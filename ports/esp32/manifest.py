# What a chip freezes beside boards/common/manifest.py: modules that the desktop board has as stand-ins, or not at all.
# A board's manifest includes it: include("../../ports/esp32/manifest.py"), with espnow=False if its mpconfigboard.h
# leaves ESP-NOW out.

options.defaults(espnow=True)

module("webrepl.py", base_path="modules", opt=3)

# Counter and Encoder for the C module machine, 1.6 KB. Of MicroPython's other modules for this port boot files are ours
# (boards/common/manifest.py), and apa106.py is left out: neopixel drives such lights as well.
freeze("$(PORT_DIR)/modules", "machine.py")

if options.espnow:
    # The Python half of ESP-NOW and its asyncio face, 0.9 KB together.
    freeze("$(PORT_DIR)/modules", "espnow.py")
    require("aioespnow")
