"""Runs the benchmark: all servers beside each other, measured in turn, medians; prints and stores the table.

CPU time is that of the server's process (Linux: /proc). The peers come from PyPI, see tests/requirements.txt.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from firmware import budget, modules, paths
from firmware.errors import FirmwareError

from . import memory, report
from .cases import CASES, OURS, SERVERS
from .load import LoadError
from .processes import Processes

README = paths.ROOT / "README.md"
_ATTEMPTS = 3  # for a case that a server cannot do


def prepare(folder):
    """Fill folder: the files to serve, and the server compiled as the firmware does; peers are as PyPI has them."""
    webroot = folder / "webroot"
    webroot.mkdir()
    (webroot / "1.html").write_bytes(b"<p>0123456789ABC" * 64)
    (webroot / "20.js").write_bytes(b"let x = 1; // 20 KB\n" * 1024)
    (webroot / "100.png").write_bytes(os.urandom(102400))
    for target, code in modules.compile_all(budget.server_modules().values()).items():
        (folder / target).parent.mkdir(exist_ok=True)
        (folder / target).write_bytes(code)


def run(folder, results, scale):
    """Measure the speed in all cases, in each round once: results.figures and results.failures."""
    with Processes(folder) as processes:
        for number in range(-1, results.rounds):
            # In turn from the first and from the last one, so that no server always follows the same other.
            order = list(processes.items())[:: -1 if number % 2 else 1]
            for case in CASES:
                for name, process in order:
                    failed = results.failures.setdefault((name, case), [])
                    if case not in SERVERS[name].cases or len(failed) >= _ATTEMPTS:
                        continue
                    # Of each case some requests first: they load modules and fill caches.
                    count = CASES[case].count * SERVERS[name].share * scale if number >= 0 else 0
                    try:
                        figure = process.measure(case, int(count))
                    except LoadError as error:
                        failed.append(str(error))
                        print(f"{name}, {case}: {error}", file=sys.stderr)
                    else:
                        if number >= 0:
                            results.figures.setdefault((name, case), {})[number] = figure
            if number >= 0:
                print(f"round {number + 1} of {results.rounds}", file=sys.stderr)


def main():
    """Run all, print the tables, write them into README.md. Exit status 1 if this server could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of few requests, README.md stays as it is")
    parser.add_argument("--rounds", type=int, default=21, help="measurements of each case (21)")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be 1 or more")
    if not Path("/proc/self/schedstat").exists():
        sys.exit("error: the benchmark needs Linux: it reads the CPU time of a process from /proc")
    results = report.Results(1 if options.quick else options.rounds, requests=4000 if options.quick else 20000)
    try:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            prepare(folder)
            results.compiled = memory.compiled()
            run(folder, results, 0.5 if options.quick else 1)
            results.allocated = memory.allocated(folder, results.failures)
            results.idle = memory.idle(folder, results.failures)
            try:
                results.low_water = memory.low_water(folder, results.requests)
            except LoadError as error:
                results.failures[OURS, "low-water mark"] = [str(error)]
        text = report.tables(results)
        print(text)
        lost = [f"{what}: {texts[0]}" for (name, what), texts in results.failures.items() if name == OURS and texts]
        if lost:
            sys.exit(f"error: {README.name} stays as it is, {OURS} failed in " + "; ".join(lost))
        if not options.quick:
            report.store(README, text)
    except FirmwareError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("error: interrupted, README.md stays as it is")


if __name__ == "__main__":
    main()
