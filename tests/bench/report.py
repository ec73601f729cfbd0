"""Turns the benchmark's figures into the tables that README.md shows, with the bars that the server is held to."""

import math
import statistics
from dataclasses import dataclass, field

from firmware import budget
from firmware.errors import FirmwareError

from .cases import CASES, CONNECTIONS, OURS, PINGS, SERVERS

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"

# (case, other server, factor): ours takes at most factor times the other's CPU time, or …
AT_MOST = (
    ("ping", "bare poll loop", 2),
    ("ping, close", "bare poll loop, closing", 1.4),
)
# … the other takes at least factor times ours.
AT_LEAST = (
    ("ping", "microdot", 10),
    ("ping", "uhttp-server", 8),
    ("ping, browser", "microdot", 20),
    ("20 KB js", "microdot", 4),
    ("100 KB png", "microdot", 4),
)
ALLOCATED = (("ping", 1500), ("ping, browser", 2000))
HELD = 700
GROWTH = 4096  # a file's buffer, and caches more or less full; one object lost in each hundred requests were 6400
_NAN = float("nan")


@dataclass
class Results:
    """All that was measured. failures: {(server, case or what): one text for each time that it failed}."""

    rounds: int
    figures: dict = field(default_factory=dict)  # (server, case): {round: (CPU µs, requests/s)}
    allocated: dict = field(default_factory=dict)  # (server, case): bytes per request
    idle: dict = field(default_factory=dict)  # server: bytes per connection
    low_water: tuple = (_NAN, _NAN)  # highest number of bytes in use before and within …
    requests: int = 0  # … so many requests
    compiled: dict = field(default_factory=dict)  # server: bytes
    failures: dict = field(default_factory=dict)


def tables(results):
    """The Results as Markdown."""
    notes = _Notes(results.failures)
    lines = [
        f"CPU time of the server's process per request in µs, and requests per second; {CONNECTIONS} clients, each of",
        f"which sends its next request as soon as it has an answer; medians of {results.rounds} rounds of one run, in",
        f"which the servers take turns; the same 64-bit VM with {_heaps()}. The bare loops parse nothing and",
        "always give the same answer. microdot closes every connection, the others only in `ping, close`.",
        "",
        *_table("", CASES, {name: _speed(results, name, notes) for name in SERVERS}),
        "",
        "Bytes of heap that are allocated per request, that an idle connection holds (its buffers included), and bytes",
        "of bytecode that a server with a route and static files loads.",
        "",
        *_table(
            "",
            [*PINGS, "idle connection", "bytecode"],
            {name: _memory(results, name, notes) for name in SERVERS if SERVERS[name].memory},
        ),
        "",
        "Of two servers, the median of the ratios of each round:",
        "",
        "| Bar | measured | |",
        "|---|--:|---|",
    ]
    lines += [f"| {text} | {measured} | {'met' if met else '**not met**'} |" for text, measured, met in bars(results)]
    return "\n".join([*lines, *notes.lines])


def bars(results):
    """The bars of the Results: (text, measured as text, whether it is met) each.

    Of two servers the ratio is taken in each round, in which both saw the same load by others; then the median.
    """

    def ratio(server, other, case):
        figures, others = (results.figures.get((name, case), {}) for name in (server, other))
        found = [figures[number][0] / others[number][0] for number in figures.keys() & others.keys()]
        return statistics.median(found) if found else _NAN

    for case, other, factor in AT_MOST:
        found = ratio(OURS, other, case)
        yield f"{case}: at most {factor} × {other}", _shown(found, ".2f", " ×"), found <= factor
    for case, other, factor in AT_LEAST:
        found = ratio(other, OURS, case)
        yield f"{case}: at least {factor} × faster than {other}", _shown(found, ".1f", " ×"), found >= factor
    for case, limit in ALLOCATED:
        found = results.allocated.get((OURS, case), _NAN)
        yield f"{case}: at most {limit} bytes allocated", _shown(found), found <= limit
    found = results.idle.get(OURS, _NAN)
    yield f"idle connection: at most {HELD} bytes held", _shown(found), found <= HELD
    before, within = results.low_water
    text = f"{results.requests} requests of all kinds: the highest heap in use stays within {GROWTH} bytes"
    yield text, f"{_shown(before)} → {_shown(within)}", within - before <= GROWTH
    found = results.compiled.get(OURS, _NAN)
    yield f"core: at most {budget.LIMIT} bytes of bytecode", _shown(found), found <= budget.LIMIT


def _shown(number, form=".0f", unit=""):
    return "none" if math.isnan(number) else f"{number:{form}}{unit}"


class _Notes:
    """Footnotes about what failed."""

    def __init__(self, failures):
        self.failures = failures
        self.notes = []

    def cell(self, text, key):
        """A table's cell: text, None if there is no figure, with the number of the note if there is one."""
        failed = self.failures.get(key)
        if not failed:
            return text or ""
        times = f", {len(failed)} times" if text else ""
        note = f"{key[0]}{times}: {failed[0]}"
        if note not in self.notes:
            self.notes.append(note)
        return f"{text or 'fails'} [{self.notes.index(note) + 1}]"

    @property
    def lines(self):
        """The notes as Markdown."""
        lines = [f"[{number}] {note}  " for number, note in enumerate(self.notes, 1)]
        return ["", *lines] if lines else []


def _heaps():
    usual = SERVERS[OURS].heap
    others = [f"{name}: {server.heap}" for name, server in SERVERS.items() if server.heap != usual]
    return f"a heap of {usual}" + (f" ({', '.join(others)})" if others else "")


def _speed(results, name, notes):
    for case in CASES:
        values = results.figures.get((name, case))
        text = None
        if values:
            micros, rate = (statistics.median(column) for column in zip(*values.values(), strict=True))
            text = f"{micros:.1f} ({rate:.0f})"
        yield notes.cell(text, (name, case))


def _memory(results, name, notes):
    for case in PINGS:
        count = results.allocated.get((name, case))
        yield notes.cell(count is not None and f"{count:.0f}", (name, f"allocated, {case}"))
    if SERVERS[name].closes:
        yield "none"
    else:
        count = results.idle.get(name)
        yield notes.cell(count is not None and f"{count:.0f}", (name, "idle"))
    count = results.compiled.get(name)
    yield f"{count}" if count else ""


def _table(corner, columns, rows):
    yield f"| {corner} | " + " | ".join(columns) + " |"
    yield "|---" + "|--:" * len(columns) + "|"
    for name, cells in rows.items():
        yield f"| {name} | " + " | ".join(cells) + " |"


def store(path, text):
    """Put text between the markers of a Markdown file. FirmwareError if it has none."""
    old = path.read_text("utf-8")
    head, begin, rest = old.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise FirmwareError(f"{path.name} has no {BEGIN} … {END}, so the table was not stored: put them in")
    path.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", "utf-8")
