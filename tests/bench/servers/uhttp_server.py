"""uhttp-server with keep-alive and room for the clients of the benchmark. argv: port, webroot."""

import gc
import socket
import sys

import uhttp.server


class Listener:
    """A listening socket that takes (address, port), which sockets of MicroPython's unix port do not."""

    def __init__(self):
        self.real = socket.socket()

    def bind(self, address):
        """Bind to (address, port)."""
        self.real.bind(socket.getaddrinfo(*address)[0][-1])

    def accept(self):
        """Accept a connection and give its address as CPython would."""
        sock, _ = self.real.accept()
        return sock, ("127.0.0.1", 0)

    def __getattr__(self, name):
        return getattr(self.real, name)


class Sockets:
    """The socket module with that listening socket, and with what it takes for TCP_NODELAY to be set."""

    socket = Listener
    IPPROTO_TCP = 6
    TCP_NODELAY = 1

    def __getattr__(self, name):
        return getattr(socket, name)


uhttp.server._socket = Sockets()
server = uhttp.server.HttpServer(
    address="127.0.0.1", port=int(sys.argv[1]), keep_alive_max_requests=1000000, listen=64, max_waiting_clients=32
)
while True:
    client = server.wait()
    if client:
        if client.path == "/ping":
            client.respond("pong")
        elif client.path == "/allocated":
            gc.disable()
            client.respond("%9d" % gc.mem_alloc())
        elif client.path == "/held":
            gc.collect()
            client.respond("%9d" % gc.mem_alloc())
        else:
            client.respond_file(sys.argv[2] + client.path)
