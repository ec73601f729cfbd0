"""The log: the last lines with their level in a ring in RAM, and the very last ones in memory that resets leave alone.

Nothing here prints but show() and follow(), for the REPL.
"""

import time
from binascii import crc32
from struct import pack

from micropython import const

try:
    import retained
except ImportError:
    retained = None  # another firmware's build: nothing outlives a reset

DEBUG = const(10)
INFO = const(20)
WARNING = const(30)
ERROR = const(40)
NAMES = {"debug": DEBUG, "info": INFO, "warning": WARNING, "error": ERROR}

_SIZE = const(48)
_TEXT_MAX = const(160)
_FOLLOW_MS = const(100)
# Of the retained memory, see kept.py.
_MAGIC = const(0xA5)
_FIRST = const(80)
_KEPT_MAX = const(120)  # bytes of a line that are kept
_FRAME = const(11)  # bytes of a record beside its text
_CLOCK_SET = const(757382400)  # the year 2024 from 2000 on: later than any clock that was not set since power-on

level = INFO
count = 0  # lines ever written
before = []  # (time, severity, text) of the lines kept from before this start, oldest first
_ring = [None] * _SIZE
_place = _FIRST  # of the next record in the retained memory
_number = 0  # of that record


def write(severity, text, *args):
    """Add a line; `args` are filled into `text` by % only when the level lets it through.

    With no memory left the line is lost: whoever logs goes on.
    """
    global count
    if severity < level:
        return
    try:
        if args:
            text = text % args
        if len(text) > _TEXT_MAX:
            text = text[: _TEXT_MAX - 1] + "…"
        stamp = time.time()
        _ring[count % _SIZE] = (stamp, severity, text)
        count += 1
        if retained:
            _keep(int(stamp), severity, text)
    except MemoryError:
        pass


def debug(text, *args):
    """Details for who looks for a fault."""
    write(DEBUG, text, *args)


def info(text, *args):
    """What a board in good order does."""
    write(INFO, text, *args)


def warning(text, *args):
    """Something is not as asked for, and the board goes on."""
    write(WARNING, text, *args)


def error(text, *args):
    """Something does not work."""
    write(ERROR, text, *args)


def exception(text, error):
    """An error line with the exception and where it was raised."""
    import io
    import sys

    try:
        trace = io.StringIO()
        sys.print_exception(error, trace)
        lines = trace.getvalue().strip().split("\n")
        place = lines[-2].strip() + ": " if len(lines) > 1 else ""
    except MemoryError:
        write(ERROR, text)
        return
    write(ERROR, "%s: %s%s", text, place, lines[-1])


def records(least=DEBUG, since=0):
    """Yield (time, severity, text) of the lines of this start that are still there, oldest first.

    `least` is the lowest severity, `since` a value that `count` had.
    """
    for number in range(max(since, count - _SIZE), count):
        record = _ring[number % _SIZE]
        if record[1] >= least:
            yield record


def name(severity):
    """'info' for INFO and so on."""
    for word, value in NAMES.items():
        if value == severity:
            return word
    return str(severity)


def show(least=DEBUG):
    """Print the log, those of before the reset first, for the REPL."""
    for record in before:
        if record[1] >= least:
            _print("before  ", record)
    for record in records(least):
        _print("", record)


def follow(least=DEBUG):
    """Print the log, then each line as it comes, until Ctrl-C. RuntimeError on the server's loop."""
    from . import loop

    if loop.here():
        raise RuntimeError("log.follow() is for the REPL")
    seen = 0
    try:
        while True:
            for record in records(least, seen):
                _print("", record)
            seen = count
            time.sleep_ms(_FOLLOW_MS)
    except KeyboardInterrupt:
        pass


def clock(stamp):
    """A time.time() value as text: date and time (UTC), or +hh:mm:ss since power-on if the clock was not set."""
    parts = time.gmtime(stamp)
    if stamp < _CLOCK_SET:
        return "+%02d:%02d:%02d" % (stamp // 3600, parts[4], parts[5])
    return "%d-%02d-%02d %02d:%02d:%02d" % parts[:6]


def _keep(stamp, severity, text):
    """Put a line into the retained memory, over the oldest ones. A reset in the midst of it spoils this one only."""
    global _place, _number
    data = text.encode()[:_KEPT_MAX]
    size = len(data) + _FRAME
    if _place + size > retained.SIZE:
        _place = _FIRST
    record = pack("<BBBHI", _MAGIC, len(data), severity, _number & 0xFFFF, stamp & 0xFFFFFFFF) + data
    retained.write(_place, record + pack("<H", crc32(record) & 0xFFFF))
    _place += size
    _number += 1


def _print(prefix, record):
    stamp, severity, text = record
    print("%s%s %-7s %s" % (prefix, clock(stamp), name(severity), text))


def _restore():
    """Take up the lines that were kept, and begin the log with what this start came by."""
    global before, _place, _number
    import sys

    from . import kept, resetcause

    before, _place, _number = kept.load(retained, resetcause.lost())
    sys.modules.pop(kept.__name__)
    info("started: %s", resetcause.words())


if retained:
    _restore()
