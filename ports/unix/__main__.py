"""Command line of the desktop board: python -m ports.unix run | control."""

import argparse
import asyncio
import json
import os
import re
import sys

from firmware.errors import FirmwareError
from ports.unix.client import ControlClient, ControlError
from ports.unix.errors import BoardError

# MicroPython on an ESP32 without PSRAM has 165 KB free at the prompt, some 110 KB of it with Wi-Fi on, less what the
# firmware's services hold. Objects of this 64-bit VM are about twice as large, so some 180 KB free are the same; the
# firmware and the stand-ins, whose code objects a chip has in flash, take 205 KB.
HEAP_DEFAULT = "384k"
_HEAP_MIN = 224 * 1024  # below, the firmware does not start
_HEAP_MAX = 1024 * 1024 * 1024
_UNITS = {"": 1, "k": 1024, "m": 1024 * 1024}
USAGE_ERROR = 2


def main(arguments=None):
    """Returns the exit status: 0, 1 when the board refused a request, 2 when it cannot start."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except ControlError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (BoardError, FirmwareError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE_ERROR


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with an argument; --help has the rest."""

    def error(self, message):
        self.exit(USAGE_ERROR, f"error: {message}\n")


def _parser():
    parser = _Parser(prog="python -m ports.unix", description="The desktop board.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    run = verbs.add_parser("run", help="switch the board on")
    run.set_defaults(run=_run)
    run.add_argument(
        "--http-port", type=_port, metavar="N", help="port of its page (8080 or the next free; 0: any)"
    )
    run.add_argument(
        "--webrepl-port", type=_port, metavar="N", help="port of WebREPL (8266 or the next free; 0: any)"
    )
    run.add_argument("--console", default="build/console", help="link to its serial port (%(default)s)")
    run.add_argument("--control", default="build/control", help="control socket (%(default)s)")
    run.add_argument("--flash", default="build/flash.bin", help="flash image (%(default)s)")
    run.add_argument(
        "--heap", type=_heap, default=HEAP_DEFAULT, help="MicroPython heap in bytes (%(default)s)"
    )
    run.add_argument("--air", metavar="FILE.json", help="access points around it (those of its boot.json)")
    run.add_argument(
        "--network", choices=["wifi", "ethernet"], default="wifi", help="what it has: Wi-Fi, or a cable instead"
    )
    run.add_argument("--no-terminal", dest="terminal", action="store_false", help="no REPL in this terminal")
    run.add_argument("--banner", choices=["text", "json"], default="text", help="for people or for programs")

    control = verbs.add_parser("control", help="reset, unplug, … a running board")
    control.set_defaults(run=_control)
    verbs_known = "info, reset, power, crash, cut, air, cable, net, pin, clock or wait"
    control.add_argument("do", metavar="VERB", help=verbs_known)
    control.add_argument(
        "args", nargs="?", type=_object, default={}, metavar="JSON", help="""such as '{"on": false}'"""
    )
    control.add_argument("--control", default="build/control", help="control socket (%(default)s)")
    return parser


def _run(options):
    from ports.unix.run import Settings, run

    arguments = {name: value for name, value in vars(options).items() if name not in ("verb", "run")}
    asyncio.run(run(Settings(**arguments)))
    return 0


def _control(options):
    with ControlClient(options.control) as client:
        reply = client.request(options.do, **options.args)
    try:
        print(json.dumps(reply, indent=1), flush=True)
    except BrokenPipeError:
        # Whoever reads, `head` for instance, has read enough. Python would try once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _port(text):
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is no port (0 to 65535)")
    return int(text)


def _heap(text):
    match = re.fullmatch(r"([1-9][0-9]{0,11})([kKmM]?)", text)
    size = int(match[1]) * _UNITS[match[2].lower()] if match else 0
    if not _HEAP_MIN <= size <= _HEAP_MAX:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no size such as {HEAP_DEFAULT}, from {_HEAP_MIN // 1024}k to {_HEAP_MAX >> 20}m"
        )
    return text


def _object(text):
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"no JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("the arguments are a JSON object")
    return value


if __name__ == "__main__":
    sys.exit(main())
