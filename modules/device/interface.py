"""What the services of Wi-Fi and Ethernet share: moves by a table, and addresses."""

import network


def moved(moves, state, event):
    """The state after `event`, by `moves`, rows of (state, event, next state). RuntimeError if there is no such row."""
    for before, what, after in moves:
        if before == state and what == event:
            return after
    raise RuntimeError("%s is not expected while %s" % (event, state))


def set_addresses(interface, static):
    """Give `interface` the fixed addresses of `static`, device.config['wifi']['static']; if it has none, those of DHCP.

    The driver keeps them over a soft reset. OSError or RuntimeError if it does not take them.
    """
    if not static["ip"]:
        if not interface.ipconfig("dhcp4"):
            interface.ipconfig(dhcp4=True)
        return
    interface.ipconfig(addr4=(static["ip"], static["netmask"] or "255.255.255.0"))
    if static["gateway"]:
        interface.ipconfig(gw4=static["gateway"])
    if static["dns"] or static["gateway"]:
        network.ipconfig(dns=static["dns"] or static["gateway"])


def address_of(interface):
    """The IPv4 address of `interface` as text, or ''.

    A lease that has run out leaves isconnected() true: MicroPython does not look at IP_EVENT_STA_LOST_IP and
    IP_EVENT_ETH_LOST_IP (network_wlan.c:182, network_lan.c:74).
    """
    address = interface.ipconfig("addr4")[0] if interface.isconnected() else ""
    return "" if address == "0.0.0.0" else address
