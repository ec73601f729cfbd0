"""The board boots to a prompt and serves its webroot."""

import pytest

from tests.boards import SOFT_REBOOT


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


@pytest.mark.parametrize("name", ["index.html", "favicon.svg"])
def test_page_arrives_as_it_lies_in_the_filesystem(board, name):
    stored = board.read_file("/webroot/" + name)
    status, headers, body = board.get("/" + name)
    assert status == 200
    assert body == stored
    assert headers["Content-Type"].startswith({"html": "text/html", "svg": "image/svg+xml"}[name.rpartition(".")[2]])


def test_root_is_the_index_file(board):
    assert board.get("/")[2] == board.get("/index.html")[2]


def test_binary_file_arrives_whole(board):
    data = bytes(range(256)) * 70 + b"\0\r\n"
    board.exec("import os\ntry: os.mkdir('/webroot/t')\nexcept OSError: pass")
    board.write_file("/webroot/t/all.bin", data)
    try:
        status, headers, body = board.get("/t/all.bin")
        assert (status, body) == (200, data)
        assert headers["Content-Type"] == "application/octet-stream"
    finally:
        board.exec("import os\nos.remove('/webroot/t/all.bin')\nos.rmdir('/webroot/t')")


def test_file_written_over_the_repl_is_served_next(board):
    for text in (b"first", b"the second, longer one"):
        board.write_file("/webroot/note.txt", text)
        assert board.get("/note.txt")[2] == text
    board.exec("import os\nos.remove('/webroot/note.txt')")
    assert board.get("/note.txt")[0] == 404


def test_missing_file_is_404_with_a_body(board):
    status, _, body = board.get("/nothing/here.html")
    assert status == 404 and body


@pytest.mark.parametrize(
    "target", ["/../boot.json", "/%2e%2e/boot.json", "/..%2fboot.json", "/a/../../boot.json", "/%2e%2e%2fboot.json"]
)
def test_nothing_outside_the_webroot_is_served(board, target):
    status, _, body = board.get(target)
    assert status in (400, 403, 404)
    assert b"hostname" not in body


def test_page_is_compressed_for_those_who_accept_it(board):
    import gzip

    _, headers, body = board.get("/index.html", Accept_Encoding="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == board.get("/index.html")[2]


def test_status_is_about_this_board(board):
    import json

    status, headers, body = board.get("/api/status")
    assert status == 200 and headers["Content-Type"].startswith("application/json")
    assert json.loads(body)["hostname"] == board.eval("__import__('network').hostname()")
