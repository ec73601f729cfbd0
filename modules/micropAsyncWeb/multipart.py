"""Forms with files: multipart/form-data (RFC 7578), read through one small buffer of fixed size.

    from micropAsyncWeb import multipart

    @server.route("/upload", "POST")
    async def upload(request):
        form = await multipart.save(request, "/data")
        return [form.fields, [file.path for file in form.files]]

or part by part, without anything being stored:

    @server.route("/update", "POST")
    async def update(request):
        async for part in multipart.parts(request):
            if part.filename is None:
                print(part.name, await part.text())
            else:
                while True:
                    count = await part.readinto(buffer)
                    ...

The server's maxBody limits the whole request, so a server that takes files needs a larger one than the default. A form
that is malformed or ends early is answered with 400 (HttpError), one beyond a limit with 413.
"""

import os

from micropython import const

from .parser import HttpError
from .saving import write_file

_BUFFER = const(1024)
_HEAD = const(640)  # of a part: bytes at most
_BOUNDARY = const(70)  # RFC 2046 section 5.1.1
_SKIP = const(256)  # bytes at a time of what nobody reads
_FOLDER = const(0x4000)  # in the mode that os.stat() gives
_NAME = const(60)  # characters of a file name; four bytes each fit what LittleFS and FAT can take

_saving = []  # numbers of the temporary files in use


def parameters(value):
    """Parse a field value like 'form-data; name="a"; filename="b"': (first word, dict), names in lower case.

    Browsers write %22, %0D and %0A for what would break a quoted name (HTML standard), others \\" (RFC 2616). Any other
    backslash stays: it is one of a Windows path. HttpError 400 if malformed.
    """
    kind, _, rest = value.partition(";")
    found = {}
    rest = rest.strip(" \t")
    while rest:
        name, equals, rest = rest.partition("=")
        name = name.strip(" \t").lower()
        if not equals or not name or name in found:
            raise HttpError(400)
        if rest[:1] == '"':
            end = rest.find('"', 1)
            while end > 0 and rest[end - 1] == "\\" and rest.find('"', end + 1) > 0:
                rest = rest[: end - 1] + "%22" + rest[end + 1 :]
                end = rest.find('"', end + 1)
            if end < 0:
                raise HttpError(400)
            text = rest[1:end].replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
            rest = rest[end + 1 :].lstrip(" \t")
            if rest and rest[0] != ";":
                raise HttpError(400)
            rest = rest[1:]
        else:
            text, _, rest = rest.partition(";")
            text = text.strip(" \t")
        found[name] = text
        rest = rest.strip(" \t")
    return kind.strip(" \t").lower(), found


def safe_name(filename):
    """A file name of the client's as one that is safe here: no folders, no characters that a filesystem or a shell
    takes for something else, no dot at its begin, at most 60 characters of which the extension stays."""
    name = filename.replace("\\", "/").split("/")[-1]
    name = "".join(["_" if char < " " or char in '"*:<>?|\x7f' else char for char in name]).strip(" .")
    if len(name) > _NAME:
        stem, dot, extension = name.rpartition(".")
        tail = dot + extension if len(extension) < 12 else ""
        name = name[: _NAME - len(tail)] + tail
    return name or "file"


class Part:
    """One field or file. name: of the field. filename: as the client gave it, None for a field that is no file; only
    good to be shown (see safe_name()). type: its Content-Type. Read it before the next part is asked for; what is left
    is skipped."""

    def __init__(self, reader, name, filename, kind):
        self.reader = reader
        self.name = name
        self.filename = filename
        self.type = kind

    async def readinto(self, buffer):
        """Read some bytes into buffer. Gives their number, 0 at the end of the part."""
        reader = self.reader
        if reader.part is not self:
            return 0
        return await reader.content(buffer)

    async def text(self, limit=1024):
        """The whole part as str. HttpError 413 if it has more than limit bytes, 400 if it is not UTF-8."""
        data = bytearray()
        block = memoryview(bytearray(64))
        while True:
            count = await self.readinto(block)
            if not count:
                break
            if len(data) + count > limit:
                raise HttpError(413)
            data += block[:count]
        try:
            return data.decode()
        except UnicodeError:
            raise HttpError(400)

    async def save(self, path, limit=None):
        """Write the part to a file in blocks; gives its size. HttpError 413 if it has more than limit bytes, 507 if
        there is no room for it; then, and if anything else fails, what was at path before is still there."""
        return await write_file(path, self.readinto, limit)


def parts(request, max_parts=16):
    """Asynchronous iterator over the Parts of a request. More than max_parts: HttpError 413. HttpError 415 if the body
    is not multipart/form-data."""
    return Parts(request, max_parts)


class Parts:
    """See parts()."""

    def __init__(self, request, max_parts):
        kind, found = parameters(request.header.get("content-type", ""))
        boundary = found.get("boundary", "")
        if kind != "multipart/form-data":
            raise HttpError(415)
        if not 0 < len(boundary) <= _BOUNDARY:
            raise HttpError(400)
        self.request = request
        self.left = max_parts
        self.mark = b"\r\n--" + boundary.encode()
        self.buffer = bytearray(_BUFFER)
        self.view = memoryview(self.buffer)
        # As if a line had ended before: then the first boundary looks like all others.
        self.buffer[:2] = b"\r\n"
        self.start = 0  # of what is in the buffer and not yet used
        self.end = 2
        self.part = self  # what is being read; at first what may come before the first boundary

    def __aiter__(self):
        return self

    async def more(self):
        """Get more bytes into the buffer. HttpError 400 if there are none."""
        count = self.end - self.start
        if self.start:
            self.buffer[:count] = self.view[self.start : self.end]
        self.start = 0
        self.end = count
        count = await self.request.readinto(self.view[count:])
        if not count:
            raise HttpError(400)
        self.end += count

    async def content(self, buffer):
        """Read what comes before the next boundary into buffer: see Part.readinto()."""
        mark = self.mark
        while True:
            stop = self.buffer.find(mark, self.start, self.end)
            # Without one, the last bytes may be its beginning.
            count = (stop if stop >= 0 else self.end - len(mark) + 1) - self.start
            if count > 0:
                count = min(count, len(buffer))
                buffer[:count] = self.view[self.start : self.start + count]
                self.start += count
                return count
            if stop >= 0:
                self.start += len(mark)
                self.part = None
                return 0
            await self.more()

    async def line(self):
        """Read one line of at most _HEAD bytes, without its CRLF."""
        while True:
            end = self.buffer.find(b"\r\n", self.start, self.end)
            # Without an end, the last byte may be the CR.
            if (end if end >= 0 else self.end - 1) - self.start > _HEAD:
                raise HttpError(400)
            if end >= 0:
                line = bytes(self.view[self.start : end])
                self.start = end + 2
                return line
            await self.more()

    async def __anext__(self):
        waste = bytearray(_SKIP)
        while self.part:
            await self.content(waste)
        while self.end - self.start < 2:
            await self.more()
        if bytes(self.view[self.start : self.start + 2]) == b"--":
            raise StopAsyncIteration
        if (await self.line()).strip(b" \t"):
            raise HttpError(400)
        self.left -= 1
        if self.left < 0:
            raise HttpError(413)
        found = None
        kind = "text/plain"
        size = 0
        while True:
            line = await self.line()
            if not line:
                break
            size += len(line)
            name, colon, value = line.partition(b":")
            try:
                value = value.decode().strip(" \t")
            except UnicodeError:
                raise HttpError(400)
            if not colon or size > _HEAD:
                raise HttpError(400)
            name = name.lower()
            if name == b"content-disposition":
                word, found = parameters(value)
                if word != "form-data":
                    raise HttpError(400)
            elif name == b"content-type":
                kind = value
        if not found or "name" not in found:
            raise HttpError(400)
        self.part = Part(self, found["name"], found.get("filename"), kind)
        return self.part


class File:
    """A file that was saved. name: of its field, filename: as the client gave it, path: where it is, size: in bytes,
    type: what the client says it is."""

    def __init__(self, part, path, size):
        self.name = part.name
        self.filename = part.filename
        self.type = part.type
        self.path = path
        self.size = size


class Form:
    """A form that was saved. fields: dict of str, of equal names the last counts. files: list of File."""

    def __init__(self):
        self.fields = {}
        self.files = []


async def save(request, folder, max_parts=16, max_field=1024, max_file=None):
    """Read a whole form; its files are written to folder under their own names made safe. Gives a Form.

    All or nothing: files get their names when the form is complete, and replace older ones of the same name; if
    anything fails, nothing of it stays. Two files of one name in a form get different ones; one that has the name of a
    folder is refused (409). A file input that was left empty is no file. max_field, max_file: bytes of each;
    max_file=None: as much as the whole form.
    """
    form = Form()
    held = []
    temporary = []
    folder = folder.rstrip("/") + "/"
    try:
        async for part in Parts(request, max_parts):
            if part.filename is None:
                form.fields[part.name] = await part.text(max_field)
                continue
            number = 0
            while number in _saving:
                number += 1
            _saving.append(number)
            held.append(number)
            # Few names, so that what a power failure leaves behind is written over.
            name = "%s.upload-%d" % (folder, number)
            size = await part.save(name, max_file)
            temporary.append(name)
            if not size and not part.filename:
                os.remove(temporary.pop())
                continue
            form.files.append(File(part, _free(folder + safe_name(part.filename), form.files), size))
        for file in form.files:
            if _is_folder(file.path):
                raise HttpError(409)
        for file in form.files:
            os.rename(temporary[0], file.path)
            temporary.pop(0)
        return form
    finally:
        for name in temporary:
            os.remove(name)
        for number in held:
            _saving.remove(number)


def _is_folder(path):
    try:
        return os.stat(path)[0] & _FOLDER
    except OSError:
        return False


def _free(path, files):
    # A path that none of the files has.
    stem, dot, extension = path.rpartition(".")
    if not dot or "/" in extension:
        stem, dot, extension = path, "", ""
    number = 0
    # FAT does not tell upper from lower case.
    while path.lower() in [file.path.lower() for file in files]:
        number += 1
        path = "%s-%d%s%s" % (stem, number, dot, extension)
    return path
