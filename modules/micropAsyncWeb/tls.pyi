"""Types of micropAsyncWeb.tls; described in docs/tls.md."""

from . import MicropAsyncWeb

def enable(server: MicropAsyncWeb, cert: str, key: str) -> None:
    """Make server talk TLS, before it runs. cert, key: names of files in DER form."""

def redirector(port: int = 80, to: int = 443, address: str = "0.0.0.0") -> MicropAsyncWeb:
    """A server that sends every request on to the same URL with https. It is still to be started."""
