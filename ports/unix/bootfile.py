"""What the host wants to know of the settings that lie in the board's flash."""

import json

from firmware import filesystem, partitions
from firmware.errors import FirmwareError

# The first that can be read is what the next start takes, see modules/device/bootjson.py.
_FILES = ("boot.trial.json", "boot.json", "boot.good.json")


def wifi_networks(flash):
    """`wifi.networks` of the board's boot.json, [] when that or the filesystem is missing or damaged.

    The access points that a user's settings name exist in the desktop board's air, so that they just work.
    """
    try:
        networks = _read(flash)["wifi"]["networks"]
        return [network for network in networks if isinstance(network["ssid"], str)]
    except (KeyError, TypeError):
        return []


def server_port(flash):
    """`server.port` of the board's boot.json, None when it names none."""
    try:
        port = _read(flash)["server"]["port"]
    except (KeyError, TypeError):
        return None
    return port if isinstance(port, int) else None


def _read(flash):
    for name in _FILES:
        try:
            place = partitions.read_flash(flash.view)["vfs"]
            return json.loads(filesystem.read_file(flash.view[place.offset : place.end], name))
        except (FirmwareError, KeyError, ValueError, RecursionError):
            pass
    return {}
