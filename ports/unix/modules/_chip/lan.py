"""`network.LAN` of the ESP32 port (network_lan.c): a cable that the control socket plugs in and pulls out."""

from binascii import unhexlify

from _chip import bus
from _chip.netif import Interface, to_hex

_PHYS = range(7)  # PHY_LAN8710 to PHY_KSZ8081

_lan = None


def get_lan(id=None, *, phy_addr, phy_type, mdc=None, mdio=None, **kwargs):
    """The board's one Ethernet interface, whatever the arguments once it is there. Raises OSError if it has none."""
    global _lan
    if _lan is not None:
        return _lan
    if id:
        raise ValueError("invalid LAN interface identifier")
    if not 0 <= phy_addr <= 0x1F:
        raise ValueError("invalid phy address")
    if phy_type not in _PHYS:
        raise ValueError("invalid phy type")
    if mdc is None or mdio is None:
        raise ValueError("mdc and mdio must be specified")
    if bus.call("boot.info")["network"] != "ethernet":
        raise OSError("esp_eth_driver_install failed")
    _lan = _Lan()
    return _lan


class _Lan(Interface):
    def active(self, *active):
        """Whether the interface is up; with an argument, put it up or down."""
        if active:
            return bus.call("lan.active", active=bool(active[0]))["active"]
        return bus.call("lan.active")["active"]

    def isconnected(self):
        """Whether it is up, plugged in and has an address."""
        return bus.call("lan.status")["connected"]

    def status(self):
        """An ETH_* constant."""
        return bus.call("lan.status")["status"]

    def config(self, *args, **kwargs):
        """Get `mac` or `ifname`, or set `mac`; other keyword arguments are ignored, as on a chip."""
        if kwargs:
            if args:
                raise TypeError("either pos or kw args are allowed")
            mac = kwargs.get("mac")
            if mac is not None:
                if len(mac) != 6:
                    raise ValueError("invalid buffer length")
                if mac[0] & 1:
                    raise OSError("failed setting MAC address")
                bus.call("lan.mac", mac=to_hex(mac))
            return
        if len(args) != 1:
            raise TypeError("can query only one param")
        if args[0] == "mac":
            return unhexlify(bus.call("lan.mac")["mac"])
        if args[0] == "ifname":
            return "en1"
        raise ValueError("unknown config param")

    def _ip(self, **changes):
        return bus.call("lan.ip", **changes)
