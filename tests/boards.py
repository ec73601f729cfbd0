"""The boards that the hardware-in-loop and the web tests run on: a serial console, a network address, and more.

A test knows a board by this module only. What a target has beyond console and network is a *capability* that it
declares; a test that needs one says `@pytest.mark.needs("power")` and is deselected where it is missing.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import serial
from mpremote.transport_serial import SerialTransport

ROOT = Path(__file__).resolve().parents[1]

SOFT_REBOOT = b"MPY: soft reboot\r\n"
PROMPT = b">>> "


class Console:
    """The serial console as a person uses it: bytes typed, text awaited."""

    def __init__(self, device: str, factor: float):
        self._factor = factor
        self.serial = serial.serial_for_url(device, baudrate=115200, timeout=0.05)
        self.seen = b""

    def write(self, data: bytes) -> None:
        """Type `data`, in pieces that a UART's buffer can take."""
        for i in range(0, len(data), 128):
            self.serial.write(data[i : i + 128])

    def read_until(self, marker: bytes, timeout: float = 10) -> bytes:
        """Everything up to and with `marker`. AssertionError with what came instead after `timeout` seconds."""
        deadline = time.monotonic() + timeout * self._factor
        while marker not in self.seen:
            if time.monotonic() > deadline:
                raise AssertionError(f"{marker!r} did not come; the console has {self.seen[-2000:]!r}")
            self.seen += self.serial.read(max(1, self.serial.in_waiting))
        end = self.seen.index(marker) + len(marker)
        text, self.seen = self.seen[:end], self.seen[end:]
        return text

    def prompt(self) -> None:
        """Get the friendly prompt, whatever the REPL was doing."""
        self.write(b"\r\x03\x03\x02")
        self.read_until(b"\r\n>>> ")
        # Each of the interrupts printed a prompt of its own: the echo of this line comes after the last of them.
        self.write(b"'pro' 'mpt'\r")
        self.read_until(b"'prompt'\r\n>>> ")

    def line(self, text: str, timeout: float = 10) -> str:
        """Type a line at the prompt; what it printed."""
        self.write(text.encode() + b"\r")
        self.read_until(text.encode() + b"\r\n", timeout)
        return self.read_until(PROMPT, timeout)[: -len(PROMPT)].decode()

    def close(self) -> None:
        self.serial.close()


class Board:
    """A running board. `device` is what pyserial opens, `http` and `webrepl` are (host, port)."""

    capabilities: frozenset[str] = frozenset()
    factor = 1.0  # by how much slower than the desktop board it may be; every time-out is multiplied by it

    def __init__(self, device: str, http: tuple[str, int], webrepl: tuple[str, int] | None, password: str):
        self.device = device
        self.http = http
        self.webrepl = webrepl
        self.webrepl_password = password

    @contextlib.contextmanager
    def console(self):
        """The console, opened for the length of a `with` block."""
        console = Console(self.device, self.factor)
        try:
            yield console
        finally:
            console.close()

    @contextlib.contextmanager
    def raw_repl(self):
        """mpremote's transport in the raw REPL, without a reset."""
        transport = SerialTransport(self.device)
        try:
            transport.enter_raw_repl(soft_reset=False, timeout_overall=10 * self.factor)
            yield transport
            transport.exit_raw_repl()
        finally:
            transport.close()

    def exec(self, code: str, timeout: float = 20) -> str:
        """Run `code` in the raw REPL; what it printed. AssertionError with the traceback if it raised."""
        with self.raw_repl() as repl:
            output, error = repl.exec_raw(code, timeout=timeout * self.factor)
        assert not error, error.decode()
        return output.decode().replace("\r\n", "\n")

    def eval(self, expression: str):
        """The value of `expression`, of types that JSON has."""
        return json.loads(self.exec(f"import json\nprint(json.dumps({expression}))").splitlines()[-1])

    def write_file(self, path: str, data: bytes) -> None:
        """Put a file on the board through its REPL."""
        with self.raw_repl() as repl:
            repl.fs_writefile(path, data)

    def read_file(self, path: str) -> bytes:
        """A file of the board, read through its REPL."""
        with self.raw_repl() as repl:
            return bytes(repl.fs_readfile(path))

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

    def hard_reset(self) -> None:
        """machine.reset(), then wait for the prompt of the next start."""
        with self.console() as console:
            console.prompt()
            console.write(b"import machine; machine.reset()\r")
            console.read_until(b"machine.reset()\r\n")
            console.read_until(PROMPT, 30)

    def close(self) -> None:
        """Leave the board."""


class SerialBoard(Board):
    """A board on a serial port, or an emulator whose serial port is a TCP port (`socket://host:port`)."""

    factor = 4.0

    def hard_reset(self) -> None:
        """Pulse EN by RTS, as esptool does, on real ports; machine.reset() elsewhere."""
        if not self.device.startswith("/dev/"):
            super().hard_reset()
            return
        with self.console() as console:
            console.serial.dtr = False
            console.serial.rts = True
            time.sleep(0.1)
            console.serial.reset_input_buffer()
            console.serial.rts = False
            console.read_until(PROMPT, 30)


class DesktopBoard(Board):
    """The desktop board on a flash image of its own, in a process of its own."""

    capabilities = frozenset({"air", "power", "cut", "control", "process", "any-port"})

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
    command = [sys.executable, "-m", "firmware", "image", "--port", "unix", "--flash", str(flash)]
    command += ["--webroot", "firmware/webroot", "--boot-json", "ports/unix/boot.json"]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ}, stdout=subprocess.DEVNULL)
    return flash
