"""The log: the last lines with their level in a ring in RAM. Nothing here prints but show()."""

import time

from micropython import const

DEBUG = const(10)
INFO = const(20)
WARNING = const(30)
ERROR = const(40)
NAMES = {"debug": DEBUG, "info": INFO, "warning": WARNING, "error": ERROR}

_SIZE = const(48)
_TEXT_MAX = const(160)

level = INFO
count = 0  # lines ever written
_ring = [None] * _SIZE


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
        _ring[count % _SIZE] = (time.time(), severity, text)
    except MemoryError:
        return
    count += 1


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
    """Yield (time, severity, text) of the lines still there, oldest first.

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
    """Print the log, for the REPL."""
    for stamp, severity, text in records(least):
        print("%s %-7s %s" % (clock(stamp), name(severity), text))


def clock(stamp):
    """hh:mm:ss of a time.time() value."""
    return "%02d:%02d:%02d" % time.gmtime(stamp)[3:6]
