"""/api/log and /logs: the log for programs and for people. Loaded by the first request for it.

Lines of the log name networks and what is wrong with the board. So with an admin.password in boot.json only the
administrator reads them; without one, everybody who reaches the board does.
"""

from micropAsyncWeb import HttpError

import device

from . import admin, log, resetcause
from .pages import escape, page

_REFRESH_S = 5


async def answer(request):
    """GET /api/log?level=&since=: the lines as JSON, see docs/time-and-log.md. since: a "next" of an earlier answer."""
    refused = await _check(request)
    if refused:
        return refused
    least = _level(request)
    since = request.query.get("since", "")
    if since and not since.isdigit():
        raise HttpError(400, "since is a number: that of 'next' in an earlier answer")
    # A number that is still to come is one of before a reset.
    since = int(since) if since and int(since) <= log.count else None
    return _json(least, since), 200, {"Content-Type": "application/json", "Cache-Control": "no-store"}


async def answer_page(request):
    """GET /logs?level=: the page."""
    refused = await _check(request)
    if refused:
        return refused
    least = _level(request)
    return page("Log", _levels(least), _tables(least), refresh=_REFRESH_S)


async def _check(request):
    return await admin.check(request) if device.config["admin"]["password"] else None


def _level(request):
    word = request.query.get("level", "debug")
    least = log.NAMES.get(word)
    if least is None:
        raise HttpError(400, "level is one of " + ", ".join(log.NAMES))
    return least


def _json(least, since):
    """Line by line: the whole would need several KB in one piece."""
    import json

    last = log.count
    yield '{"next": %d, "started": %s, "before": [' % (last, json.dumps(resetcause.words()))
    if since is None:
        yield from _lines(record for record in log.before if record[1] >= least)
    yield '], "lines": ['
    yield from _lines(log.records(least, since or 0))
    yield "]}"


def _lines(records):
    import json

    comma = ""
    for stamp, severity, text in records:
        line = {"time": log.clock(stamp), "level": log.name(severity), "text": text}
        yield comma + json.dumps(line)
        comma = ",\n"


def _levels(least):
    yield "<p>From level: "
    for word, severity in sorted(log.NAMES.items(), key=lambda item: item[1]):
        yield "<b>%s</b> " % word if severity == least else '<a href="?level=%s">%s</a> ' % (word, word)
    yield '· <a href="/">Start page</a> · <a href="/admin">Administration</a></p>'
    yield '<p class="note">Times are UTC, or +hh:mm:ss since power-on.</p>'


def _tables(least):
    lines = list(log.records(least))
    lines.reverse()
    yield from _table("Since the start (%s)" % escape(resetcause.words()), lines)
    if log.before:
        lines = [record for record in log.before if record[1] >= least]
        lines.reverse()
        yield from _table("Before that", lines)


def _table(title, lines):
    yield '<section class="card"><h2>%s</h2><table>' % title
    for stamp, severity, text in lines:
        kind = "bad" if severity >= log.ERROR else "odd" if severity >= log.WARNING else ""
        yield '<tr><td>%s<td class="%s">%s<td>%s\n' % (log.clock(stamp), kind, log.name(severity), escape(text))
    yield "</table></section>" if lines else "</table><p>No lines.</p></section>"
