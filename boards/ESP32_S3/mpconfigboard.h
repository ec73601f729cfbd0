// ESP32-S3 with 8 MB of flash.

#include "../common/mpconfigboard_common.h"

#define MICROPY_HW_MCU_NAME "ESP32S3"

// The REPL on UART0 too, for boards with a USB-UART bridge; else there is only that on USB (ports/esp32/uart.h:32).
#define MICROPY_HW_ENABLE_UART_REPL (1)

// As MicroPython's ESP32_GENERIC_S3 has them.
#define MICROPY_HW_I2C0_SCL (9)
#define MICROPY_HW_I2C0_SDA (8)
