"""The MicroPython VM with nothing of the firmware: a folder is its whole filesystem, as the flash of a board is."""

import contextlib
import pathlib
import socket
import subprocess
import sys
import time

VM = pathlib.Path(sys.executable).parent / "micropython"
MODULES = pathlib.Path(__file__).resolve().parents[2] / "modules"

# Two folders: the modules are apart, because nothing can be imported from a VFS that is written in Python.
MOUNT = """
import os, sys, vfs
root, lib = {root!r}, {lib!r}
host = vfs.VfsPosix()
class Root(vfs.VfsPosix):
    def rename(self, old, new):
        # VfsPosix of a folder puts both names into the same buffer.
        host.rename(root + old, root + new)
flash = Root(root)
vfs.umount("/")
vfs.mount(flash, "/")
vfs.mount(vfs.VfsPosix(lib), "/lib")
os.chdir("/")
sys.path[:] = ["", ".frozen", "/lib"]
"""

# A server listens where the test can reach it, whatever port it was made for.
REDIRECT = """
from micropAsyncWeb import MicropAsyncWeb
def redirect(runAsync):
    def run(server):
        server.port = {ports!r}.get(server.port, server.port)
        server.address = "127.0.0.1"
        return runAsync(server)
    MicropAsyncWeb.runAsync = run
redirect(MicropAsyncWeb.runAsync)
"""

RUN = """
exec(compile(open({path!r}).read(), {path!r}, "exec"), {{"__name__": "__main__"}})
"""


def free_port():
    """A TCP port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command(root, program, ports=None, lib=MODULES, heap="400k"):
    """The command line that runs `program`, a path on the VM's filesystem: the folder `root`, with `lib` on /lib.

    ports: {port that a server asks for: port of this computer that it gets}.
    """
    code = MOUNT.format(root=str(root), lib=str(lib))
    if ports:
        code += REDIRECT.format(ports=ports)
    return [str(VM), "-X", f"heapsize={heap}", "-c", code + RUN.format(path=program)]


@contextlib.contextmanager
def running(root, program, ports, **options):
    """The program as a process, from the moment all of `ports` answer to the end of the `with` block."""
    with open(root / "console.txt", "w+") as console:
        process = subprocess.Popen(
            command(root, program, ports, **options),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
        )
        try:
            for port in ports.values():
                _wait(process, port, root / "console.txt")
            yield process
        finally:
            process.kill()
            process.wait()


def _wait(process, port, console):
    deadline = time.monotonic() + 15
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except ConnectionRefusedError:
            assert process.poll() is None, f"the program ended: {console.read_text()}"
            assert time.monotonic() < deadline, f"no server after 15 s: {console.read_text()}"
            time.sleep(0.01)
