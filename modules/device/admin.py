"""Who may change this board: the administrator's password, asked for by all that does, and guesses slowed down.

    async def answer(request):
        refused = await admin.check(request)
        if refused:
            return refused

The password is admin.password of boot.json, sent by HTTP Basic (RFC 7617). A wrong one is answered at once, but the
next attempt from the same address is not looked at before a pause is over, which doubles with each failure. So
somebody who tries out passwords gets on slowly however many connections he has, and the owner, at an address of his
own, does not notice; at the same one he waits for one pause at most.
"""

from asyncio import sleep_ms
from time import ticks_add, ticks_diff, ticks_ms

from micropAsyncWeb import HttpError, auth
from micropAsyncWeb.auth import refuse
from micropython import const

import device

from . import log

USER = "admin"
_SAFE = ("GET", "HEAD", "OPTIONS")  # methods that change nothing
_PAUSE_MS = const(250)  # after the first failure
_PAUSE_MAX_MS = const(8000)
_FORGET_MS = const(600_000)  # after that long without a failure an address begins anew
_ADDRESSES = const(8)  # that are told apart; all others share one count
_WAITING = const(2)  # requests that may wait at once: each holds one of the server's few connections

_NOT_SET = "admin.password in boot.json is not set: set it and restart, then %s"
_ASKED = "the user's name is admin, the password is the one that was typed in as the administrator's at the setup"
_PAGE = """<div class="card warn"><h2>Not for everybody</h2><p role="alert">%s.</p></div>
<p><a href="/admin">Administration</a> · <a href="/">Start page</a></p>"""
_guesses = {}  # client's address → its _Guesses
_waiting = 0


class _Guesses:
    """The failures of one address in a row."""

    failures = 0
    until = 0  # ticks_ms() before which no further attempt is looked at; of meaning only after a failure

    def left(self):
        """Milliseconds of the pause that are still to come, 0 when it is over."""
        left = ticks_diff(self.until, ticks_ms()) if self.failures else 0
        # A tick from days ago may seem to lie in the future.
        return left if 0 < left <= _PAUSE_MAX_MS else 0

    def stale(self):
        """Whether the last failure is long ago."""
        return not -_FORGET_MS < ticks_diff(self.until, ticks_ms()) <= _PAUSE_MAX_MS

    def failed(self):
        """Count a failure; the pause begins."""
        self.failures += 1
        pause = min(_PAUSE_MS << min(self.failures - 1, 8), _PAUSE_MAX_MS)
        self.until = ticks_add(ticks_ms(), pause)


async def check(request, purpose="this board can be managed over the network"):
    """None if the request may do what it asks for, else the answer to return: 403 or 429; to a browser a page.

    For a missing or wrong password it is 401 (the browser asks for name and password): a page as well, or HttpError is
    raised. purpose: what is possible once there is a password, for the answer of a board that has none.
    """
    password = device.config["admin"]["password"]
    if not password:
        if _by_browser(request):
            from . import no_password

            return no_password.answer()
        return _text(403, _NOT_SET % purpose)
    if request.method not in _SAFE and foreign(request):
        return _refused(request, 403, "a page of another site has sent this: open the board's own page and do it there")
    guard = auth.basic({USER: password})
    if not request.header.get("authorization"):
        return _challenged(request, guard)  # no attempt yet
    address = request.client[0]
    guesses = _of(address)
    if guesses.left() and not await _pause(guesses):
        seconds = guesses.left() // 1000 + 1
        words = "too many wrong passwords: try again in %d s" % seconds
        return _refused(request, 429, words, {"Retry-After": seconds}, seconds)
    # From here to the verdict nothing waits: of several attempts one is made per pause.
    try:
        await guard.check(request)
    except HttpError:
        guesses.failed()
        count = guesses.failures
        if not count & (count - 1):
            # 1, 2, 4, 8 …: whoever tries for hours must not fill the log.
            log.warning("wrong password of %s from %s, %d in a row", USER, address, count)
        return _challenged(request, guard)
    _guesses.pop(address, None)
    return None


def foreign(request):
    """Whether the page of another site has made a browser send this request (cross-site request forgery).

    A browser says by itself where a request comes from, and sends the password that it knows along. What is no browser
    (its User-Agent does not begin with Mozilla/) need not say. See micropAsyncWeb/csrf.py.
    """
    header = request.header
    site = header.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    # Browsers say Sec-Fetch-Site only where there is TLS, old ones say no Origin either.
    source = header.get("origin") or header.get("referer")
    if source is not None:
        return source.lower().partition("://")[2].partition("/")[0] != header.get("host", "").lower()
    return header.get("user-agent", "").startswith("Mozilla/")


def _of(address):
    """The _Guesses that count for an address; made when it has none and there is room."""
    for other in list(_guesses):
        if _guesses[other].stale():
            del _guesses[other]
    guesses = _guesses.get(address)
    if guesses is None:
        if len(_guesses) >= _ADDRESSES:
            address = ""  # of all others
            guesses = _guesses.get(address)
        if guesses is None:
            guesses = _Guesses()
            guesses.until = ticks_ms()
            _guesses[address] = guesses
    return guesses


async def _pause(guesses):
    """Wait until the pause is over. False if too many wait already."""
    global _waiting
    if _waiting >= _WAITING:
        return False
    _waiting += 1
    try:
        while True:
            left = guesses.left()
            if not left:
                return True
            await sleep_ms(left)
    finally:
        _waiting -= 1


def _challenged(request, guard):
    """401: raised, or the page that a browser shows when nobody has typed in a password."""
    if _by_browser(request):
        return _refused(request, 401, _ASKED, {"WWW-Authenticate": guard.challenge(request)})
    refuse(request, guard.challenge(request))


def _by_browser(request):
    return "text/html" in request.header.get("accept", "")


def _refused(request, status, words, headers=None, refresh=0):
    """The words as a page, which is loaded anew after refresh seconds, or as text to a program."""
    if not _by_browser(request):
        return _text(status, words, headers)
    from .pages import escape, page

    parts, status, answer = page("Administration", _PAGE % escape(words), status=status, refresh=refresh)
    answer.update(headers or {})
    return parts, status, answer


def _text(status, words, headers=None):
    answer = {"Content-Type": "text/plain; charset=utf-8"}
    answer.update(headers or {})
    return words + "\n", status, answer
