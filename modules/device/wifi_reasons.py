"""What WLAN.status() means when a connection fails or ends: the driver's reasons in words."""

import network
from micropython import const

_BEACON_TIMEOUT = const(200)
# By wifi_err_reason_t of ESP-IDF: event of network_service.MOVES, and problem.
_FAILURES = {
    15: ("wrong password", "wrong password, or too weak a signal"),  # 4WAY_HANDSHAKE_TIMEOUT
    201: ("not found", "not found"),
    202: ("wrong password", "wrong password"),  # and 205, CONNECTION_FAIL: network_wlan.c:383
    203: ("refused", "refuses the connection"),
    204: ("wrong password", "wrong password, or too weak a signal"),  # HANDSHAKE_TIMEOUT
    210: ("refused", "refused: its security does not go with the password"),  # NO_AP_FOUND_W_COMPATIBLE_SECURITY
    211: ("refused", "refused: its security is weaker than WPA2"),  # NO_AP_FOUND_IN_AUTHMODE_THRESHOLD
    212: ("not found", "not found: its signal is too weak"),  # NO_AP_FOUND_IN_RSSI_THRESHOLD
}


def is_reason(status):
    """Whether `status` is a reason why there is no connection, not STAT_IDLE, STAT_CONNECTING or STAT_GOT_IP."""
    return status < network.STAT_IDLE


def stays(status):
    """Whether WLAN.status() shows the reason of the last attempt until the next has ended (network_wlan.c:375-386)."""
    return status in (201, 202, 210, 211, 212)


def failure(status):
    """(event, problem) of an attempt that ended with the reason `status`."""
    return _FAILURES.get(status) or ("refused", "refuses the connection (reason %d)" % status)


def loss(status):
    """Why a link was lost, in words."""
    if status == _BEACON_TIMEOUT:
        return "its signal is gone"
    if is_reason(status):
        return "its access point has ended it (reason %d)" % status
    return "its access point has ended it"
