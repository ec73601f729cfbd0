"""The tables of `make size`: the server against its budget, compiled modules, slot and filesystem."""

from firmware import appimage, budget, image, modules, webroot
from firmware.partitions import default_table


def report(port, folder, boot_json):
    """Text tables for `port`, with the webroot `folder` and `boot_json` as they would be packed."""
    app = image.build_app(port)
    codes = modules.compile_all(modules.read_manifest())
    table = default_table()
    files = webroot.collect(folder, boot_json)
    packed = webroot.with_gzip_neighbours(files)
    slot, vfs = table.ota_slots()[0], table["vfs"]

    lines = [*_server(budget.parts()), "", f"{'compiled module':32}    bytes"]
    packages = {}
    for path in sorted(codes, key=lambda path: (-len(codes[path]), path)):
        lines.append(f"{path:32}{len(codes[path]):9}")
        package = path.partition("/")[0]
        packages[package] = packages.get(package, 0) + len(codes[path])
    lines += ["", f"{'package':32}    bytes"]
    lines += [f"{package:32}{total:9}" for package, total in sorted(packages.items())]
    lines += [
        "",
        row(f"slot {slot.name}, header {appimage.HEADER_SIZE} bytes", len(app), slot.size),
        row(f"filesystem, {len(files)} files", sum(map(len, files.values())), vfs.size),
        row(f"with .gz, {len(packed)} files", sum(map(len, packed.values())), vfs.size),
    ]
    return "\n".join(lines)


def _server(parts):
    """Lines about the server's modules, by when they are loaded."""
    sizes = {part.name: part.size for part in parts.features}
    lines = [f"{budget.PACKAGE}, loaded by a server with routes and a webroot"]
    lines += [f"  {part.name:30}{part.size:9}" for part in parts.core]
    lines += [row("core", parts.total, budget.LIMIT), "loaded by the first request or route that needs it"]
    lines += [f"  {part.name:30}{part.size:9}" for part in parts.on_demand]
    lines += [f"{'on demand, all of it':32}{sum(part.size for part in parts.on_demand):9}"]
    lines += [f"{'optional, imported by a program':32}    alone    at most"]
    for part in parts.features:
        total = part.size + sum(sizes[name] for name in part.needs)
        lines.append(f"  {part.name:30}{part.size:9}{total:9}  {', '.join(part.needs)}".rstrip())
    return lines


def row(name, used, available):
    """A line of a table: how much of what is there is used, in bytes."""
    return f"{name:32}{used:9} of {available:8}  {100 * used / available:5.1f} %"
