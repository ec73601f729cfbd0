"""Types of micropAsyncWeb.template; described in docs/template.md."""

from collections.abc import Iterator
from typing import Any

from . import Request

class TemplateError(Exception):
    """What is wrong with a template: "file:line: text"."""

def escape(text: str) -> str:
    """Text for use in HTML: & < > " ' as character references."""

class Template:
    """A template in a file."""

    def __init__(self, path: str, depth: int = 0) -> None:
        """OSError if it cannot be read, TemplateError if it is malformed."""

    def render(self, values: dict[str, Any] | None = None) -> Iterator[str | memoryview]:
        """Generate the page in pieces; a memoryview is good until the next one is asked for."""

    async def send(self, request: Request, values: dict[str, Any] | None = None, status: int = 200) -> None:
        """A whole answer. Its type is that of the file's name."""
