"""The air: which access points there are around the board, and how long radio takes."""

import re
import zlib
from dataclasses import asdict, dataclass, fields

from ports.unix.ipv4 import is_ipv4

# wifi_auth_mode_t of ESP-IDF v5.5
SECURITY = {
    "open": 0,
    "wep": 1,
    "wpa": 2,
    "wpa2": 3,
    "wpa/wpa2": 4,
    "wpa2-enterprise": 5,
    "wpa3": 6,
    "wpa2/wpa3": 7,
}
_SSID_MAX = 32
_KEY_MIN, _KEY_MAX = 8, 64
_DHCP = ("ok", "none")


@dataclass
class AccessPoint:
    """One access point. `password` None means none, then `security` is "open".

    `dhcp` is "ok", "none" (no answer ever) or the milliseconds until the answer. `refuse` is the reason code
    (wifi_err_reason_t) with which it turns every station away, 0 to let those with the right password in.
    """

    ssid: str
    password: str | None = None
    security: str = ""
    bssid: str = ""
    channel: int = 6
    rssi: int = -50
    hidden: bool = False
    present: bool = True
    dhcp: str | int = "ok"
    ip: str = "127.0.0.1"
    netmask: str = "255.0.0.0"
    gateway: str = "127.0.0.1"
    dns: str = "127.0.0.1"
    refuse: int = 0

    def __post_init__(self):
        """Fill in what follows from the rest. Raises ValueError (one line, names field and remedy)."""
        self.password = self.password or None
        self.security = self.security or ("wpa2" if self.password else "open")
        if not self.bssid:
            self.bssid = f"02:{zlib.crc32(self.ssid.encode()).to_bytes(4, 'big').hex(':')}:00"
        for name, good, remedy in self._rules():
            if not good:
                raise ValueError(f"air: {self.ssid!r}: {name}: {getattr(self, name)!r}: {remedy}")

    def _rules(self):
        yield "ssid", 0 < len(self.ssid.encode()) <= _SSID_MAX, "1 to 32 bytes"
        yield "security", self.security in SECURITY, "one of " + ", ".join(SECURITY)
        is_open = self.security == "open"
        yield "password", (self.password is None) == is_open, "needed unless security is open, then not"
        size = len((self.password or "").encode())
        yield "password", is_open or self.security == "wep" or _KEY_MIN <= size <= _KEY_MAX, "8 to 64 bytes"
        yield "bssid", re.fullmatch("[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", self.bssid), "as aa:bb:cc:dd:ee:ff"
        yield "channel", 1 <= self.channel <= 14, "1 to 14"
        yield "rssi", -127 <= self.rssi <= 0, "-127 to 0 dBm"
        delay = isinstance(self.dhcp, int) and not isinstance(self.dhcp, bool) and self.dhcp >= 0
        yield "dhcp", delay or self.dhcp in _DHCP, "ok, none or milliseconds"
        yield "refuse", 0 <= self.refuse <= 255, "a reason code, 0 for none"
        for name in ("ip", "netmask", "gateway", "dns"):
            yield name, is_ipv4(getattr(self, name)), "an IPv4 address"

    @property
    def authmode(self):
        """wifi_auth_mode_t."""
        return SECURITY[self.security]

    @property
    def mac(self):
        """The BSSID as six bytes."""
        return bytes.fromhex(self.bssid.replace(":", ""))


@dataclass
class Latency:
    """How long things take, in milliseconds. On a chip they take ten times as long."""

    scan: int = 200
    connect: int = 150  # authentication, association and handshake
    refuse: int = 250  # until an attempt has failed
    dhcp: int = 100
    beacon: int = 300  # until the loss of an access point is noticed

    def __post_init__(self):
        """Raises ValueError for what is not a number of milliseconds."""
        for name, value in asdict(self).items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"air: latency: {name}: {value!r}: milliseconds, at least 1")


class Air:
    """The access points, in order, and `latency`. They are named by SSID: all that have it."""

    def __init__(self, points=()):
        self.points = list(points)
        self.latency = Latency()

    def replace(self, value):
        """Take over a whole description: a list of access points, or {access_points, latency}."""
        value = {"access_points": value} if isinstance(value, list) else _mapping(value, "air")
        unknown = value.keys() - {"access_points", "latency"}
        if unknown:
            raise ValueError(f"air: unknown key {min(unknown)!r}; known are access_points and latency")
        points = value.get("access_points", [])
        if not isinstance(points, list):
            raise ValueError("air: access_points: a list is needed")
        points = [_make(AccessPoint, point, "access point") for point in points]
        latency = _make(Latency, value.get("latency", {}), "latency")
        self.points, self.latency = points, latency

    def add(self, value):
        """Add one access point {ssid, ...}."""
        self.points.append(_make(AccessPoint, value, "access point"))

    def remove(self, ssid):
        """Take the access points with this SSID away."""
        gone = self._named(ssid)
        self.points = [point for point in self.points if point not in gone]

    def set(self, value):
        """Change fields of the access points with value["ssid"]."""
        value = _mapping(value, "set")
        chosen = self._named(value.get("ssid"))
        changed = {id(point): _make(AccessPoint, {**asdict(point), **value}, "set") for point in chosen}
        self.points = [changed.get(id(point), point) for point in self.points]

    def set_latency(self, value):
        """Change some of the latencies."""
        self.latency = _make(Latency, {**asdict(self.latency), **_mapping(value, "latency")}, "latency")

    def visible(self):
        """The access points that are there, the strongest first."""
        return sorted((p for p in self.points if p.present), key=lambda p: -p.rssi)

    def describe(self):
        """The whole as JSON-able {access_points, latency}."""
        return {"access_points": [asdict(p) for p in self.points], "latency": asdict(self.latency)}

    def _named(self, ssid):
        found = [point for point in self.points if point.ssid == ssid]
        if not found:
            raise ValueError(f"air: there is no access point {ssid!r}")
        return found


def _make(kind, value, what):
    """An object of the dataclass `kind` from a JSON object; ValueError names what does not fit."""
    value = _mapping(value, what)
    known = {field.name: field for field in fields(kind)}
    for name, item in value.items():
        if name not in known:
            raise ValueError(f"air: {what}: unknown key {name!r}; known are {', '.join(known)}")
        expected = known[name].type
        if not isinstance(item, expected) or (isinstance(item, bool) and expected is not bool):
            raise ValueError(f"air: {what}: {name}: {item!r} has the wrong type")
    if kind is AccessPoint and "ssid" not in value:
        raise ValueError(f"air: {what}: ssid is missing")
    return kind(**value)


def _mapping(value, what):
    if not isinstance(value, dict):
        raise ValueError(f"air: {what}: an object is needed, not {value!r}")
    return value
