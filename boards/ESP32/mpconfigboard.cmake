# ESP32 with 4 MB of flash: WROOM, PICO, MINI modules, and WROVER without its PSRAM.
set(IDF_TARGET esp32)

set(SDKCONFIG_DEFAULTS
    boards/sdkconfig.base
    ${MICROPY_BOARD_DIR}/../common/sdkconfig.common
    ${MICROPY_BOARD_DIR}/../common/sdkconfig.size
    ${MICROPY_BOARD_DIR}/sdkconfig.board
)

include(${MICROPY_BOARD_DIR}/../common/common.cmake)
