"""Runs a program with the modules under test on the MicroPython VM, in a process and a folder of its own."""

import subprocess
import sys
from pathlib import Path

from firmware.paths import ROOT

MICROPYTHON = Path(sys.executable).with_name("micropython")
FAKES = Path(__file__).with_name("fakes")

# Two threads allocate here without the desktop board's turn-taking, so garbage is not collected.
_HEAD = f"""
import gc, sys
gc.disable()
sys.path[:] = ["", ".frozen", {str(FAKES)!r}, {str(ROOT / "modules")!r}]
"""


def run(program, folder, head=_HEAD):
    """What the program prints, run in `folder`; fails the test with its traceback when it raises."""
    command = [MICROPYTHON, "-X", "heapsize=16m", "-c", head + program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
