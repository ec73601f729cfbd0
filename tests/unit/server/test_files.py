"""Static files: paths, types, compression, conditions and ranges."""

import gzip
import os
import threading
import time

import pytest


def test_index_files(server):
    assert server.get("/")[2] == b"<h1>index</h1>"
    assert server.get("/sub/")[2] == b"<h1>sub</h1>"
    status, header, _ = server.get("/sub?a=b")
    assert (status, header["location"]) == (301, "/sub/?a=b")


@pytest.mark.parametrize(
    "name, kind",
    [
        ("/", "text/html; charset=utf-8"),
        ("/sub/page.htm", "text/html; charset=utf-8"),
        ("/small.txt", "text/plain; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/app.js.gz", "application/gzip"),
        ("/big.bin", "application/octet-stream"),
    ],
)
def test_types(server, name, kind):
    assert server.get(name)[1]["content-type"] == kind


@pytest.mark.parametrize("name", ["big.bin", "small.txt", "empty.txt", "app.js", "with%20space.txt", "%c3%bcml.txt"])
def test_content(server, webroot, name):
    from urllib.parse import unquote

    status, header, body = server.get("/" + name)
    assert status == 200
    assert body == (webroot / unquote(name)).read_bytes()
    assert int(header["content-length"]) == len(body)


@pytest.mark.parametrize(
    "target",
    [
        "/missing",
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2e%2fsecret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/sub/..%2f..%2fsecret.txt",
        "/sub/%2e%2e/%2e%2e/secret.txt",
        "/%252e%252e/secret.txt",
        "/....//secret.txt",
        "/./small.txt",
        "//small.txt",
        "/sub//index.html",
        "/C:/secret.txt",
        "/\\secret.txt",
        "/..\\secret.txt",
        "/etc%2fpasswd",
        "/%2fetc/passwd",
        "http://x/../secret.txt",
    ],
)
def test_nothing_outside_the_webroot(server, target):
    status, _, body = server.get(target)
    assert status == 404
    assert b"secret" not in body


def test_compressed_neighbour(server, webroot):
    plain = server.get("/app.js")
    packed = server.get("/app.js", "Accept-Encoding: deflate, gzip")
    assert "content-encoding" not in plain[1]
    assert packed[1]["content-encoding"] == "gzip"
    assert gzip.decompress(packed[2]) == plain[2]
    assert plain[1]["vary"] == packed[1]["vary"] == "Accept-Encoding"
    assert plain[1]["etag"] != packed[1]["etag"]
    assert packed[1]["content-type"] == "text/javascript; charset=utf-8"
    assert "content-encoding" not in server.get("/app.js", "Accept-Encoding: gzip;q=0, identity")[1]


def test_conditions(server):
    _, header, _ = server.get("/small.txt")
    tag, date = header["etag"], header["last-modified"]
    for field in (
        f"If-None-Match: {tag}",
        f'If-None-Match: "x", W/{tag}',
        "If-None-Match: *",
        f"If-Modified-Since: {date}",
        f"If-None-Match: {tag}\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
    ):
        status, got, body = server.get("/small.txt", field)
        assert (status, body, got["etag"]) == (304, b"", tag)
    for field in (
        'If-None-Match: "x"',
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        f'If-None-Match: "x"\nIf-Modified-Since: {date}',
        "If-Modified-Since: yesterday",
    ):
        assert server.get("/small.txt", field)[2] == b"0123456789"


@pytest.mark.parametrize(
    "value, expected, body",
    [
        ("bytes=0-0", "0-0", b"0"),
        ("bytes=2-4", "2-4", b"234"),
        ("bytes=7-", "7-9", b"789"),
        ("bytes=-3", "7-9", b"789"),
        ("bytes=-30", "0-9", b"0123456789"),
        ("bytes=5-500", "5-9", b"56789"),
        ("bytes=10-", None, None),
        ("bytes=99-100", None, None),
        ("bytes=-0", None, None),
        ("bytes=4-2", "", b"0123456789"),
        ("bytes=0-1,3-4", "", b"0123456789"),
        ("bytes=a-b", "", b"0123456789"),
        ("bytes=-", "", b"0123456789"),
        ("lines=0-1", "", b"0123456789"),
    ],
)
def test_ranges(server, value, expected, body):
    status, header, got = server.get("/small.txt", f"Range: {value}")
    if expected is None:
        assert (status, header["content-range"]) == (416, "bytes */10")
    elif expected:
        assert (status, header["content-range"], got) == (206, f"bytes {expected}/10", body)
    else:
        assert (status, got) == (200, body)


def test_range_of_a_large_file(server, webroot):
    status, header, body = server.get("/big.bin", "Range: bytes=50000-89999")
    assert (status, body) == (206, (webroot / "big.bin").read_bytes()[50000:90000])


def test_if_range(server):
    header = server.get("/small.txt")[1]
    etag = header["etag"]
    for value, status in ((etag, 206), (header["last-modified"], 206), ('"x"', 200), ("W/" + etag, 200)):
        assert server.get("/small.txt", "Range: bytes=0-1", f"If-Range: {value}")[0] == status


def test_cache_control(start):
    server = start("cacheControl={'/sub/': 'max-age=60', '/': 'no-cache'}")
    assert server.get("/sub/page.htm")[1]["cache-control"] == "max-age=60"
    assert server.get("/small.txt")[1]["cache-control"] == "no-cache"


def test_changed_file_is_served_next(server, webroot):
    path = webroot / "changing.txt"
    path.write_text("one")
    assert server.get("/changing.txt")[2] == b"one"
    path.write_text("second")
    assert server.get("/changing.txt")[2] == b"second"
    path.unlink()
    assert server.get("/changing.txt")[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods(server, method):
    for target, status in (("/small.txt", 405), ("/missing", 404), ("/sub/", 405), ("/../secret.txt", 404)):
        got = server.ask(f"{method} {target} HTTP/1.1\nHost: x\nContent-Length: 0\n\n")
        assert got[0] == status, target
        assert ("allow" in got[1]) == (status == 405)


@pytest.mark.parametrize("form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"])
def test_dates_are_compared(server, webroot, form):
    """In the three forms of RFC 9110 section 5.6.7."""
    modified = int((webroot / "small.txt").stat().st_mtime)
    for offset, since, unless in ((-1, 200, 412), (0, 304, 200), (1, 304, 200)):
        date = time.strftime(form, time.gmtime(modified + offset))
        assert server.get("/small.txt", f"If-Modified-Since: {date}")[0] == since
        assert server.get("/small.txt", f"If-Unmodified-Since: {date}")[0] == unless


def test_if_match(server):
    tag = server.get("/small.txt")[1]["etag"]
    for value, status in ((tag, 200), ("*", 200), (f'"x", {tag}', 200), ('"x"', 412), ("W/" + tag, 412)):
        got = server.get("/small.txt", f"If-Match: {value}", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT")
        assert got[0] == status, value
        assert got[2] == (b"0123456789" if status == 200 else b"")


def test_undated_files_of_one_size_differ(start, webroot):
    """Files of an image have no time; the next image may bring another file with the same name and size."""
    path = webroot / "undated.txt"
    tags = []
    for text in ("one", "two"):
        path.write_text(text)
        os.utime(path, (0, 0))
        server = start()
        header = server.get("/undated.txt")[1]
        assert "last-modified" not in header
        assert server.get("/undated.txt", f"If-None-Match: {header['etag']}")[0] == 304
        tags.append(header["etag"])
    assert tags[0] != tags[1]


@pytest.mark.parametrize("value, packed", [("gzip; q=0", 0), ("gzip;q=0.000", 0), ("br, gzip;q=0.5", 1), ("*;q=1", 0)])
def test_weights(server, value, packed):
    assert ("content-encoding" in server.get("/app.js", f"Accept-Encoding: {value}")[1]) == bool(packed)


def test_compressed_file_asked_for_by_its_own_name(server):
    for _ in range(2):
        assert "content-encoding" not in server.get("/app.js.gz")[1]
        assert server.get("/app.js", "Accept-Encoding: gzip")[1]["content-encoding"] == "gzip"


def test_send_file_of_a_folder_is_404(server):
    assert server.get("/folder")[0] == 404


def test_head_and_first_part_leave_in_one_write(server):
    with server.connect() as client:
        client.send("GET /small.txt HTTP/1.1\nHost: x\n\n")
        assert client.sock.recv(4096).endswith(b"\r\n\r\n0123456789")
        client.send("GET /big.bin HTTP/1.1\nHost: x\n\n")
        head, _, body = client.sock.recv(2880).partition(b"\r\n\r\n")
        assert b"Content-Length: 102400" in head and len(head) + 4 + len(body) == 2880


@pytest.mark.parametrize("value", ["notgzip", "gzipped", "x-gzip;q=1, br", "br;x=gzip", "gzip\t;\tq=0"])
def test_codings_that_only_look_like_gzip(server, value):
    assert "content-encoding" not in server.get("/app.js", f"Accept-Encoding: {value}")[1]


def test_compressed_file_that_is_older_or_alone(server, webroot):
    path, packed = webroot / "old.js", webroot / "old.js.gz"
    packed.write_bytes(gzip.compress(b"old"))
    gz = "Accept-Encoding: gzip"
    assert gzip.decompress(server.get("/old.js", gz)[2]) == b"old"
    assert server.get("/old.js")[0] == 404
    path.write_bytes(b"new")
    os.utime(packed, (1_600_000_000, 1_600_000_000))
    assert server.get("/old.js", gz)[2] == server.get("/old.js")[2] == b"new"
    path.unlink()
    packed.unlink()


def test_file_without_a_time(server, webroot):
    """As a board writes it whose clock is not set: conditions by tag only."""
    path = webroot / "undated.bin"
    path.write_bytes(bytes(5000))
    os.utime(path, (0, 0))
    header = server.get("/undated.bin")[1]
    assert "last-modified" not in header
    for field, status in (
        (f"If-None-Match: {header['etag']}", 304),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 200),
        ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 200),
    ):
        assert server.get("/undated.bin", field)[0] == status
    # The begin and the end count.
    tags = {header["etag"]}
    for place in (0, 511, 4488, 4999):
        path.write_bytes(bytes(place) + b"x" + bytes(4999 - place))
        os.utime(path, (0, 0))
        os.utime(path, (place + 1, place + 1))
        tags.add(server.get("/undated.bin")[1]["etag"])
    assert len(tags) == 5
    path.unlink()


def test_fast_reader_of_a_file_leaves_others_their_turn(start, webroot):
    (webroot / "huge.bin").write_bytes(bytes(20_000_000))
    server = start("maxConnections=4")
    with server.connect() as greedy, server.connect() as other:
        greedy.send("GET /huge.bin HTTP/1.1\nHost: x\n\n")
        greedy.sock.recv(100)
        got = []

        def read():
            left = 20_000_000
            while left > 0:
                left -= len(greedy.sock.recv(1 << 20))
            got.append(time.monotonic())

        reader = threading.Thread(target=read)
        reader.start()
        answered = 0
        while not got:
            assert other.send("GET /ping HTTP/1.1\nHost: x\n\n").answer()[2] == b"pong"
            answered += not got
        reader.join()
        assert answered > 1
    (webroot / "huge.bin").unlink()
