"""Types of micropAsyncWeb.session; described in docs/session.md."""

from typing import Any

from . import Request

class Sessions:
    """Opens the sessions of requests. Two on one server need different cookie names."""

    def __init__(
        self,
        max_age: int = 3600,
        max_size: int = 512,
        key_file: str | None = None,
        cookie: str = "session",
        secure: bool = False,
    ) -> None:
        """max_age in seconds, max_size in bytes of the cookie's value; key_file: file of the signing key."""

    def open(self, request: Request) -> dict[str, Any]:
        """The session of a request. Changes count until the head of the answer leaves."""

    def rotate(self) -> None:
        """Sign with a new key from now on; the one before it still opens sessions. ValueError without key_file."""
