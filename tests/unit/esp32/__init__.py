"""The ESP32 port as far as it can be tried without a chip."""
