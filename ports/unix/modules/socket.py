"""`socket` of the ESP32 port (modsocket.c): addresses are tuples, waiting gives up the turn, ports are the board's.

Every socket of the VM below is non-blocking. What blocks on a board waits here in `select.poll` without the turn.
`bind` and `connect` ask the bus where a port of the board really is on this computer (loopback only for servers).
"""

import io
from errno import EAGAIN, ECONNREFUSED, EINPROGRESS, ETIMEDOUT
from select import POLLIN, POLLOUT, poll

import usocket as _socket
from _chip import bus
from micropython import const
from uselect import poll as _poll
from usocket import (
    AF_INET,
    AF_INET6,
    IP_ADD_MEMBERSHIP,
    MSG_DONTWAIT,
    MSG_PEEK,
    SO_BROADCAST,
    SO_REUSEADDR,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_STREAM,
    SOL_SOCKET,
)

IPPROTO_IP = const(0)
IPPROTO_TCP = const(6)
IPPROTO_UDP = const(17)
TCP_NODELAY = const(1)
SO_BINDTODEVICE = const(0x100B)

_GET_FILENO = const(10)  # MP_STREAM_GET_FILENO
_CLOSE = const(4)  # MP_STREAM_CLOSE
_POLL = const(3)  # MP_STREAM_POLL
_EAI_FAIL = const(-202)  # what lwIP answers when a name can't be resolved


def _pack(address):
    """The VM's form of an (ip, port) tuple, or of one packed already."""
    if not isinstance(address, (tuple, list)):
        return address
    host, port = address[:2]
    return _socket.getaddrinfo(_lookup(host), port)[0][-1]


def _unpack(packed):
    """The (ip, port) tuple of an address in the VM's form."""
    family, ip, port = _socket.sockaddr(packed)[:3]
    return (_socket.inet_ntop(family, ip), port)


def _lookup(host):
    if not host:
        return "0.0.0.0"
    if all(c in "0123456789." for c in host):
        return host
    from time import sleep_ms

    reply = bus.call("net.lookup", host=host)
    while "address" not in reply:
        sleep_ms(20)
        reply = bus.call("net.lookup", host=host)
    if not reply["address"]:
        raise OSError(_EAI_FAIL)
    return reply["address"]


def getaddrinfo(host, port, family=AF_INET, type=SOCK_STREAM, proto=0, flags=0):
    """[(family, type, proto, canonname, (ip, port))] of a host's name. OSError(-202) if it can't be resolved."""
    return [(AF_INET, type or SOCK_STREAM, proto, "", (_lookup(host), int(port)))]


def _again_if_refused(function):
    """`function` of a datagram socket, on which lwIP does not tell that nobody listens at the other end."""

    def call(*args):
        while True:
            try:
                return function(*args)
            except OSError as e:
                if e.errno != ECONNREFUSED:
                    raise

    return call


class socket(io.IOBase):
    """A socket as modsocket.c has it; blocking until `settimeout` or `setblocking` says otherwise."""

    def __init__(self, af=AF_INET, type=SOCK_STREAM, proto=0, *, _sock=None):
        if _sock is None:
            if af != AF_INET:
                raise OSError(97, "the desktop board has IPv4 only")  # EAFNOSUPPORT
            _sock = _socket.socket(af, type)
        self._sock = _sock
        self._type = type
        self._peers = None  # of a datagram socket: {where it is on this computer: the peer's address}
        self._timeout = -1  # ms, as poll() takes it
        self._open = True
        _sock.setblocking(False)
        self._blocking()

    def _blocking(self):
        """Choose how the socket reads and writes: with no time-out straight by the VM's own methods."""
        s = self._sock
        if self._timeout:
            self.recv = self._recv
            self.send = self._send
            self.read = self._read
            self.readinto = self._readinto
            self.write = self._write
        elif self._type == SOCK_DGRAM:
            self.recv = _again_if_refused(s.recv)
            self.send = _again_if_refused(s.send)
            self.read = _again_if_refused(s.read)
            self.readinto = _again_if_refused(s.readinto)
            self.write = _again_if_refused(s.write)
        else:
            self.recv = s.recv
            self.send = s.send
            self.read = s.read
            self.readinto = s.readinto
            self.write = s.write

    def setblocking(self, flag):
        """True: wait for ever; False: never."""
        self._timeout = -1 if flag else 0
        self._blocking()

    def settimeout(self, value):
        """Wait at most `value` seconds (None: for ever, 0: never); then OSError(ETIMEDOUT)."""
        self._timeout = -1 if value is None else int(value * 1000)
        self._blocking()

    def _wait(self, events):
        # Two steps, for the time-out's sake: a hung-up peer is an event as well, and the call that follows says so.
        p = poll()
        p.register(self._sock, events)
        if not p.poll(self._timeout):
            raise OSError(ETIMEDOUT)

    def _try(self, events, function, *args):
        while True:
            try:
                result = function(*args)
                if result is not None:
                    return result
            except OSError as e:
                if e.errno == ECONNREFUSED and self._type == SOCK_DGRAM:
                    continue
                if e.errno != EAGAIN or self._timeout == 0:
                    raise
            self._wait(events)

    def _recv(self, size, flags=0):
        return self._try(POLLIN, self._sock.recv, size, flags)

    def _send(self, data, flags=0):
        return self._try(POLLOUT, self._sock.send, data, flags)

    def _readinto(self, buffer, size=None):
        args = (buffer,) if size is None else (buffer, size)
        return self._try(POLLIN, self._sock.readinto, *args)

    def _read(self, size=-1):
        data = bytearray()
        while size < 0 or len(data) < size:
            part = self._recv(512 if size < 0 else min(512, size - len(data)))
            if not part:
                break
            data.extend(part)
        return bytes(data)

    def _write(self, data):
        self.sendall(data)
        return len(data)

    def readline(self):
        """Read up to and with a newline, or to the end of the stream."""
        line = bytearray()
        while True:
            try:
                c = self.recv(1)
            except OSError as e:
                if e.errno == EAGAIN:
                    return bytes(line) if line else None
                raise
            line.extend(c)
            if not c or c == b"\n":
                return bytes(line)

    def sendall(self, data):
        """Send all of `data`."""
        view = memoryview(data)
        while view:
            view = view[self.send(view) :]

    def bind(self, address):
        """Bind to the board's (ip, port); on this computer that is a loopback address, see the banner."""
        if isinstance(address, (tuple, list)):
            proto = "udp" if self._type == SOCK_DGRAM else "tcp"
            there = bus.call("net.listen", host=address[0], port=address[1], proto=proto)
            address = (there["host"], there["port"])
        self._sock.bind(_pack(address))

    def listen(self, backlog=2):
        """Accept connections."""
        self._sock.listen(backlog)

    def accept(self):
        """The next connection: (socket, (ip, port))."""
        conn, address = self._try(POLLIN, self._sock.accept)
        return socket(_sock=conn), _unpack(address)

    def connect(self, address):
        """Connect to an (ip, port). Without blocking: OSError(EINPROGRESS), as on a board."""
        if isinstance(address, (tuple, list)):
            address = self._resolve(address)
        packed = _pack(address)
        try:
            self._sock.connect(packed)
        except OSError as e:
            if e.errno != EINPROGRESS or self._timeout == 0:
                raise
            self._wait(POLLOUT)
            self._sock.connect(packed)  # returns, or raises what became of it

    def sendto(self, data, address):
        """Send a datagram to an (ip, port)."""
        return self._try(POLLOUT, self._sock.sendto, data, _pack(self._resolve(address)))

    def recvfrom(self, size):
        """(data, (ip, port)) of the next datagram."""
        data, address = self._try(POLLIN, self._sock.recvfrom, size)
        place = _unpack(address)
        return data, self._peers.get(place, place) if self._peers else place

    def _resolve(self, address):
        """Where on this computer the (ip, port) is that the board knows. A datagram's answer comes from there."""
        address = (_lookup(address[0]), address[1])
        proto = "udp" if self._type == SOCK_DGRAM else "tcp"
        there = bus.call("net.resolve", host=address[0], port=address[1], proto=proto)
        place = (there["host"], there["port"])
        if proto == "udp" and place != address:
            self._peers = self._peers or {}
            self._peers[place] = address
        return place

    def setsockopt(self, level, option, value):
        """Set an option; of those that the port has, SO_BINDTODEVICE does nothing here."""
        if option == SO_BINDTODEVICE and level == SOL_SOCKET:
            return
        if isinstance(value, (bytes, bytearray)) and option == IP_ADD_MEMBERSHIP:
            value = bytes(value)
        self._sock.setsockopt(level, option, value)

    def makefile(self, mode="rb", buffering=0):
        """The socket itself: it is a stream."""
        return self

    def fileno(self):
        """The descriptor."""
        return self._sock.fileno()

    def ioctl(self, request, argument):
        if request == _GET_FILENO:
            return self._sock.fileno()
        if request == _POLL:
            p = _poll()
            p.register(self._sock, argument)
            for _, events in p.ipoll(0):
                return events
        if request == _CLOSE:
            self.close()
        return 0

    def close(self):
        """Close the socket; a second time does nothing."""
        if self._open:
            self._open = False
            self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def __repr__(self):
        return "<socket>"
