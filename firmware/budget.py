"""What of the server a program pays for: its core with the budget, what is loaded on demand, what programs import.

Told apart by the sources: a module with a type stub of its own is a feature, which only the program imports; all else
that the core imports inside of functions is loaded by the first request or route that needs it.
"""

import ast
from dataclasses import dataclass

from firmware import modules, version
from firmware.errors import FirmwareError

PACKAGE = "micropAsyncWeb"
# Loaded by a server that has routes and a webroot. The tests compare it with what such a server really loads.
CORE = ("__init__", "exchange", "files", "parser")
LIMIT = 9216


@dataclass(frozen=True)
class Part:
    """A module of the server: its bytes when compiled, and what else it loads, the core and on-demand ones aside."""

    name: str
    size: int
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parts:
    """The modules of the server, as lists of Part."""

    core: list[Part]
    on_demand: list[Part]
    features: list[Part]

    @property
    def total(self):
        """Bytes of the core."""
        return sum(part.size for part in self.core)


def server_modules():
    """{name: Module} of the package, as the firmware compiles it. Raises FirmwareError."""
    version.write_module()  # the manifest names it
    prefix = PACKAGE + "/"
    rows = [row for row in modules.read_manifest() if row.target.startswith(prefix)]
    return {row.target.removeprefix(prefix).removesuffix(".py"): row for row in rows}


def core_modules():
    """List of the core's Modules. Raises FirmwareError if one of CORE is not there."""
    found = server_modules()
    for name in CORE:
        if name not in found:
            raise FirmwareError(f"firmware/budget.py: CORE names {PACKAGE}/{name}.py, which does not exist")
    return [found[name] for name in CORE]


def parts():
    """The Parts of the server, compiled. Raises FirmwareError."""
    core_modules()
    found = server_modules()
    codes = modules.compile_all(found.values())
    sizes = {name: len(codes[f"{PACKAGE}/{name}.mpy"]) for name in found}
    imports = {name: _imports(row, found) for name, row in found.items()}
    features = {name for name, row in found.items() if row.path.with_suffix(".pyi").exists()} - set(CORE)
    always = _reach(CORE, imports, features)
    rest = {
        name: Part(name, sizes[name], tuple(sorted(_reach([name], imports, always) - always - {name})))
        for name in sorted(found)
        if name not in always
    }
    return Parts(
        [Part(name, sizes[name]) for name in CORE],
        [Part(name, sizes[name]) for name in sorted(always - set(CORE))],
        list(rest.values()),
    )


def _imports(row, known):
    """Names of the modules of the package that a source imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(row.path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level:
            found |= {node.module or "__init__"} | {alias.name for alias in node.names}
    return found & set(known)


def _reach(names, imports, without):
    """All modules that the named ones import, and those that these import, but for `without`."""
    found = set()
    ahead = set(names)
    while ahead:
        found |= ahead
        ahead = set().union(*(imports[name] for name in ahead)) - found - set(without)
    return found
