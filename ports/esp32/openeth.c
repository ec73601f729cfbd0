// Ethernet of Espressif's emulator: network.LAN gets the MAC driver of OpenETH, which QEMU has, for the chip's own.
//
// network_lan.c:296 (v1.28.0) knows no other than esp_eth_mac_new_esp32(). Only in a build with CONFIG_ETH_USE_OPENETH
// (components/esp_eth/Kconfig:161, ESP-IDF v5.5.1); CONFIG_ETH_USE_ESP32_EMAC has to stay on for that call to be there.
#include "sdkconfig.h"

#if CONFIG_ETH_USE_OPENETH && CONFIG_ETH_USE_ESP32_EMAC
#include "esp_eth.h"

extern __typeof__(esp_eth_mac_new_esp32) __wrap_esp_eth_mac_new_esp32;

esp_eth_mac_t *__wrap_esp_eth_mac_new_esp32(const eth_esp32_emac_config_t *chip, const eth_mac_config_t *config) {
    (void)chip;
    return esp_eth_mac_new_openeth(config);
}
#endif
