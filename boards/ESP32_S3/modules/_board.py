"""What is on the board beside the chip: the usual ESP32-S3 development board."""

BUTTON = 0  # GPIO of the button "BOOT", low while it is pressed


def ethernet():
    """None: the board has no Ethernet. One that has gives its network.LAN(...), not yet active."""
    return None
