"""Host side of device.py: hands it cases in bulk and collects their results."""

import os
import select
import struct
import subprocess
import threading
from pathlib import Path

from tests.unit.server.conftest import MODULES, VM

DEVICE = Path(__file__).with_name("device.py")
VERDICTS = {1: "stuck: nothing left to wait for, but the connection is open", 2: "closed, but still counted as open"}


class Crash(AssertionError):
    """The VM hangs, has ended or says that a connection is stuck; its text names the case."""


class Vm:
    """One VM with the server. Use it as a context manager."""

    def __init__(self, webroot, heap="600k", timeout=20):
        source = f"import sys\nsys.path.insert(0, {str(MODULES)!r})\nWEBROOT = {str(webroot)!r}\n" + DEVICE.read_text()
        self.timeout = timeout
        self.process = subprocess.Popen(
            [str(VM), "-X", f"heapsize={heap}", "-c", source],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def run(self, cases):
        """Run (data, cuts, most) cases; returns their outputs (bytes) in order. Crash if one ends badly."""
        cases = list(cases)
        stream = b"".join(
            struct.pack(f"<IHH{len(cuts)}H", len(data), len(cuts), most, *cuts) + data for data, cuts, most in cases
        )
        feeder = threading.Thread(target=self._feed, args=(stream,), daemon=True)
        feeder.start()
        outputs = []
        for data, cuts, most in cases:
            try:
                size, verdict = struct.unpack("<IB", self._take(5))
                outputs.append(self._take(size))
                if verdict:
                    raise EOFError(f"{VERDICTS[verdict]}; output {outputs[-1]!r}")
            except EOFError as error:
                raise Crash(f"{error}\ncase: {data!r}\ncuts: {list(cuts)}, bytes per write: {most}") from None
        feeder.join()
        return outputs

    def _feed(self, stream):
        try:
            self.process.stdin.write(stream)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the reader finds out why

    def _take(self, count):
        while len(self.buffer) < count:
            if not select.select([self.process.stdout], [], [], self.timeout)[0]:
                raise EOFError(f"no result within {self.timeout} s")
            part = os.read(self.process.stdout.fileno(), 1 << 16)
            if not part:
                raise EOFError(f"the VM has ended: {self.process.stderr.read().decode()[-2000:]}")
            self.buffer += part
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken
