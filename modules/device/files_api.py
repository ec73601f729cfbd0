"""/api/files/…: the files of the board over HTTP, for the administrator: read, list, write, remove.

What is written goes beside the file that it replaces, and takes its place when all of it has come: who reads meanwhile,
a broken connection and a power cut meet the old file or the new one, never a half. The settings are left out: they
hold passwords, and /api/settings checks what is written to them.
"""

import gc
import json
import os
import time
from asyncio import sleep_ms

from micropAsyncWeb import HttpError, Response
from micropAsyncWeb.saving import PART, write_file
from micropython import const

from . import admin, log, storage

_PREFIX = const(10)  # len("/api/files")
_FOLDER = const(0x4000)
_ASIDE = ".recovery"  # while the recovery hides programs the whole filesystem is there, too, see recovery.py
_TURN = const(4096)  # bytes after which others get their turn
_TABLES = const(8)  # bytes that LittleFS needs in each block of a file for itself
_SPARE = const(2)  # blocks for the entry in the folder
_CLOCK_SET = const(2024)  # a file of an earlier year was written before the clock was set

# MicroPython's errno does not name all of them.
_WORDS = {
    1: (403, "%s cannot be changed"),  # EPERM
    2: (404, "there is no %s"),  # ENOENT
    13: (403, "%s cannot be changed"),  # EACCES
    17: (409, "%s: a part of the path is a file"),  # EEXIST
    19: (503, "%s: there is no filesystem"),  # ENODEV
    20: (409, "%s: a part of the path is a file"),  # ENOTDIR
    21: (409, "%s is a folder"),  # EISDIR
    28: (507, "%s: the filesystem is full"),  # ENOSPC
    30: (403, "%s: the filesystem can only be read"),  # EROFS
    36: (400, "%s: the name is too long"),  # ENAMETOOLONG
    39: (409, "%s: the folder is not empty"),  # ENOTEMPTY
}


async def answer(request):
    """GET (a file, or what is in a folder, as JSON), PUT and DELETE."""
    refused = await admin.check(request, "files can be read and written")
    if refused:
        return refused
    path = request.path[_PREFIX:].rstrip("/") or "/"
    for part in path[1:].split("/") if path != "/" else ():
        if part in ("", ".", ".."):
            return _text(400, "%s: write the path without empty parts, . and .." % path)
    if min(path) < " " or "\x7f" in path:
        return _text(400, "a name has a control character")
    if path[1:].partition("/")[0] == _ASIDE:
        return _text(403, "/%s is the firmware's own" % _ASIDE)
    if path.startswith("/boot.") and ".json" in path:
        return _text(403, "%s holds passwords: settings are read and changed by /api/settings" % path)
    try:
        if request.method == "PUT":
            return await _put(request, path)
        if request.method == "DELETE":
            return _delete(path)
        return await _get(request, path)
    except OSError as error:
        if request.phase:
            raise
        code = error.errno
        if code == 20 and request.method != "PUT":
            code = 2  # what lies below a file does not exist either
        status, words = _WORDS.get(code, (500, "%%s: the filesystem says: error %s" % code))
        return _text(status, words % path)


def _text(status, words):
    return words + "\n", status, {"Content-Type": "text/plain; charset=utf-8"}


def _is_folder(path):
    """Whether the path is a folder; None if nothing is there. OSError if it cannot be known."""
    try:
        return bool(os.stat(path)[0] & _FOLDER)
    except OSError as error:
        if error.errno == 2:
            return None
        raise


async def _get(request, path):
    if path == "/" or os.stat(path)[0] & _FOLDER:
        parts = _listing(path, os.ilistdir(path))
        return parts, 200, {"Content-Type": "application/json", "Cache-Control": "no-store"}
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        Response.start(request)
        Response.header(request, "Content-Type", "application/octet-stream")
        Response.header(request, "Content-Length", size)
        Response.header(request, "Cache-Control", "no-store")
        Response.startBody(request)
        if request.method == "HEAD":
            return
        block = memoryview(bytearray(1024))
        while True:
            count = file.readinto(block)
            if not count:
                return
            await request.write(block[:count])


def _listing(path, entries):
    """The JSON text of a folder, entry by entry."""
    block, total, free = storage.room(path)
    yield '{"path": %s, "size": %d, "free": %d, "entries": [' % (json.dumps(path), block * total, block * free)
    comma = ""
    for entry in entries:
        name = entry[0]
        values = {"name": name, "folder": bool(entry[1] & _FOLDER)}
        if not values["folder"]:
            stat = os.stat(path.rstrip("/") + "/" + name)
            values["size"] = stat[6]
            moment = time.gmtime(stat[8])
            values["time"] = "%d-%02d-%02dT%02d:%02d:%02dZ" % moment[:6] if moment[0] >= _CLOCK_SET else None
        yield comma + json.dumps(values)
        comma = ",\n"
    yield "]}\n"


async def _put(request, path):
    folder = _is_folder(path)
    if folder or path == "/":
        return _text(409, "%s is a folder: name the file that is to be written" % path)
    if path.rstrip("+").endswith(PART):
        return _text(400, "%s: such names are those of uploads that are under way" % path)
    if "content-range" in request.header:
        return _text(400, "Content-Range: a file is written as a whole")
    missing = _missing(path)
    problem = _too_large(request.left, path, missing)
    if problem:
        return _text(507, problem)
    gc.collect()
    made = []
    try:
        for parent in missing:
            os.mkdir(parent)
            made.append(parent)
        size = await write_file(path, _reader(request), request.maxBody)
    except BaseException as error:
        for parent in reversed(made):
            try:
                os.rmdir(parent)
            except OSError:
                break  # somebody else has put something into it meanwhile
        if isinstance(error, HttpError) and error.args[0] == 507:
            return _text(507, "%s: the filesystem is full: remove something first" % path)
        raise
    log.info("%s written over HTTP, %d bytes", path, size)
    return {"path": path, "size": size}, 201 if folder is None else 200


def _missing(path):
    """The folders that have to be made for a file, the outermost first."""
    missing = []
    end = path.rfind("/")
    while end > 0 and _is_folder(path[:end]) is None:
        missing.insert(0, path[:end])
        end = path.rfind("/", 0, end)
    return missing


def _too_large(length, path, missing):
    """What keeps a file of so many bytes (-1: nobody knows) from being written, in words, or ''.

    The file that it replaces goes only afterwards: its room does not count.
    """
    parent = missing[0] if missing else path
    block, _total, free = storage.room(parent[: parent.rfind("/")] or "/")
    needed = _SPARE + 2 * len(missing) - (-max(length, 0) // (block - _TABLES))
    if needed <= free:
        return ""
    words = "%s has %d bytes, there is room for %d: remove something first"
    room = max(0, free - _SPARE - 2 * len(missing)) * (block - _TABLES)
    return words % (path, max(length, 0), room)


def _reader(request):
    """request.readinto() that lets others have their turn, however fast the client sends."""
    came = 0

    async def readinto(buffer):
        """As the server's own does: fill buffer, give the number of bytes; 0 at the end."""
        nonlocal came
        count = await request.readinto(buffer)
        came += count
        if came >= _TURN:
            came = 0
            await sleep_ms(0)
        return count

    return readinto


def _delete(path):
    if path == "/":
        return _text(403, "the root folder stays: a factory reset with files makes all anew")
    if os.stat(path)[0] & _FOLDER:
        os.rmdir(path)
    else:
        os.remove(path)
    log.info("%s removed over HTTP", path)
