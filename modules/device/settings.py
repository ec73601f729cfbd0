"""Settings: reads boot.json, checks every value, puts the default in the place of what is missing or wrong.

The table says the same as firmware/boot.schema.json; tests compare the two.
"""

import json

from micropython import const

PATH = "/boot.json"
_SIZE_MAX = const(8192)

# Path, kind, lowest, highest, default. Numbers are bounds of the value or of a text's length; kinds are the
# keys of _CHECKS and 'one|of|these'. Rows below wifi.networks are those of each entry of that list.
_TABLE = (
    ("hostname", "name", 1, 32, ""),
    ("wifi.networks", "list", 0, 8, None),
    ("wifi.networks.ssid", "text", 1, 32, None),
    ("wifi.networks.password", "secret", 8, 63, ""),
    ("wifi.country", "country", 2, 2, ""),
    ("wifi.static.ip", "address", 0, 15, ""),
    ("wifi.static.netmask", "address", 0, 15, ""),
    ("wifi.static.gateway", "address", 0, 15, ""),
    ("wifi.static.dns", "address", 0, 15, ""),
    ("wifi.ap.mode", "fallback|always|never", 0, 0, "fallback"),
    ("wifi.ap.ssid", "text", 0, 32, ""),
    ("wifi.ap.password", "secret", 8, 63, ""),
    ("server.port", "number", 1, 65535, 80),
    ("server.webroot", "path", 1, 255, "/webroot"),
    ("server.index", "file", 1, 255, "index.html"),
    ("server.core", "number", 0, 1, 0),
    ("server.maxConnections", "number", 1, 16, 8),
    ("admin.password", "text", 0, 64, ""),
    ("webrepl.enabled", "flag", 0, 0, True),
    ("webrepl.password", "secret", 4, 9, ""),
    ("webrepl.port", "number", 1, 65535, 8266),
    ("time.ntp", "text", 0, 253, "pool.ntp.org"),
    ("log.level", "debug|info|warning|error", 0, 0, "info"),
    ("log.syslog", "text", 0, 253, ""),
    ("watchdog", "seconds", 5, 600, 30),
)
_ENTRIES = "wifi.networks"


def load(path=PATH):
    """(settings, problems): a dict with every key, and a list with a line for each thing that is wrong.

    Never raises for what the file holds.
    """
    value, problem = _read(path)
    settings, problems = check(value)
    if problem:
        problems.insert(0, problem)
    return settings, problems


def check(value):
    """(settings, problems) for what the JSON text held."""
    problems = []
    settings = _object(value, "", problems)
    return settings, problems


def _read(path):
    """(parsed JSON, None), or ({}, what is wrong)."""
    try:
        file = open(path)
    except OSError:
        return {}, "boot.json: there is no such file, using defaults"
    with file:
        if file.seek(0, 2) > _SIZE_MAX:
            return {}, "boot.json: larger than %d bytes, using defaults" % _SIZE_MAX
        file.seek(0)
        try:
            return json.load(file), None
        except (ValueError, UnicodeError):
            # The parser stops right behind what it could not read.
            end = file.tell()
        except OSError as error:
            return {}, "boot.json: cannot be read (%s), using defaults" % error
    return {}, "boot.json: not JSON at line %d, using defaults" % _line(path, end)


def _line(path, end):
    with open(path, "rb") as file:
        return file.read(max(end - 1, 0)).count(b"\n") + 1


def _object(value, prefix, problems):
    """The settings below `prefix` ('' or 'wifi.') with defaults for what `value` lacks."""
    if not isinstance(value, dict):
        problems.append("boot.json: %s is %s, must be an object" % (prefix[:-1] or "the file", _held(value)))
        value = {}
    settings = {}
    depth = len(prefix)
    for path, kind, low, high, default in _TABLE:
        if not path.startswith(prefix):
            continue
        key, _, inner = path[depth:].partition(".")
        if key in settings:
            continue
        if inner:
            settings[key] = _object(value.get(key, {}), prefix + key + ".", problems)
        elif kind == "list":
            settings[key] = _list(value.get(key, []), path, high, problems)
        else:
            settings[key] = _value(value, key, path, (kind, low, high, default), problems)
    for key in value:
        if key not in settings:
            problems.append("boot.json: unknown key %s%s is ignored" % (prefix, key))
    return settings


def _list(value, path, high, problems):
    if not isinstance(value, list) or len(value) > high:
        problems.append("boot.json: %s must be a list of at most %d networks" % (path, high))
        value = value[:high] if isinstance(value, list) else []
    entries = []
    for entry in value:
        before = len(problems)
        checked = _object(entry, path + ".", problems)
        if checked["ssid"] is not None:
            entries.append(checked)
        elif len(problems) == before:
            problems.append("boot.json: an entry of %s has no ssid" % path)
    return entries


def _value(value, key, path, rule, problems):
    kind, low, high, default = rule
    if key not in value:
        return default
    held = value[key]
    if isinstance(held, float) and held % 1 == 0:
        held = int(held)  # JSON does not tell 80 from 80.0
    if "|" in kind:
        right = isinstance(held, str) and held in kind.split("|")
        allowed = "one of " + kind.replace("|", ", ")
    else:
        right = _CHECKS[kind](held, low, high)
        allowed = _ALLOWED[kind].replace("LOW", str(low)).replace("HIGH", str(high))
    if right:
        return held
    shown = "not shown" if key == "password" else _held(held)
    problems.append("boot.json: %s is %s, must be %s%s" % (path, shown, allowed, _instead(default)))
    return default


def _instead(default):
    return "" if default in ("", None) else "; using %s" % _held(default)


def _held(value):
    try:
        text = json.dumps(value)
    except RuntimeError:  # recursion
        return "nested too deeply"
    return text if len(text) <= 40 else text[:39] + "…"


def _number(value, low, high):
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _seconds(value, low, high):
    return _number(value, low, high) or _number(value, 0, 0)


def _flag(value, low, high):
    return isinstance(value, bool)


def _text(value, low, high):
    return isinstance(value, str) and low <= len(value) <= high


def _secret(value, low, high):
    return value == "" or _text(value, low, high)


def _path(value, low, high):
    return _text(value, low, high) and value[0] == "/"


def _file(value, low, high):
    return _text(value, low, high) and "/" not in value


def _country(value, low, high):
    return _text(value, low, high) and all("A" <= letter <= "Z" for letter in value)


def _name(value, low, high):
    if not _text(value, low, high) or value[0] == "-" or value[-1] == "-":
        return False
    return all(c == "-" or "0" <= c <= "9" or "a" <= c <= "z" or "A" <= c <= "Z" for c in value)


def _address(value, low, high):
    if value == "":
        return True
    if not _text(value, 7, high):
        return False
    parts = value.split(".")
    return len(parts) == 4 and all(_is_byte(part) for part in parts)


def _is_byte(text):
    """0 to 255 in decimal without leading zeros."""
    return (
        0 < len(text) <= 3
        and all("0" <= c <= "9" for c in text)
        and str(int(text)) == text
        and int(text) < 256
    )


_CHECKS = {
    "name": _name,
    "text": _text,
    "secret": _secret,
    "country": _country,
    "address": _address,
    "number": _number,
    "seconds": _seconds,
    "flag": _flag,
    "path": _path,
    "file": _file,
}
_ALLOWED = {
    "name": "LOW to HIGH letters, digits and inner hyphens",
    "text": "a text of LOW to HIGH characters",
    "secret": "a text of LOW to HIGH characters, or empty",
    "country": "two capital letters such as DE",
    "address": "an address such as 192.168.1.20",
    "number": "a number, LOW to HIGH",
    "seconds": "0, or LOW to HIGH seconds",
    "flag": "true or false",
    "path": "an absolute path such as /webroot",
    "file": "a file name with no slash",
}
