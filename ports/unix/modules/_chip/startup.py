"""What main.c does on a chip: set up the machine, run _boot, boot.py and main.py, then the REPL."""

import sys

import vfs

from _chip import bus


def _stand_ins():
    """Put the board's modules in the place of the VM's, for every import from here on."""
    import os
    import select
    import socket
    import time

    from _chip import micropythonmodule, sysmodule, thread  # now: they need the modules that they replace

    modules = sys.modules
    modules["_thread"] = thread
    modules["micropython"] = micropythonmodule.module
    for module, name in ((os, "os"), (select, "select"), (socket, "socket"), (time, "time")):
        modules[name] = modules["u" + name] = module
    sysmodule.install()


def main(flash):
    """Start the board. `flash` is the read-only view of its flash chip. Never returns."""
    bus.flash = flash
    _stand_ins()
    vfs.umount("/")
    mode = bus.call("boot.info")["mode"]
    from _chip import clock, irq, repl

    irq.on("clock", clock.begin)
    repl.run_file("_boot", frozen=True)
    bus.call("boot.done")
    if repl.run_file("boot.py") and mode == "friendly":
        repl.run_file("main.py")
    repl.run(mode)
