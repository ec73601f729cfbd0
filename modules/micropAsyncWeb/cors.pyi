"""Types of micropAsyncWeb.cors; described in docs/cors.md."""

from collections.abc import Iterable

from . import MicropAsyncWeb

class Cors:
    """Lets pages of some origins read the answers to requests to prefix and all below it."""

    def __init__(
        self,
        server: MicropAsyncWeb,
        origins: Iterable[str],
        prefix: str = "",
        methods: str = "GET, HEAD, POST, PUT, PATCH, DELETE",
        headers: str = "Content-Type",
        expose: str = "",
        credentials: bool = False,
        max_age: int = 600,
    ) -> None:
        """origins: a list, or "*" for all. ValueError for origins that could never match."""
