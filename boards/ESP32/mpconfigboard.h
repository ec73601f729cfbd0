// ESP32 with 4 MB of flash.

#include "../common/mpconfigboard_common.h"

#define MICROPY_HW_MCU_NAME "ESP32"
