"""Types of micropAsyncWeb.hooks: what applications need beside the methods of MicropAsyncWeb; docs/hooks.md."""

from collections.abc import Callable
from typing import Any

from . import Request

def at_head(request: Request, hook: Callable[[Request], Any]) -> None:
    """Call hook(request), a plain function, once: just before the head of this request's answer leaves."""
