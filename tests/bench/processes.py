"""The servers of the benchmark as processes on the MicroPython VM, started again when they fail."""

import os
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

from .cases import CASES, CONNECTIONS, SERVERS
from .load import LoadError, ask, connect, measure

HERE = Path(__file__).resolve().parent
VM = Path(sys.executable).parent / "micropython"
_START_SECONDS = 20


def free_port():
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """One server; runs from its first use to stop(). folder has the webroot and the compiled modules."""

    def __init__(self, name, folder, heap=None):
        self.server = SERVERS[name]
        self.console = folder / f"{name}.txt"
        self.command = [VM, "-X", f"heapsize={heap or self.server.heap}", HERE / "servers" / self.server.script]
        self.argument = self.server.argument or ""
        self.webroot = folder / "webroot"
        libraries = (".frozen", folder, HERE / "servers" / "shim", sysconfig.get_paths()["purelib"])
        self.environment = dict(os.environ, MICROPYPATH=":".join(map(str, libraries)))
        self.process = None

    def measure(self, case, count=0):
        """(CPU microseconds per request, requests per second) of one case; a few requests unless told otherwise.

        After LoadError, which tells how it died if it did, the next use starts it anew.
        """
        requests = CASES[case].requests()
        return self._guarded(lambda: measure(self.port, self.process.pid, requests, count, CONNECTIONS))

    def number(self, target):
        """The number that a route gives as text. LoadError as measure()."""
        request = f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        return self._guarded(lambda: int(ask(self.port, request)[0][-9:]))

    def open_idle(self, count):
        """count sockets, each of which has had an answer on its connection. LoadError as measure()."""

        def opened():
            socks = []
            try:
                for _ in range(count):
                    socks.append(connect(self.port))
                    socks[-1].send(CASES["ping"].requests()[0])
                    if b" 200 " not in socks[-1].recv(4096):
                        raise LoadError("no answer")
            except (OSError, LoadError):
                for sock in socks:
                    sock.close()
                raise
            return socks

        return self._guarded(opened)

    def stop(self):
        """End it; the next use starts it anew."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _guarded(self, action):
        try:
            if not self.process:
                self._start()
            return action()
        except (OSError, LoadError, ValueError) as error:
            text = self._death() or str(error)
            self.stop()
            raise LoadError(text) from error

    def _start(self):
        self.port = free_port()
        with self.console.open("w") as console:
            command = [*self.command, str(self.port), self.webroot, self.argument]
            self.process = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                connect(self.port).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise
            time.sleep(0.02)

    def _death(self):
        """What a process that ends by itself said last; "" if it still runs."""
        try:
            status = self.process.wait(0.2)
        except (AttributeError, subprocess.TimeoutExpired):
            return ""
        lines = self.console.read_text("utf-8", "replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "no word")
        return f"ended with status {status}: {last}"


class Processes(dict):
    """{name: Process} of the servers, as a context manager that ends them."""

    def __init__(self, folder, names=tuple(SERVERS), heap=None):
        super().__init__({name: Process(name, folder, heap) for name in names})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.values():
            process.stop()
