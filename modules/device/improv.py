"""Improv Wi-Fi over serial: a browser or another client on the console's line looks at the networks and sets one.

The protocol is at https://www.improv-wifi.com/serial/. The C module improvserial takes its packets out of what is
typed; nothing of it reaches the prompt. Only a client that has asked gets an answer, between newlines, so that it can
tell it from what the prompt or a program prints. That is all that the server's thread ever writes to the console.
"""

import os
import sys
from asyncio import create_task, sleep_ms

import improvserial
from micropython import const

import device

from . import boot, joining, log

_POLL_MS = const(100)
_HEADER = b"IMPROV\x01"  # with the protocol's version
_DATA_AT = const(9)  # after header, type and length
_SUM = const(1)

# Types of packets from here; those to here are of type 3, which improvserial looks for.
_STATE = const(1)
_ERROR = const(2)
_RESULT = const(4)

# States. The first is of the protocol's text for Bluetooth; clients over serial know it too.
_STOPPED = const(0)  # there is no Wi-Fi to be set
_READY = const(2)
_TRYING = const(3)
_CONNECTED = const(4)

# Errors.
_NONE = const(0)
_INVALID = const(1)
_UNKNOWN = const(2)
_NOT_CONNECTED = const(3)
_BAD_HOSTNAME = const(5)
_OTHER = const(0xFF)

# Bits of the answer about the network.
_ONLINE = const(1)
_WIFI = const(2)
_ETHERNET = const(4)

_JOIN = const(1)
_SCAN = const(4)

_trying = False  # a network is being tried
_failed = False  # the last one could not be used, and the client may still show that
_hostname = ""  # to be saved with the next network
_waiting = None  # (command, data) that takes longer and has not begun
_worker = None  # the task for such commands


class _Refused(Exception):
    """A command that cannot be done; its argument is the protocol's error."""


async def run():
    """The task: never returns."""
    packet = bytearray(improvserial.SIZE)
    data = memoryview(packet)[_DATA_AT:]
    while True:
        size = improvserial.take(packet)
        if size:
            _take(data[: size - _DATA_AT - _SUM])
        await sleep_ms(0 if size else _POLL_MS)


def _take(data):
    """Do the command in a packet's data: its number, the length of its own data, and those."""
    global _waiting, _worker, _failed
    if len(data) < 2 or data[1] != len(data) - 2:
        _send(_ERROR, _INVALID)
        return
    command = data[0]
    data = bytes(data[2:])
    # Each command begins without an error. But ESP Web Tools looks for networks again as soon as one has failed, and
    # would take back what it has just told its user.
    if not (_failed and command == _SCAN):
        _failed = False
        _send(_ERROR, _NONE)
    if command == _JOIN or command == _SCAN:
        # Meanwhile clients may ask for the state. Of several that wait the last one counts.
        _waiting = command, data
        if not _worker or _worker.done():
            _worker = create_task(_work())
        return
    handler = _AT_ONCE.get(command)
    try:
        if not handler:
            raise _Refused(_UNKNOWN)
        handler(command, data)
    except _Refused as refused:
        _send(_ERROR, refused.args[0])


async def _work():
    global _waiting
    while _waiting:
        command, data = _waiting
        _waiting = None
        try:
            await (_join(data) if command == _JOIN else _scan())
        except _Refused as refused:
            _send(_ERROR, refused.args[0])
        except Exception as error:
            log.exception("Improv", error)
            _send(_ERROR, _OTHER)


def _send(kind, value):
    """Write a packet with one byte of data."""
    _write(kind, bytes((value,)))


def _answer(command, *texts):
    """Write the result of a command, a list of texts."""
    data = bytearray((command, 0))
    for text in texts:
        text = text.encode()
        data.append(len(text))
        data.extend(text)
    data[1] = len(data) - 2
    _write(_RESULT, data)


def _write(kind, data):
    packet = _HEADER + bytes((kind, len(data))) + data
    improvserial.write(b"\n" + packet + bytes((sum(packet) & 0xFF, 10)))


def _url():
    address = _address()
    return boot.page_url(address, device.config["server"]["port"]) if address else ""


def _address():
    """The board's address in the network, '' while it has none: that of its own access point is nobody's there."""
    service = boot.network_service
    return service.address() if service and service.state == "connected" else ""


def _state():
    if _trying:
        return _TRYING
    if _address():
        return _CONNECTED
    return _READY if joining.has_wifi() else _STOPPED


def _answer_state(command, data):
    state = _state()
    _send(_STATE, state)
    if state == _CONNECTED:
        _answer(command, _url())


def _answer_info(command, data):
    chip = os.uname().machine.split(" with ")[-1]
    version = "%d.%d.%d" % sys.implementation[1][:3]
    _answer(command, "microAsyncWeb", boot.VERSION, chip, boot.hostname, "MicroPython", version)


def _answer_hostname(command, data):
    """The host name, or a new one: it is saved with the network that is set next, so not once there is one."""
    global _hostname
    if data:
        if _address():
            raise _Refused(_OTHER)
        name = _text(data)
        if not joining.is_hostname(name):
            raise _Refused(_BAD_HOSTNAME)
        _hostname = name
    _answer(command, _hostname or boot.hostname)


def _answer_name(command, data):
    """The device's name is its host name, which has a command of its own."""
    if data:
        raise _Refused(_UNKNOWN)
    _answer(command, boot.hostname)


def _answer_network(command, data):
    url = _url()
    flags = (_WIFI if joining.has_wifi() else _ETHERNET) if boot.network_service else 0
    if url:
        _answer(command, str(flags | _ONLINE), url)
    else:
        _answer(command, str(flags))


_AT_ONCE = {2: _answer_state, 3: _answer_info, 5: _answer_hostname, 6: _answer_name, 7: _answer_network}


async def _scan():
    """One result for each network, then an empty one."""
    if joining.has_wifi():
        for entry in await boot.network_service.scan():
            _answer(_SCAN, entry["ssid"], str(entry["rssi"]), "YES" if entry["lock"] else "NO")
    _answer(_SCAN)


async def _join(data):
    """Try a network; if it works, save it."""
    global _trying, _failed, _hostname
    ssid, rest = _part(data)
    password, rest = _part(rest)
    if rest:
        raise _Refused(_INVALID)
    ssid, password = _text(ssid), _text(password)
    _trying = True
    _send(_STATE, _TRYING)
    try:
        problem, unsaved = await _try(ssid, password)
    finally:
        _trying = False
    if problem:
        log.warning("Improv: network %s: %s", ssid, problem)
        _failed = True
        _send(_ERROR, _NOT_CONNECTED)
        _send(_STATE, _state())
        return
    if unsaved:
        # It is connected, but the next start would not be: a client that was told so would be content.
        log.error("Improv: network %s is not saved: %s", ssid, unsaved)
        _send(_ERROR, _OTHER)
        _send(_STATE, _READY)
        return
    log.info("Improv: network %s is saved", ssid)
    _hostname = ""
    _send(_STATE, _CONNECTED)
    _answer(_JOIN, _url())


def _part(data):
    """(text, rest) of bytes that begin with a text's length."""
    if not data or data[0] >= len(data):
        raise _Refused(_INVALID)
    end = 1 + data[0]
    return data[1:end], data[end:]


def _text(data):
    try:
        return str(data, "utf-8")
    except UnicodeError:
        raise _Refused(_INVALID)


async def _try(ssid, password):
    """As joining.join(), with what is not right about the texts for a problem, too."""
    if not joining.has_wifi():
        return "this board has no Wi-Fi in use", ""
    wrong = joining.problems(ssid, password)
    return (" ".join(wrong), "") if wrong else await joining.join(ssid, password, _hostname)
