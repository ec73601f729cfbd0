"""The station interface of the board's Wi-Fi: the driver's states, and what network_wlan.c makes of them.

Nothing here runs by itself. `advance` works off what was due by now, each thing at its time; so an hour of
reconnecting costs nothing until somebody looks.
"""

# wifi_err_reason_t of ESP-IDF v5.5
ASSOC_LEAVE = 8
BEACON_TIMEOUT = 200
NO_AP_FOUND = 201
AUTH_FAIL = 202
CONNECTION_FAIL = 205
NO_COMPATIBLE_SECURITY = 210
BELOW_AUTHMODE_THRESHOLD = 211
BELOW_RSSI_THRESHOLD = 212

# modnetwork.h
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 1000, 1001, 1010

NOWHERE = "0.0.0.0"
_KEY_MIN = 8
_WPA2 = 3


class Station:
    """The station in `air`, up when `enabled` (the driver's mode) and `started`; `clock()` counts seconds."""

    def __init__(self, air, clock):
        self._air = air
        self._clock = clock
        self.enabled = True  # what esp_wifi_init() leaves
        self.started = False
        self.config = {"ssid": b"", "key": b"", "bssid": b"", "channel": 0}
        self.reconnects_max = 0  # conf_wifi_sta_reconnects; 0: for ever
        self.got_ip = False  # wifi_sta_connected
        self.dhcp = True
        self.dns = NOWHERE
        self._static = [NOWHERE] * 3
        self._connect_requested = False  # wifi_sta_connect_requested
        self._reason = 0  # wifi_sta_disconn_reason
        self._reconnects = 0  # wifi_sta_reconnects
        self._reset_link()

    def _reset_link(self):
        self.connecting = False
        self.point = None  # the access point that it is associated with
        self._address = [NOWHERE] * 3  # IP address, netmask, gateway
        self._losing = False  # the access point has gone, which is not yet noticed
        self._due = None  # when the next step happens

    @property
    def address(self):
        """[IP address, netmask, gateway]."""
        return self._address if self.point or self.dhcp else self._static

    def set_enabled(self, enabled, started):
        """esp_wifi_set_mode(), esp_wifi_start() and esp_wifi_stop(), as far as they concern the station."""
        was_up = self.enabled and self.started
        self.enabled, self.started = enabled, started
        is_up = enabled and started
        if was_up and not is_up:
            self.leave()
        elif is_up and not was_up:
            self._reconnects = 0

    def connect(self):
        """network_wlan_connect(), configured. Raises DriverError."""
        self._reconnects = 0
        self._attempt(self._clock())
        self._connect_requested = True

    def disconnect(self):
        """network_wlan_disconnect(). Raises DriverError."""
        self._connect_requested = False
        if not self.started:
            raise DriverError("Wifi Not Started")
        self.leave()

    def leave(self):
        """End an attempt or a link on our side."""
        if self.connecting or self.point is not None:
            self._disconnected(ASSOC_LEAVE, self._clock())

    def status(self):
        """network_wlan_status() without an argument: STAT_* or a reason code."""
        if self.got_ip:
            return STAT_GOT_IP
        if self._reason in (
            NO_AP_FOUND,
            BELOW_RSSI_THRESHOLD,
            BELOW_AUTHMODE_THRESHOLD,
            NO_COMPATIBLE_SECURITY,
        ):
            return self._reason
        if self._reason in (AUTH_FAIL, CONNECTION_FAIL):
            return AUTH_FAIL
        if self._reason == ASSOC_LEAVE:
            return STAT_IDLE
        if self._connect_requested and (not self.reconnects_max or self._reconnects < self.reconnects_max):
            return STAT_CONNECTING
        return self._reason or STAT_IDLE

    def set_address(self, address):
        """A static [IP address, netmask, gateway]: DHCP stops."""
        self.dhcp = False
        self._static = list(address)
        self._renew()

    def set_dhcp(self, dhcp):
        """Start asking for an address, or stop and keep the one there is."""
        if dhcp != self.dhcp:
            self.dhcp = dhcp
            if not dhcp:
                self._static = list(self._address)
            self._renew()

    def advance(self):
        """Let everything happen that was due by now."""
        now = self._clock()
        while self._due is not None and self._due <= now:
            at, self._due = self._due, None
            if not self.connecting:
                self._step_link(at)
                continue
            point, reason = self._choose()
            if point is not None:
                self.connecting = False
                self.point = point
                self._ask_address(at)
                continue
            if self.reconnects_max == 0 and self._connect_requested:
                # Every attempt until now ended like this one.
                pause = self._seconds("refuse")
                at += (now - at) // pause * pause
            self._disconnected(reason, at)

    def follow_air(self):
        """The air has changed: a link may end, come back, lose its address or get one."""
        if self.point is None:
            return
        here = self._here()
        if here is None:
            if not self._losing:
                self._losing = True
                self._due = self._clock() + self._seconds("beacon")
            return
        self.point = here
        if self._losing:
            self._losing = False
            self._due = None
        if self.dhcp and here.dhcp == "none":
            self._address = [NOWHERE] * 3  # the lease has run out; network_wlan.c does not look at it
            self._due = None
        elif self._address[0] == NOWHERE and self._due is None:
            self._ask_address(self._clock())

    def _step_link(self, at):
        """The time of a link has come: its access point is gone, or DHCP has answered."""
        if self._losing:
            self._disconnected(BEACON_TIMEOUT, at)
            return
        point = self.point
        self._address = [point.ip, point.netmask, point.gateway]
        self.dns = point.dns
        self._has_address()

    def _seconds(self, name):
        return getattr(self._air.latency, name) / 1000

    def _here(self):
        """Our access point as it is now, None if it has gone."""
        mine = (self.point.ssid, self.point.bssid)
        return next((p for p in self._air.visible() if (p.ssid, p.bssid) == mine), None)

    def _choose(self):
        """(access point, 0) if an attempt succeeds in the air as it is, (None, reason) if not."""
        config = self.config
        key = config["key"]
        found = [
            p
            for p in self._air.visible()
            if p.ssid.encode() == config["ssid"] and (not config["bssid"] or p.mac == config["bssid"])
        ]
        if not found:
            return None, NO_AP_FOUND
        point = found[0]
        if point.refuse:
            return None, point.refuse
        if not key and point.password is not None:
            return None, NO_COMPATIBLE_SECURITY
        # wifi_scan_threshold_t: with a key fit for WPA2 nothing weaker is accepted
        if len(key) >= _KEY_MIN and point.authmode < _WPA2:
            return None, BELOW_AUTHMODE_THRESHOLD
        if point.password is not None and point.password.encode() != key:
            return None, AUTH_FAIL
        return point, 0

    def _attempt(self, at):
        """esp_wifi_connect(); does nothing while there is a link. Raises DriverError."""
        if not self.started:
            raise DriverError("Wifi Not Started")
        if not self.enabled:
            raise DriverError("Wifi Invalid Mode")
        if not self.config["ssid"]:
            raise DriverError("Wifi SSID Invalid")
        if self.connecting:
            raise DriverError("Wifi Internal Error")
        if self.point is None:
            self.connecting = True
            self._due = at + self._seconds("refuse" if self._choose()[0] is None else "connect")

    def _ask_address(self, at):
        dhcp = self.point.dhcp
        if not self.dhcp:
            self._address = list(self._static)
            self._has_address()
        elif dhcp != "none":
            self._due = at + (self._seconds("dhcp") if dhcp == "ok" else dhcp / 1000)

    def _renew(self):
        """Take or ask for another address, if there is a link."""
        if self.point is not None and not self._losing:
            self._address = [NOWHERE] * 3
            self._due = None
            self._ask_address(self._clock())

    def _has_address(self):
        """network_wlan_ip_event_handler(), IP_EVENT_STA_GOT_IP."""
        self.got_ip = True
        self._reason = 0

    def _disconnected(self, reason, at):
        """network_wlan_wifi_event_handler(), WIFI_EVENT_STA_DISCONNECTED."""
        self._reset_link()
        self._reason = reason
        self.got_ip = False
        if not self._connect_requested or not self.enabled:
            return
        if self.reconnects_max:
            self._reconnects += 1
            if self._reconnects >= self.reconnects_max:
                return
        if self.started:
            self._attempt(at)


class DriverError(Exception):
    """An esp_err_t of the Wi-Fi driver; str() is the text that network_common.c has for it."""
