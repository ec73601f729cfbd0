"""The figures of memory and size: allocated per request, held by idle connections, growth, compiled size."""

import itertools
import sysconfig
from pathlib import Path

from firmware import budget, modules

from .cases import CASES, CONNECTIONS, IDLE, OURS, PINGS, SERVERS
from .load import LoadError
from .processes import Process, Processes

_TALKING = tuple(name for name, server in SERVERS.items() if server.memory)
_ALLOCATION_REQUESTS = 160
_BLOCK = 100  # requests between two samples of low_water()
_FILLING = 10000  # requests until caches are full


def allocated(folder, failures):
    """Bytes allocated per request: {(server, case): bytes}, counted without garbage collection.

    failures: {(server, what): [text, …]}, gets what could not be measured.
    """
    found = {}
    with Processes(folder, _TALKING, "32M") as processes:
        for name, process in processes.items():
            for case in PINGS:
                try:
                    process.measure(case)
                    process.number("/allocated")
                    # Asking, and the connections of measure(), are no part of it.
                    first = process.number("/allocated")
                    process.measure(case, CONNECTIONS)
                    second = process.number("/allocated")
                    process.measure(case, CONNECTIONS + _ALLOCATION_REQUESTS)
                    third = process.number("/allocated")
                except LoadError as error:
                    failures.setdefault((name, f"allocated, {case}"), []).append(str(error))
                else:
                    found[name, case] = (third - 2 * second + first) / _ALLOCATION_REQUESTS
    return found


def idle(folder, failures):
    """Bytes that an idle connection holds, after an answer, buffers included: {server: bytes}. failures: as above."""
    found = {}
    with Processes(folder, _TALKING) as processes:
        for name, process in processes.items():
            if SERVERS[name].closes:
                continue
            try:
                process.measure("ping")
                process.number("/held")
                before = process.number("/held")
                socks = process.open_idle(IDLE)
                after = process.number("/held")
                for sock in socks:
                    sock.close()
            except LoadError as error:
                failures.setdefault((name, "idle"), []).append(str(error))
            else:
                found[name] = (after - before) / IDLE
    return found


def low_water(folder, count):
    """Highest number of bytes in use after a collection, sampled often: (before, within) count requests of all kinds.

    Before: while caches are filled. Raises LoadError.
    """
    process = Process(OURS, folder)
    cases = itertools.cycle(CASES)

    def highest(requests):
        samples = []
        for _ in range(requests // _BLOCK):
            process.measure(next(cases), _BLOCK)
            samples.append(process.number("/held"))
        return max(samples)

    try:
        return highest(_FILLING), highest(count)
    finally:
        process.stop()


def compiled():
    """Bytes of bytecode that a server loads before its first request: {server: bytes}.

    All with the compiler's options of this server.
    """
    found = {}
    core = budget.core_modules()
    library = Path(sysconfig.get_paths()["purelib"])
    for name, server in SERVERS.items():
        rows = core if name == OURS else [modules.Module(library / path, path, core[0].opt) for path in server.sources]
        if rows:
            found[name] = sum(map(len, modules.compile_all(rows).values()))
    return found
