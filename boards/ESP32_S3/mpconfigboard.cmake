# ESP32-S3 with 8 MB of flash: N8R2 (2 MB of quad PSRAM), N8 (none). The variant SPIRAM_OCT is for N8R8.
set(IDF_TARGET esp32s3)

# -O2 and all drivers, as sdkconfig.base has them: a slot has room. boards/sdkconfig.spiram_sx has IGNORE_NOTFOUND, with
# which a module without PSRAM, or with the other kind, starts and does without.
set(SDKCONFIG_DEFAULTS
    boards/sdkconfig.base
    boards/sdkconfig.spiram_sx
    ${MICROPY_BOARD_DIR}/../common/sdkconfig.common
    ${MICROPY_BOARD_DIR}/sdkconfig.board
)

include(${MICROPY_BOARD_DIR}/../common/common.cmake)
