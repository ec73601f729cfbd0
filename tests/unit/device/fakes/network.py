"""A stand-in with what device/network_service.py asks of network: access points that come, go and refuse.

`air` is {ssid: password} or {ssid: {"password", and of _POINT what differs}}. Nothing takes time unless `latency` says
so; the time is `now`, in ms, which only scan() and the tests move on.
"""

STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010

_POINT = {"rssi": -50, "channel": 6, "dhcp": True, "hidden": False, "reason": 0}
_LEFT = 8
_BEACONS_GONE = 200

now = 0
latency = {"refuse": 0, "join": 0, "dhcp": 0, "beacon": 0, "scan": 0}
air = {}
events = []  # what the service did, in order
names = {}
broken = []  # what the driver's next calls of active() and connect() raise


def chip():
    """Let all take as long as it may take on a chip at worst."""
    latency.update(refuse=4000, join=5000, dhcp=3000, beacon=6000, scan=3000)


def hostname(name):
    names["hostname"] = name


def country(code):
    names["country"] = code


def ipconfig(**settings):
    events.append(("ipconfig", settings))


def _point(ssid):
    point = air.get(ssid)
    if point is None:
        return None
    found = dict(_POINT)
    found.update(point if isinstance(point, dict) else {"password": point})
    return found


class WLAN:
    IF_STA = 0
    IF_AP = 1
    SEC_WPA2 = 3

    def __init__(self, interface):
        self.interface = interface
        self.up = False
        self.reason = 0  # as network_wlan.c keeps it: until the next attempt has ended
        self.trying = None  # (when it ends, reason or 0, ssid)
        self.wanted = None  # SSID of the last connect()
        self.ssid = None  # associated with,
        self.point = None  # as it was when it was last there
        self.gone_at = None
        self.address_at = None
        self.connected = False  # as isconnected() has it, also after the lease has run out
        self.settings = {}
        self.guests = []

    def active(self, up=None):
        if up is None:
            return self.up
        if broken:
            raise broken.pop()
        if up != self.up and self.interface == self.IF_AP:
            events.append("AP open" if up else "AP closed")
        if not up:
            self._end(_LEFT)
        self.up = up
        return up

    def config(self, name=None, **settings):
        self._advance()
        if name == "channel":
            return self.point["channel"]
        if name == "mac":
            return b"\x02maw\0\1"
        if name == "ssid":
            return self.wanted
        if not self.up:
            raise OSError("Wifi Invalid Mode")
        if "pm" in settings:
            raise ValueError("unexpected")
        if self.trying:
            raise OSError("Wifi Internal State Error")
        self.settings.update(settings)

    def connect(self, ssid, password):
        self._advance()
        if broken:
            raise broken.pop()
        if self.trying:
            raise OSError("Wifi Internal Error")
        if not self.up:
            raise OSError("Wifi Not Started")
        self.wanted = ssid
        events.append(("connect", ssid))
        point = _point(ssid)
        if point is None:
            reason = 201
        elif point["reason"]:
            reason = point["reason"]
        else:
            reason = 0 if point["password"] == password else 202
        self.trying = now + latency["refuse" if reason else "join"], reason, ssid

    def disconnect(self):
        self._advance()
        if self.trying or self.ssid:
            self._end(_LEFT)

    def isconnected(self):
        if self.interface == self.IF_AP:
            return bool(self.guests)
        self._advance()
        return self.connected

    def status(self, what=None):
        self._advance()
        if what == "stations":
            if not self.up:
                raise OSError("Wifi Invalid Mode")
            return [(mac,) for mac in self.guests]
        if what == "rssi":
            if not self.ssid:
                raise OSError("Wifi Not Connected")
            return self.point["rssi"]
        if self.connected:
            return STAT_GOT_IP
        if self.reason in (201, 202, 210, 211, 212):
            return self.reason
        if self.reason == _LEFT:
            return STAT_IDLE
        if self.trying or self.ssid:
            return STAT_CONNECTING
        return self.reason or STAT_IDLE

    def scan(self):
        global now
        events.append("scan")
        assert not self.trying, "the driver refuses to scan"
        if not self.up:
            raise OSError("STA must be active")
        found = []
        for ssid in sorted(air):
            point = _point(ssid)
            name = b"" if point["hidden"] else ssid.encode()
            found.append((name, bytes(6), point["channel"], point["rssi"], 3 if point["password"] else 0, False))
        now += latency["scan"]
        return found

    def ipconfig(self, name=None, **settings):
        if not name:
            events.append(("ipconfig", settings))
        elif name == "dhcp4":
            return True
        elif name == "gw4":
            return "10.0.0.1"
        elif self.interface == self.IF_AP:
            return "192.168.4.1", "255.255.255.0"
        else:
            self._advance()
            return "10.0.0.7" if self.connected and self.point["dhcp"] else "0.0.0.0", "255.255.255.0"

    def _end(self, reason):
        self.reason = reason
        self.trying = self.ssid = self.address_at = self.gone_at = None
        self.connected = False

    def _advance(self):
        if self.trying and self.trying[0] <= now:
            _, reason, ssid = self.trying
            if reason or ssid not in air:
                self._end(reason or 201)
            else:
                self.trying = None
                self.ssid = ssid
        if not self.ssid:
            return
        point = _point(self.ssid)
        if point is None:
            self.gone_at = now if self.gone_at is None else self.gone_at
            if now - self.gone_at >= latency["beacon"]:
                self._end(_BEACONS_GONE)
            return
        self.gone_at = None
        self.point = point
        if self.address_at is None and point["dhcp"]:
            self.address_at = now + latency["dhcp"]
        if self.address_at is not None and self.address_at <= now:
            self.connected = True
            self.reason = 0
