# An ESP32-S3 module N16R8: 16 MB of flash, 8 MB of octal PSRAM.
set(IDF_TARGET esp32s3)

# Later files win. Names without a path are MicroPython's own (v1.28.0, ports/esp32/boards): PSRAM, its octal kind, 240 MHz.
set(SDKCONFIG_DEFAULTS
    boards/sdkconfig.base
    boards/sdkconfig.spiram_sx
    boards/sdkconfig.240mhz
    boards/sdkconfig.spiram_oct
    ${MICROPY_BOARD_DIR}/../common/sdkconfig.common
    ${MICROPY_BOARD_DIR}/sdkconfig.board
)

include(${MICROPY_BOARD_DIR}/../common/common.cmake)
