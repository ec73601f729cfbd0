"""multipart/form-data: the parser over any split of its bytes, limits, and saving to files."""

import contextlib
import json
import random
import select
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Server, run_vm
from .websocket_client import until

APP = """
import asyncio, os
from micropAsyncWeb import MicropAsyncWeb, multipart, saving

server = MicropAsyncWeb(port=PORT, address="127.0.0.1", webroot=None, maxBody=1000000, bodyTimeout=1, **OPTIONS)

@server.route("/parts", "POST")
async def parts(request):
    found = []
    buffer = bytearray(int(request.query.get("by", 50)))
    async for part in multipart.parts(request):
        if "skip" in request.query:
            found.append(part.name)
            continue
        data = b""
        while True:
            count = await part.readinto(buffer)
            if not count:
                break
            data += buffer[:count]
        assert await part.readinto(buffer) == 0
        found.append([part.name, part.filename, part.type, data.hex()])
    return found

@server.route("/text", "POST")
async def text(request):
    found = []
    async for part in multipart.parts(request, max_parts=3):
        found.append(await part.text(20))
    return found

@server.route("/save", "POST")
async def save(request):
    form = await multipart.save(request, WEBROOT + "/up", max_field=50, max_file=100000)
    return [form.fields, [[f.name, f.filename, f.path[len(WEBROOT) + 4:], f.size, f.type] for f in form.files]]

@server.route("/full", "POST")
async def full(request):
    class Full:
        def write(self, data): raise OSError(28)
        def flush(self): pass
        def close(self): pass
    def open(path, mode):
        with __builtins_open(path, mode): pass
        return Full()
    saving.open = open
    try:
        return await save(request)
    finally:
        del saving.open

__builtins_open = open
asyncio.run(server.runAsync())
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    root = tmp_path_factory.mktemp("multipart")
    (root / "up").mkdir()
    server = Server(root, source=APP)
    server.folder = root / "up"
    yield server
    server.close()


@pytest.fixture(autouse=True)
def empty(app):
    for path in app.folder.iterdir():
        path.rmdir() if path.is_dir() else path.unlink()


def encode(parts, boundary="X-B"):
    """parts: (head lines, content) each."""
    body = b"".join(b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary.encode(), head.encode(), data) for head, data in parts)
    return body + b"--%s--\r\n" % boundary.encode()


def field(name, data):
    return (f'Content-Disposition: form-data; name="{name}"', data)


def file(name, filename, data, kind="text/plain"):
    return (f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: {kind}', data)


def head(target, length, kind="multipart/form-data; boundary=X-B"):
    return f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()


def post(app, target, body, kind="multipart/form-data; boundary=X-B"):
    with app.connect() as client:
        status, _, answer = client.send(head(target, len(body), kind) + body).answer()
    return status, json.loads(answer) if status == 200 else answer


def test_fields_and_files(app):
    body = encode(
        [
            field("a", b"1"),
            file("f", "x.bin", b"\0\r\n--X\xff", "application/x"),
            field("b", "ü".encode()),
            field("c", b""),
        ]
    )
    status, got = post(app, "/parts", body)
    assert status == 200
    assert got == [
        ["a", None, "text/plain", "31"],
        ["f", "x.bin", "application/x", b"\0\r\n--X\xff".hex()],
        ["b", None, "text/plain", "c3bc"],
        ["c", None, "text/plain", ""],
    ]


def test_preamble_epilogue_padding_and_other_heads(app):
    body = b"before\r\n--X-B \t\r\nX-Other: 1\r\ncontent-DISPOSITION:form-data ;NAME=a\r\n\r\nv"
    body += b"\r\n--X-B--after\r\n--X-B\r\n"
    assert post(app, "/parts", body) == (200, [["a", None, "text/plain", "76"]])


def test_no_parts(app):
    assert post(app, "/parts", b"--X-B--\r\n") == (200, [])


def test_almost_boundaries_are_content(app):
    data = b"\r\n--X-\r\n-X-B\r--X-B\n--X-B\r\n\r\n--X\r\n--x-b"
    assert post(app, "/parts", encode([field("a", data)]))[1][0][3] == data.hex()


@pytest.mark.parametrize("boundary", ["a", "-" * 70, "'()+_,-./:=? x", "----WebKitFormBoundaryABCDEFGH"])
def test_boundaries(app, boundary):
    kind = f'multipart/form-data; charset=utf-8; boundary="{boundary}"'
    assert post(app, "/parts", encode([field("a", b"-" * 100)], boundary), kind)[1][0][3] == (b"-" * 100).hex()


def test_next_request_follows(app):
    body = encode([field("a", b"1")])
    with app.connect() as client:
        for _ in range(3):
            client.send(head("/parts", len(body)) + body)
        for _ in range(3):
            assert client.answer()[0] == 200


def test_chunked_body(app):
    body = encode([field("a", b"12345")])
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    start = head("/parts", 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with app.connect() as client:
        assert json.loads(client.send(start + chunks).answer()[2])[0][3] == b"12345".hex()


def test_parts_that_are_not_read_are_skipped(app):
    body = encode([file("f", "x", b"z" * 5000), field("a", b"1"), file("g", "y", b"\r\n" * 3000)])
    assert post(app, "/parts?skip", body) == (200, ["f", "a", "g"])


def test_every_split_gives_the_same(app):
    body = encode([field("a", b"1\r\n--X-"), file("f", "x", b"\r\n\r\n--X-B"[:-1] + b"abc"), field("b", b"")])
    want = post(app, "/parts", body)[1]
    with app.connect() as client:
        for at in range(1, len(body)):
            client.send(head("/parts", len(body)) + body[:at])
            client.sock.settimeout(5)
            client.send(body[at:])
            assert json.loads(client.answer()[2]) == want
        for byte in head("/parts?by=1", len(body)) + body:
            client.send(bytes([byte]))
        assert json.loads(client.answer()[2]) == want


# Contents made of what boundaries are made of, around the size of the parser's buffer.
CONTENT = st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"--X-B", b"\r\n--X", b"x" * 100, b"y" * 1019, b"\0"]), max_size=6
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(CONTENT.map(b"".join), min_size=1, max_size=4), seed=st.integers(0, 1000))
def test_any_content_comes_back(app, contents, seed):
    contents = [data for data in contents if b"\r\n--X-B" not in b"\r\n" + data + b"\r\n--X-"]
    body = encode([field(str(n), data) for n, data in enumerate(contents)])
    source = random.Random(seed)
    with app.connect() as client:
        client.send(head(f"/parts?by={source.choice([1, 7, 64, 2000])}", len(body)))
        while body:
            size = source.choice([1, 3, 50, 500, 1024, 5000])
            client.send(body[:size])
            body = body[size:]
        status, _, answer = client.answer()
    assert status == 200
    assert [bytes.fromhex(part[3]) for part in json.loads(answer)] == contents


@pytest.mark.parametrize(
    "kind, status",
    [
        ("application/x-www-form-urlencoded", 415),
        ("multipart/mixed; boundary=X-B", 415),
        ("", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("multipart/form-data; boundary=" + "x" * 71, 400),
        ('multipart/form-data; boundary="X-B', 400),
        ("multipart/form-data; boundary=X-B; boundary=X-B", 400),
        ("multipart/form-data; boundary=other", 400),
    ],
)
def test_content_types_refused(app, kind, status):
    assert post(app, "/parts", encode([field("a", b"1")]), kind)[0] == status


GOOD = encode([field("a", b"1")])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--X-B",
        GOOD[:-5],
        GOOD.replace(b"--X-B\r\n", b"--X-Bx\r\n"),
        GOOD.replace(b"--X-B\r\n", b"--X-B\n"),
        GOOD.replace(b"--X-B\r\n", b"--X-B-\r\n"),
        GOOD.replace(b"\r\n\r\n", b"\r\n"),
        GOOD.replace(b"\r\n\r\n", b"\n\n"),
        GOOD.replace(b"Content-Disposition: ", b""),
        GOOD.replace(b"Content-Disposition:", b"Content-Disposition"),
        GOOD.replace(b"form-data", b"attachment"),
        GOOD.replace(b'name="a"', b"filename=a"),
        GOOD.replace(b'name="a"', b'name="a'),
        GOOD.replace(b'name="a"', b'name="a"x'),
        GOOD.replace(b'name="a"', b'name="a"; name="b"'),
        GOOD.replace(b'name="a"', b"name"),
        GOOD.replace(b'"a"', b'"\xff"'),
        GOOD.replace(b'"a"', b'"' + b"a" * 700 + b'"'),
        GOOD.replace(b'"a"', b'"' + b"a" * 3000 + b'"'),
        GOOD.replace(b"\r\n\r\n", b"\r\n" + b"X: y\r\n" * 200 + b"\r\n"),
        GOOD.replace(b"--X-B\r\n", b"--X-B" + b" " * 641 + b"\r\n"),
        GOOD.replace(b"--X-B\r\n", b"--X-B" + b" " * 3000 + b"\r\n"),
    ],
)
@pytest.mark.parametrize("target", ["/parts", "/save"])
def test_malformed(app, target, body):
    assert post(app, target, body)[0] == 400
    assert list(app.folder.iterdir()) == []


def test_limits(app):
    assert post(app, "/text", encode([field("a", b"x" * 20)] * 3)) == (200, ["x" * 20] * 3)
    assert post(app, "/text", encode([field("a", b"x" * 21)]))[0] == 413
    assert post(app, "/text", encode([field("a", b"x")] * 4))[0] == 413
    assert post(app, "/text", encode([field("a", b"\xff")]))[0] == 400


def test_save(app):
    data = bytes(range(256)) * 300
    body = encode(
        [
            field("a", b"1"),
            file("f", "x.bin", data, "a/b"),
            field("a", b"2"),
            file("f", "y", b""),
            file("none", "", b""),
        ]
    )
    assert post(app, "/save", body) == (
        200,
        [{"a": "2"}, [["f", "x.bin", "x.bin", len(data), "a/b"], ["f", "y", "y", 0, "text/plain"]]],
    )
    assert {path.name for path in app.folder.iterdir()} == {"x.bin", "y"}
    assert (app.folder / "x.bin").read_bytes() == data


def test_save_replaces_and_keeps_both_of_one_form(app):
    (app.folder / "x.txt").write_text("old")
    parts = [file("f", "x.txt", b"1"), file("f", "x.txt", b"2"), file("f", "a/X.TXT", b"3")]
    got = post(app, "/save", encode(parts))[1]
    assert [entry[2] for entry in got[1]] == ["x.txt", "x-1.txt", "X-2.TXT"]
    assert [(app.folder / entry[2]).read_bytes() for entry in got[1]] == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    "parts, status",
    [
        ([file("f", "x", b"1"), field("a", b"x" * 51)], 413),
        ([file("f", "x", b"1"), file("g", "y", b"x" * 100001)], 413),
        ([file("f", "x", b"1")] + [field("a", b"")] * 16, 413),
    ],
)
def test_save_leaves_nothing_of_what_fails(app, parts, status):
    (app.folder / "x").write_text("old")
    assert post(app, "/save", encode(parts))[0] == status
    assert {path.name: path.read_text() for path in app.folder.iterdir()} == {"x": "old"}


def test_a_file_with_the_name_of_a_folder_is_refused(app):
    (app.folder / "taken").mkdir()
    assert post(app, "/save", encode([file("f", "x", b"1"), file("f", "taken", b"2")]))[0] == 409
    assert [path.name for path in app.folder.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    "begin, more, status",
    [
        (b"--X-B", b" " * 500, 400),  # the padding of a boundary
        (b"--X-B\r\n", b"X: y\r\n" * 100, 400),  # the head of a part
        (b"--X-B\r\nX: ", b"y" * 500, 400),
        (b"--X-", b"X-" * 5000, 413),  # what stands before the first boundary
        (b'--X-B\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n', b"\r\n--X-" * 1000, 413),
        (b'--X-B\r\nContent-Disposition: form-data; name="a"\r\n\r\n', b"a" * 5000, 413),
    ],
)
@pytest.mark.parametrize("target", ["/parts?skip", "/save"])
def test_endless_forms(app, target, begin, more, status):
    with app.connect() as client:
        start = head(target, 10**6).replace(b"Content-Length: 1000000", b"Transfer-Encoding: chunked")
        client.send(start + b"%x\r\n%s\r\n" % (len(begin), begin))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while not select.select([client.sock], [], [], 0)[0]:
                client.send(b"%x\r\n%s\r\n" % (len(more), more))
        assert client.answer()[0] == status
    until(lambda: list(app.folder.iterdir()) == [])
    assert app.get("/none")[0] == 404


def test_save_when_the_flash_is_full(app):
    assert post(app, "/full", encode([file("f", "x", b"1" * 2000)]))[::1] == (507, b"507 Insufficient Storage")
    assert list(app.folder.iterdir()) == []


@pytest.mark.parametrize("close", [True, False])
def test_upload_that_stops_leaves_nothing(app, close):
    body = encode([file("f", "x", b"1"), file("g", "y", b"2" * 5000)])
    with app.connect() as client:
        client.send(head("/save", len(body)) + body[:3000])
        while not list(app.folder.iterdir()):
            pass
        if not close:
            assert client.answer()[0] == 408
            client.closed()
    while list(app.folder.iterdir()):
        assert app.get("/none")[0] == 404


def test_two_uploads_at_once(app):
    bodies = [encode([file("f", f"{n}.bin", bytes([n]) * 5000)]) for n in (1, 2)]
    with app.connect() as one, app.connect() as two:
        for client, body in zip((one, two), bodies, strict=True):
            client.send(head("/save", len(body)) + body[:2000])
        for client, body in zip((one, two), bodies, strict=True):
            client.send(body[2000:])
            assert client.answer()[0] == 200
    assert {p.name: p.read_bytes() for p in app.folder.iterdir()} == {"1.bin": b"\1" * 5000, "2.bin": b"\2" * 5000}


@pytest.mark.parametrize(
    "name, safe",
    [
        ("x.txt", "x.txt"),
        ("../../boot.json", "boot.json"),
        ("..\\\\..\\\\boot.py", "boot.py"),
        ("C:\\\\dir\\\\a b.txt", "a b.txt"),
        ("/etc/passwd", "passwd"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        ("a/", "file"),
        (".hidden", "hidden"),
        ("...", "file"),
        ("a:b*c?.txt", "a_b_c_.txt"),
        ("nul\\x00\\n\\x7f.txt", "nul___.txt"),
        ("end. ", "end"),
        ("x" * 100 + ".html", "x" * 55 + ".html"),
        ("x" * 100, "x" * 60),
        ("a." + "x" * 100, "a." + "x" * 58),
        ("\\u00fc\\u20ac.txt", "ü€.txt"),
    ],
)
def test_safe_name(name, safe):
    source = f'from micropAsyncWeb.multipart import safe_name\nsys.stdout.buffer.write(safe_name("{name}").encode())\n'
    assert run_vm(source) == safe


@pytest.mark.parametrize(
    "text, filename",
    [
        ('"a%22b.txt"', 'a"b.txt'),
        ('"a\\"b.txt"', 'a"b.txt'),
        ('"C:\\new\\x.txt"', "C:\\new\\x.txt"),
        ('"a;b=c.txt"', "a;b=c.txt"),
        ('"%0D%0A%41"', "\r\n%41"),
        ("plain.txt", "plain.txt"),
        ('"C:\\"', "C:\\"),
    ],
)
def test_quoting_of_names(app, text, filename):
    body = encode([(f'Content-Disposition: form-data; name="f"; filename={text}', b"1")])
    assert post(app, "/parts", body)[1][0][1] == filename


def test_upload_larger_than_the_heap(tmp_path):
    (tmp_path / "up").mkdir()
    small = Server(tmp_path, source=APP, heap="160k")
    try:
        small.folder = tmp_path / "up"
        data = string.ascii_letters.encode() * 12000
        status, got = post(small, "/save", encode([file("f", "x", data[:100000])]))
        assert (status, got[1][0][3]) == (200, 100000)
        assert post(small, "/parts?skip", encode([file("f", "x", data[:600000])]))[0] == 200
    finally:
        small.close()
