"""Command line of the host tools: python -m firmware VERB. `make help` lists what calls it."""

import argparse
import sys
from pathlib import Path

from firmware import chips, paths
from firmware.errors import FirmwareError

_PORT = "unix"  # the desktop board's modules


def main(arguments=None):
    """Run one verb; returns the exit status: 0, or 1 after one line on standard error."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        options = _parser(arguments).parse_args(arguments)
        options.run(options)
    except FirmwareError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "firmware").startswith("firmware"):
            raise
        print(f"error: {sys.executable} has no module '{error.name}'; make installs it", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130  # as a shell says for a program that Ctrl-C ended
    return 0


def _parser(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m firmware", description="Host tools of microAsyncWeb for ESP32."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    image = _verb(verbs, "image", _image, "bring a flash image up to date: the desktop board's, or a chip's")
    image.add_argument(
        "--flash", type=Path, default=paths.BUILD / "flash.bin", help="the desktop board's image, build/flash.bin"
    )
    image.add_argument("--new", action="store_true", help="make it new: what was on it is lost")
    files = _verb(verbs, "filesystem", _filesystem, "build the LittleFS image vfs.bin of a board")
    _verb(verbs, "app", _app, "compile and pack the desktop board's modules into build/unix/app.bin")
    size = _verb(
        verbs, "size", _size, "show how full the slot and the filesystem are, and the modules by size"
    )
    for verb in (image, files, size):
        chips.add_board(verb)
        chips.add_files(verb)
    for verb in (image, size):
        chips.add_outputs(verb)

    listing = _verb(verbs, "list", _list, "list the files in a filesystem or flash image")
    unpack = _verb(verbs, "unpack", _unpack, "write the files of a filesystem or flash image into a folder")
    for verb in (listing, unpack):
        verb.add_argument("image", type=Path)
    unpack.add_argument("folder", type=Path)

    check = _verb(verbs, "boot-json", _boot_json, "check a boot.json and show all that is wrong with it")
    check.add_argument("file", type=Path)
    chips.add_board(_verb(verbs, "table", _table, "show the partition table of a board"))
    version = _verb(verbs, "version", _version, "show the version that a build would have")
    version.add_argument("--write", action="store_true", help="also write build/generated/_firmware_version.py")
    chips.add_verbs(lambda name, run, text: _verb(verbs, name, run, text), arguments)
    return parser


def _verb(verbs, name, run, text):
    verb = verbs.add_parser(name, help=text, description=text)
    verb.set_defaults(run=run)
    return verb


# The tools are imported where they are used: a start with nothing to do must cost nothing.


def _image(options):
    from firmware import image

    if options.board:
        chips.image(options)
        return
    done = image.make(options.flash, _PORT, options.webroot, _settings(options), options.new)
    if done:
        print(done)


def _filesystem(options):
    from firmware import image, webroot

    if options.board:
        chips.filesystem(options)
        return
    data = image.build_filesystem(_PORT, webroot.collect(options.webroot, _settings(options)))
    print(f"build/{_PORT}/vfs.bin: {len(data)} bytes")


def _app(_options):
    from firmware import image

    data = image.build_app(_PORT)
    print(f"build/{_PORT}/app.bin: {len(data)} bytes")


def _size(options):
    from firmware import size

    if options.board:
        chips.size(options)
        return
    print(size.report(_PORT, options.webroot, _settings(options)))


def _list(options):
    from firmware import filesystem, image

    for path, data in sorted(filesystem.read(image.vfs_of(options.image)).items()):
        print(f"{len(data):8} {path}")


def _unpack(options):
    from firmware import filesystem, image

    count = filesystem.unpack(image.vfs_of(options.image), options.folder)
    print(f"{count} files in {paths.show(options.folder)}")


def _boot_json(options):
    from firmware import bootjson

    findings = bootjson.inspect(options.file)
    for finding in findings:
        print(f"{'error' if finding.fatal else 'warning'}: {finding.text}", file=sys.stderr)
    wrong = sum(finding.fatal for finding in findings)
    if wrong:
        raise FirmwareError(f"{paths.show(options.file)} has {wrong} error{'s' if wrong > 1 else ''}")


def _table(options):
    from firmware import partitions

    table = chips.board(options).table if options.board else partitions.default_table()
    print(table.to_csv(), end="")


def _version(options):
    from firmware import version

    text, problem = version.describe()
    if options.write:
        version.write_module()
    if problem:
        print(f"warning: {problem}", file=sys.stderr)
    print(text)


def _settings(options):
    """Path of the desktop board's settings; a bad one stops here even when the flash image would keep its own."""
    from firmware import bootjson

    path = options.boot_json or paths.ROOT / "ports" / "unix" / "boot.json"
    for warning in bootjson.check(path):
        print(f"warning: {warning}", file=sys.stderr)
    return path


if __name__ == "__main__":
    sys.exit(main())
