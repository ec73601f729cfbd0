# What every board freezes: the firmware's modules, and what they and a REPL's user expect from MicroPython.
# Read by MicroPython's build (tools/manifestfile.py) for a chip, and by firmware/modules.py for the desktop
# board, whose VM and stand-ins already have what include() and require() name.
# What only a chip needs is in ports/esp32/manifest.py. Together they take the place of MicroPython's
# ports/esp32/boards/manifest.py, whose _boot.py, inisetup.py and flashbdev.py are left out on purpose:
# modules/_boot.py does their work, and modules/flashbdev.py is there for programs that import it.

# Without line numbers, as upstream freezes asyncio: up to a tenth of the code is saved, and a traceback still names the
# function. A user's own files keep theirs.
package("micropAsyncWeb", base_path="../../modules", opt=3)
package("device", base_path="../../modules", opt=3)
module("_boot.py", base_path="../../modules")
module("flashbdev.py", base_path="../../modules")
module("_firmware_version.py", base_path="../../build/generated")

# The server is asyncio: 9 KB.
include("$(MPY_DIR)/extmod/asyncio")

# Of bundle-networking, without its webrepl, whose handshake can block a thread for ever:
# installs packages from the REPL and with mpremote, and brings requests, HTTP as a client; 5 KB together.
require("mip")
# The clock is set with it: 0.6 KB.
require("ntptime")
# wrap_socket() for programs that were written for CPython's older ssl, over the C module tls: 0.8 KB.
require("ssl")

# Sensors and lights that nearly every project has, whose C halves are in the firmware anyway: 3 KB together.
require("dht")
require("ds18x20")
require("neopixel")
require("onewire")

# Left out: urequests, the old name of requests; umqtt.simple and umqtt.robust (3.3 KB), which not every board needs and
# mip installs; upysh (1.7 KB), which mpremote makes unnecessary.
