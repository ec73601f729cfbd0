"""Runs a script in the place of the firmware on a whole board, and drives the board beside it."""

import functools
from pathlib import Path

from firmware import appimage, modules, romfs
from tests.unix.bench import bench, run
from tests.unix.images import write_flash

MODULES = Path(__file__).resolve().parents[2] / "ports" / "unix" / "modules"
AIR = [{"ssid": "home", "password": "correct horse"}]
# What a script begins with: `fails(exception, f, *args)` is what the exception was made from.
HELPERS = """
import sys, time
def fails(kind, f, *args, **kwargs):
    try:
        f(*args, **kwargs)
    except kind as e:
        return e.args
    raise AssertionError("no exception")
def until(condition):
    start = time.ticks_ms()
    while not condition():
        assert time.ticks_diff(time.ticks_ms(), start) < 5000
        time.sleep_ms(5)
"""


@functools.cache
def port_files():
    """The compiled modules of the port, {path in the ROMFS: bytes}."""
    return modules.compile_all(modules.tree(MODULES, "port"))


def image(script):
    """Application image that runs `script` as _boot."""
    files = {**port_files(), "_boot.py": (HELPERS + script).encode()}
    return appimage.pack(romfs.build(files), "test")


def check(tmp_path, script, drive=None, link="wifi", files=None, **options):
    """Boot a board with `script`, run `drive(bench)` beside it; the script has to come to its end."""
    path = write_flash(tmp_path / "flash.bin", image(script + "\nprint('the end')\n"), files=files or {}, **options)

    async def test():
        async with bench(path, link=link) as it:
            it.board.radio.command({"air": AIR})
            if drive:
                await drive(it)
            await it.until(lambda: b"the end" in it.said or b"Traceback" in it.said)
            assert b"Traceback" not in it.said, it.said.decode()

    run(test())
