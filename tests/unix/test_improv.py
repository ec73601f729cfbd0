"""Improv Wi-Fi over serial: the desktop board's Wi-Fi is set, as the protocol's text says."""

import json
import time

import pytest

from tests.console import PROMPT
from tests.improv_client import CONNECTED, ERROR, READY, RESULT, STATE, TRYING, Client, command, packet, wifi

AIR = [
    {"ssid": "home", "password": "correct horse", "rssi": -50},
    {"ssid": "Café grün", "rssi": -70},
    {"ssid": "neighbour", "password": "not yours", "rssi": -80},
]
NEW = {"hostname": "new", "server": {"port": 8080}}  # the boot.json of a board that knows no network


@pytest.fixture
def client_of():
    """Open a client on a board."""
    consoles = []

    def connect(board):
        context = board.console()
        consoles.append(context)
        return Client(context.__enter__())

    yield connect
    for context in consoles:
        context.__exit__(None, None, None)


@pytest.fixture
def board(start_board, tmp_path):
    """A board in the air above that knows the network "home" and is at its prompt."""
    (tmp_path / "air.json").write_text(json.dumps(AIR))
    board = start_board("--air", str(tmp_path / "air.json"))
    with board.console() as console:
        console.prompt(30)
    return board


@pytest.fixture
def new_board(board):
    """The same, but it knows no network."""
    board.write_file("/boot.json", json.dumps(NEW).encode())
    board.hard_reset()
    return board


def test_a_connected_board_tells_its_page(board, client_of):
    page = json.loads(board.get("/api/status")[2])["page"]
    client = client_of(board)
    assert client.ask(2) == (STATE, CONNECTED)
    assert client.receive() == (RESULT, 2, [page])
    assert client.ask(7) == (RESULT, 7, ["3", page])
    assert client.rest() == b""


def test_scan_gives_a_result_for_each_network_and_an_empty_one(board, client_of):
    client = client_of(board)
    assert client.ask(4) == (RESULT, 4, ["home", "-50", "YES"])
    assert client.receive() == (RESULT, 4, ["Café grün", "-70", "NO"])
    assert client.receive() == (RESULT, 4, ["neighbour", "-80", "YES"])
    assert client.receive() == (RESULT, 4, [])


def test_wifi_is_tried_saved_and_shown(new_board, client_of):
    client = client_of(new_board)
    assert client.ask(2) == (STATE, READY)
    assert client.ask(7) == (RESULT, 7, ["2"])
    client.send(wifi("home", "wrong horse"))
    assert [client.receive() for _ in range(4)] == [(ERROR, 0), (STATE, TRYING), (ERROR, 3), (STATE, READY)]
    client.send(command(4))
    assert client.receive() == (RESULT, 4, ["home", "-50", "YES"])  # the error stays, for the user to read
    while client.receive() != (RESULT, 4, []):
        pass
    assert client.ask(5) == (RESULT, 5, ["new"])
    assert client.ask(5, b"not a name") == (ERROR, 5)
    assert client.ask(5, b"greenhouse") == (RESULT, 5, ["greenhouse"])
    client.send(wifi("home", "correct horse"))
    assert [client.receive() for _ in range(3)] == [(ERROR, 0), (STATE, TRYING), (STATE, CONNECTED)]
    kind, number, [url] = client.receive()
    assert (kind, number) == (RESULT, 1)
    assert client.ask(5, b"other") == (ERROR, 0xFF)  # the text: only while it is ready for a network
    assert client.rest() == b""
    status = json.loads(new_board.get("/api/status")[2])
    assert (status["page"], status["network"]["ssid"], status["hostname"]) == (url, "home", "greenhouse")
    saved = json.loads(new_board.read_file("/boot.json"))
    assert saved["wifi"]["networks"] == [{"ssid": "home", "password": "correct horse"}]
    assert (saved["hostname"], saved["server"]) == ("greenhouse", NEW["server"])
    new_board.hard_reset()
    assert json.loads(new_board.get("/api/status")[2])["network"]["state"] == "connected"


def test_a_network_without_password_and_with_letters_that_are_not_ascii(new_board, client_of):
    client = client_of(new_board)
    client.send(wifi("Café grün", ""))
    assert [client.receive() for _ in range(3)] == [(ERROR, 0), (STATE, TRYING), (STATE, CONNECTED)]
    assert client.receive()[:2] == (RESULT, 1)
    assert json.loads(new_board.get("/api/status")[2])["network"]["ssid"] == "Café grün"


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (packet(b""), [(ERROR, 1)]),
        (packet(b"\x02"), [(ERROR, 1)]),
        (packet(b"\x02\x01"), [(ERROR, 1)]),
        (packet(b"\x02\x00\x00"), [(ERROR, 1)]),
        (command(9), [(ERROR, 0), (ERROR, 2)]),
        (command(6, b"a name"), [(ERROR, 0), (ERROR, 2)]),
        (command(1), [(ERROR, 0), (ERROR, 1)]),
        (command(1, b"\x04home"), [(ERROR, 0), (ERROR, 1)]),
        (command(1, b"\x05home\x00"), [(ERROR, 0), (ERROR, 1)]),
        (command(1, b"\x04home\x00more"), [(ERROR, 0), (ERROR, 1)]),
        (command(1, b"\x02\xff\xfe\x00"), [(ERROR, 0), (ERROR, 1)]),
        (wifi("", ""), [(ERROR, 0), (STATE, TRYING), (ERROR, 3), (STATE, CONNECTED)]),
        (wifi("x" * 33, ""), [(ERROR, 0), (STATE, TRYING), (ERROR, 3), (STATE, CONNECTED)]),
        (wifi("home", "short"), [(ERROR, 0), (STATE, TRYING), (ERROR, 3), (STATE, CONNECTED)]),
    ],
)
def test_what_is_wrong_is_answered(board, client_of, sent, answers):
    client = client_of(board)
    client.send(sent)
    assert [client.receive() for _ in answers] == answers
    assert client.rest() == b""


def test_while_a_network_is_tried_the_state_can_be_asked(new_board, client_of):
    client = client_of(new_board)
    client.send(wifi("home", "wrong horse"))
    assert [client.receive() for _ in range(2)] == [(ERROR, 0), (STATE, TRYING)]
    assert client.ask(2) == (STATE, TRYING)
    assert [client.receive() for _ in range(2)] == [(ERROR, 3), (STATE, READY)]


def test_before_the_prompt(board):
    """A client that asks again and again while the board starts, as ESP Web Tools does after it has written one."""
    with board.console() as console:
        console.write(b"import machine; machine.reset()\r")
        console.read_until(b"rst:0xc")
        client = Client(console, timeout=0.1)
        deadline = time.monotonic() + 30
        texts = []  # what had been on the line besides, at each answer
        while not (texts and PROMPT in texts[-1]):
            assert time.monotonic() < deadline, client.text
            client.send(command(2))
            while True:
                try:
                    client.receive()
                except AssertionError:
                    break
                texts.append(client.text)
        assert PROMPT not in texts[0]
        assert client.text.split(PROMPT)[-1] == b""
        assert client.text.count(PROMPT) == 1
        client.rest()
        client.send(b"6 * 7\r")
        assert client.rest() == b"6 * 7\r\n42\r\n>>> "
