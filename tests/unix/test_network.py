"""Ports and names: reservation, the device's ports on the computer, look-ups."""

import asyncio
import socket

import pytest

from firmware.loopback import HOST, is_listening
from ports.unix.bus import BusError
from ports.unix.clock import Clock
from ports.unix.errors import BoardError
from ports.unix.gateway import Gateway
from ports.unix.network import Network, Reservation


class FakeRadio:
    hostname = "Greenhouse"

    links = ()

    def addresses(self):
        return ["192.168.4.2"]

    def routers(self):
        return self.links


class Handlers(dict):
    """A bus that only keeps its handlers."""

    def register(self, op, handler):
        self[op] = lambda **args: handler(args, b"")


@pytest.fixture
def network():
    clock = Clock()
    listened = []
    board, gateway = FakeRadio(), Gateway(clock)
    network = Network(
        {80: 8080, 8266: 8267}, board, lambda *ports: listened.append(ports), gateway, clock
    )
    network.board, network.listened, network.gateway = board, listened, gateway
    network.call = Handlers()
    network.register(network.call)
    return network


@pytest.fixture
def taken():
    """A port on which somebody listens."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("port", "proto", "here"),
    [
        (80, "tcp", 8080),
        (8266, "tcp", 8267),
        (5000, "tcp", 5000),
        (753, "udp", 10753),
        (80, "udp", 10080),
        (0, "tcp", 0),
    ],
)
def test_device_ports_are_on_the_loopback(network, port, proto, here):
    assert network.call["net.listen"](host="0.0.0.0", port=port, proto=proto) == {"host": HOST, "port": here}


def test_a_web_server_elsewhere_leaves_port_80_to_others(network):
    network.serve_http_at(8080)
    assert network.call["net.listen"](host="", port=8080) == {"host": HOST, "port": 8080}
    assert network.call["net.listen"](host="", port=80)["port"] not in (80, 8080)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_that_another_board_has_is_replaced(network, kind):
    proto = "udp" if kind == socket.SOCK_DGRAM else "tcp"
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind((HOST, network.call["net.listen"](host="", port=53, proto=proto)["port"]))
        if proto == "tcp":
            other.listen()
        here = network.call["net.listen"](host="", port=53, proto=proto)["port"]
        assert here != other.getsockname()[1] and network.listening[f"53/{proto}"] == here


def test_servers_behind_the_link(network):
    async def test():
        resolve = network.call["net.resolve"]
        for host in (HOST, "192.0.2.123"):
            with pytest.raises(BusError, match="EHOSTUNREACH"):
                resolve(host=host, port=123, proto="udp")
        network.board.links = [HOST, "10.0.0.1"]
        asked = [(host, port) for host in network.board.links for port in (53, 123)]
        there = {resolve(host=host, port=port, proto="udp")["port"] for host, port in asked}
        assert len(there) == 4  # each is a server of its own
        network.gateway.command({"forward": {"514/udp": 7}})
        assert resolve(host="10.0.0.1", port=514, proto="udp") == {"host": HOST, "port": 7}
        assert resolve(host=HOST, port=5000, proto="udp") == {"host": HOST, "port": 5000}
        assert resolve(host="192.168.4.2", port=53, proto="udp") == {"host": HOST, "port": 53}
        with pytest.raises(BusError, match="EHOSTUNREACH"):
            resolve(host="192.0.2.123", port=80)
        network.gateway.close()

    asyncio.run(test())


def test_listening_is_told_and_forgotten(network):
    network.call["net.listen"](host="", port=80, proto="tcp")
    network.call["net.listen"](host="", port=754, proto="udp")
    assert network.listened == [(80, 8080)]
    assert network.listening == {"80/tcp": 8080, "754/udp": 10754}
    network.reset()
    assert network.listening == {}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "192.168.4.2", "greenhouse.local", "GREENHOUSE"])
def test_own_addresses_lead_to_the_mapped_port(network, host):
    network.call["net.listen"](host="", port=80, proto="tcp")
    assert network.call["net.resolve"](host=host, port=80) == {"host": HOST, "port": 8080}
    assert network.call["net.resolve"](host=host, port=81) == {"host": HOST, "port": 81}


@pytest.mark.parametrize("host", ["192.168.4.3", "192.0.2.7"])
def test_other_addresses_stay(network, host):
    network.call["net.listen"](host="", port=80, proto="tcp")
    assert network.call["net.resolve"](host=host, port=80) == {"host": host, "port": 80}


@pytest.mark.parametrize(("found", "address"), [([(2, 1, 6, "", ("192.0.2.7", 0))], "192.0.2.7"), (None, "")])
def test_lookup_is_polled(network, monkeypatch, found, address):
    async def test():
        loop = asyncio.get_running_loop()
        asked = []

        async def getaddrinfo(host, port, **_):
            asked.append(host)
            if found is None:
                raise socket.gaierror(-2, "Name or service not known")
            return found

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        lookup = network.call["net.lookup"]
        assert lookup(host="example.org") == {}
        assert lookup(host="example.org") == {}
        await asyncio.sleep(0.01)
        assert lookup(host="example.org") == {"address": address}
        assert asked == ["example.org"]
        assert lookup(host="example.org") == {}  # asked anew
        network.reset()

    asyncio.run(test())


def test_lookup_of_own_name_needs_no_asking(network):
    assert network.call["net.lookup"](host="greenhouse.local") == {"address": HOST}


def test_reserved_port_is_kept_until_released():
    reservation = Reservation(0, "HTTP_PORT")
    assert is_listening(reservation.port)
    with pytest.raises(BoardError, match=f"port {reservation.port} is in use; choose another with HTTP_PORT"):
        Reservation(reservation.port, "HTTP_PORT")
    reservation.release()
    assert not is_listening(reservation.port)
    with socket.create_server((HOST, reservation.port)):
        pass


def test_next_free_port_if_none_was_asked_for(taken):
    reservation = Reservation(taken, "HTTP_PORT", exact=False)
    assert taken < reservation.port <= taken + 100
    reservation.release()


def test_port_with_old_connections_is_free():
    """A board that was stopped a moment ago leaves connections in TIME_WAIT."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((HOST, port)):
            server.accept()[0].close()
    Reservation(port, "HTTP_PORT").release()
