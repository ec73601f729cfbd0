"""Errors of the ESP-IDF as check_esp_err() of the ESP32 port raises them: OSError(-code, name)."""

FAIL = -1
INVALID_ARG = 0x102
INVALID_SIZE = 0x104
NOT_FOUND = 0x105
NVS_NOT_FOUND = 0x1102
NVS_NOT_ENOUGH_SPACE = 0x1105
NVS_KEY_TOO_LONG = 0x1109
NVS_INVALID_LENGTH = 0x110C
NVS_VALUE_TOO_LONG = 0x110E
OTA_VALIDATE_FAILED = 0x1503

_PREFIX = "ESP_ERR_"


def error(code):
    """The OSError for one of the codes above."""
    if code == FAIL:
        return OSError(1, "ESP_FAIL")
    for name, value in globals().items():
        if value == code:
            return OSError(-code, _PREFIX + name)
    return OSError(-code)
