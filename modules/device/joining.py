"""Into a network that somebody has named, at the setup page or over Improv: is it all right, does it work, is it kept.

A host name that comes along counts from the try on, since DHCP and mDNS take it with the connection; when the network
does not work or cannot be saved, the name is what it was.
"""

import gc

import network
from micropython import const

import device

from . import boot, bootjson

_SSID_MAX = const(32)  # bytes (IEEE 802.11-2020 section 9.4.2.2)
_PASSWORD_MIN = const(8)  # a WPA passphrase is 8 to 63 characters (IEEE 802.11-2020 annex J.4)
_PASSWORD_MAX = const(63)


def has_wifi():
    """Whether this board has a Wi-Fi that networks can be tried with."""
    return hasattr(boot.network_service, "try_network")


def problems(ssid, password, hostname="", secret=""):
    """What is not right with these texts, a line for each; secret is the administrator's password, '' is none given."""
    lines = []
    size = len(ssid.encode())
    if not 0 < size <= _SSID_MAX:
        lines.append("A network's name has 1 to 32 bytes, this one has %d." % size)
    if password and not _PASSWORD_MIN <= len(password) <= len(password.encode()) <= _PASSWORD_MAX:
        line = "A network's password has 8 to 63 characters, this one has %d; other characters than A to Z count more."
        lines.append(line % len(password))
    if hostname and not is_hostname(hostname):
        line = "The board's name has 1 to 32 letters A to Z, digits and inner hyphens; %s has others."
        lines.append(line % hostname)
    if secret and bootjson.check({"admin": {"password": secret}})[1]:
        lines.append("The administrator's password is too long: %d characters, 64 are possible." % len(secret))
    typed = ssid + password + secret
    if typed and (min(typed) < " " or "\x7f" in typed):
        lines.append("A name or a password has a control character.")
    return lines


def is_hostname(text):
    """Whether boot.json would take it as the host name."""
    return bool(text) and not bootjson.check({"hostname": text})[1]


async def join(ssid, password, hostname="", secret=""):
    """Try a network; keep it, and the host name and the administrator's password that are not empty, if it works.

    (problem, unsaved): why there is no connection, in words, or ''; and then why all of it is lost with the next start.
    """
    works = False
    try:
        if hostname:
            network.hostname(hostname)
        problem = await boot.network_service.try_network(ssid, password)
        unsaved = "" if problem else _keep(ssid, password, hostname, secret)
        works = not (problem or unsaved)
    finally:
        if hostname and not works:
            network.hostname(boot.hostname)
    return problem, unsaved


def _keep(ssid, password, hostname, secret):
    """Save what was set, and go by it. What is wrong with that in words, or ''."""
    if hostname == boot.hostname:
        # Not into boot.json: the board may have it from its chip.
        hostname = ""
    # The modules that check the settings must not come to lie behind garbage.
    gc.collect()
    try:
        wrong = bootjson.add_network(ssid, password, hostname, secret)
        if wrong:
            return "; ".join(wrong)
        settings = bootjson.check(bootjson.current())[0]
    except MemoryError:
        return "out of memory: restart and try again"
    boot.hostname = hostname or boot.hostname
    for key in ("hostname", "admin"):
        device.config[key] = settings[key]
    networks = device.config["wifi"]["networks"] = settings["wifi"]["networks"]
    boot.network_service.use(networks)
    return ""
