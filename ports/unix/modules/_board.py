"""What differs from board to board, for the firmware's boot script: this one is the desktop board."""

import network
from _chip import bus

BUTTON = 0  # GPIO of the boot button, as on most boards with an ESP32


def ethernet():
    """The Ethernet interface, not yet active, or None on a board that has Wi-Fi."""
    if bus.call("boot.info")["network"] != "ethernet":
        return None
    return network.LAN(mdc=23, mdio=18, phy_type=network.PHY_DP83848, phy_addr=1)
