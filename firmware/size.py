"""The table of `make size`: compiled modules, application slot and filesystem against what there is."""

from firmware import appimage, image, modules, webroot
from firmware.partitions import default_table


def report(port, folder, boot_json):
    """A text table for `port`, with the webroot `folder` and `boot_json` as they would be packed."""
    codes = modules.compile_all(modules.read_manifest())
    table = default_table()
    app = image.build_app(port)
    files = webroot.collect(folder, boot_json)
    packed = webroot.with_gzip_neighbours(files)
    slot, vfs = table.ota_slots()[0], table["vfs"]

    lines = ["compiled module                     bytes"]
    packages = {}
    for path in sorted(codes, key=lambda path: (-len(codes[path]), path)):
        lines.append(f"{path:32}{len(codes[path]):9}")
        package = path.partition("/")[0]
        packages[package] = packages.get(package, 0) + len(codes[path])
    lines += ["", "package                             bytes"]
    lines += [f"{package:32}{total:9}" for package, total in sorted(packages.items())]
    lines += [
        "",
        _row(f"slot {slot.name}, header {appimage.HEADER_SIZE} bytes", len(app), slot.size),
        _row(f"filesystem, {len(files)} files", sum(map(len, files.values())), vfs.size),
        _row(f"with .gz, {len(packed)} files", sum(map(len, packed.values())), vfs.size),
    ]
    return "\n".join(lines)


def _row(name, used, available):
    return f"{name:32}{used:9} of {available:8}  {100 * used / available:5.1f} %"
