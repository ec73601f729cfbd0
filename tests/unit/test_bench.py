"""The benchmark's own parts: a server that fails is a note under the table and starts again, never a traceback."""

import pytest

from firmware.errors import FirmwareError
from tests.bench import cases, memory, processes, report
from tests.bench.load import LoadError

# Answers /ping on a connection of its own; dies of /1.html, cuts /20.js off, and says nothing to others.
SERVER = """
import socket, sys
listener = socket.socket()
listener.bind(socket.getaddrinfo("127.0.0.1", int(sys.argv[1]))[0][-1])
listener.listen(64)
while True:
    client, _ = listener.accept()
    target = (client.recv(2000) + b" none").split(b" ")[1]
    head = b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n"
    if target == b"/ping":
        client.send(head % 4 + b"pong")
    elif target == b"/1.html":
        raise MemoryError("no room")
    elif target == b"/20.js":
        client.send(head % 20480)
    client.close()
"""


@pytest.fixture
def process(tmp_path, monkeypatch):
    """A server of the benchmark that can do little."""
    (tmp_path / "server.py").write_text(SERVER)
    monkeypatch.setitem(cases.SERVERS, "weak", cases.Server(str(tmp_path / "server.py")))
    process = processes.Process("weak", tmp_path)
    yield process
    process.stop()


def test_measures(process):
    micros, rate = process.measure("ping", 160)
    assert micros > 0
    assert rate > 0


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("1 KB html", "ended with status 1: MemoryError: no room"),
        ("20 KB js", "61 bytes instead of 20541"),
        ("100 KB png", "the answer is b''"),
    ],
)
def test_a_failure_has_its_reason_and_a_new_start(process, case, words):
    for _ in range(2):
        with pytest.raises(LoadError) as caught:
            process.measure(case)
        assert words in str(caught.value)
        process.measure("ping")


def test_table_with_failures():
    results = report.Results(
        3,
        figures={
            (cases.OURS, "ping"): {0: (10.0, 50000.0), 1: (30.0, 30000.0), 2: (12.0, 40000.0)},
            ("bare poll loop", "ping"): {0: (8.0, 60000.0), 1: (15.0, 30000.0)},
            ("uhttp-server", "20 KB js"): {1: (300.0, 3000.0)},
        },
        allocated={(cases.OURS, "ping"): 384.2},
        idle={cases.OURS: 284.0},
        low_water=(50000, 50064),
        requests=20000,
        compiled={cases.OURS: 9000},
        failures={
            ("uhttp-server", "20 KB js"): ["cut off", "again"],
            ("microdot", "1 KB html"): ["ended with status 1: MemoryError"],
            (cases.OURS, "ping"): [],
        },
    )
    text = report.tables(results)
    assert f"| {cases.OURS} | 12.0 (40000) | " in text
    assert "300.0 (3000) [2]" in text
    assert "[1] microdot: ended with status 1: MemoryError" in text
    assert "[2] uhttp-server, 2 times: cut off" in text
    assert "| fails [1] |" in text
    assert {row[0]: row[2] for row in report.bars(results) if row[2]} == {
        "ping: at most 2 × bare poll loop": True,
        "ping: at most 1500 bytes allocated": True,
        "idle connection: at most 700 bytes held": True,
        "20000 requests of all kinds: the highest heap in use stays within 4096 bytes": True,
        "core: at most 9216 bytes of bytecode": True,
    }
    assert "| ping: at most 2 × bare poll loop | 1.62 × | met |" in text
    assert "nan" not in text


def test_compiled_sizes_are_those_of_all_that_have_any():
    sizes = memory.compiled()
    assert set(sizes) == {cases.OURS, "microdot", "uhttp-server"}
    assert sizes[cases.OURS] < sizes["microdot"] < sizes["uhttp-server"]


def test_store(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- bench -->\nold\n<!-- /bench -->\nend\n")
    report.store(page, "| new |")
    assert page.read_text() == "# Page\n<!-- bench -->\n| new |\n<!-- /bench -->\nend\n"
    page.write_text("nothing")
    with pytest.raises(FirmwareError, match=r"page\.md has no <!-- bench -->"):
        report.store(page, "")
