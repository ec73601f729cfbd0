"""Ports of the loopback interface, where all that the desktop board and an emulator serve is to be found."""

import socket

HOST = "127.0.0.1"


def is_listening(port):
    """Whether some socket listens on the loopback `port`; found without connecting to it."""
    with socket.socket() as probe:
        # With this option a port with connections in TIME_WAIT can be bound, one that is listened on cannot.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False
