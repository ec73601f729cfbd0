"""The board's Wi-Fi as the device drives it: the operations behind `network.WLAN`; and the verb `air`.

The errors are those of ESP-IDF v5.5's driver in the words of network_common.c.
"""

import struct
import time

from ports.unix.air import AccessPoint, Air
from ports.unix.bus import BusError
from ports.unix.station import NOWHERE, DriverError, Station

# wifi_mode_t; WLAN.IF_STA and IF_AP are 0 and 1
_STA, _AP = 1, 2

_INVALID_ARGUMENT = "Wifi Unknown Error 0x0102"
_INVALID_MODE = "Wifi Invalid Mode"

_KEY_MIN = 8
_WEP = 1
_TXPOWER_RANGE = (8, 84)  # quarters of a dBm
_SCAN_RECORD = struct.Struct("<B32s6sBbB")  # length of the SSID, SSID, BSSID, channel, RSSI, authmode
_SCAN_MAX = 64
_DEFAULT_MAC = bytes.fromhex("024d41570001")

_NEIGHBOURS = (
    AccessPoint("Cafe Central", rssi=-71, channel=1),
    AccessPoint("neighbour", password="not yours", rssi=-83, channel=11),
)


class _SoftAp:
    """What the driver knows about the access point interface, whose address is `mac`."""

    def __init__(self, mac):
        self.config = {
            "ssid": b"ESP_%02X%02X%02X" % tuple(mac[3:]),
            "key": b"",
            "authmode": 0,
            "channel": 1,
            "hidden": False,
            "max_clients": 4,
        }
        self.stations = []  # MAC addresses
        self.address = ["192.168.4.1", "255.255.255.0", "192.168.4.1"]
        self.dns = NOWHERE
        self.dhcp = True  # the server's

    def set_address(self, address):
        """[IP address, netmask, gateway]."""
        self.address = list(address)


class Radio:
    """The Wi-Fi of the board in the air around it.

    `networks` are those of boot.json ({ssid, password}), which get an access point each, beside two
    neighbours; `air` describes the whole air instead (see Air.replace), ValueError if it cannot. `mac` is the
    chip's base address, `clock()` counts seconds.
    """

    def __init__(self, networks=(), *, air=None, mac=_DEFAULT_MAC, clock=time.monotonic):
        self._clock = clock
        self._base_mac = mac
        self._air = Air()
        if air is not None:
            self._air.replace(air)
        else:
            self._air.points = [*_points_of(networks), *_NEIGHBOURS]
        self.reset(hard=True)

    def reset(self, hard):
        """A reset of the board. The driver is C and outlives a soft one, with the link up."""
        if not hard:
            return
        self._mode = _STA  # what esp_wifi_init() leaves
        self._started = False
        self._macs = [self._base_mac, self._base_mac[:5] + bytes([self._base_mac[5] + 1 & 0xFF])]
        self._sta = Station(self._air, self._clock)
        self._ap = _SoftAp(self._macs[1])
        self._channel = 1
        self._txpower = 80
        self._protocol = [7, 7]
        self._pm = 1
        self._found = b""
        self.hostname = "mpy-esp32"
        self._country = "XX"

    def register(self, bus):
        """Answer the operations `wlan.*` of the device."""
        for name in dir(self):
            if name.startswith("_op_"):
                bus.register("wlan." + name[4:], self._operation(getattr(self, name)))

    def addresses(self):
        """The board's own IP addresses at this moment."""
        self._sta.advance()
        if self._is_up(_STA) and self._sta.address[0] != NOWHERE:
            yield self._sta.address[0]
        if self._is_up(_AP):
            yield self._ap.address[0]

    def routers(self):
        """The addresses of router and DNS server of the network that the station is in."""
        self._sta.advance()
        if self._is_up(_STA) and self._sta.address[0] != NOWHERE:
            yield from {self._sta.address[2], self._sta.dns} - {NOWHERE}

    def command(self, args):
        """The control verb `air`: changes what `args` says, in that order. Returns {air, station, ap}.

        air: everything anew (see Air.replace); add: {ssid, …}; remove, vanish, appear: SSID;
        set: {ssid, field: …}; latency: {name: ms}; join, leave: MAC address of a station at the board's own
        access point.
        Raises ValueError (one line); what came before the wrong key is done.
        """
        actions = {
            "air": self._air.replace,
            "add": self._air.add,
            "remove": self._air.remove,
            "set": self._air.set,
            "vanish": lambda ssid: self._air.set({"ssid": ssid, "present": False}),
            "appear": lambda ssid: self._air.set({"ssid": ssid, "present": True}),
            "latency": self._air.set_latency,
            "join": self._join,
            "leave": self._leave,
        }
        self._sta.advance()
        for key, value in args.items():
            if key == "do":
                continue
            if key not in actions:
                raise ValueError(f"air: unknown key {key!r}; known are {', '.join(actions)}")
            actions[key](value)
            self._sta.follow_air()
        return self._describe()

    def _describe(self):
        sta, ap = self._sta, self._ap
        return {
            "air": self._air.describe(),
            "station": {
                "active": self._is_up(_STA),
                "status": sta.status(),
                "ssid": sta.point.ssid if sta.point else None,
                "ip": sta.address[0],
                "hostname": self.hostname,
            },
            "ap": {
                "active": self._is_up(_AP),
                "ssid": ap.config["ssid"].decode("utf-8", "replace"),
                "password": ap.config["key"].decode("utf-8", "replace") if ap.config["authmode"] else None,
                "hidden": ap.config["hidden"],
                "ip": ap.address[0],
                "stations": [mac.hex(":") for mac in ap.stations],
            },
        }

    def _join(self, mac):
        mac = _mac(mac)
        if not self._is_up(_AP):
            raise ValueError("air: join: the board's access point is not active")
        if len(self._ap.stations) >= self._ap.config["max_clients"]:
            raise ValueError("air: join: the board's access point is full")
        if mac not in self._ap.stations:
            self._ap.stations.append(mac)

    def _leave(self, mac):
        mac = _mac(mac)
        if mac not in self._ap.stations:
            raise ValueError(f"air: leave: {mac.hex(':')} is not at the board's access point")
        self._ap.stations.remove(mac)

    def _is_up(self, bit):
        return self._started and bool(self._mode & bit)

    def _require_started(self):
        if not self._started:
            raise DriverError("Wifi Not Started")

    # Operations of the device: `wlan.` and what follows `_op_`. `id`: 0 the station, 1 the access point.

    def _operation(self, method):
        def handle(args, blob):
            self._sta.advance()
            try:
                return method(args)
            except DriverError as error:
                raise BusError(0, str(error)) from error  # OSError(text), without a number

        return handle

    def _op_active(self, args):
        """{id, active?} -> {active}: network_wlan_active()."""
        bit = 1 << args["id"]
        mode = self._mode if self._started else 0
        if "active" in args:
            mode = mode | bit if args["active"] else mode & ~bit
            if mode:
                self._mode = mode
            self._started = bool(mode)
            self._sta.set_enabled(bool(self._mode & _STA), self._started)
            if not mode & _AP:
                self._ap.stations.clear()
        return {"active": bool(mode & bit)}

    def _op_connect(self, args):
        """{ssid?, key?, bssid?: hex; config: bool}: network_wlan_connect()."""
        if args["config"]:
            self._check_config(0)
            for name in ("ssid", "key", "bssid"):
                self._sta.config[name] = bytes.fromhex(args.get(name) or "")
        self._sta.connect()

    def _op_disconnect(self, args):
        self._sta.disconnect()

    def _op_status(self, args):
        return {"status": self._sta.status()}

    def _op_rssi(self, args):
        if not self._mode & _STA:
            raise DriverError(_INVALID_MODE)
        if self._sta.point is None:
            raise DriverError("Wifi Not Connected")
        return {"rssi": self._sta.point.rssi}

    def _op_stations(self, args):
        """{} -> {}, the MAC addresses one after the other."""
        if not self._mode & _AP:
            raise DriverError(_INVALID_MODE)
        return {}, b"".join(self._ap.stations)

    def _op_isconnected(self, args):
        return {"connected": bool(self._ap.stations) if args["id"] else self._sta.got_ip}

    def _op_scan(self, args):
        """{} -> {ms}: when wlan.found has the result; 0 if the driver refuses, then there is none."""
        if not self._mode & _STA:
            raise DriverError("STA must be active")
        if not self._started or self._sta.connecting:
            self._found = b""
            return {"ms": 0}
        records = []
        for point in self._air.visible()[:_SCAN_MAX]:
            ssid = b"" if point.hidden else point.ssid.encode()
            records.append(_SCAN_RECORD.pack(len(ssid), ssid, point.mac, point.channel, point.rssi, point.authmode))
        self._found = b"".join(records)
        return {"ms": self._air.latency.scan}

    def _op_found(self, args):
        """{} -> {}, _SCAN_RECORD one after the other."""
        return {}, self._found

    def _op_get(self, args):
        """{id, key} -> {value}; bytes in hex."""
        id, key = args["id"], args["key"]
        config = (self._sta, self._ap)[id].config
        if key == "txpower":
            self._require_started()
        value = {
            "mac": self._macs[id],
            "channel": self._sta.point.channel if self._sta.point else self._channel,
            "reconnects": self._sta.reconnects_max - 1,
            "txpower": self._txpower / 4,
            "protocol": self._protocol[id],
            "pm": self._pm,
        }.get(key, config.get(key))
        return {"value": value.hex() if isinstance(value, bytes) else value}

    def _op_set(self, args):
        """{id, ...} with the keys of WLAN.config, checked by the device; bytes in hex."""
        id = args["id"]
        changes = {}
        for key, value in args.items():
            if key in ("ssid", "key"):
                changes[key] = bytes.fromhex(value)
            elif key in ("hidden", "authmode", "max_clients"):
                changes[key] = value
            elif key != "id":
                getattr(self, "_set_" + key)(id, value, changes)
        self._check_config(id)
        interface = (self._sta, self._ap)[id]
        config = {**interface.config, **changes}
        if id and config["authmode"] == _WEP:
            raise DriverError(_INVALID_ARGUMENT)
        if id and config["authmode"] and len(config["key"]) < _KEY_MIN:
            raise DriverError("Wifi Invalid Password")
        interface.config = config

    def _check_config(self, id):
        """What esp_wifi_set_config() refuses whatever the configuration."""
        if id == 0 and not self._mode & _STA:
            raise DriverError(_INVALID_MODE)
        if id == 0 and self._sta.connecting:
            raise DriverError("Wifi Internal State Error")

    def _set_mac(self, id, value, changes):
        mac = bytes.fromhex(value)
        if mac[0] & 1 or mac == self._macs[1 - id]:
            raise DriverError("Wifi Invalid MAC Address")
        self._macs[id] = mac

    def _set_channel(self, id, value, changes):
        if not 1 <= value <= 14:
            raise DriverError(_INVALID_ARGUMENT)
        if id == 0:
            self._require_started()
        changes["channel"] = value
        self._channel = value

    def _set_reconnects(self, id, value, changes):
        self._sta.reconnects_max = 0 if value == -1 else value + 1 & 0xFF

    def _set_txpower(self, id, value, changes):
        self._require_started()
        power = int(value * 4)
        if not _TXPOWER_RANGE[0] <= power <= _TXPOWER_RANGE[1]:
            raise DriverError(_INVALID_ARGUMENT)
        self._txpower = power

    def _set_protocol(self, id, value, changes):
        self._protocol[id] = value

    def _set_pm(self, id, value, changes):
        if value not in (0, 1, 2):
            raise DriverError(_INVALID_ARGUMENT)
        self._pm = value

    def _op_ip(self, args):
        """{id, address?: [ip, netmask, gateway], dns?, dhcp?: bool} -> {address, dns, dhcp}."""
        interface = (self._sta, self._ap)[args["id"]]
        if "dns" in args:
            interface.dns = args["dns"]
        if "address" in args:
            interface.set_address(args["address"])
        if "dhcp" in args:
            interface.set_dhcp(args["dhcp"])
        return {"address": interface.address, "dns": interface.dns, "dhcp": interface.dhcp}

    def _op_name(self, args):
        """{hostname?, country?} -> {hostname, country}."""
        self.hostname = args.get("hostname", self.hostname)
        self._country = args.get("country", self._country)
        return {"hostname": self.hostname, "country": self._country}


def _points_of(networks):
    """An access point for each network of boot.json, except for those that cannot be."""
    points = []
    for network in networks:
        try:
            points.append(AccessPoint(network["ssid"], network.get("password"), rssi=-48 - 6 * len(points)))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # the device's own check of boot.json says what is wrong with it
    return points


def _mac(text):
    """Six bytes from aa:bb:cc:dd:ee:ff."""
    try:
        mac = bytes.fromhex(str(text).replace(":", ""))
    except ValueError:
        mac = b""
    if len(mac) != 6:
        raise ValueError(f"air: {text!r} is no MAC address, as aa:bb:cc:dd:ee:ff")
    return mac
