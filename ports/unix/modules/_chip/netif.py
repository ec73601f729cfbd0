"""What all network interfaces have in common: their addresses (network_common.c), and how arguments are read."""

from binascii import hexlify


class Interface:
    """Base class. `_ip(**changes)` is what a subclass has for the addresses: bus operation wlan.ip or lan.ip.

    `_dhcp`: it asks for an address by DHCP.
    """

    _dhcp = True

    def ifconfig(self, *args):
        """Get or set (ip, netmask, gateway, dns); `ifconfig("dhcp")` asks for them."""
        if not args:
            ip = self._ip()
            return tuple(ip["address"]) + (ip["dns"],)
        config = args[0]
        if isinstance(config, (tuple, list)):
            if len(config) != 4:
                raise ValueError("requested length 4 but object has length %d" % len(config))
            address, netmask, gateway, dns = config
            if isinstance(netmask, int):
                netmask = _netmask(netmask)
            self._ip(address=[ipv4(part) for part in (address, netmask, gateway)], dns=ipv4(dns))
        elif self._dhcp and config == "dhcp":
            self._ip(dhcp=True)
        else:
            raise ValueError("invalid arguments")

    def ipconfig(self, *args, **kwargs):
        """Get or set `dhcp4` (not of an access point), `addr4` and `gw4`."""
        ip = self._ip()
        address, netmask, gateway = ip["address"]
        if not kwargs:
            if len(args) != 1:
                raise TypeError("must query one param")
            if args[0] == "addr4":
                return address, netmask
            if args[0] == "gw4":
                return gateway
            if args[0] == "dhcp4" and self._dhcp:
                return ip["dhcp"]
            raise ValueError("unexpected key")
        if args:
            raise TypeError("can't specify pos and kw args")
        for key, value in kwargs.items():
            if key == "dhcp4" and self._dhcp:
                self._ip(dhcp=bool(value))
            elif key == "addr4":
                if isinstance(value, str):
                    address, _, prefix = value.partition("/")
                    netmask = _netmask(int(prefix)) if prefix else netmask
                elif value is not None:
                    address, netmask = value
            elif key == "gw4":
                gateway = value
            else:
                raise ValueError("unexpected key")
        if "addr4" in kwargs or "gw4" in kwargs:
            self._ip(address=[ipv4(part) for part in (address, netmask, gateway)])


def data(value):
    """The bytes of a str or bytes."""
    return value.encode() if isinstance(value, str) else bytes(value)


def to_hex(value):
    """Bytes as text, for the bus."""
    return hexlify(value).decode()


def _netmask(bits):
    mask = 0xFFFFFFFF << 32 - bits & 0xFFFFFFFF
    return "%d.%d.%d.%d" % (mask >> 24, mask >> 16 & 255, mask >> 8 & 255, mask & 255)


def ipv4(text):
    """`text`, a dotted address; "" is 0.0.0.0. Raises ValueError (netutils_parse_ipv4_addr)."""
    text = text or "0.0.0.0"
    parts = text.split(".")
    if len(parts) != 4 or not all(part.isdigit() and int(part) < 256 for part in parts):
        raise ValueError("invalid arguments")
    return text
