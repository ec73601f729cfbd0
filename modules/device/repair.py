"""The repair page: what is wrong with the filesystem, a copy of all that is in flash, and a new one if that is wanted.

/repair is there always, and `/` leads to it while there are no files. The copy is the partition byte by byte: tools for
LittleFS find in it what this board cannot read any more. Nothing is formatted unasked: it takes a word typed in by the
administrator.
"""

from micropython import const

from . import admin, boot, log, storage
from .pages import escape, page

_BLOCK = const(4096)
_WORD = "FORMAT"

_FOUND = {
    "ok": ("good", "The filesystem is in order."),
    "new": ("good", "The filesystem is new and empty."),
    "empty": (
        "bad",
        "The filesystem lost its files: part of its records is gone, the content of the files is most likely still "
        "there. It is read-only, so that nothing is written over them.",
    ),
    "damaged": ("bad", "The filesystem cannot be read. Nothing has been changed in it since."),
    "missing": ("bad", "The flash has no partition named vfs, so there is no filesystem: flash the board anew."),
}
_SAVE = """<section class="card"><h2>1. Save what is there</h2>
<p>The copy holds everything, the passwords in boot.json as well.</p>
<p><a href="/api/repair/image" download>Download a copy (%d KB)</a></p>
<p class="note">Tools for LittleFS on a computer (blocks of 4096 bytes) look for the files in it.</p></section>
"""
_FORMAT = """<form class="card" method="post" action="/api/repair"><h2>2. Begin anew</h2>
<p>A new filesystem is empty: all files are lost.%s Then the board restarts.</p>
<label for="confirm">To go on, type %s</label>
<input id="confirm" name="confirm" required autocomplete="off" autocapitalize="characters">
<button class="danger">Format</button></form>
"""
_KEPT = " The networks, the name and the password of this board are kept."
_DONE = """<section class="card"><p class="good">The filesystem is new.</p>
<p>The board restarts. Then upload the pages and settings again.</p></section>
"""


async def home(request):
    """GET / of a board without its files, for everybody."""
    kind, words = _FOUND[storage.state]
    return page(
        "Repair",
        '<section class="card warn"><p class="%s">%s</p>' % (kind, words),
        "<p>The board works with what its firmware holds; app.py does not run.</p>"
        '<p><a href="/repair">Repair</a>, as the user admin</p><p class="note">The password is admin.password of '
        "boot.json. If that is lost or was never set, it is the password of the board's own access point, which the "
        'console shows.</p><p class="note"><a href="/setup">Wi-Fi</a> · <a href="/api/status">Status</a></p></section>',
    )


async def show(request):
    """GET /repair."""
    refused = await admin.check(request)
    return refused or _page()


def _page(problem="", status=200):
    kind, words = _FOUND[storage.state]
    parts = ['<section class="card"><p class="%s">%s</p>' % (kind, words)]
    if problem:
        parts.append('<p class="bad">%s</p>' % escape(problem))
    parts.append('<p><a href="/admin">Administration</a></p></section>')
    partition = storage.partition()
    if partition:
        from . import rescue

        parts.append(_SAVE % (partition.info()[3] // 1024))
        parts.append(_FORMAT % (_KEPT if rescue.settings() else "", _WORD))
    return page("Repair", *parts, status=status)


async def image(request):
    """GET /api/repair/image: the filesystem's partition, byte by byte."""
    refused = await admin.check(request)
    if refused:
        return refused
    partition = storage.partition()
    if not partition:
        return "the flash has no partition 'vfs'\n", 404
    size = partition.info()[3]
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": size,
        "Content-Disposition": 'attachment; filename="%s-files.bin"' % boot.hostname,
        "Cache-Control": "no-store",
    }
    return _blocks(partition, size // _BLOCK), 200, headers


def _blocks(partition, count):
    block = bytearray(_BLOCK)
    for number in range(count):
        partition.readblocks(number, block)
        yield block


async def answer(request):
    """POST /api/repair: format the filesystem when the form's field `confirm` is the word."""
    refused = await admin.check(request)
    if refused:
        return refused
    form = await request.form()
    if form.get("confirm") != _WORD:
        return _page("Nothing has been changed. To format, type %s." % _WORD, 400)
    if not storage.partition():
        return _page("", 409)
    from . import restart

    log.warning("the filesystem is formatted, as the administrator has asked")
    try:
        storage.format()
    except OSError as error:
        return _page("The flash cannot be written: %s." % error, 507)
    _keep_settings()
    restart.soon(request)
    return page("Repair", _DONE, refresh=15)


def _keep_settings():
    """Without them the board would not be in its network any more."""
    from . import bootjson, rescue

    raw = rescue.settings()
    if raw:
        for problem in bootjson.save(raw):
            log.warning("boot.json: %s", problem)
