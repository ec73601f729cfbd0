"""Types of micropAsyncWeb.multipart; described in docs/multipart.md."""

from collections.abc import AsyncIterator

from . import Request

class Part:
    """One field or file of a form."""

    name: str
    filename: str | None
    """As the client gave it, None for a field that is no file; only good to be shown."""
    type: str

    async def readinto(self, buffer: bytearray | memoryview) -> int:
        """Read some bytes into buffer. Gives their number, 0 at the end of the part."""

    async def text(self, limit: int = 1024) -> str:
        """The whole part. HttpError 413 if it has more than limit bytes, 400 if it is not UTF-8."""

    async def save(self, path: str, limit: int | None = None) -> int:
        """Write the part to a file in blocks; gives its size. HttpError 413 or 507."""

class File:
    """A file that was saved."""

    name: str
    filename: str
    type: str
    path: str
    size: int

class Form:
    """A form that was saved."""

    fields: dict[str, str]
    files: list[File]

def parts(request: Request, max_parts: int = 16) -> AsyncIterator[Part]:
    """The parts of a request. HttpError 413 if there are too many, 415 if the body is no such form."""

async def save(
    request: Request, folder: str, max_parts: int = 16, max_field: int = 1024, max_file: int | None = None
) -> Form:
    """Read a whole form; its files are written to folder under their own names made safe."""

def safe_name(filename: str) -> str:
    """A file name of the client's as one that is safe here."""
