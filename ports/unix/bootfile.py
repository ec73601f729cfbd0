"""What the host wants to know of the boot.json that lies in the board's flash."""

import json

from firmware import filesystem, partitions
from firmware.errors import FirmwareError


def wifi_networks(flash):
    """`wifi.networks` of the board's boot.json, [] when that or the filesystem is missing or damaged.

    The access points that a user's settings name exist in the desktop board's air, so that they just work.
    """
    try:
        place = partitions.read_flash(flash.view)["vfs"]
        settings = json.loads(filesystem.read(flash.view[place.offset : place.end]).get("boot.json", b"{}"))
        networks = settings["wifi"]["networks"]
        return [network for network in networks if isinstance(network["ssid"], str)]
    except (FirmwareError, ValueError, KeyError, TypeError):
        return []
