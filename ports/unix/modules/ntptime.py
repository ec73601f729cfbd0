"""`ntptime` of micropython-lib: the time from an NTP server (RFC 5905, as a client that asks once)."""

import socket
from struct import unpack
from time import gmtime

host = "pool.ntp.org"  # may be changed by the user
timeout = 1  # seconds

_EARLIEST = 3913056000  # 2024-01-01 in NTP's seconds: below it the 32 bits have wrapped, in 2036
_DELTA = {2000: 3155673600, 1970: 2208988800}  # seconds from 1900 to the epoch


def time():
    """Ask `host`; returns seconds since the board's epoch. Raises OSError when there is no answer."""
    query = bytearray(48)
    query[0] = 0x1B  # version 3, client
    address = socket.getaddrinfo(host, 123)[0][-1]
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.settimeout(timeout)
        s.sendto(query, address)
        answer = s.recv(48)
    finally:
        s.close()
    seconds = unpack("!I", answer[40:44])[0]
    if seconds < _EARLIEST:
        seconds += 0x100000000
    epoch = gmtime(0)[0]
    if epoch not in _DELTA:
        raise Exception("Unsupported epoch: {}".format(epoch))
    return seconds - _DELTA[epoch]


def settime():
    """Set the board's clock, to UTC."""
    import machine

    t = gmtime(time())
    machine.RTC().datetime((t[0], t[1], t[2], t[6] + 1, t[3], t[4], t[5], 0))
