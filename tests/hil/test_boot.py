"""The board boots to a prompt and serves its webroot; the files are the tests' own."""

import gzip
import json
from pathlib import PurePosixPath

import pytest

from tests.console import SOFT_REBOOT


def test_prompt_answers(board):
    with board.console() as console:
        console.prompt()
        assert console.line("6 * 7") == "42\r\n"


def test_banner_after_soft_reset(board):
    with board.console() as console:
        console.prompt()
        console.write(b"\x04")
        console.read_until(SOFT_REBOOT)
        text = console.read_until(b'Type "help()" for more information.\r\n>>> ', 30).decode()
    assert "MicroPython" in text


def test_boot_says_where_the_page_is(board):
    with board.console() as console:
        console.prompt()
        console.write(b"\x04")
        console.read_until(SOFT_REBOOT)
        console.read_until(b"http://", 30)


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        ("test.html", "text/html", "<h1>Grüße</h1>\n".encode() * 100),
        ("test.svg", "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("test.bin", "application/octet-stream", bytes(range(256)) * 70 + b"\0\r\n"),
        ("test.txt", "text/plain", b""),
    ],
)
def test_file_arrives_as_it_lies_in_the_filesystem(board, name, kind, data):
    with board.replaced(f"{board.webroot}/{name}", data):
        status, headers, body = board.get("/" + name)
        assert (status, body) == (200, data)
        assert headers["Content-Type"].startswith(kind)


def test_root_is_the_index_file(board):
    index = board.config["server"]["index"]
    with board.replaced(f"{board.webroot}/{index}", b"<title>a page of its own</title>"):
        assert board.get("/")[2] == board.get("/" + index)[2] == b"<title>a page of its own</title>"


def test_file_of_a_folder_is_served(board):
    with board.replaced(f"{board.webroot}/test/deep.txt", b"deep"):
        assert board.get("/test/deep.txt")[2] == b"deep"
    assert board.get("/test/deep.txt")[0] == 404


def test_file_written_over_the_repl_is_served_next(board):
    path = board.webroot + "/test.txt"
    with board.replaced(path, b"first"):
        assert board.get("/test.txt")[2] == b"first"
        board.write_file(path, b"the second, longer one")
        assert board.get("/test.txt")[2] == b"the second, longer one"
    assert board.get("/test.txt")[0] == 404


def test_missing_file_is_404_with_a_body(board):
    status, _, body = board.get("/nothing/here.html")
    assert status == 404 and body


@pytest.mark.parametrize(
    "target", ["/../test.txt", "/%2e%2e/test.txt", "/..%2ftest.txt", "/a/../../test.txt", "/%2e%2e%2ftest.txt"]
)
def test_nothing_outside_the_webroot_is_served(board, target):
    outside = PurePosixPath(board.webroot).parent / "test.txt"
    with board.replaced(str(outside), b"not for everybody"), board.replaced(f"{board.webroot}/a/page.txt", b"page"):
        assert board.get("/a/page.txt")[0] == 200
        status, _, body = board.get(target)
    assert status in (400, 403, 404)
    assert b"everybody" not in body


def test_page_is_compressed_for_those_who_accept_it(board):
    page = b"<title>a page of its own</title>" * 10
    packed = gzip.compress(page)
    path = board.webroot + "/test.html"
    with board.replaced(path, page), board.replaced(path + ".gz", packed):
        _, headers, body = board.get("/test.html", Accept_Encoding="gzip")
        assert (headers["Content-Encoding"], body) == ("gzip", packed)
        assert board.get("/test.html")[2] == page


def test_status_is_about_this_board(board):
    status, headers, body = board.get("/api/status")
    assert status == 200 and headers["Content-Type"].startswith("application/json")
    assert json.loads(body)["hostname"] == board.eval("__import__('network').hostname()")
