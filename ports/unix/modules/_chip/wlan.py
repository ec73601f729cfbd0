"""`network.WLAN` of the ESP32 port (network_wlan.c): the driver and its state live beside the VM."""

import time
from binascii import unhexlify

from micropython import const

from _chip import bus
from _chip.netif import Interface, data, to_hex

STA_IF = 0
AP_IF = 1

MODE_11B = 1
MODE_11G = 2
MODE_11N = 4
MODE_LR = 8

# wifi_auth_mode_t
AUTH_OPEN = 0
AUTH_WEP = 1
AUTH_WPA_PSK = 2
AUTH_WPA2_PSK = 3
AUTH_WPA_WPA2_PSK = 4
AUTH_WPA2_ENTERPRISE = 5
AUTH_WPA3_PSK = 6
AUTH_WPA2_WPA3_PSK = 7
AUTH_WAPI_PSK = 8
AUTH_OWE = 9
AUTH_WPA3_ENT_192 = 10
AUTH_WPA3_EXT_PSK = 11
AUTH_WPA3_EXT_PSK_MIXED_MODE = 12
AUTH_MAX = 17

_SCAN_RECORD = const(42)  # bytes: length of the SSID, SSID (32), BSSID (6), channel, RSSI, authmode

# Keys of WLAN.config: the driver's name, and the one interface that has it or None.
_CONFIG = {
    "mac": ("mac", None),
    "ssid": ("ssid", AP_IF),
    "essid": ("ssid", AP_IF),
    "hidden": ("hidden", AP_IF),
    "security": ("authmode", AP_IF),
    "authmode": ("authmode", AP_IF),
    "key": ("key", AP_IF),
    "password": ("key", AP_IF),
    "channel": ("channel", None),
    "hostname": ("hostname", None),
    "dhcp_hostname": ("hostname", None),
    "max_clients": ("max_clients", AP_IF),
    "reconnects": ("reconnects", STA_IF),
    "txpower": ("txpower", None),
    "protocol": ("protocol", None),
    "pm": ("pm", None),
}


class WLAN(Interface):
    """The station (`WLAN(WLAN.IF_STA)`) or the access point (`WLAN(WLAN.IF_AP)`), one object each."""

    IF_STA = STA_IF
    IF_AP = AP_IF

    SEC_OPEN = 0
    SEC_WEP = 1
    SEC_WPA = 2
    SEC_WPA2 = 3
    SEC_WPA_WPA2 = 4
    SEC_WPA2_ENT = 5
    SEC_WPA3 = 6
    SEC_WPA2_WPA3 = 7
    SEC_WAPI = 8
    SEC_OWE = 9
    SEC_WPA3_ENT_192 = 10
    SEC_WPA3_EXT_PSK = 11
    SEC_WPA3_EXT_PSK_MIXED_MODE = 12
    SEC_DPP = 13
    SEC_WPA3_ENT = 14
    SEC_WPA2_WPA3_ENT = 15
    SEC_WPA_ENT = 16

    PROTOCOL_DEFAULT = 7
    PROTOCOL_LR = 8

    PM_NONE = 0
    PM_PERFORMANCE = 1
    PM_POWERSAVE = 2

    def __new__(cls, interface=STA_IF):
        if interface not in (STA_IF, AP_IF):
            raise ValueError("invalid WLAN interface identifier")
        return _wlans[interface]

    def active(self, *active):
        """Whether the interface is up; with an argument, put it up or down."""
        if active:
            return _call("wlan.active", id=self._id, active=bool(active[0]))["active"]
        return _call("wlan.active", id=self._id)["active"]

    def connect(self, ssid=None, key=None, *, bssid=None):
        """Begin to connect to a network, or without arguments to the last one; `status` tells what comes of it.

        Raises OSError when the station is not active or already connecting.
        """
        args = {}
        if ssid is not None:
            args["ssid"] = to_hex(data(ssid)[:32])
        if key is not None:
            args["key"] = to_hex(data(key)[:64])
        if bssid is not None:
            if len(data(bssid)) != 6:
                raise ValueError
            args["bssid"] = to_hex(data(bssid))
        _call("wlan.connect", config=ssid is not None or bool(args), **args)

    def disconnect(self):
        """End the connection, or the attempts."""
        _call("wlan.disconnect")

    def status(self, *what):
        """A STAT_* of the station, None of the access point; or `status("rssi")`, `status("stations")`."""
        if not what:
            return _call("wlan.status")["status"] if self._id == STA_IF else None
        if what[0] == "stations":
            self._require(AP_IF)
            macs = bus.call_blob("wlan.stations")
            return [(macs[at : at + 6],) for at in range(0, len(macs), 6)]
        if what[0] == "rssi":
            self._require(STA_IF)
            return _call("wlan.rssi")["rssi"]
        raise ValueError("unknown status param")

    def isconnected(self):
        """Station: whether it has an address. Access point: whether a station is connected."""
        return _call("wlan.isconnected", id=self._id)["connected"]

    def scan(self):
        """The networks in the air, the strongest first: (ssid, bssid, channel, RSSI, security, hidden) each.

        Empty while the station is trying to connect, since the driver then refuses to scan.
        """
        wait = _call("wlan.scan")["ms"]
        if not wait:
            return []
        time.sleep_ms(wait)
        found = bus.call_blob("wlan.found")
        result = []
        for at in range(0, len(found), _SCAN_RECORD):
            channel, rssi, security = found[at + 39 : at + 42]
            ssid = found[at + 1 : at + 1 + found[at]]
            result.append((ssid, found[at + 33 : at + 39], channel, rssi - 256, security, False))
        return result

    def config(self, *args, **kwargs):
        """Get (`config("mac")`) or set (`config(ssid=…, key=…)`) parameters of the interface."""
        if kwargs:
            if args:
                raise TypeError("either pos or kw args are allowed")
            return self._set_config(kwargs)
        if len(args) != 1:
            raise TypeError("can query only one param")
        key = args[0]
        if key == "ifname":
            return ("st1", "ap2")[self._id]
        if key not in _CONFIG or key in ("key", "password"):
            raise ValueError("unknown config param")
        key, interface = _CONFIG[key]
        if key == "hostname":
            self._require(STA_IF)
            return bus.call("wlan.name")["hostname"]
        if key in ("reconnects", "hidden", "authmode"):
            self._require(interface)
        value = _call("wlan.get", id=self._id, key=key)["value"]
        if key in ("mac", "ssid"):
            value = unhexlify(value)
            return value if key == "mac" else value.decode()
        return value

    def _ip(self, **changes):
        return bus.call("wlan.ip", id=self._id, **changes)

    def _require(self, interface):
        if self._id != interface:
            raise OSError("AP required" if interface else "STA required")

    def _set_config(self, kwargs):
        args = {}
        for name, value in kwargs.items():
            if name not in _CONFIG:
                raise ValueError("unknown config param")
            key, interface = _CONFIG[name]
            if key == "mac":
                if len(value) != 6:
                    raise ValueError("invalid buffer length")
                value = to_hex(value)
            elif key in ("ssid", "key"):
                value = to_hex(data(value)[: 32 if key == "ssid" else 63])
            elif key == "hidden":
                value = bool(value)
            if interface is not None:
                self._require(interface)
            if key == "hostname":
                import network

                network.hostname(value)
            else:
                args[key] = value
        _call("wlan.set", id=self._id, **args)


def _wlan(interface):
    wlan = object.__new__(WLAN)
    wlan._id = interface
    wlan._dhcp = interface == STA_IF
    return wlan


_wlans = (_wlan(STA_IF), _wlan(AP_IF))


def _call(op, **args):
    """As bus.call; what esp_exceptions_helper() has no text for is a RuntimeError."""
    try:
        return bus.call(op, **args)
    except OSError as e:
        if str(e).startswith("Wifi Unknown"):
            raise RuntimeError(str(e))
        raise
