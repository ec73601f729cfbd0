# ESP32 as Espressif's QEMU emulates it: two cores, Ethernet by OpenETH, no radio.
list(APPEND SDKCONFIG_DEFAULTS ${MICROPY_BOARD_DIR}/QEMU/sdkconfig.qemu)

# A sdkconfig key that switches Wi-Fi off does not exist for a chip that has it (ESP_WIFI_ENABLED has no prompt,
# components/esp_wifi/Kconfig); without these modules the linker leaves its libraries out. ESP-NOW starts Wi-Fi
# (ports/esp32/modespnow.c), so it goes with it.
list(APPEND MICROPY_DEF_BOARD
    MICROPY_PY_NETWORK_WLAN=0
    MICROPY_PY_ESPNOW=0
)

set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/QEMU/manifest.py)
