"""The server installs with mip on stock MicroPython, and serves there with nothing else of the firmware."""

import functools
import http.client
import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from unit import bare_vm

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "modules" / "micropAsyncWeb"

PROGRAM = """
import asyncio
from micropAsyncWeb import MicropAsyncWeb, Response

webserver = MicropAsyncWeb(webroot="/webroot")

@webserver.route("/hello/<name>")
async def hello(request):
    await Response.sendJson(request, {"hello": request.args["name"]})

asyncio.run(webserver.runAsync())
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, without a line on the console for each file."""

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def host():
    """URL of the folder modules/ on an HTTP server of this computer."""
    handler = functools.partial(Quiet, directory=ROOT / "modules")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def expected():
    urls = json.loads((PACKAGE / "package.json").read_text())["urls"]
    return {target: (PACKAGE / name).read_bytes() for target, name in urls}


def installed(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_package_lists_every_module():
    """Paths beside package.json, so that any copy of the folder can be installed from where it is."""
    wanted = [[f"micropAsyncWeb/{path.name}", path.name] for path in sorted(PACKAGE.glob("*.py"))]
    package = json.loads((PACKAGE / "package.json").read_text())
    missing = [row for row in wanted if row not in package["urls"]]
    surplus = [row for row in package["urls"] if row not in wanted]
    assert not missing and not surplus, f"package.json: add {json.dumps(missing)}, remove {json.dumps(surplus)}"
    assert set(package) == {"urls", "version"}


def test_install_over_http_and_serve(host, tmp_path):
    lib = tmp_path / "lib"
    lib.mkdir()
    (tmp_path / "webroot").mkdir()
    (tmp_path / "webroot" / "index.html").write_text("<h1>installed</h1>")
    (tmp_path / "install.py").write_text(f"import mip\nmip.install({host + '/micropAsyncWeb/package.json'!r})\n")
    run = subprocess.run(
        bare_vm.command(tmp_path, "/install.py", lib=lib), capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0 and run.stdout.endswith("Done\n"), run.stdout + run.stderr
    assert installed(lib) == expected()

    (tmp_path / "main.py").write_text(PROGRAM)
    port = bare_vm.free_port()
    with bare_vm.running(tmp_path, "/main.py", {80: port}, lib=lib):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for target, body in (
            ("/hello/world", b'{"hello": "world"}'),
            ("/", b"<h1>installed</h1>"),
        ):
            client.request("GET", target)
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (200, body)
        client.close()


def test_every_module_can_be_imported(tmp_path):
    """One after the other, as an application would import the optional ones."""
    lines = [f"import micropAsyncWeb.{path.stem}" for path in sorted(PACKAGE.glob("*.py")) if path.stem != "__init__"]
    (tmp_path / "all.py").write_text("\n".join(lines) + "\nprint('imported')\n")
    run = subprocess.run(bare_vm.command(tmp_path, "/all.py"), capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout == "imported\n", run.stdout + run.stderr


def test_install_with_mpremote(start_board, tmp_path):
    """mpremote takes a path of this computer too, and copies over the serial console."""
    board = start_board()
    command = [sys.executable, "-m", "mpremote", "connect", board.device]
    command += ["mip", "install", "--target", "/copy", "modules/micropAsyncWeb/package.json"]
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    listing = board.eval("sorted([row[0], row[3]] for row in __import__('os').ilistdir('/copy/micropAsyncWeb'))")
    assert listing == [[name.split("/")[1], len(data)] for name, data in sorted(expected().items())]
    name = "micropAsyncWeb/__init__.py"
    assert board.read_file("/copy/" + name) == expected()[name]
