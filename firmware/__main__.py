"""Command line of the host tools: python -m firmware VERB. `make help` lists what calls it."""

import argparse
import sys
from pathlib import Path

from firmware import paths
from firmware.errors import FirmwareError


def main(arguments=None):
    """Run one verb; returns the exit status: 0, or 1 after one line on standard error."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except FirmwareError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m firmware", description="Host tools of microAsyncWeb for ESP32."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    image = _verb(verbs, "image", _image, "bring the desktop board's flash image up to date")
    image.add_argument(
        "--flash", type=Path, default=paths.BUILD / "flash.bin", help="the image, build/flash.bin"
    )
    image.add_argument("--new", action="store_true", help="make it new: what was on it is lost")
    files = _verb(verbs, "filesystem", _filesystem, "build the LittleFS image build/PORT/vfs.bin")
    app = _verb(verbs, "app", _app, "compile and pack the modules into build/PORT/app.bin")
    size = _verb(
        verbs, "size", _size, "show how full the slot and the filesystem are, and the modules by size"
    )
    for verb in (image, files, app, size):
        verb.add_argument("--port", choices=["unix"], default="unix", help="which board the modules are for")
    for verb in (image, files, size):
        verb.add_argument("--webroot", type=Path, default=paths.WEBROOT, help="folder with the pages")
        default = paths.ROOT / "ports" / "unix" / "boot.json"
        verb.add_argument("--boot-json", type=Path, default=default, help="the board's settings")

    listing = _verb(verbs, "list", _list, "list the files in a filesystem or flash image")
    unpack = _verb(verbs, "unpack", _unpack, "write the files of a filesystem or flash image into a folder")
    for verb in (listing, unpack):
        verb.add_argument("image", type=Path)
    unpack.add_argument("folder", type=Path)

    check = _verb(verbs, "boot-json", _boot_json, "check a boot.json and show all that is wrong with it")
    check.add_argument("file", type=Path)
    _verb(verbs, "table", _table, "show the partition table")
    _verb(verbs, "version", _version, "show the version that a build would have")
    return parser


def _verb(verbs, name, run, text):
    verb = verbs.add_parser(name, help=text, description=text)
    verb.set_defaults(run=run)
    return verb


# The tools are imported where they are used: a start with nothing to do must cost nothing.


def _image(options):
    from firmware import image

    _check_settings(options)
    done = image.make(options.flash, options.port, options.webroot, options.boot_json, options.new)
    if done:
        print(done)


def _filesystem(options):
    from firmware import image, webroot

    _check_settings(options)
    data = image.build_filesystem(options.port, webroot.collect(options.webroot, options.boot_json))
    print(f"build/{options.port}/vfs.bin: {len(data)} bytes")


def _app(options):
    from firmware import image

    data = image.build_app(options.port)
    print(f"build/{options.port}/app.bin: {len(data)} bytes")


def _size(options):
    from firmware import size

    _check_settings(options)
    print(size.report(options.port, options.webroot, options.boot_json))


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


def _table(_options):
    from firmware import partitions

    print(partitions.default_table().to_csv(), end="")


def _version(_options):
    from firmware import version

    print(version.version())


def _check_settings(options):
    """A bad boot.json stops here even when the flash image would keep its own."""
    from firmware import bootjson

    for warning in bootjson.check(options.boot_json):
        print(f"warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
