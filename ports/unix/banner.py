"""What `run` tells its user once the board is up: addresses of page, console and WebREPL, how to stop."""

import json
import os

from firmware.loopback import HOST
from ports.unix.network import HTTP_PORT


def addresses(board, port, control):
    """All addresses as a dict; `board` is a Supervisor, `port` a SerialPort, `control` a ControlServer."""
    http = board.ports[HTTP_PORT]
    return {
        "pid": os.getpid(),
        "state": board.state.value,
        "page": f"http://{HOST}:{http}/",
        "http": [HOST, http],
        "webrepl": list(board.webrepl.address) if board.webrepl.address else None,
        "console": port.link,
        "pty": port.name,
        "control": control.path,
        "flash": board.flash.path,
    }


def as_json(found):
    """One line for programs."""
    return json.dumps(found)


def as_text(found, listening, stop):
    """The lines for people. `listening`: whether the page can be had; `stop`: how to stop, in words."""
    page = found["page"] if listening else f"{found['page']} does not answer (yet): see the console"
    webrepl = (
        "ws://{}:{}/".format(*found["webrepl"]) if found["webrepl"] else "off (no password in boot.json)"
    )
    return (
        f"\n"
        f"  page      {page}\n"
        f"  console   {found['console']}    (mpremote connect {found['console']})\n"
        f"  WebREPL   {webrepl}\n"
        f"  stop      {stop}\n"
        f"\n"
    )
