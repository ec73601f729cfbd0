// MicroPython's options for this board. The name in the REPL's banner is that of the firmware, with its version.

#include "../common/mpconfigboard_common.h"

#define MICROPY_HW_MCU_NAME "ESP32S3"

// The REPL on UART0 too, for boards with a USB-UART bridge; without it there is only that on USB (ports/esp32/uart.h:32).
#define MICROPY_HW_ENABLE_UART_REPL (1)

// What machine.I2C(0) takes when no pins are named.
#define MICROPY_HW_I2C0_SCL (9)
#define MICROPY_HW_I2C0_SDA (8)
