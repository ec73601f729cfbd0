"""Turns the benchmark's figures into the tables that README.md shows, with the bars that the server is held to."""

import statistics

from .cases import CASES, CONNECTIONS, PINGS, SERVERS

OURS = "microAsyncWeb"
BEGIN, END = "<!-- bench -->", "<!-- /bench -->"

# (what, case, other server, factor): ours takes at most factor times the other's CPU time, or …
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


def _medians(figures):
    return {
        key: tuple(statistics.median(column) for column in zip(*values, strict=True))
        for key, values in figures.items()
    }


def tables(figures, memory, low_water):
    """Markdown from {(server, case): [(CPU µs, requests/s), …]}, {(server, case): bytes} and (first, highest)."""
    medians = _medians(figures)
    cases, servers = list(CASES), list(SERVERS)
    lines = [
        f"CPU time of the server's process per request in µs, and requests per second; {CONNECTIONS} connections,",
        "the same VM (64-bit, heap 300 KB) and the same run, medians. microdot closes every connection; the bare loops",
        "parse nothing and always give the same answer.",
        "",
        "| | " + " | ".join(cases) + " |",
        "|---" + "|--:" * len(cases) + "|",
    ]
    for name in servers:
        measured = [medians.get((name, case)) for case in cases]
        cells = [f"{pair[0]:.1f} ({pair[1]:.0f})" if pair else "" for pair in measured]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| Bytes allocated per request | " + " | ".join(PINGS) + " |", "|---" + "|--:" * len(PINGS) + "|"]
    for name in servers:
        cells = [f"{memory[name, case]:.0f}" if (name, case) in memory else "" for case in PINGS]
        if any(cells):
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| Bar | measured | |", "|---|--:|---|"]
    lines += [_row(*bar) for bar in _bars(medians, memory, low_water)]
    return "\n".join(lines)


def _bars(medians, memory, low_water):
    # → (text, measured as text, whether it is met)
    def micros(server, case):
        return medians.get((server, case), (float("nan"),))[0]

    for case, other, factor in AT_MOST:
        ratio = micros(OURS, case) / micros(other, case)
        yield f"{case}: at most {factor} × {other}", f"{ratio:.2f} ×", ratio <= factor
    for case, other, factor in AT_LEAST:
        ratio = micros(other, case) / micros(OURS, case)
        yield f"{case}: at least {factor} × faster than {other}", f"{ratio:.1f} ×", ratio >= factor
    for case, limit in ALLOCATED:
        count = memory.get((OURS, case), float("nan"))
        yield f"{case}: at most {limit} bytes allocated", f"{count:.0f}", count <= limit
    first, highest = low_water
    yield "20 000 requests: heap in use grows by 0 bytes", f"{highest - first}", highest <= first


def _row(text, measured, met):
    return f"| {text} | {measured} | {'met' if met else '**not met**'} |"


def store(path, text):
    """Put text between the markers of a Markdown file."""
    old = path.read_text("utf-8")
    head, begin, rest = old.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"error: {path.name} has no {BEGIN} … {END}: nothing stored")
    path.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", "utf-8")
