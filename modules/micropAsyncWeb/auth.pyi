"""Types of micropAsyncWeb.auth; described in docs/auth.md."""

from collections.abc import Awaitable, Callable
from typing import Any

from . import Request

class Guard:
    """Lets a request pass or answers it with 401. As a decorator it guards one handler."""

    realm: str

    def __init__(self, realm: str) -> None:
        """ValueError if the realm holds quotation marks or backslashes."""

    def __call__(self, handler: Callable[[Request], Any]) -> Callable[[Request], Awaitable[Any]]: ...
    async def check(self, request: Request) -> None:
        """A hook for server.before(): sets request.user; HttpError 401 if there is no valid proof."""

class Basic(Guard):
    """See basic()."""

    def __init__(self, users: dict[str, str] | Callable[[str, str], Any], realm: str, hashed: bool) -> None: ...

class Bearer(Guard):
    """See bearer()."""

    def __init__(self, tokens: dict[str, Any] | Callable[[str], Any], realm: str) -> None: ...

def basic(users: dict[str, str] | Callable[[str, str], Any], realm: str = "device", hashed: bool = False) -> Basic:
    """Guard by name and password. hashed: users holds what hash_password() gives."""

def bearer(tokens: dict[str, Any] | Callable[[str], Any], realm: str = "device") -> Bearer:
    """Guard by a token: {token: user}, or a function check(token) that returns the user or None."""

def digest(users: dict[str, str], realm: str = "device", hashed: bool = False, max_age: int = 300) -> Guard:
    """Guard by name and password that are never sent. hashed: users holds what hash_digest() gives."""

def hash_password(password: str, rounds: int = 2000) -> str:
    """A text to store in place of a password."""

async def verify_password(password: str, stored: str) -> bool:
    """Whether stored is the hash_password() of password."""

def hash_digest(user: str, realm: str, password: str) -> str:
    """A text to store in place of a password for digest(hashed=True)."""
