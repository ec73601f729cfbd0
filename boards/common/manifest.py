# What every board freezes: the firmware's modules, and what they and a REPL's user expect from MicroPython.
# Read by MicroPython's build (tools/manifestfile.py) for a chip, and by firmware/modules.py for the desktop
# board, whose VM and stand-ins already have what include() and require() name.
# It takes the place of ports/esp32/boards/manifest.py: upstream's _boot.py, inisetup.py and flashbdev.py are
# left out on purpose, modules/_boot.py does their work.

package("micropAsyncWeb", base_path="../../modules")
package("device", base_path="../../modules")
module("_boot.py", base_path="../../modules")
module("_firmware_version.py", base_path="../../build/generated")

include("$(MPY_DIR)/extmod/asyncio")
require("bundle-networking")
require("dht")
require("ds18x20")
require("neopixel")
require("onewire")
