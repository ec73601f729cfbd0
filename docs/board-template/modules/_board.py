"""What is on the board beside the chip."""

BUTTON = 0  # GPIO of the button "BOOT", low while it is pressed; None if there is none


def ethernet():
    """None: the board has no Ethernet. One that has gives its network.LAN(...), not yet active."""
    return None
