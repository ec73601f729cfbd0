"""What networks are in the air: the look at it, for who chooses one and for who asks, and how old that look is."""

import gc
from time import ticks_diff, ticks_ms

from micropython import const

from . import log

_KEPT_MS = const(10000)  # who asks is answered from a look that is not older
_MOST = const(24)  # networks that are kept, the strongest
_OPEN_SECURITY = (0, 9)  # wifi_auth_mode_t: none, and OWE, which asks for no password


class Air:
    """networks   what the last look has shown, for ten seconds: (SSID, dBm, whether it asks for a password) each,
    the strongest first; None without such a look
    """

    def __init__(self):
        self.networks = None
        self._looked = None  # ticks of the last look
        self._sought = None  # the same, or ticks of an attempt that was as good as one

    def age(self):
        """Since the last look or attempt, in ms; None if there was none."""
        return None if self._sought is None else ticks_diff(ticks_ms(), self._sought)

    def sought(self):
        """An attempt begins with the only network there is: it shows as well as a look whether that is there."""
        self._sought = ticks_ms()

    def fade(self):
        """To be called about every second: forget what is too old to tell."""
        if self.networks is not None and ticks_diff(ticks_ms(), self._looked) > _KEPT_MS:
            self.forget()

    def forget(self):
        """Forget all: ticks that are days old look as if they were to come."""
        self.networks = self._looked = self._sought = None

    def look(self, station):
        """Look, which blocks the loop for about two seconds: ({SSID: dBm}, whether there is one without a name).

        Both are of nothing if the driver refuses, or if the memory is not enough for all that it has found.
        """
        self.networks = []
        found = {}  # name: (dBm, whether it asks for a password)
        nameless = False
        gc.collect()  # the driver's list takes some 150 bytes for each access point
        try:
            for name, _, _, rssi, security, _ in station.scan():
                if not name:
                    nameless = True
                elif name not in found or found[name][0] < rssi:
                    found[name] = rssi, security not in _OPEN_SECURITY
            networks = []
            for name, (rssi, lock) in found.items():
                try:
                    networks.append((str(name, "utf-8"), rssi, lock))
                except UnicodeError:
                    pass  # boot.json and forms have no way to write it
            networks.sort(key=lambda entry: -entry[1])
            seen = {ssid: rssi for ssid, rssi, _ in networks}
            self.networks = networks[:_MOST]
        except (OSError, RuntimeError, MemoryError) as error:
            log.debug("cannot look at the air: %s", error)
            seen = {}
            nameless = False
        self._looked = self._sought = ticks_ms()
        return seen, nameless
