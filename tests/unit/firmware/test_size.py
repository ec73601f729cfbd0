"""The server's core: within its budget, and what it is said to be; the tables of `make size`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from firmware import budget, modules, paths
from firmware.errors import FirmwareError
from unit.bare_vm import free_port

MICROPYTHON = Path(sys.executable).with_name("micropython")

# Serves a route and a file to a client in the same VM, then tells what it has loaded.
PROGRAM = """
import asyncio, sys
sys.path[:] = [".frozen", {modules!r}]
from micropAsyncWeb import MicropAsyncWeb, Response

webserver = MicropAsyncWeb(port={port}, address="127.0.0.1", webroot={webroot!r})

@webserver.route("/ping")
async def ping(request):
    await Response.start(request, 200, "OK")
    await Response.startBody(request)
    await request.write("pong")

async def get(target):
    reader, writer = await asyncio.open_connection("127.0.0.1", {port})
    writer.write(b"GET %s HTTP/1.1\\r\\nHost: x\\r\\nUser-Agent: y\\r\\nConnection: close\\r\\n\\r\\n" % target)
    await writer.drain()
    answer = await reader.read()
    print(answer[:15], answer.split(b"\\r\\n\\r\\n")[1])

async def main():
    server = asyncio.create_task(webserver.runAsync())
    while not webserver.running:
        await asyncio.sleep_ms(10)
    await get(b"/ping")
    await get(b"/index.html")
    print(*(name for name in sys.modules if name.startswith("micropAsyncWeb")))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def parts():
    return budget.parts()


def test_core_is_within_its_budget(parts):
    sizes = ", ".join(f"{part.name} {part.size}" for part in parts.core)
    assert parts.total < budget.LIMIT, f"the server's core is too large: {sizes}"


def test_core_is_all_that_a_route_and_a_file_load(tmp_path):
    """The file has no date, as on a board whose clock is not set: conditions on dates are loaded on demand."""
    library, webroot = tmp_path / "library", tmp_path / "webroot"
    for target, code in modules.compile_all(budget.server_modules().values()).items():
        (library / target).parent.mkdir(parents=True, exist_ok=True)
        (library / target).write_bytes(code)
    webroot.mkdir()
    (webroot / "index.html").write_text("<h1>Hello</h1>")
    os.utime(webroot / "index.html", (0, 0))
    program = PROGRAM.format(modules=str(library), webroot=str(webroot), port=free_port())
    run = subprocess.run([MICROPYTHON, "-c", program], capture_output=True, text=True, timeout=20)
    ping, page, *loaded = run.stdout.splitlines()
    assert run.stderr == ""
    assert "200 OK" in ping and "pong" in ping
    assert "200 OK" in page and "<h1>Hello</h1>" in page
    names = {name.removeprefix(budget.PACKAGE).removeprefix(".") or "__init__" for name in loaded[0].split()}
    assert names == set(budget.CORE)


def test_every_module_is_in_one_group(parts):
    names = [part.name for part in (*parts.core, *parts.on_demand, *parts.features)]
    assert sorted(names) == sorted(budget.server_modules())


def test_groups(parts):
    assert {"body", "stream", "reasons"} <= {part.name for part in parts.on_demand}
    features = {part.name: part.needs for part in parts.features}
    assert {"websocket", "sse", "auth", "session", "tls", "hooks"} <= set(features)
    assert "link" in features["sse"]
    assert "secret" in features["auth"]
    assert features["tls"] == ()


def test_a_name_that_does_not_exist(monkeypatch):
    monkeypatch.setattr(budget, "CORE", ("nix",))
    with pytest.raises(FirmwareError, match=r"micropAsyncWeb/nix\.py, which does not exist"):
        budget.parts()


def test_report_names_the_budget():
    run = subprocess.run(
        [sys.executable, "-m", "firmware", "size"], cwd=paths.ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.stderr == ""
    row = next(line.split() for line in run.stdout.splitlines() if line.startswith("core "))
    assert row[2:4] == ["of", str(budget.LIMIT)]
