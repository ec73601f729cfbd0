"""Runs generated cases on the VM and checks what has to hold for each of them."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.fuzz import answers, grammar, judge
from tests.fuzz.vm import Vm

BATCH = 1000


class Failure(AssertionError):
    """A case that does not hold; its text is enough to run it again."""


def check(data, whole, split):
    """One case: data and what the server sent for it in one piece and in parts. Returns the rules of judge used."""
    if whole != split:
        raise Failure(f"another answer when it comes in parts:\n  {whole!r}\n  {split!r}")
    try:
        got = answers.read(whole, b"HEAD" in data)
        return judge.compare(data, got), got
    except AssertionError as error:
        raise Failure(f"{error}\n  answers: {whole!r}") from None


def run(webroot, seed, cases, first=0, limit=1):
    """Run the cases first … first + cases - 1 of a seed.

    Returns (Counter of statuses, Counter of rules of judge). Failure after `limit` bad cases, with all of them.
    Crash (see vm.py) if the server hangs or the VM ends.
    """
    statuses, rules, bad = Counter(), Counter(), []

    def batch(start):
        numbers = range(start, min(start + BATCH, first + cases))
        data = [grammar.case(seed, number) for number in numbers]
        whole = vm.run((case, (), 0) for case in data)
        return numbers, data, whole, vm.run(
            (case, *grammar.cuts(seed, number, len(case))) for number, case in zip(numbers, data, strict=True)
        )

    with Vm(webroot) as vm, ThreadPoolExecutor(1) as pool:
        starts = range(first, first + cases, BATCH)
        ahead = pool.submit(batch, starts[0])
        for start in starts:
            numbers, data, whole, split = ahead.result()
            if start != starts[-1]:
                ahead = pool.submit(batch, start + BATCH)
            for number, *case in zip(numbers, data, whole, split, strict=True):
                try:
                    used, got = check(*case)
                except Failure as error:
                    parts = grammar.cuts(seed, number, len(case[0]))
                    text = f"seed {seed}, case {number}: {error}\n  case: {case[0]!r}"
                    bad.append(f"{text}\n  cuts, bytes per write: {parts}")
                    if len(bad) >= limit:
                        raise Failure("\n".join(bad)) from None
                else:
                    rules.update(used)
                    statuses.update(answer.status for answer in got)
                    statuses[0] += not got
        pool.shutdown(cancel_futures=True)
    if bad:
        raise Failure("\n".join(bad))
    return statuses, rules
