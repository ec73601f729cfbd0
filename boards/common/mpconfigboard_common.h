// What every board sets of MicroPython's compile-time options; a board's mpconfigboard.h includes it first.

// Given by common.cmake, with the version. The TinyUSB component reads this file too, without the board's definitions
// (MicroPython v1.28.0, ports/esp32/esp32_common.cmake:97-103), and does not use the name.
#ifndef MICROPY_HW_BOARD_NAME
#define MICROPY_HW_BOARD_NAME "microAsyncWeb"
#endif

// NimBLE and the Bluetooth controller do not fit into a 4 MB board's slots beside Wi-Fi, TLS and the server, and share
// the radio and the heap with Wi-Fi. All boards leave them out so that they are alike. A board that wants them defines
// this as 1 before it includes this file and lists boards/sdkconfig.ble in its SDKCONFIG_DEFAULTS.
#ifndef MICROPY_PY_BLUETOOTH
#define MICROPY_PY_BLUETOOTH (0)
#endif

// What the C module of this port hooks into MicroPython's core; it refuses to be built without.
#include "../../ports/esp32/hooks.h"
