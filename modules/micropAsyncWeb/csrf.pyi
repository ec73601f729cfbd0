"""Types of micropAsyncWeb.csrf; described in docs/csrf.md."""

from collections.abc import Iterable

from . import MicropAsyncWeb, Request

class Csrf:
    """Checks all requests to prefix and below it; 403 for what comes from elsewhere."""

    def __init__(
        self,
        server: MicropAsyncWeb,
        prefix: str = "",
        trusted: Iterable[str] = (),
        hosts: Iterable[str] | None = None,
        strict: bool = False,
        cookie: str = "csrf",
        secure: bool = False,
    ) -> None:
        """trusted: origins; hosts: names by which the server may be addressed."""

    def token(self, request: Request) -> str:
        """The token for the forms of a page that is being made; sets its cookie if there is none yet."""
