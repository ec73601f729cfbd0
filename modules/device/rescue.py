"""A copy of what it takes to reach the board, in NVS: for the day on which the filesystem with boot.json is damaged.

The board then comes up in the networks that it knows, under its name, and asks for the password that it had.
"""

import json

from micropython import const

from . import log
from .nvs import store

_SPACE = "rescue"
_KEY = "settings"
_KEYS = ("hostname", "wifi", "admin", "webrepl")
_SIZE_MAX = const(1900)  # bytes; NVS has 16 KB for Wi-Fi's calibration and all else


def keep(config):
    """Keep the settings `config` (as device.config) if they are not what is kept already. For bootjson.keep_good().

    With many networks the last ones are left out.
    """
    kept = {name: _filled(config[name]) for name in _KEYS}
    networks = kept["wifi"]["networks"]
    while True:
        data = json.dumps(_filled(kept)).encode()
        if len(data) <= _SIZE_MAX or not networks:
            break
        networks.pop()
    if data == _read():
        return
    try:
        nvs = store(_SPACE)
        nvs.set_blob(_KEY, data)
        nvs.commit()
    except OSError as error:
        log.warning("a copy of the network settings cannot be kept: %s", error)


def settings():
    """What was kept, as the value of a boot.json; {} if there is nothing."""
    try:
        return json.loads(_read() or b"{}")
    except ValueError:
        return {}


def instead(config, found):
    """The settings of a board without its files: those kept, else `config`. `found`: the lines of bootjson.load().

    With what was kept there is one line in their place, and bootjson.source is 'NVS copy'. The administrator's password
    is never empty: who knows that of the access point, which the console shows, has had the board in hand.
    """
    raw = settings()
    if raw:
        from . import bootjson

        checked, problems, _remarks = bootjson.check(raw)
        if not problems:
            config = checked
            found[:] = ["boot.json cannot be read: name, networks and passwords are those of the last good start"]
            bootjson.source = "NVS copy"
    admin = config["admin"]
    if not admin["password"]:
        from .access_point import ap_password

        admin["password"] = ap_password(config["wifi"]["ap"])
        found.append("the password of 'admin' is that of the board's own access point")
        print("  admin    password %s" % admin["password"])
    return config


def erase():
    """Forget it, for a factory reset."""
    try:
        nvs = store(_SPACE)
        nvs.erase_key(_KEY)
        nvs.commit()
    except OSError:
        pass  # nothing was kept


def _filled(value):
    """A copy of a dict or list in which no entry is '' or None; other values as they are."""
    if isinstance(value, dict):
        return {key: _filled(part) for key, part in value.items() if part not in ("", None)}
    return [_filled(part) for part in value] if isinstance(value, list) else value


def _read():
    buffer = bytearray(_SIZE_MAX)
    try:
        return bytes(buffer[: store(_SPACE).get_blob(_KEY, buffer)])
    except OSError:
        return None
