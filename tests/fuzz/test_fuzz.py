"""What has to hold for any bytes that a client sends, and how the server differs from h11."""

import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fuzz import answers, grammar, judge
from tests.fuzz.run import check, run
from tests.fuzz.vm import Vm
from tests.unit.server.conftest import Server

SEED = 1
CASES = 100_000
SOCKET_CASES = 6_000


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp("fuzz")
    (root / "small.txt").write_bytes(b"0123456789")
    return root


def test_generated_requests(files):
    """Each in one piece and in parts: one well-formed answer per request or a close, the same for any split, and
    no difference from h11 without a reason."""
    statuses, rules = run(files, SEED, CASES)
    # The cases are worth running only if they reach everything.
    assert statuses.keys() >= {0, 100, 200, 204, 206, 304, 400, 404, 405, 413, 414, 418, 431, 501, 505}
    assert statuses[200] > CASES / 10
    assert rules.keys() >= set(judge.STRICTER)


@pytest.mark.parametrize("name", [path.name for path in sorted((Path(__file__).parent / "corpus").iterdir())])
def test_corpus_cut_anywhere(files, name):
    data = (Path(__file__).parent / "corpus" / name).read_bytes()
    with Vm(files) as vm:
        whole, *split = vm.run([(data, (), 0)] + [(data, (cut,), 0) for cut in range(1, len(data))])
    for output in split:
        check(data, whole, output)


def test_every_rule_is_explained():
    text = Path(__file__).with_name("README.md").read_text()
    names = re.findall(r"^\| `([\w.-]+)` \|", text, re.MULTILINE)
    assert names == [*judge.STRICTER, *judge.LOOSER]


APP = """
import asyncio

from micropAsyncWeb import MicropAsyncWeb

web = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=WEBROOT, **OPTIONS)


async def saw(request):
    data = await request.body()
    return data, 200, {"X-Saw": request.method + " " + request.url}


for path in ("/", "/a", "/a/*", "/*/b", "/n/<int:n>", "/x/y/z", "/form", "/json"):
    web.route(path, "GET, POST, PUT, PATCH, DELETE")(saw)
asyncio.run(web.runAsync())
"""


def _exchange(server, data, cuts):
    # Send in parts, half-close, and take everything that comes.
    with server.connect(timeout=10) as client:
        try:
            for count in cuts:
                client.send(data[:count])
                data = data[count:]
                time.sleep(0.0003)
            client.send(data)
            client.sock.shutdown(1)
        except OSError:
            pass  # it has closed before the end: its answer is there
        return client.closed()


def test_through_sockets(files):
    """Over TCP from several clients, cut anywhere; a well-behaved client is answered within a second all the while."""
    server = Server(files, "maxConnections=16, maxHead=1024, maxBody=2048, bufferSize=512", APP)
    bad = []
    slowest = 0

    def client(first):
        rng = random.Random(f"sockets {SEED}/{first}")
        for number in range(first, SOCKET_CASES, 4):
            data = grammar.case(SEED + 1, number)
            cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 0, 1, 3))))
            output = _exchange(server, data, [b - a for a, b in zip([0, *cuts], cuts, strict=False)])
            try:
                answers.read(output, b"HEAD" in data)
            except answers.Malformed as error:
                bad.append(f"seed {SEED + 1}, case {number}, cut at {cuts}: {error}\n  {data!r}\n  {output!r}")

    try:
        files_before = server.files()
        with ThreadPoolExecutor(4) as pool:
            clients = [pool.submit(client, first) for first in range(4)]
            while not all(future.done() for future in clients):
                began = time.monotonic()
                assert server.get("/a")[0] == 200
                slowest = max(slowest, time.monotonic() - began)
                time.sleep(0.05)
        for future in clients:
            future.result()
        assert not bad, "\n".join(bad[:3])
        assert slowest < 1
        deadline = time.monotonic() + 5
        while server.files() > files_before:
            assert time.monotonic() < deadline, "descriptors are left open"
            time.sleep(0.02)
        assert server.process.poll() is None
    finally:
        printed = server.close()
    assert printed == ""
