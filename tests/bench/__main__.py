"""Runs the benchmark: all servers beside each other, measured in turn, medians; prints and stores the table.

CPU time is that of the server's process (Linux: /proc). The peers come from PyPI, see tests/requirements.txt.
"""

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from firmware import modules, paths
from firmware.errors import FirmwareError

from . import report
from .cases import CASES, CONNECTIONS, PINGS, SERVERS, SHARE
from .load import LoadError, ask, measure, wait_for

HERE = Path(__file__).resolve().parent
VM = Path(sys.executable).parent / "micropython"
README = paths.ROOT / "README.md"


def free_port():
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def requests(case):
    """The list of requests (bytes) that a case takes in turn."""
    target, fields, count = CASES[case]
    text = "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n"
    return [text.format(number).encode() for number in range(count if "{" in text else 1)]


class Servers:
    """All servers as running processes, each on a port of its own; a context manager that ends them."""

    def __init__(self, folder, heap):
        webroot = folder / "webroot"
        libraries = (".frozen", folder, HERE / "servers" / "shim", sysconfig.get_paths()["purelib"])
        environment = dict(os.environ, MICROPYPATH=":".join(map(str, libraries)))
        self.running = {}
        with contextlib.ExitStack() as stack:
            for name, (script, argument, _) in SERVERS.items():
                port = free_port()
                command = [VM, "-X", f"heapsize={heap}", HERE / "servers" / script, str(port), argument or webroot]
                process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
                stack.callback(process.wait)
                stack.callback(process.kill)
                self.running[name] = port, process
                wait_for(port, process)
            self._stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def measure(self, name, case, count):
        """(CPU microseconds per request, requests per second) of one case."""
        port, process = self.running[name]
        return measure(port, process.pid, requests(case), count, CONNECTIONS)

    def number(self, name, target):
        """The number that a route gives as text."""
        return int(ask(self.running[name][0], f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())[0][-9:])


def prepare(folder):
    """Fill folder: the files to serve, and the server compiled as the firmware does; peers are as PyPI has them."""
    webroot = folder / "webroot"
    webroot.mkdir()
    (webroot / "1.html").write_bytes(b"<p>0123456789ABC" * 64)
    (webroot / "20.js").write_bytes(b"let x = 1; // 20 KB\n" * 1024)
    (webroot / "100.png").write_bytes(os.urandom(102400))
    sources = modules.tree(paths.ROOT / "modules" / "micropAsyncWeb", "micropAsyncWeb")
    for target, code in modules.compile_all(sources).items():
        (folder / target).parent.mkdir(exist_ok=True)
        (folder / target).write_bytes(code)


def run(folder, rounds, scale):
    """Measure all cases: {(server, case): [(CPU µs, requests/s), …]}. A server that fails in a case has no figure."""
    figures = {}
    with Servers(folder, "300k") as servers:
        # The first requests load modules and fill caches.
        for number in range(-1, rounds):
            for case in CASES:
                for name, (_, _, cases) in SERVERS.items():
                    if case in cases:
                        count = int(CASES[case][2] * SHARE.get(name, 1) * scale) if number >= 0 else 2 * CONNECTIONS
                        try:
                            figure = servers.measure(name, case, count)
                        except LoadError as error:
                            print(f"{name}, {case}: {error}", file=sys.stderr)
                        else:
                            if number >= 0:
                                figures.setdefault((name, case), []).append(figure)
            if number >= 0:
                print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return figures


def memory(folder, count=160):
    """Bytes allocated per request: {(server, case): bytes}, counted without garbage collection."""
    found = {}
    with Servers(folder, "32M") as servers:
        for name, (script, _, _) in SERVERS.items():
            if script == "bare.py":
                continue
            for case in PINGS:
                try:
                    servers.measure(name, case, CONNECTIONS)
                    servers.number(name, "/allocated")
                    # Asking, and the connections of measure(), are no part of it.
                    first = servers.number(name, "/allocated")
                    servers.measure(name, case, CONNECTIONS)
                    second = servers.number(name, "/allocated")
                    servers.measure(name, case, CONNECTIONS + count)
                    third = servers.number(name, "/allocated")
                except LoadError as error:
                    print(f"{name}, memory, {case}: {error}", file=sys.stderr)
                else:
                    found[name, case] = (third - second - (second - first)) / count
    return found


def low_water(folder, count):
    """Bytes in use after a collection, sampled over count requests: (first sample, highest later one)."""
    with Servers(folder, "300k") as servers:
        samples = []
        for case in ("ping", "20 KB js", *["ping"] * (count // 1000)):
            servers.measure("microAsyncWeb", case, 1000)
            samples.append(servers.number("microAsyncWeb", "/held"))
    return samples[1], max(samples[2:])


def main():
    """Run all, print the tables, write them into README.md. Exit status 1 if a server could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of few requests, README.md stays as it is")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each case (5)")
    options = parser.parse_args()
    if not Path("/proc/self/schedstat").exists():
        sys.exit("error: the benchmark needs Linux: it reads the CPU time of a process from /proc")
    try:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            prepare(folder)
            figures = run(folder, 1, 0.25) if options.quick else run(folder, options.rounds, 1)
            text = report.tables(figures, memory(folder), low_water(folder, 4000 if options.quick else 20000))
    except (FirmwareError, LoadError) as error:
        sys.exit(f"error: {error}")
    print(text)
    if not options.quick:
        report.store(README, text)


if __name__ == "__main__":
    main()
