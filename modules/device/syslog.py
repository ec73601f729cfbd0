"""Sends the log to a syslog server by UDP (RFC 5424, 5426): what was kept over the reset, then each line as it comes.

A service on the server's loop. It never waits for anything but the name's address, keeps no lines of its own, and
goes on for ever: a line that has left the log before the server could be reached is counted, not sent.
"""

import socket
import time
from asyncio import sleep_ms

from micropython import const

import device

from . import log

_PORT = const(514)
_POLL_MS = const(500)
_BURST = const(8)  # lines that are sent at once: others have their turn, and the radio its time
_PAUSE_FIRST_S = const(5)
_PAUSE_MAX_S = const(300)
_STEADY_MS = const(60_000)  # so long without a failure is success: by UDP a single message tells nothing
_QUIET_MS = const(3_600_000)  # and so long is worth another warning
_RENEW_MS = const(600_000)  # after that the name is looked up again: its address may have changed
_DAEMON = const(3 << 3)  # the facility
_CLOCK_SET = const(757382400)  # the year 2024 from 2000 on
_RING = const(48)  # lines in log.py
_EAGAIN = const(11)
_ENOMEM = const(12)  # lwIP has no buffer just now

_SEVERITIES = {log.DEBUG: 7, log.INFO: 6, log.WARNING: 4, log.ERROR: 3}

_sent = 0  # what log.count was
_before = 0  # how many lines of log.before have been sent
_failed_at = None  # time.ticks_ms() of the last failure


async def run():
    """The service: ends at once if log.syslog is not set."""
    setting = device.config["log"]["syslog"]
    if not setting:
        return
    host, _, port = setting.partition(":")
    if port and not (port.isdigit() and 0 < int(port) < 65536):
        log.error("boot.json: log.syslog: %s is no port, 1 to 65535: nothing is sent", port)
        return
    pause = _PAUSE_FIRST_S
    while True:
        await _until_connected()
        begin = time.ticks_ms()
        try:
            sock = await _open(host, int(port or _PORT))
            try:
                await _serve(sock)
                continue
            finally:
                sock.close()
        except (OSError, MemoryError) as error:
            _note(setting, error)
        if time.ticks_diff(time.ticks_ms(), begin) > _STEADY_MS:
            pause = _PAUSE_FIRST_S
        await sleep_ms(pause * 1000)
        pause = min(pause * 2, _PAUSE_MAX_S)


def packet(record, kept=False, hostname="-"):
    """The bytes of a message with a (time, severity, text) record; kept: of before the reset, its MSGID says so."""
    stamp, severity, text = record
    stamp = "%d-%02d-%02dT%02d:%02d:%02dZ" % time.gmtime(stamp)[:6] if stamp >= _CLOCK_SET else "-"
    # A line break would be two lines to many a receiver.
    data = "".join(char if char >= " " and char != "\x7f" else " " for char in text).encode()
    if len(data) > len(text):
        data = b"\xef\xbb\xbf" + data  # section 6.4: it is UTF-8
    priority = _DAEMON | _SEVERITIES.get(severity, 5)
    head = "<%d>1 %s %s microAsyncWeb - %s - " % (priority, stamp, hostname, "before" if kept else "-")
    return head.encode() + data


async def _until_connected():
    from . import boot

    while boot.network_service is None or boot.network_service.state != "connected":
        await sleep_ms(_POLL_MS)


async def _open(host, port):
    from . import dns

    address = await dns.resolve(host)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.connect(socket.getaddrinfo(address, port)[0][-1])
    except BaseException:
        sock.close()
        raise
    return sock


async def _serve(sock):
    """Send until the name is to be looked up again, or the connection is lost. OSError if the network refuses."""
    from . import boot

    begin = time.ticks_ms()
    while boot.network_service.state == "connected" and time.ticks_diff(time.ticks_ms(), begin) < _RENEW_MS:
        _send_some(sock, boot.hostname or "-")
        await sleep_ms(_POLL_MS)


def _send_some(sock, hostname):
    """Send a few of the lines that wait. OSError if the network refuses: then the line is tried again."""
    global _sent, _before
    sent = 0
    try:
        while sent < _BURST and _before < len(log.before):
            sock.send(packet(log.before[_before], True, hostname))
            _before += 1
            sent += 1
        lost = log.count - _RING - _sent
        if lost > 0:
            _sent += lost
            sock.send(packet((time.time(), log.WARNING, "%d lines are lost" % lost), False, hostname))
        for record in log.records(log.DEBUG, _sent):
            if sent >= _BURST:
                break
            sock.send(packet(record, False, hostname))
            _sent += 1
            sent += 1
    except OSError as error:
        if error.errno not in (_EAGAIN, _ENOMEM):
            raise


def _note(setting, error):
    """Say that it does not work, but once only: each such line is one more to send."""
    global _failed_at
    now = time.ticks_ms()
    if _failed_at is None or time.ticks_diff(now, _failed_at) > _QUIET_MS:
        log.warning("syslog to %s: %s", setting, error)
    _failed_at = now
