"""A VM with the desktop board's REPL and nothing else of the board, for the tests of the REPL.

The console is two pipes, the bus a socket of which the few calls that the REPL makes are answered here.
"""

import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

MODULES = Path(__file__).resolve().parents[2] / "ports" / "unix" / "modules"
TIMEOUT = 15  # s, for anything that the VM is to say

# The process becomes the VM, as the launcher's does: descriptor 3 is the bus, SIGUSR2 is Ctrl-C.
CHILD = """
import ctypes, os, signal, sys
bus, heap, bootstrap = sys.argv[1:]
os.dup2(int(bus), 3)
import micropython_run
libc = ctypes.CDLL(None)
libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.signal.restype = ctypes.c_void_p
vm = ctypes.CDLL(micropython_run.__file__)
libc.signal(signal.SIGUSR2, ctypes.cast(vm.mp_sched_keyboard_interrupt, ctypes.c_void_p))
micropython_run.run_main(["micropython", "-X", "heapsize=" + heap, "-c", bootstrap])
"""
# As startup.main(), without a flash to boot from.
BOOTSTRAP = """
import sys
sys.path[:] = ['', '.frozen', {modules!r}]
del sys
from _chip import startup
startup._stand_ins()
from _chip import repl
{script}
repl.run({mode!r})
"""


class Board:
    """A VM with a console, started anew when it asks for a reset.

    `mode` is the REPL's, `heap` the VM's heap size, `script` Python to run before the REPL, `cwd` the folder
    that it sees. `resets` are the calls by which it asked for a reset.
    """

    def __init__(self, mode="friendly", heap="400k", script="", cwd=None):
        self.script = script
        self.heap = heap
        self.cwd = cwd
        self.resets = []
        self.output = bytearray()
        self.listener = None
        self.more = threading.Condition()
        self.lock = threading.Lock()  # no Ctrl-C is on its way when the board is told that there will be none
        self.start(mode)

    def start(self, mode):
        """Start a VM."""
        self.interrupt = -1
        console_in, self.console_in = os.pipe()
        self.console_out, console_out = os.pipe()
        self.bus, bus = socket.socketpair()
        os.set_inheritable(bus.fileno(), True)
        bootstrap = BOOTSTRAP.format(modules=str(MODULES), mode=mode, script=self.script)
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(bus.fileno()), self.heap, bootstrap],
            stdin=console_in, stdout=console_out, stderr=console_out, pass_fds=[bus.fileno()], cwd=self.cwd,
        )
        for fd in (console_in, console_out):
            os.close(fd)
        bus.close()
        self.threads = [threading.Thread(target=self.read_console), threading.Thread(target=self.serve_bus)]
        for thread in self.threads:
            thread.start()

    def read_console(self):
        """Collect what the VM prints, as a board's serial line has it. A thread."""
        rest = b""
        while data := os.read(self.console_out, 65536):
            rest += data
            text = bytearray()
            i = 0
            while i < len(rest) and not (rest[i] == 0xFF and i + 1 == len(rest)):
                if rest[i] == 0xFF:
                    i += 1
                    text.append(rest[i])
                else:
                    text += b"\r\n" if rest[i] == 10 else rest[i : i + 1]
                i += 1
            rest = rest[i:]
            with self.more:
                self.output += text
                self.more.notify_all()
            if self.listener:
                self.listener(bytes(text))
        os.close(self.console_out)

    def serve_bus(self):
        """Answer the VM's calls. A thread."""
        with self.bus.makefile("rb") as stream:
            while head := stream.read(6):
                call = json.loads(stream.read(struct.unpack("<HI", head)[0]))
                if call["op"] == "reset":
                    threading.Thread(target=self.reset, args=(call,)).start()
                    return
                reply = json.dumps({"offset_us": 0, "version": "test"}).encode()
                with self.lock:
                    self.interrupt = call.get("c", self.interrupt)
                    self.bus.sendall(struct.pack("<HI", len(reply), 0) + reply)

    def reset(self, call):
        """Start anew, as `call` says."""
        # Everything that it has printed is in the pipe.
        while select.select([self.console_out], [], [], 0)[0]:
            time.sleep(0.005)
        self.stop()
        self.resets.append(call)
        self.start(call["mode"])

    def stop(self):
        """End the VM."""
        self.process.kill()
        self.process.wait()
        for thread in self.threads:
            thread.join()
        os.close(self.console_in)
        self.bus.close()

    def send(self, data):
        """Send bytes as from a serial line: Ctrl-C interrupts when it is the interrupt character."""
        if isinstance(data, str):
            data = data.encode()
        for part in re.findall(b"\x03|[^\x03]+", data):
            with self.lock:
                interrupt = part[0] == self.interrupt
                if interrupt:
                    self.process.send_signal(signal.SIGUSR2)
            if not interrupt:
                self.write(part)

    def write(self, data):
        """Put bytes on the console's pipe."""
        while data:
            data = data[os.write(self.console_in, data) :]

    def expect(self, pattern, timeout=TIMEOUT):
        """Wait for a text, or a regular expression (bytes). Drops it; returns and drops what came before."""
        if isinstance(pattern, str):
            pattern = re.escape(pattern.encode())
        deadline = time.monotonic() + timeout
        with self.more:
            while not (match := re.search(pattern, self.output, re.DOTALL)):
                left = deadline - time.monotonic()
                assert left > 0, f"{pattern} did not come, but {bytes(self.output)}"
                self.more.wait(left)
            before = bytes(self.output[: match.start()])
            del self.output[: match.end()]
        return before

    def take(self, size):
        """Wait for `size` bytes of output and return them."""
        with self.more:
            assert self.more.wait_for(lambda: len(self.output) >= size, TIMEOUT), bytes(self.output)
            data = bytes(self.output[:size])
            del self.output[:size]
        return data

    def wait_interrupt(self, character=3):
        """Wait until Ctrl-C is (3) or isn't (-1) the interrupt character."""
        deadline = time.monotonic() + TIMEOUT
        while self.interrupt != character:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def talk(self, data, prompt=">>> "):
        """Send, and return what comes before the next prompt."""
        self.send(data)
        return self.expect(prompt)

    def result(self, line, more=""):
        """Send a line at the prompt, and `more` for the program to read; what it printed."""
        return self.talk(line + "\r" + more).split(b"\r\n", 1)[1]
