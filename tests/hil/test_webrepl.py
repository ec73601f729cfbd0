"""WebREPL: terminal and files, beside the server."""

import os
import socket

import pytest
from websockets.exceptions import WebSocketException

from .load import Load
from .webrepl_client import WebReplClient

pytestmark = pytest.mark.needs("webrepl")


@pytest.fixture(autouse=True)
def webrepl_runs(board):
    board.start_webrepl()


def test_login_and_expression_under_load(board):
    with Load(board, 4) as load, WebReplClient(board) as repl:
        repl.login(board.webrepl_password)
        assert repl.line("6 * 7") == "42\r\n"
        load.wait(20)
    assert not load.errors


def test_wrong_password_is_refused(board):
    with WebReplClient(board) as repl:
        repl.read_until("Password: ")
        repl.type("not-it\r")
        repl.read_until("Access denied")
        with pytest.raises((WebSocketException, TimeoutError)):
            repl.line("1")
    with WebReplClient(board) as repl:
        repl.login(board.webrepl_password)


def test_one_client_at_a_time(board):
    with WebReplClient(board) as first:
        first.login(board.webrepl_password)
        with pytest.raises((WebSocketException, OSError)), WebReplClient(board) as second:
            second.read_until("Password: ")
        assert first.line("1 + 1") == "2\r\n"
    with WebReplClient(board) as third:
        third.login(board.webrepl_password)


def test_files_go_and_come_back_under_load(board):
    data = os.urandom(20000)
    path = "/test.bin"
    with Load(board, 4) as load, WebReplClient(board) as repl:
        repl.login(board.webrepl_password)
        repl.put(path, data)
        assert repl.get(path) == data
        assert repl.version() >= (1, 28, 0)
        load.wait(10)
    assert board.read_file(path) == data
    assert not load.errors
    board.exec(f"import os\nos.remove({path!r})")


def test_ctrl_c_over_webrepl(board):
    with WebReplClient(board) as repl:
        repl.login(board.webrepl_password)
        repl.type("while True: pass\r\r")
        repl.read_until("while True: pass\r\n")
        board.get("/api/status")
        repl.type("\x03")
        repl.read_until("KeyboardInterrupt")
        repl.read_until(">>> ")


def test_serial_console_and_webrepl_show_the_same(board):
    with WebReplClient(board) as repl, board.console() as console:
        repl.login(board.webrepl_password)
        console.prompt()
        console.line("print('from', 'serial')")
        repl.read_until("from serial")
        repl.type("print('from', 'web')\r")
        console.read_until(b"from web\r\n")


def test_client_that_says_nothing_does_not_stop_the_server(board):
    with socket.create_connection(board.webrepl, 10 * board.factor) as silent:
        for _ in range(20):
            assert board.get("/api/status")[0] == 200
        silent.close()
    with WebReplClient(board) as repl:
        repl.login(board.webrepl_password)
