"""The control socket: what a hand on a real board can do (reset, plug, air, wires), for tests and scripts.

AF_UNIX stream, one JSON object a line: {"do": verb, ...} is answered by {"ok": true, ...}, or by
{"ok": false, "error": text}.
"""

import asyncio
import contextlib
import json
import os
import socket
import stat

from firmware.loopback import HOST, is_listening
from ports.unix.errors import BoardError
from ports.unix.network import HTTP_PORT
from ports.unix.supervisor import State

_LINE_MAX = 65536
_WAIT_DEFAULT = 30.0
_SKIP_MAX = 1_000_000
_PATH_MAX = 103  # bytes in sun_path, less on macOS than on Linux
_LISTENING_POLL = 0.01


class ControlServer:
    """Serves the control socket at `path` for `supervisor`; `console_path` is only reported."""

    def __init__(self, supervisor, path, console_path):
        self._supervisor = supervisor
        self.path = os.fspath(path)
        self._console_path = console_path
        self._server = None
        self._clients = set()
        self._verbs = {
            "info": self._info,
            "reset": self._reset,
            "power": self._power,
            "crash": self._crash,
            "cut": self._cut,
            "air": self._air,
            "cable": self._cable,
            "net": self._net,
            "pin": self._pin,
            "clock": self._clock,
            "wait": self._wait,
        }

    async def start(self):
        """Raises BoardError when the path is too long, another kind of file or in use by a running board."""
        if len(os.fsencode(self.path)) > _PATH_MAX:
            raise BoardError(
                f"the control socket's path {self.path} is longer than the {_PATH_MAX} bytes that a socket's "
                f"may have; choose a shorter one with CONTROL="
            )
        _remove_stale(self.path)
        try:
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, self.path, limit=_LINE_MAX)
        except OSError as error:
            raise BoardError(f"cannot make the control socket {self.path}: {error.strerror}") from error

    async def stop(self):
        """Hang up on all clients, close the socket and remove its file."""
        if self._server is None:
            return
        self._server.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._clients.add(task)
        try:
            while line := await reader.readline():
                reply = await self._answer(line)
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # it hung up, sent a line beyond the limit, or the server stops
        finally:
            self._clients.discard(task)
            writer.close()

    async def _answer(self, line):
        try:
            request = json.loads(line)
            verb = request.pop("do")
        except (ValueError, AttributeError, TypeError, KeyError):
            return _failure('a request is one line like {"do": "info"}')
        if verb not in self._verbs:
            return _failure(f"there is no verb {verb!r}, only {', '.join(self._verbs)}")
        try:
            result = self._verbs[verb](**request)
            if asyncio.iscoroutine(result):
                result = await result
        except TypeError as error:
            return _failure(f"{verb}: {str(error).partition('()')[2].strip() or error}")
        except (ValueError, BoardError) as error:
            return _failure(f"{verb}: {error}")
        return {"ok": True, **(result or {})}

    def _info(self):
        board = self._supervisor
        return {
            "state": board.state.value,
            "problem": board.problem,
            "pid": board.pid,
            "boots": board.boots,
            "cause": board.cause and int(board.cause),
            "slot": board.image and board.image.partition.name,
            "version": board.image and board.image.version,
            "uid": board.uid.hex(),
            "console": self._console_path,
            "flash": {
                "path": board.flash.path,
                "erases": board.flash.erases,
                "programs": board.flash.programs,
            },
            "http": [HOST, board.ports[HTTP_PORT]],
            "ports": {str(port): here for port, here in board.ports.items()},
            "webrepl": board.webrepl.address,
            "listening": dict(board.network.listening),
        }

    def _reset(self, kind="hard", mode="friendly"):
        self._supervisor.reset(kind, mode=mode)

    def _power(self, on):
        if on:
            self._supervisor.power_on()
        else:
            self._supervisor.power_off()

    def _crash(self):
        self._supervisor.crash()

    def _cut(self, after):
        if not isinstance(after, int) or after < 0:
            raise ValueError("'after' is the number of flash operations until the cut, 0 for none")
        self._supervisor.flash.cut_after(after)

    def _air(self, **request):
        return self._supervisor.radio.command(request)

    def _cable(self, **request):
        if self._supervisor.link != "ethernet":
            raise ValueError("the board has no Ethernet port; one that has is started with --network ethernet")
        return self._supervisor.ethernet.command(request)

    def _net(self, **request):
        return self._supervisor.gateway.command(request)

    def _pin(self, **request):
        return self._supervisor.pins.command(request)

    async def _clock(self, skip):
        """{skip: seconds}: answered when the board's time has run ahead by so much."""
        board = self._supervisor
        if isinstance(skip, bool) or not isinstance(skip, (int, float)) or not 0 <= skip <= _SKIP_MAX:
            raise ValueError(f"'skip' is a number of seconds, at most {_SKIP_MAX}")
        if board.is_off:
            raise ValueError(f"the board is {board.state.value}: switch the power on")
        await board.clock.skip(skip)

    async def _wait(self, timeout=_WAIT_DEFAULT, boots=0, **wanted):
        """{for: a state or "listening" (the HTTP port), boots?: after so many starts, timeout?: seconds}."""
        goal = wanted.pop("for", None)
        goals = [state.value for state in State] + ["listening"]
        if goal not in goals or wanted:
            raise ValueError(f"'for' is one of {', '.join(goals)}")
        try:
            await asyncio.wait_for(self._until(goal, boots), timeout)
        except asyncio.TimeoutError:
            board = self._supervisor
            raise ValueError(
                f"not {goal} after {timeout} s: state {board.state.value}, {board.boots} boots"
            ) from None
        return self._info()

    async def _until(self, goal, boots):
        board = self._supervisor
        while True:
            if board.boots >= boots:
                if goal == board.state.value:
                    return
                if goal == "listening" and await http_ready(board):
                    return
            await board.changed.wait()


async def http_ready(board):
    """True once the announced HTTP port really listens; False when none is announced, or after a reset."""
    vm = board.pid
    while board.network.http_announced and board.pid == vm:
        if is_listening(board.ports[HTTP_PORT]):
            return True
        await asyncio.sleep(_LISTENING_POLL)
    return False


def _failure(text):
    return {"ok": False, "error": text}


def _remove_stale(path):
    """Remove the socket of a board that was killed; leave everything else alone."""
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    # Looked at first, because connecting to a plain file fails just as connecting to a dead socket does.
    if not stat.S_ISSOCK(kind):
        raise BoardError(
            f"the control socket {path} would replace another file; choose another with CONTROL="
        )
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(ConnectionRefusedError):
        probe.connect(path)
        raise BoardError(f"a running board uses the control socket {path}; choose another with CONTROL=")
    os.unlink(path)
