"""HTTP load from a thread: a number of keep-alive connections, each with one request under way, bounded in time."""

from __future__ import annotations

import http.client
import threading
import time


class Load:
    """`with Load(board, connections=8) as load:` keeps requests running until the block ends.

    The board never has more connections than its server takes. Afterwards `latencies` holds the seconds of every
    answer in no order, and `errors` what went wrong.
    """

    LONGEST = 120  # seconds; a test that forgets to end it does not run for ever

    def __init__(self, board, connections: int = 8, target: str = "/api/status"):
        self._board, self._target = board, target
        self._stop = threading.Event()
        count = min(connections, board.connections)
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]
        self.latencies: list[float] = []
        self.errors: list[str] = []

    def _run(self) -> None:
        end = time.monotonic() + self.LONGEST
        connection = http.client.HTTPConnection(*self._board.http, timeout=20 * self._board.factor)
        while not self._stop.is_set() and time.monotonic() < end:
            start = time.monotonic()
            try:
                connection.request("GET", self._target)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(repr(error))
                connection.close()
                self._stop.wait(0.05)  # a board that restarts refuses at once
                continue
            if response.status != 200:
                self.errors.append(f"status {response.status}")
            self.latencies.append(time.monotonic() - start)
        connection.close()

    def wait(self, answers: int, timeout: float = 30) -> None:
        """Wait for `answers` more answers."""
        wanted = len(self.latencies) + answers
        deadline = time.monotonic() + timeout * self._board.factor
        while len(self.latencies) < wanted:
            assert time.monotonic() < deadline, f"{wanted - len(self.latencies)} answers missing: {self.errors[:3]}"
            time.sleep(0.01)

    def percentile(self, percent: float) -> float:
        """The latency in seconds below which `percent` of the answers came."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        for thread in self._threads:
            thread.join()
