"""The boards that the hardware-in-loop and the web tests run on: a serial console, a network address, and more.

A test knows a board by this module only. What a target has beyond console and network it declares, see
`tests/capabilities.py`.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath

from tests.console import PROMPT, SOFT_REBOOT, Console, RawRepl

ROOT = Path(__file__).resolve().parents[1]
WEBREPL_PASSWORD = "hil-tests"  # of a board whose boot.json has none: started by the test, ended by the next reset


class Board:
    """A running board. `device` is what pyserial opens, `http` and `webrepl` are (host, port).

    `factor` says by how much slower than the desktop board it may be: every time-out is multiplied by it.
    """

    factor = 1.0
    share = 1.0  # of the repetitions that a test makes on the desktop board
    connections = 8  # that its server takes at the same time

    def __init__(self, device: str, http: tuple[str, int], webrepl: tuple[str, int] | None, password: str):
        self.device = device
        self.http = http
        self.webrepl = webrepl
        self.webrepl_password = password

    @contextlib.contextmanager
    def console(self):
        """The console, opened for the length of a `with` block. One at a time, and no `exec` meanwhile."""
        console = Console(self.device, self.factor)
        try:
            yield console
        finally:
            console.close()

    @contextlib.contextmanager
    def raw_repl(self):
        """mpremote's transport in the raw REPL, without a reset."""
        transport = RawRepl(self.device, self.factor)
        try:
            transport.enter_raw_repl(soft_reset=False)
            yield transport
            transport.leave()
        finally:
            transport.close()

    def exec(self, code: str, timeout: float = 20) -> str:
        """Run `code` in the raw REPL; what it printed. AssertionError with the traceback if it raised."""
        with self.raw_repl() as repl:
            output, error = repl.exec_raw(code, timeout=timeout)
        assert not error, error.decode()
        return output.decode().replace("\r\n", "\n")

    def eval(self, expression: str):
        """The value of `expression`, of types that JSON has."""
        return json.loads(self.exec(f"import json\nprint(json.dumps({expression}))").splitlines()[-1])

    def write_file(self, path: str, data: bytes) -> None:
        """Put a file on the board through its REPL."""
        with self.raw_repl() as repl:
            repl.fs_writefile(path, data)

    def read_file(self, path: str, missing: bytes | None = None) -> bytes:
        """A file of the board, read through its REPL; `missing`, if that is given, where there is none."""
        with self.raw_repl() as repl:
            if missing is not None and not repl.fs_exists(path):
                return missing
            return bytes(repl.fs_readfile(path))

    @contextlib.contextmanager
    def replaced(self, path: str, data: bytes):
        """A file on the board for the length of a `with` block; then what was there before, or nothing, is there.

        The folders that it lies in need not be there; those that are made for it go with it.
        """
        parents = [str(folder) for folder in PurePosixPath(path).parents if folder.name]  # the innermost first
        with self.raw_repl() as repl:
            made = [folder for folder in parents if not repl.fs_exists(folder)]
            for folder in reversed(made):
                repl.fs_mkdir(folder)
            before = bytes(repl.fs_readfile(path)) if repl.fs_exists(path) else None
            repl.fs_writefile(path, data)
        try:
            yield
        finally:
            with self.raw_repl() as repl:
                if before is None:
                    repl.fs_rmfile(path)
                else:
                    repl.fs_writefile(path, before)
                for folder in made:
                    repl.fs_rmdir(folder)

    @functools.cached_property
    def config(self) -> dict:
        """The settings in force, device.config; read once, through the REPL."""
        return self.eval("__import__('device').config")

    @property
    def webroot(self) -> str:
        """The folder that its server gives files from."""
        return self.config["server"]["webroot"]

    def request(self, method: str, target: str, body: bytes | None = None, headers: dict | None = None):
        """One HTTP request over a connection of its own: (status, headers, body)."""
        connection = http.client.HTTPConnection(*self.http, timeout=10 * self.factor)
        try:
            connection.request(method, target, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def get(self, target: str, **headers: str):
        """GET `target`, as `request` returns it. Header names with _ for -."""
        return self.request("GET", target, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def wait_http(self, timeout: float = 30) -> None:
        """Wait until the server answers."""
        deadline = time.monotonic() + timeout * self.factor
        while True:
            try:
                self.get("/api/status")
                return
            except (OSError, http.client.HTTPException) as error:
                assert time.monotonic() < deadline, f"no answer from {self.http}: {error}"
                time.sleep(0.05)

    def soft_reset(self) -> None:
        """Ctrl-D at the friendly prompt, then wait for the prompt of the next start."""
        with self.console() as console:
            console.prompt()
            console.write(b"\x04")
            console.read_until(SOFT_REBOOT)
            console.read_until(PROMPT, 30)

    def settle(self) -> None:
        """Wait until this start counts as good: resets before that, one after the other, are taken for failures."""
        deadline = time.monotonic() + 30 * self.factor
        while not self.eval("__import__('device').recovery.good") and time.monotonic() < deadline:
            self.skip(1)

    def hard_reset(self) -> None:
        """machine.reset(), then wait for the prompt of the next start."""
        with self.console() as console:
            console.prompt()
            console.write(b"import machine; machine.reset()\r")
            console.read_until(b"machine.reset()\r\n")
            console.read_until(PROMPT, 30)

    def skip(self, seconds: float) -> None:
        """Let so many seconds of the board's time go by."""
        time.sleep(seconds)

    def until(self, condition, within: float, step: float = 1):
        """Let the board's time go by until `condition()` is true, looking every `step` seconds; returns its value.

        AssertionError after `within` seconds of the board's time. A board that does not answer has not met it.
        """
        error = None
        for _ in range(1 + round(within / step)):
            try:
                value = condition()
                if value:
                    return value
            except (OSError, http.client.HTTPException) as failure:
                error = failure
            self.skip(step)
        raise AssertionError(f"not within {within} s of the board's time{f': {error}' if error else ''}")

    def start_webrepl(self) -> None:
        """Start WebREPL if the board's settings do not."""

    def spare_port(self) -> int:
        """A TCP port for another server on the board."""
        return 2121

    def rounds(self, times: int) -> int:
        """How often a test that repeats something `times` times on the desktop board does it here."""
        return max(1, round(times * self.share))

    def close(self) -> None:
        """Leave the board."""


class SerialBoard(Board):
    """A board on a serial port, or one whose serial port is reached over TCP: socket://, rfc2217://."""

    factor = 4.0
    share = 0.2

    def __init__(self, device, http, webrepl, password, lines: bool):
        super().__init__(device, http, webrepl, password)
        self._lines = lines

    def greet(self) -> None:
        """Wait until it has booted, and learn from it what its tests need to know."""
        with self.console() as console:
            console.prompt(30)
        self.wait_http()
        self.connections = min(self.connections, self.config["server"]["maxConnections"])
        settings = self.config["webrepl"]
        self._starts_webrepl = bool(settings["enabled"] and settings["password"])
        if self._starts_webrepl:
            self.webrepl_password = self.webrepl_password or settings["password"]

    def start_webrepl(self) -> None:
        if not self._starts_webrepl:
            self.webrepl_password = WEBREPL_PASSWORD
            port = self.config["webrepl"]["port"]
            self.exec(f"import webrepl\nwebrepl.start({port}, password={WEBREPL_PASSWORD!r})")

    def hard_reset(self) -> None:
        """By RTS and DTR where they reach the chip, else machine.reset(); then wait for the prompt."""
        if not self._lines:
            super().hard_reset()
            return
        with self.console() as console:
            console.pulse_reset()
            console.read_until(PROMPT, 30)


class DesktopBoard(Board):
    """The desktop board on a flash image of its own, in a process of its own."""

    def __init__(self, folder: Path, flash: Path, *options: str):
        self.flash = folder / "flash.bin"
        if not self.flash.exists():
            shutil.copyfile(flash, self.flash)
        self.log = folder / "board.log"
        command = [sys.executable, "-m", "ports.unix", "run", "--no-terminal", "--banner", "json"]
        command += ["--flash", str(self.flash), "--http-port", "0", "--webrepl-port", "0"]
        command += ["--console", str(folder / "console"), "--control", str(folder / "control"), *options]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        line = self.process.stdout.readline()
        assert line, f"the board did not start: {self.log.read_text()}"
        banner = json.loads(line)
        webrepl = banner.get("webrepl")
        super().__init__(
            banner["console"],
            tuple(banner["http"]),
            tuple(webrepl) if webrepl else None,
            json.loads((ROOT / "ports/unix/boot.json").read_text())["webrepl"]["password"],
        )
        self.banner = banner

    def control(self, do: str, **arguments):
        """A call of the control socket."""
        from ports.unix.client import ControlClient

        with ControlClient(self.banner["control"]) as client:
            return client.request(do, **arguments)

    def skip(self, seconds: float) -> None:
        """Skip them: the board's clock runs ahead as fast as the board waits, see ports/unix/README.md."""
        self.control("clock", skip=seconds)

    def spare_port(self) -> int:
        return free_port()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self.process.stdout.close()
        assert self.process.returncode == 0, self.log.read_text()


def free_port() -> int:
    """A TCP port on the loopback address that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def build_flash(flash: Path) -> Path:
    """Make the flash image that the desktop board's tests start from."""
    command = [sys.executable, "-m", "firmware", "image", "--flash", str(flash)]
    command += ["--webroot", "firmware/webroot", "--boot-json", "ports/unix/boot.json"]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ}, stdout=subprocess.DEVNULL)
    return flash
