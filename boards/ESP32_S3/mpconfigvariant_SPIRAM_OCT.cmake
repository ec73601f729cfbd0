# ESP32-S3 with 8 MB of flash and octal PSRAM (N8R8), as MicroPython's ESP32_GENERIC_S3 has its variant of that name:
# the two kinds of PSRAM cannot be told apart at run time.
list(APPEND SDKCONFIG_DEFAULTS
    boards/sdkconfig.240mhz
    boards/sdkconfig.spiram_oct
)
