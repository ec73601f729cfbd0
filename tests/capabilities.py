"""What the options say about the board: where it is, and what it has beyond a console and a web server.

A test says `@pytest.mark.needs("power")`; it is deselected where the target does not declare that. Nothing is ever
found out by trying.
"""

from __future__ import annotations

from pathlib import Path

CAPABILITIES = {
    "webrepl": "WebREPL can be reached; declared by giving its address",
    "wlan": "its network is Wi-Fi",
    "ethernet": "its network is a cable, network.LAN",
    "ports": "TCP port 2121 of the board is reached under that number at the address of its web server",
    "rts": "RTS and DTR of its serial port reset the chip",
    "tty": "its console is a device file, which mpremote's own terminal needs",
    "watchdog": "the watchdog resets it for real; in QEMU the watchdogs are off",
    "timing": "the bars of response times are meant for it",
    "control": "the desktop board's control socket: press reset, crash, look inside",
    "power": "a test can switch its power off and on",
    "cut": "a test can cut its power in the middle of a write to flash",
    "air": "a test decides which Wi-Fi networks there are",
    "cable": "a test can pull its network cable",
    "process": "it is a process of this computer, whose descriptors can be counted",
}

_DESKTOP = frozenset(CAPABILITIES) - {"rts", "ethernet"}
_CHIP = frozenset({"wlan", "ports", "watchdog"})
_DECLARED = {
    "desktop": _DESKTOP,
    "serial port": _CHIP | {"rts", "tty"},
    "serial port without lines": _CHIP | {"tty"},
    "RFC 2217": _CHIP | {"rts"},
    "emulator": frozenset({"ethernet"}),
}
_URLS = {"socket": "emulator", "rfc2217": "RFC 2217"}


def kind(board: str) -> str:
    """The kind of target that the option --board names. ValueError for an URL of another kind."""
    if board == "desktop":
        return "desktop"
    if "://" not in board:
        return "serial port" if has_lines(board) else "serial port without lines"
    scheme = board.partition("://")[0]
    if scheme not in _URLS:
        raise ValueError(f"'{board}' begins with neither {' nor '.join(f'{name}://' for name in _URLS)}")
    return _URLS[scheme]


def has_lines(device: str) -> bool:
    """Whether RTS and DTR of the serial port reach the chip's EN and IO0.

    A pty has no lines. The USB peripheral of a running MicroPython has some, but nothing listens to them; ESP32's
    other one, USB-Serial-JTAG (303A:1001), resets the chip as a circuit with two transistors does.
    """
    from serial.tools import list_ports

    path = str(Path(device).resolve())
    if path.startswith("/dev/pts/"):
        return False
    espressif = [port for port in list_ports.comports() if port.device in (device, path) and port.vid == 0x303A]
    return all(port.pid == 0x1001 for port in espressif)


def declared(board: str, webrepl: bool, added=(), removed=()) -> frozenset[str]:
    """The capabilities of the target: those of its kind, with `added` and without `removed`.

    ValueError for a name that is not in CAPABILITIES.
    """
    check(*added, *removed)
    have = set(_DECLARED[kind(board)]) | set(added)
    if webrepl:
        have.add("webrepl")
    return frozenset(have - set(removed))


def check(*names: str) -> None:
    """ValueError if one of the names is not in CAPABILITIES."""
    for name in names:
        if name not in CAPABILITIES:
            raise ValueError(f"'{name}' is no capability; there are {', '.join(sorted(CAPABILITIES))}")


def parse_endpoint(text: str, port: int) -> tuple[str, int]:
    """(host, port) of 'host[:port]', with brackets around an IPv6 address. ValueError says what is wrong."""
    host, colon, number = text.rpartition(":")
    if not colon or number.endswith("]"):
        host, number = text, str(port)
    if not host or not number.isdecimal() or not 0 < int(number) < 65536:
        raise ValueError(f"'{text}' is not host[:port]")
    return host.strip("[]"), int(number)
