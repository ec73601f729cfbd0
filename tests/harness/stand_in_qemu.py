"""Takes QEMU's command line and runs the desktop board in its place: its ports, its serial port behind a TCP port.

DESKTOP_FLASH in the environment is the flash image that it starts from. Ends on SIGTERM.
"""

import os
import re
import signal
import sys
import tempfile
import threading
from pathlib import Path

from tests.boards import DesktopBoard
from tests.harness.portserver import RawServer


def main(arguments):
    if arguments == ["-machine", "help"]:
        print("Supported machines are:\nesp32                Espressif ESP32 machine")
        return
    text = " ".join(arguments)
    ports = {there: here for here, there in re.findall(r"hostfwd=tcp:127\.0\.0\.1:(\d+)-:(\d+)", text)}
    console = int(re.search(r"socket,id=console,host=127\.0\.0\.1,port=(\d+),server=on,wait=off", text)[1])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with tempfile.TemporaryDirectory() as folder:
        options = ("--http-port", ports["80"], "--webrepl-port", ports["8266"], "--network", "ethernet")
        board = DesktopBoard(Path(folder), Path(os.environ["DESKTOP_FLASH"]), *options)
        try:
            with RawServer(board.device, console):
                print("the stand-in for QEMU runs", flush=True)
                stop.wait()
        finally:
            board.close()


main(sys.argv[1:])
