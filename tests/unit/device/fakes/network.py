"""A stand-in with what device/network_service.py asks of network: `air` is {ssid: password}, all at once."""

STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_WRONG_PASSWORD = 202
STAT_NO_AP_FOUND = 201

air = {}
events = []  # what the service did, in order
names = {}


def hostname(name):
    names["hostname"] = name


def country(code):
    names["country"] = code


def ipconfig(**settings):
    events.append(("ipconfig", settings))


class WLAN:
    IF_STA = 0
    IF_AP = 1
    SEC_WPA2 = 3

    def __init__(self, interface):
        self.interface = interface
        self.up = False
        self.ssid = None
        self.state = STAT_IDLE
        self.settings = {}

    def active(self, up=None):
        if up is None:
            return self.up
        if up != self.up and self.interface == self.IF_AP:
            events.append("AP open" if up else "AP closed")
        self.up = up

    def config(self, **settings):
        if "pm" in settings:
            raise ValueError("unexpected")
        self.settings.update(settings)

    def connect(self, ssid, password):
        events.append(("connect", ssid))
        self.ssid = ssid
        if ssid not in air:
            self.state = STAT_NO_AP_FOUND
        elif air[ssid] != password:
            self.state = STAT_WRONG_PASSWORD
        else:
            self.state = STAT_GOT_IP

    def disconnect(self):
        self.state = STAT_IDLE

    def isconnected(self):
        return self.up and self.state == STAT_GOT_IP and self.ssid in air

    def status(self, what=None):
        return -50 if what == "rssi" else self.state

    def ipconfig(self, name=None, **settings):
        if name:
            return ("10.0.0.7" if self.interface == self.IF_STA else "192.168.4.1", "255.255.255.0")
        events.append(("ipconfig", settings))
