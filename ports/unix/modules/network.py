"""`network` of the ESP32 port (network_common.c, modnetwork.c) on the desktop board.

The drivers and their state live beside the VM, as on a chip they live beside MicroPython: a soft reset does
not end a connection. A board has Wi-Fi, then WLAN and its constants are here, or a cable.
"""

from _chip import bus, lan
from _chip.netif import data, ipv4
from micropython import const

LAN = lan.get_lan

# enum of modnetwork.h
PHY_LAN8710 = 0
PHY_LAN8720 = 1
PHY_IP101 = 2
PHY_RTL8201 = 3
PHY_DP83848 = 4
PHY_KSZ8041 = 5
PHY_KSZ8081 = 6

ETH_INITIALIZED = 0
ETH_STARTED = 1
ETH_STOPPED = 2
ETH_CONNECTED = 3
ETH_DISCONNECTED = 4
ETH_GOT_IP = 5

# modnetwork.h, and wifi_err_reason_t for the errors
STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_BEACON_TIMEOUT = 200
STAT_NO_AP_FOUND = 201
STAT_WRONG_PASSWORD = 202
STAT_ASSOC_FAIL = 203
STAT_CONNECT_FAIL = 203
STAT_HANDSHAKE_TIMEOUT = 204
STAT_NO_AP_FOUND_W_COMPATIBLE_SECURITY = 210
STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD = 211
STAT_NO_AP_FOUND_IN_RSSI_THRESHOLD = 212

_HOSTNAME_MAX = const(32)

_wifi = bus.call("boot.info")["network"] == "wifi"
if _wifi:
    from _chip import wlan

    globals().update({name: value for name, value in wlan.__dict__.items() if name.isupper() and name[0] != "_"})


def hostname(name=None):
    """Get or set the name that the board gives to DHCP and mDNS, at most 32 bytes."""
    if name is None:
        return bus.call("wlan.name")["hostname"]
    if len(data(name)) > _HOSTNAME_MAX:
        raise ValueError
    bus.call("wlan.name", hostname=name)


def country(code=None):
    """Get or set the country's two letters (ISO 3166-1)."""
    if code is None:
        return bus.call("wlan.name")["country"]
    if len(data(code)) != 2:
        raise ValueError
    bus.call("wlan.name", country=code)


def phy_mode(mode=None):
    """Does nothing, as in the ESP32 port."""


def ipconfig(*args, **kwargs):
    """Get (`ipconfig("dns")`) or set (`ipconfig(dns=address)`) the DNS server of all interfaces."""
    if not kwargs:
        if len(args) != 1:
            raise TypeError("must query one param")
        if args[0] != "dns":
            raise ValueError("unexpected key")
        return _ip()["dns"]
    if args:
        raise TypeError("can't specify pos and kw args")
    for key, value in kwargs.items():
        if key != "dns":
            raise ValueError("unexpected key")
        try:
            ipv4(value)
        except ValueError:
            raise ValueError("invalid arguments as dns server")
        _ip(dns=value)


def _ip(**changes):
    return bus.call("wlan.ip", id=0, **changes) if _wifi else bus.call("lan.ip", **changes)
