# ESP32-C3 with 4 MB of flash: one RISC-V core, on which the server's thread runs beside the REPL's.
set(IDF_TARGET esp32c3)

set(SDKCONFIG_DEFAULTS
    boards/sdkconfig.base
    ${MICROPY_BOARD_DIR}/../common/sdkconfig.common
    ${MICROPY_BOARD_DIR}/../common/sdkconfig.size
    ${MICROPY_BOARD_DIR}/sdkconfig.board
)

include(${MICROPY_BOARD_DIR}/../common/common.cmake)
