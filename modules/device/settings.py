"""Settings: what boot.json may hold. Checks every value, puts the default in the place of what is missing or wrong.

The table says the same as firmware/boot.schema.json; tests compare the two. The module is several KB and of no use
between two checks: bootjson.py loads it and drops it.
"""

import json
from collections import OrderedDict

from micropython import const

from .jsontext import Real

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
    ("server.webroot", "path", 2, 255, "/webroot"),
    ("server.index", "file", 1, 255, "index.html"),
    ("server.core", "number", 0, 1, 0),
    ("server.maxConnections", "number", 1, 16, 8),
    ("admin.password", "text", 0, 64, ""),
    ("webrepl.enabled", "flag", 0, 0, True),
    ("webrepl.password", "secret", 4, 9, ""),
    ("webrepl.port", "number", 1, 65535, 8266),
    ("time.ntp", "servers", 0, 253, "pool.ntp.org"),
    ("log.level", "debug|info|warning|error", 0, 0, "info"),
    ("log.syslog", "text", 0, 253, ""),
    ("watchdog", "seconds", 5, 600, 30),
)
_ENTRIES = "wifi.networks"
_SERVERS = const(4)  # in a list of them
_SHOWN = const(40)  # characters of a value in a message
_NETWORKS = "%s is %s, must be a list of at most %d networks"


class Verdict:
    """What check() found.

    settings  dict with every key, the default where the value is missing or wrong
    problems  a line for each value that is wrong: key, what it holds, what is allowed
    remarks   a line for each key that is not known
    wrong     (dict or list, key or index) of each value that is wrong, for mend()
    """

    def __init__(self):
        self.settings = None
        self.problems = []
        self.remarks = []
        self.wrong = []

    def refuse(self, holder, key, line):
        """Note a problem with holder[key]."""
        self.problems.append(line)
        self.wrong.append((holder, key))


def check(raw):
    """The Verdict on `raw`, the value of a JSON text. Never raises for what it holds."""
    verdict = Verdict()
    if not isinstance(raw, dict):
        verdict.problems.append("the file is %s, must be an object" % _hidden(raw, "object"))
        raw = {}
    verdict.settings = _object(raw, "", "", verdict)
    return verdict


def mend(raw, verdict):
    """`raw` without the values that are wrong by its verdict; the same object unless it is no dict at all."""
    if not isinstance(raw, dict):
        return OrderedDict()
    # Entries of a list from its end on: the indexes of those before stay what they are.
    for holder, key in reversed(verdict.wrong):
        del holder[key]
    return raw


def arranged(raw, prefix=""):
    """A copy of `raw`, a dict, with the keys in the table's order and all others behind them, as they stand."""
    found = OrderedDict()
    for path, _kind, _low, _high, _default in _TABLE:
        if path.startswith(prefix):
            key, _, inner = path[len(prefix) :].partition(".")
            if key in raw and key not in found:
                value = raw[key]
                if isinstance(value, dict):
                    value = arranged(value, prefix + key + ".")
                elif prefix + key == _ENTRIES and isinstance(value, list):
                    value = [arranged(entry, _ENTRIES + ".") if isinstance(entry, dict) else entry for entry in value]
                found[key] = value
    for key in raw:
        if key not in found:
            found[key] = raw[key]
    return found


def _object(value, prefix, shown, verdict):
    """The settings below `prefix` ('' or 'wifi.') with defaults for what `value` lacks; `shown` has indexes, too."""
    settings = {}
    depth = len(prefix)
    for path, kind, low, high, default in _TABLE:
        if not path.startswith(prefix):
            continue
        key, _, inner = path[depth:].partition(".")
        if key in settings:
            continue
        name = shown + key
        if inner:
            section = value.get(key, {})
            if not isinstance(section, dict):
                verdict.refuse(value, key, "%s is %s, must be an object" % (name, _hidden(section, "object")))
                section = {}
            settings[key] = _object(section, prefix + key + ".", name + ".", verdict)
        elif kind == "list":
            settings[key] = _list(value, key, name, path + ".", high, verdict)
        else:
            settings[key] = _value(value, key, name, (kind, low, high, default), verdict)
    for key in value:
        if key not in settings:
            verdict.remarks.append("unknown key %s%s is ignored" % (shown, quoted(key)))
    return settings


def _list(value, key, name, prefix, high, verdict):
    """The entries of value[key] that are right: without its password, a network would be another, open one."""
    held = value.get(key, [])
    if not isinstance(held, list):
        verdict.refuse(value, key, _NETWORKS % (name, _hidden(held, "list"), high))
        return []
    if len(held) > high:
        verdict.problems.append(_NETWORKS % (name, _hidden(held, "list"), high))
    entries = []
    for index, entry in enumerate(held):
        shown = "%s[%d]" % (name, index)
        found = len(verdict.wrong)
        if isinstance(entry, dict):
            checked = _object(entry, prefix, shown + ".", verdict)
            if "ssid" not in entry:
                verdict.problems.append("%s lacks 'ssid'" % shown)
        else:
            checked = {"ssid": None}
            line = "%s is %s, must be an object with ssid and password"
            verdict.problems.append(line % (shown, _hidden(entry, "object")))
        if checked["ssid"] is None or index >= high or len(verdict.wrong) > found:
            verdict.wrong.append((held, index))
        else:
            entries.append(checked)
    return entries


def _value(value, key, name, rule, verdict):
    kind, low, high, default = rule
    if key not in value:
        return default
    held = value[key]
    if isinstance(held, Real):
        whole = held.whole()  # JSON does not tell 80 from 80.0
        held = held if whole is None else whole
    if kind == "servers" and isinstance(held, list):
        return _servers(value, key, name, rule, verdict)
    if "|" in kind:
        right = isinstance(held, str) and held in kind.split("|")
        allowed = "one of " + kind.replace("|", ", ")
    else:
        right = _CHECKS[kind](held, low, high)
        allowed = _ALLOWED[kind].replace("LOW", str(low)).replace("HIGH", str(high))
    if right:
        return held
    if default not in ("", None):
        allowed += " (default %s)" % json.dumps(default)
    verdict.refuse(value, key, "%s is %s, must be %s" % (name, _held(key, value[key]), allowed))
    return default


def _servers(value, key, name, rule, verdict):
    """A list of names in the place of one."""
    _kind, _low, high, default = rule
    held = value[key]
    lines = []
    if not 1 <= len(held) <= _SERVERS:
        lines.append("%s is %s, must be %s" % (name, _held(key, held), _ALLOWED["servers"].replace("HIGH", str(high))))
    for index, entry in enumerate(held):
        if not _text(entry, 1, high):
            line = "%s[%d] is %s, must be a name of 1 to %d characters"
            lines.append(line % (name, index, _held("", entry), high))
    if not lines:
        return held
    verdict.problems.extend(lines)
    verdict.wrong.append((value, key))
    return default


def _held(key, value):
    """What stands there, in a few words, and never a password."""
    if key == "password" or isinstance(value, (dict, list)):
        return _hidden(value, "text")
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _hidden(value, wanted):
    """The same of what may be a password that stands in the wrong place."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list of %d" % len(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return "a text of %d characters" % len(value) if isinstance(value, str) else "no " + wanted


def quoted(key):
    """A key for a message: short, with no control characters."""
    text = json.dumps(key)[1:-1]
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


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
    # No part is empty or begins with a dot: / itself has boot.json, and . and .. lead there.
    if not _text(value, low, high) or value[0] != "/":
        return False
    parts = value[1:].split("/")
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    return all(part and part[0] != "." for part in parts)


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
    return 0 < len(text) <= 3 and all("0" <= c <= "9" for c in text) and str(int(text)) == text and int(text) < 256


_CHECKS = {
    "name": _name,
    "text": _text,
    "servers": _text,
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
    "servers": "a name of at most HIGH characters, or a list of 1 to 4 names",
    "secret": "a text of LOW to HIGH characters, or empty",
    "country": "two capital letters such as DE",
    "address": "an address such as 192.168.1.20",
    "number": "a number, LOW to HIGH",
    "seconds": "0, or LOW to HIGH seconds",
    "flag": "true or false",
    "path": "the path of a folder below / such as /webroot, with no dot first in a name, LOW to HIGH characters",
    "file": "a file name with no slash, LOW to HIGH characters",
}
