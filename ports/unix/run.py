"""`python -m ports.unix run`: puts a board together from its settings, runs it until it is told to stop."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass

from firmware.loopback import is_listening
from ports.unix import banner
from ports.unix.control import ControlServer, http_ready
from ports.unix.errors import BoardError
from ports.unix.flash import Flash
from ports.unix.network import HTTP_PORT, Reservation
from ports.unix.serialport import SerialPort
from ports.unix.supervisor import State, Supervisor
from ports.unix.terminal import Terminal
from ports.unix.vm import extension_folder

HTTP_PORT_DEFAULT = 8080
WEBREPL_PORT_DEFAULT = 8266
_BANNER_AFTER = 5.0  # seconds after which the banner comes even if no page is served


@dataclass(frozen=True)
class Settings:
    """Options of `run`; ports are None when none was asked for, `banner` is "text" or "json"."""

    http_port: int | None
    webrepl_port: int | None
    console: str
    control: str
    flash: str
    heap: str
    air: str | None
    network: str
    terminal: bool
    banner: str


async def run(settings):
    """Run the board until Ctrl-] in the terminal, SIGTERM, SIGINT or SIGHUP.

    Raises BoardError when it cannot start.
    """
    extension_folder()
    air = _read_air(settings.air)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        flash = Flash(settings.flash)
        stack.callback(flash.close)
        http_port = _reserve(settings.http_port, HTTP_PORT_DEFAULT, "HTTP_PORT")
        stack.callback(http_port.release)
        webrepl_port = _reserve(settings.webrepl_port, WEBREPL_PORT_DEFAULT, "WEBREPL_PORT")
        stack.callback(webrepl_port.release)
        board = Supervisor(flash, http_port, webrepl_port, settings.heap, air, settings.network)
        stack.callback(board.close)
        control = ControlServer(board, settings.control, settings.console)
        stack.push_async_callback(control.stop)
        await control.start()
        port = SerialPort(settings.console, board.console.feed)
        stack.callback(port.close)
        stack.callback(board.console.attach(port.write))
        terminal = None
        if settings.terminal and sys.stdin.isatty() and sys.stdout.isatty():
            terminal = Terminal(sys.stdin.fileno(), board.console.feed, stop.set)
            stack.callback(terminal.close)
            stack.callback(board.console.attach(terminal.write))
        board.power_on()
        if board.state == State.HALTED:
            raise BoardError(board.problem)
        await _announce(settings, board, port, control, terminal, stop)
        board.release_ports()
        if terminal is None:
            watch = asyncio.create_task(_tell_problems(board))
            stack.callback(watch.cancel)
        await stop.wait()


async def _tell_problems(board):
    """Say on standard error why the board halts: without a terminal nobody may look at its console."""
    told = ""
    while True:
        if board.problem and board.problem != told:
            print(f"error: {board.problem}", file=sys.stderr, flush=True)
        told = board.problem
        await board.changed.wait()


async def _announce(settings, board, port, control, terminal, stop):
    """Print the banner when the page can be had, or when that takes too long."""
    ready = asyncio.create_task(_page_ready(board))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({ready, stopped}, timeout=_BANNER_AFTER, return_when=asyncio.FIRST_COMPLETED)
    # An app.py with a loop of its own never ends, and never lets the start be over.
    serving = board.network.http_announced and is_listening(board.ports[HTTP_PORT])
    listening = ready.done() or serving
    for task in (ready, stopped):
        task.cancel()
    if stop.is_set():
        return
    found = banner.addresses(board, port, control)
    if settings.banner == "json":
        print(banner.as_json(found), flush=True)
    if terminal is not None:
        text = "" if settings.banner == "json" else banner.as_text(found, listening, "Ctrl-] or Ctrl-X")
        terminal.show(text)
    elif settings.banner == "text":
        print(banner.as_text(found, listening, f"Ctrl-C, or kill {os.getpid()}"), end="", flush=True)


async def _page_ready(board):
    while not (board.booted and await http_ready(board)):
        await board.changed.wait()


def _reserve(asked, default, option):
    if asked is None:
        return Reservation(default, option, exact=False)
    return Reservation(asked, option)


def _read_air(path):
    """The parsed JSON of the file `path`, None for no file."""
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise BoardError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise BoardError(f"{path}: no JSON: {error}") from error
