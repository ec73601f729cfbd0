// ESP32-C3 with 4 MB of flash.

#include "../common/mpconfigboard_common.h"

#define MICROPY_HW_MCU_NAME "ESP32C3"

// The REPL on UART0 too, for boards with a USB-UART bridge; else there is only that on USB (ports/esp32/uart.h:32).
#define MICROPY_HW_ENABLE_UART_REPL (1)
