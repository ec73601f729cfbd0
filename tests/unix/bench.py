"""A supervisor for tests, in the test's own process, and what its console said."""

import asyncio
import contextlib

from ports.unix.flash import Flash
from ports.unix.network import Reservation
from ports.unix.supervisor import Supervisor


class Bench:
    """A powered supervisor and what its console said: `board` and `said` (bytes)."""

    def __init__(self, board):
        self.board = board
        self.said = b""
        board.console.attach(self._write)

    def _write(self, data):
        self.said += data

    async def until(self, condition, what="condition", timeout=10):
        """Wait until `condition()` is true; AssertionError with the console's text after `timeout` s."""
        deadline = asyncio.get_running_loop().time() + timeout
        while not condition():
            assert asyncio.get_running_loop().time() < deadline, f"no {what}; console: {self.said[-1500:]!r}"
            await asyncio.sleep(0.005)

    async def says(self, text):
        """Wait for `text` on the console; takes it and what stood before off and returns that."""
        await self.until(lambda: text in self.said, repr(text))
        before, _, self.said = self.said.partition(text)
        return before + text


@contextlib.asynccontextmanager
async def bench(path, power=True, link="wifi"):
    """Bench on the flash image `path`, switched on, with the network `link`; off and closed at the end."""
    flash = Flash(path)
    board = Supervisor(flash, Reservation(0, "HTTP_PORT"), Reservation(0, "WEBREPL_PORT"), "320k", {}, link)
    try:
        result = Bench(board)
        if power:
            board.power_on()
        yield result
    finally:
        board.close()
        flash.close()


def run(coroutine):
    """Run one test's coroutine, with a limit that only a hang reaches."""
    return asyncio.run(asyncio.wait_for(coroutine, 60))
