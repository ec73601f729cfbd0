"""What is on the board beside the chip: in QEMU an OpenCores Ethernet controller, and nothing on any pin."""

import network

BUTTON = None


def ethernet():
    """The network.LAN, not yet active. The C module gives it OpenETH's MAC, which needs none of these pins."""
    return network.LAN(mdc=23, mdio=18, phy_type=network.PHY_DP83848, phy_addr=1)
