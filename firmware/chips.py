"""The verbs of the command line that are about chips: build, pack, flash, look, release."""

import os
import sys
from importlib import import_module
from pathlib import Path

from firmware import paths
from firmware.errors import FirmwareError

# Verbs that a module of their own has: add_options(parser) and run(options). Imported when they are asked for, since
# a start with nothing to do must cost nothing, and not everyone has installed what they need.
_MODULES = {
    "ota": ("ota", "update the firmware of a running board over the network"),
    "qemu": ("qemu", "boot the image of an emulated board in Espressif's QEMU"),
    "web-installer": ("webinstaller", "build the page that installs the firmware from a browser"),
}


def add_verbs(add, arguments):
    """Add the verbs with `add(name, run, help)`, which gives a parser; `arguments` are those of this start."""
    verb = add("sdk", _sdk, "fetch MicroPython and ESP-IDF into build/sdk and install its tools")
    verb.add_argument("--container", default="", help="docker or podman will build: no ESP-IDF is fetched")
    add("boards", _boards, "list the boards and their variants")
    verb = add("build", _build, "compile the firmware of a board")
    add_board(verb)
    verb.add_argument("--container", default="", help="docker or podman: build in Espressif's container")
    verb.add_argument("--image", help="the container's image, espressif/idf:v5.5.1")

    flash = add("flash", _flash, "write a board's firmware and filesystem; what it has in nvs stays")
    app = add("flash-app", _flash_app, "write a board's firmware only; its files stay")
    files = add("flash-webroot", _flash_webroot, "write a board's filesystem only: boot.json and the webroot")
    erase = add("erase", _erase, "erase all of a chip's flash")
    monitor = add("monitor", _monitor, "talk to the board on a serial port")
    release = add("release", _release, "put the images of all boards, or of one, into build/release/VERSION/BOARD")
    for verb in (flash, app, files, erase, release):
        add_board(verb)
    for verb in (flash, app, release):
        add_outputs(verb)
    for verb in (flash, files, release):
        add_files(verb)
    for verb in (flash, app, files, erase, monitor):
        verb.add_argument("--port", default="", help="the serial port, or an URL such as rfc2217://host:port")
    for verb in (flash, app, files, erase):
        verb.add_argument("--baud", type=int, help="speed of flashing, 460800")

    for name, (module, text) in _MODULES.items():
        verb = add(name, _run_module, text)
        if name in arguments[:1]:
            import_module(f"firmware.{module}").add_options(verb)


def add_board(parser):
    """The options that board() reads."""
    parser.add_argument("--board", default="", help="a folder in boards/")
    parser.add_argument("--variant", default="", help="a variant of the board")


def add_outputs(parser):
    """The option that outputs() reads."""
    parser.add_argument("--outputs", type=Path, help="folder with the build's outputs, build/BOARD")


def add_files(parser):
    """The options for what goes onto a new filesystem."""
    parser.add_argument("--webroot", type=Path, default=paths.WEBROOT, help="folder with the pages")
    parser.add_argument("--boot-json", type=Path, help="settings, those of the board if none are named")


def board(options):
    """The Board that the options name. Raises FirmwareError, with a list of the boards if none is named."""
    from firmware.boards import Board, boards

    if not options.board:
        names = sorted({board.name for board in boards()})
        raise FirmwareError(f"no BOARD is given; BOARD= takes one of {', '.join(names)}")
    return Board.load(options.board, options.variant)


def outputs(options, board):
    """Folder with the outputs of the board's build."""
    from firmware import build

    return options.outputs or build.folder(board)


def settings(options, board):
    """Path of the boot.json for the board's filesystem; a bad one stops here with a FirmwareError."""
    from firmware import bootjson

    path = options.boot_json or board.boot_json
    for warning in bootjson.check(path):
        print(f"warning: {warning}", file=sys.stderr)
    return path


def image(options):
    """What `make image BOARD=` does: the whole flash of a board as one file."""
    from firmware import build, parts

    it = board(options)
    pieces = parts.firmware_parts(it, outputs(options, it))
    vfs = parts.filesystem_part(it, options.webroot, settings(options, it))
    target = build.folder(it) / "flash.bin"
    paths.write_atomically(target.with_name("vfs.bin"), vfs.data)
    paths.write_atomically(target, parts.join([*pieces, vfs], it.flash_size))
    print(f"{paths.show(target)}: {it.flash_size} bytes, to be written at 0x0; {_describe([*pieces, vfs])}")


def filesystem(options):
    """What `filesystem --board` does: the LittleFS image of a board alone."""
    from firmware import build, parts

    it = board(options)
    vfs = parts.filesystem_part(it, options.webroot, settings(options, it))
    target = build.folder(it) / "vfs.bin"
    paths.write_atomically(target, vfs.data)
    print(f"{paths.show(target)}: {len(vfs.data)} bytes, to be written at 0x{vfs.offset:x}")


def size(options):
    """What `make size BOARD=` does."""
    from firmware import boardsize

    it = board(options)
    print(boardsize.report(it, outputs(options, it), options.webroot, settings(options, it)))


def _sdk(options):
    from firmware import sdk

    sdk.install(bool(options.container))
    print("the SDK is complete; 'make firmware BOARD=ESP32' builds with it")


def _boards(_options):
    from firmware.boards import boards

    for it in boards():
        slot = it.table.ota_slots()[0].size
        print(f"{it.label:24}{it.chip_family:10}{it.flash_size >> 20:3} MB, slots of {slot} bytes")


def _build(options):
    from firmware import build, parts

    it = board(options)
    folder = build.compile_board(it, options.container, options.image or build.IMAGE)
    app = next(part for part in parts.firmware_parts(it, folder) if part.name == parts.APP)
    used, slot = len(app.data), parts.app_partition(it)
    where = paths.show(folder / parts.APP_FILE)
    print(f"{where}: {used} of {slot.size} bytes of slot {slot.name}, {100 * used / slot.size:.1f} %")


def _flash(options):
    from firmware import parts

    _write(
        options,
        lambda it: [
            *parts.firmware_parts(it, outputs(options, it)),
            parts.filesystem_part(it, options.webroot, settings(options, it)),
        ],
    )


def _flash_app(options):
    from firmware import parts

    _write(options, lambda it: parts.firmware_parts(it, outputs(options, it)))


def _flash_webroot(options):
    from firmware import parts

    _write(
        options,
        lambda it: [parts.filesystem_part(it, options.webroot, settings(options, it))],
        lambda flasher, it: flasher.check_table(it),
    )


def _write(options, collect, check=None):
    """Collect a board's Parts, then write them to the chip on the port, if it is the right one."""
    from firmware import flasher, serialports

    port = serialports.check(options.port)
    it = board(options) if options.board else _board_on(port)
    pieces = collect(it)  # all that can be wrong with them is told before the chip is touched
    with flasher.connect(port, options.baud or flasher.BAUD) as chip:
        chip.check(it)
        if check:
            check(chip, it)
        chip.write(pieces)
    print(f"{port}: board {it.label} has {_describe(pieces)}")


def _board_on(port):
    """The Board that the chip on a port must be. Raises FirmwareError if there is more than one choice."""
    from firmware import flasher
    from firmware.boards import boards

    with flasher.connect(port) as chip:
        fitting = [it for it in boards() if it.chip_id == chip.chip_id and it.release and not it.variant]
        name = chip.chip_name
    if len(fitting) != 1:
        names = ", ".join(it.label for it in fitting) or "there is none yet"
        raise FirmwareError(f"the chip on {port} is an {name}; BOARD= says which board it is on: {names}")
    return fitting[0]


def _erase(options):
    from firmware import flasher, serialports

    port = serialports.check(options.port)
    it = board(options) if options.board else None
    with flasher.connect(port, options.baud or flasher.BAUD) as chip:
        if it:
            chip.check(it)
        chip.erase()
    print(f"{port}: the flash is erased; 'make flash PORT={port}' makes it a board again")


def _monitor(options):
    from firmware import serialports

    port = serialports.check(options.port)
    # Raw, as the board's REPL draws its line itself; it takes a carriage return for the Enter key.
    command = [sys.executable, "-m", "serial.tools.miniterm", "--raw", "--eol", "CR", port, "115200"]
    os.execv(sys.executable, command)


def _release(options):
    from firmware import release
    from firmware.boards import boards

    chosen = [board(options)] if options.board else [it for it in boards() if it.release]
    for it in chosen:
        folder = release.make(it, outputs(options, it), options.webroot, settings(options, it))
        print(f"{paths.show(folder)}: {len(list(folder.iterdir()))} files")


def _run_module(options):
    import_module(f"firmware.{_MODULES[options.verb][0]}").run(options)


def _describe(pieces):
    return ", ".join(f"{part.name} {len(part.data)} bytes at 0x{part.offset:x}" for part in pieces)
