"""Which texts are addresses, for all that the control socket is told."""

import ipaddress


def is_ipv4(text):
    """Whether it is a text with an IPv4 address, such as 192.0.2.1."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return isinstance(text, str)
