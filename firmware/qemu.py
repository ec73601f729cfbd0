"""Boots a board's flash image in Espressif's QEMU, with the serial port in this terminal or behind a TCP port.

The options of QEMU are those of ESP-IDF v5.5.1, tools/idf_py_actions/qemu_ext.py, plus the network.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from firmware import build, paths, sdk
from firmware.boards import Board
from firmware.errors import FirmwareError
from firmware.loopback import HOST, is_listening

PROGRAM = "qemu-system-xtensa"
CHIP = "esp32"
HTTP = (80, 8080)  # a port of the board and where it is by default on this computer
WEBREPL = (8266, 8266)
_SEARCHED = 100  # ports that are tried after the default one
_QUIT_KEY = 0x1D  # Ctrl-]: QEMU's own, Ctrl-A, is the REPL's
# eFuse of an ESP32 of chip revision 3 (qemu_ext.py, QEMU_TARGETS).
EFUSE = bytes.fromhex("00" * 13 + "80" + "00" * 8 + "10" + "00" * 101)


@dataclass(frozen=True)
class Machine:
    """What QEMU is started with: its path, the files of flash and eFuse, the ports, the serial port.

    `forwards` are pairs of a port on this computer and one of the board. `console` is "terminal" or (host, port), whose
    output also goes to the file `log` if there is to be one.
    """

    program: Path
    flash: Path
    efuse: Path
    forwards: tuple[tuple[int, int], ...]
    console: str | tuple[str, int]
    log: Path | None = None

    def command(self):
        """The command line as a list."""
        network = "".join(f",hostfwd=tcp:{HOST}:{here}-:{there}" for here, there in self.forwards)
        if self.console == "terminal":
            serial = ["-serial", "mon:stdio", "-echr", str(_QUIT_KEY)]
        else:
            port = "socket,id=console,host={},port={},server=on,wait=off".format(*self.console)
            log = f",logfile={_value(self.log)}" if self.log else ""
            serial = ["-chardev", port + log, "-serial", "chardev:console", "-monitor", "none"]
        return [
            *(str(self.program), "-M", CHIP, "-m", "4M", "-nographic"),
            *("-drive", f"file={_value(self.flash)},if=mtd,format=raw"),
            *("-drive", f"file={_value(self.efuse)},if=none,format=raw,id=efuse"),
            *("-global", f"driver=nvram.{CHIP}.efuse,property=drive,value=efuse"),
            # At the emulator's speed they would bite a board in good order.
            *("-global", f"driver=timer.{CHIP}.timg,property=wdt_disable,value=true"),
            *("-nic", f"user,model=open_eth{network}"),
            *serial,
        ]


def add_options(parser):
    """The options of the verb `qemu`."""
    parser.add_argument("--board", default="ESP32", help="the board, ESP32")
    parser.add_argument("--variant", default="QEMU", help="its variant, QEMU")
    parser.add_argument("--http-port", metavar="N", help="port of its page (8080 or the next free one)")
    parser.add_argument("--webrepl-port", metavar="N", help="port of WebREPL (8266 or the next free one)")
    parser.add_argument(
        "--forward", action="append", default=[], metavar="N", help="another TCP port of the board, under its number"
    )
    parser.add_argument(
        "--console", default="terminal", help="its serial port: terminal, or socket://127.0.0.1:5555 for a TCP port"
    )
    parser.add_argument("--log", type=Path, help="file for what it sends on a serial port that is a TCP port")
    parser.add_argument("--flash", type=Path, help="its flash image, build/BOARD-VARIANT/flash.bin")
    parser.add_argument("--new", action="store_true", help="start from the image: what the board has stored is lost")


def run(options):
    """Boot the board; this process becomes QEMU. Raises FirmwareError."""
    board = Board.load(options.board, options.variant)
    if board.chip != CHIP or board.release:
        raise FirmwareError(f"board {board.label} is not made for QEMU; BOARD=ESP32 VARIANT=QEMU is")
    image = options.flash or build.folder(board) / "flash.bin"
    machine = Machine(
        find(),
        _working_copy(image, board, options.new),
        _efuse(image),
        (
            (_port(options.http_port, HTTP[1], "HTTP_PORT"), HTTP[0]),
            (_port(options.webrepl_port, WEBREPL[1], "WEBREPL_PORT"), WEBREPL[0]),
            *((_port(text, 0, "--forward"),) * 2 for text in options.forward),
        ),
        _console(options.console),
        options.log,
    )
    print(_banner(machine), flush=True)
    command = machine.command()
    os.execv(command[0], command)


def find():
    """Path of Espressif's QEMU: on PATH, or where ESP-IDF installs it. Raises FirmwareError."""
    idf = os.environ.get("IDF_PATH") or paths.show(sdk.FOLDER / sdk.ESP_IDF.folder)
    problem = f"there is no {PROGRAM}"
    for program in _candidates():
        name = paths.show(program)
        try:
            done = subprocess.run([program, "-machine", "help"], capture_output=True, text=True, check=False)
        except OSError as error:
            problem = f"{name} cannot be started: {error.strerror}"
            continue
        if re.search(rf"^{CHIP}\s", done.stdout, re.MULTILINE):
            return program
        if done.returncode:
            said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0]
            problem = f"{name} cannot be started: {said}"
        else:
            problem = f"{name} does not know the machine {CHIP}"
    raise FirmwareError(
        f"{problem}; ESP-IDF installs Espressif's: python3 {idf}/tools/idf_tools.py install qemu-xtensa"
    )


def _candidates():
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    roots = [os.environ.get("IDF_TOOLS_PATH"), sdk.FOLDER / "tools", Path.home() / ".espressif"]
    for root in filter(None, roots):
        # The newest version first.
        folders += sorted(Path(root).glob("tools/qemu-xtensa/*/qemu/bin"), reverse=True)
    programs = (folder / PROGRAM for folder in folders)
    return [program for program in programs if program.is_file() and os.access(program, os.X_OK)]


def _working_copy(image, board, new):
    """The flash that QEMU writes to, beside the image: kept from start to start until there is a newer image."""
    names = f"BOARD={board.name} VARIANT={board.variant}"
    if not image.is_file():
        raise FirmwareError(
            f"there is no {paths.show(image)}; 'make firmware {names}', then 'make image {names}' make it"
        )
    size = image.stat().st_size
    if size != board.flash_size:
        raise FirmwareError(
            f"{paths.show(image)} is {size} bytes, the board's flash {board.flash_size}; 'make image {names}' makes it"
        )
    copy = image.with_name("qemu.bin")
    if new or not copy.is_file() or copy.stat().st_mtime_ns < image.stat().st_mtime_ns:
        paths.write_atomically(copy, image.read_bytes())
    return copy


def _efuse(image):
    path = image.with_name("qemu-efuse.bin")
    if not path.is_file():
        paths.write_atomically(path, EFUSE)
    return path


def _console(text):
    if text == "terminal":
        return text
    match = re.fullmatch(r"socket://([A-Za-z0-9.-]+):([0-9]{1,5})", text)
    if not match or not 0 < int(match[2]) < 65536:
        raise FirmwareError(f"CONSOLE is '{text}'; it takes terminal, or socket://127.0.0.1:5555 for a TCP port")
    port = int(match[2])
    if is_listening(port):
        raise FirmwareError(f"port {port} is in use; choose another with CONSOLE")
    return match[1], port


def _port(text, default, option):
    """The port that was asked for, or the first free one from `default` on. Raises FirmwareError."""
    if text is None:
        for port in range(default, default + _SEARCHED):
            if not is_listening(port):
                return port
        raise FirmwareError(f"ports {default} to {default + _SEARCHED - 1} are in use; choose another with {option}")
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise FirmwareError(f"{option} is '{text}', which is no port (1 to 65535)")
    if is_listening(int(text)):
        raise FirmwareError(f"port {text} is in use; choose another with {option}")
    return int(text)


def _value(path):
    """A path in an option of QEMU, where a comma ends a value unless it is doubled."""
    return str(path).replace(",", ",,")


def _banner(machine):
    ports = {there: here for here, there in machine.forwards}
    lines = [
        f"  page      http://{HOST}:{ports[HTTP[0]]}/",
        f"  WebREPL   ws://{HOST}:{ports[WEBREPL[0]]}/",
    ]
    if machine.console == "terminal":
        lines.append("  stop      Ctrl-], then x")
    else:
        lines.append("  console   socket://{}:{}".format(*machine.console))
        lines.append(f"  stop      Ctrl-C, or kill {os.getpid()}")
    if machine.console == "terminal" and not sys.stdin.isatty():
        lines.append("  no terminal here: CONSOLE=socket://127.0.0.1:5555 puts the serial port on a TCP port")
    return "\n".join(lines)
