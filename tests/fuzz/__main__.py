"""A longer run: `python -m tests.fuzz --cases 1000000 --seed 7`, from the root of the repository."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.run import Failure, run
from tests.fuzz.vm import Crash


def main():
    """Run it; exit status 1 and the bad cases if there are any."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000000, help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which sequence of cases (default %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case (default %(default)s)")
    parser.add_argument("--limit", type=int, default=10, help="stop after so many bad cases (default %(default)s)")
    options = parser.parse_args()
    if min(options.cases, options.limit) < 1 or options.first < 0:
        parser.error("--cases and --limit must be at least 1, --first at least 0")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as webroot:
        (Path(webroot) / "small.txt").write_bytes(b"0123456789")
        try:
            statuses, rules = run(webroot, options.seed, options.cases, options.first, options.limit)
        except (Failure, Crash) as error:
            print(error)
            return 1
    print(f"seed {options.seed}: {options.cases} cases, each whole and in parts, in {time.monotonic() - began:.0f} s")
    print("answers:", ", ".join(f"{count} × {status or 'none'}" for status, count in sorted(statuses.items())))
    print("differs from h11:", ", ".join(f"{count} × {name}" for name, count in rules.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
