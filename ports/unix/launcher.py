"""Runs the MicroPython VM in this process: maps the flash, installs Ctrl-C, starts the image that was booted.

A script for a bare interpreter (`python -I -S launcher.py …`), started by vm.py. It imports little, because
it is in the way of every reset. The VM is a CPython extension that is entered once and left by the end of
the process.
"""

import ctypes
import os
import resource
import signal
import sys

BUS_FD = 3
IRQ_FD = 4
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PROT_READ = 1
_MAP_SHARED = 1  # the same on Linux and macOS
_MAP_FAILED = ctypes.c_void_p(-1).value

# /rom/port comes last of the ROM: nothing there can hide a module of the firmware.
_BOOTSTRAP = """
import sys, uctypes, vfs
flash = memoryview(uctypes.bytearray_at({address}, {flash_size}))
vfs.mount(vfs.VfsRom(flash[{romfs_offset}:{romfs_offset} + {romfs_size}]), '/rom')
sys.path[:] = ['', '.frozen', '/rom', '/rom/port', '/lib']
del sys, uctypes, vfs
from _chip import startup
globals().pop('startup').main(globals().pop('flash'))
"""


def main(site, parent, bus_fd, irq_fd, flash_fd, flash_size, romfs_offset, romfs_size, heap):
    """Become the VM. `site` is the folder of the extension, `parent` the supervisor's process id."""
    libc = ctypes.CDLL(None, use_errno=True)
    _die_with(libc, int(parent))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(int(bus_fd), BUS_FD, inheritable=False)
    os.dup2(int(irq_fd), IRQ_FD, inheritable=False)
    os.close(int(bus_fd))
    os.close(int(irq_fd))
    address = _map(libc, int(flash_fd), int(flash_size))
    sys.path.insert(0, site)
    import micropython_run

    _install_interrupt(libc, ctypes.CDLL(micropython_run.__file__))
    code = _BOOTSTRAP.format(address=address, flash_size=flash_size, romfs_offset=romfs_offset, romfs_size=romfs_size)
    sys.exit(micropython_run.run_main(["micropython", "-X", "heapsize=" + heap, "-c", code]))


def _die_with(libc, parent):
    """End at once when the supervisor is killed. (Where that is not to be had, the closed bus tells.)"""
    if sys.platform == "linux":
        libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the supervisor is gone")


def _map(libc, fd, size):
    """Address of the flash image, mapped read-only: a stray write by the device is a crash, as on a chip."""
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_longlong,
    ]
    address = libc.mmap(None, size, _PROT_READ, _MAP_SHARED, fd, 0)
    if address in (None, _MAP_FAILED):
        sys.exit("cannot map the flash image: " + os.strerror(ctypes.get_errno()))
    os.close(fd)
    return address


def _install_interrupt(libc, vm):
    """Let SIGUSR2 raise KeyboardInterrupt in the VM's main thread at its next byte code.

    The C library's signal(), because a Python handler would never run. SIGINT is not used: there the VM
    jumps out of its handler at any instruction.
    """
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    libc.signal.restype = ctypes.c_void_p
    libc.signal(signal.SIGUSR2, ctypes.cast(vm.mp_sched_keyboard_interrupt, ctypes.c_void_p))
    # SIGWINCH only has to end a wait in poll() or usleep(), after which the VM looks for callbacks that are
    # due; so its handler is a C function that does nothing to the process.
    libc.signal(signal.SIGWINCH, ctypes.cast(libc.abs, ctypes.c_void_p))


if __name__ == "__main__":
    main(*sys.argv[1:])
