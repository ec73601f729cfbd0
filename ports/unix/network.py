"""Where the device's network ends are on the computer: on the loopback interface, some on another port."""

import asyncio
import errno
import ipaddress
import socket

from firmware.loopback import HOST
from ports.unix.bus import BusError
from ports.unix.errors import BoardError

HTTP_PORT = 80
WEBREPL_PORT = 8266
_PRIVILEGED_END = 1024
_PRIVILEGED_OFFSET = 10000  # a device's port 53 is 10053 here
_EHOSTUNREACH = 118  # of newlib, which lwIP's errors are in on a chip
_ANSWER_HOLD = 0.1  # seconds of the computer's time for others to answer
_SEARCHED = 100  # ports that are tried after the default one


class Reservation:
    """A TCP port of the computer, kept for the board until it listens there itself.

    `port`: this very one, 0 any free one. Without `exact` the next free one is taken if it is in use.
    Raises BoardError, which names `option`.
    """

    def __init__(self, port, option, exact=True):
        last = port if exact else port + _SEARCHED
        for candidate in range(port, last + 1):
            self._socket = socket.socket()
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                self._socket.bind((HOST, candidate))
                # Listening, because a port that is only bound can be bound by the next board too.
                self._socket.listen(1)
            except OSError as error:
                self._socket.close()
                failure = error
                continue
            self.port = self._socket.getsockname()[1]
            return
        span = f"port {port} is" if exact else f"ports {port} to {last} are"
        if failure.errno == errno.EADDRINUSE:
            raise BoardError(f"{span} in use; choose another with {option}, or 0 for any free one")
        raise BoardError(f"{span} not to be had ({failure.strerror}); choose another with {option}")

    def release(self):
        """Let the board have it."""
        self._socket.close()


class Network:
    """Maps the device's addresses and ports to the computer's, and looks names up for it.

    `forwards`: {device port: computer port}. `board` has the board's addresses(), its hostname and the routers() of
    its links. `gateway` (Gateway) has what the device finds there. `clock` is the board's Clock.
    `on_listen(device_port: int, port: int)` is called before the device listens on TCP.
    """

    def __init__(self, forwards, board, on_listen, gateway, clock):
        self._forwards = forwards
        self._board = board
        self._on_listen = on_listen
        self._gateway = gateway
        self._clock = clock
        self._http_port = HTTP_PORT
        self._lookups = {}
        self.listening = {}

    def register(self, bus):
        """Bus operations net.listen, net.resolve and net.lookup."""
        bus.register("net.listen", self._listen)
        bus.register("net.resolve", self._resolve)
        bus.register("net.lookup", self._lookup)

    def reset(self):
        """The VM and with it its sockets are gone."""
        self.listening.clear()
        for lookup in self._lookups.values():
            lookup.cancel()
        self._lookups.clear()

    def serve_http_at(self, port):
        """The device's web server is at `port` (None: the usual one): that is what HTTP_PORT leads to."""
        self._http_port = port or HTTP_PORT

    def moved(self, http_port):
        """(device port, port of this computer) where the two differ, for a web server at `http_port` (or None)."""
        forwards = dict(self._forwards)
        forwards[http_port or HTTP_PORT] = forwards.pop(HTTP_PORT)
        return [pair for pair in sorted(forwards.items()) if pair[0] != pair[1]]

    @property
    def http_announced(self):
        """Whether the device has said that it listens where its web server is."""
        return f"{self._http_port}/tcp" in self.listening

    def _port(self, port, proto):
        if proto == "tcp" and port == self._http_port:
            return self._forwards[HTTP_PORT]
        if proto == "tcp" and port in self._forwards and port != HTTP_PORT:
            return self._forwards[port]
        return _unprivileged(port, proto) if 0 < port < _PRIVILEGED_END else port

    def _listen(self, args, blob):
        """{host, port, proto: "tcp"|"udp"} -> {host, port} to bind instead."""
        proto, port = args.get("proto", "tcp"), int(args["port"])
        here = self._port(port, proto)
        self.listening[f"{port}/{proto}"] = here
        if proto == "tcp":
            self._on_listen(port, here)
        return {"host": HOST, "port": here}

    def _resolve(self, args, blob):
        """{host, port, proto?} -> {host, port} to connect or send to: the board's own ends, and the servers behind its
        links, are elsewhere on this computer. All else is unchanged.
        """
        host, port, proto = args["host"], int(args["port"]), args.get("proto", "tcp")
        own = self._is_own(host)
        routers = self._board.routers()
        if host in routers or (routers and self._gateway.knows(host)):
            there = self._gateway.route(host, port, proto)
            if there is not None:
                return {"host": HOST, "port": there}
        # Without a link, what is left of the router's address is not the board's own server.
        lost = not routers and host == HOST and self._gateway.serves(port, proto)
        if lost or (self._gateway.knows(host) and not own):
            raise BusError(_EHOSTUNREACH, "EHOSTUNREACH")
        if not own:
            self._clock.hold(_ANSWER_HOLD)
            return {"host": host, "port": port}
        return {"host": HOST, "port": self.listening.get(f"{port}/{proto}", port)}

    def _lookup(self, args, blob):
        """{host} -> {} while it is under way, then once {address}: IPv4, "" when there is none."""
        host = args["host"]
        if self._is_own(host):
            return {"address": HOST}
        lookup = self._lookups.get(host)
        if lookup is None:
            lookup = asyncio.get_running_loop().create_task(_look_up(host))
            self._lookups[host] = lookup
        if not lookup.done():
            return {}
        del self._lookups[host]
        return {"address": lookup.result()}

    def _is_own(self, host):
        name = self._board.hostname.lower()
        if host == "localhost" or (name and host.lower() in (name, f"{name}.local")):
            return True
        try:
            return ipaddress.ip_address(host).is_loopback or host in self._board.addresses()
        except ValueError:
            return False


def _unprivileged(port, proto):
    """A port that stands for one below 1024: `_PRIVILEGED_OFFSET` higher, or any if another board has that."""
    kind = socket.SOCK_DGRAM if proto == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            if proto == "tcp":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port + _PRIVILEGED_OFFSET))
        except OSError:
            probe.bind((HOST, 0))
        return probe.getsockname()[1]


async def _look_up(host):
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ""
    return found[0][4][0]
