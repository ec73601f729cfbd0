"""Improv Wi-Fi over serial on the desktop board: as the protocol's text says, beside a person and mpremote."""

import json
import random
import subprocess
import sys
import time

import pytest

from tests.console import PROMPT
from tests.unix.improv_client import CONNECTED, ERROR, READY, RESULT, STATE, TRYING, Client, command, packet, wifi

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


def test_what_it_is(board, client_of):
    status = json.loads(board.get("/api/status")[2])
    kind, number, texts = client_of(board).ask(3)
    assert (kind, number) == (RESULT, 3)
    assert texts[:4] == ["microAsyncWeb", status["firmware"], "ESP32 stand-ins", "desktop"]
    assert texts[4:] == ["MicroPython", status["micropython"]]


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


def test_packets_byte_by_byte_and_many_at_once(board, client_of):
    client = client_of(board)
    for byte in command(2):
        client.send(bytes((byte,)))
        time.sleep(0.02)
    assert [client.receive()[:2] for _ in range(3)] == [(ERROR, 0), (STATE, CONNECTED), (RESULT, 2)]
    client.send(command(2) * 5)
    assert [client.receive()[0] for _ in range(15)] == [ERROR, STATE, RESULT] * 5
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


def test_a_person_s_bytes_reach_the_prompt(board):
    with board.console() as console:
        for text in ("'IMPROV'", "'I'", "'IMPRO'", "len('IMPROVE IMPROV')"):
            assert console.line(text) == f"{eval(text)!r}\r\n"
        for text in ("I", "IMPROV", "IMPRO"):
            console.write(text.encode())
            console.read_until(text.encode())  # it is echoed though nothing more comes
            console.write(b"\x03")
            console.read_until(PROMPT)


def test_any_beginning_of_a_packet_reaches_a_reader_unchanged(board, client_of):
    """In the raw REPL bytes are bytes: a script that holds anything of a packet comes to the board as it is."""
    whole = command(2)[:-1]
    pieces = [whole[:size] for size in range(1, 8)] + [b"IMPROV\x01\x02x", b"I" * 5, b"IMPROVIMPROV\x01I", b"\n", b"*"]
    choice = random.Random(5)
    client = client_of(board)
    client.send(b"\r\x03\x03\x01")
    assert client.rest().endswith(b"raw REPL; CTRL-B to exit\r\n>")
    for _ in range(6):
        # Control characters below 6 are the raw REPL's own.
        text = b"".join(choice.choice(pieces) for _ in range(8)).replace(b"\x01", b"_").replace(b"\x02", b"_")
        client.send(b"print('''")
        for i in range(0, len(text), 3):
            client.send(text[i : i + 3])
            time.sleep(choice.choice((0, 0, 0, 0.12)))
        client.send(b" ''')\x04")
        assert client.rest() == b"OK" + text.replace(b"\n", b"\r\n") + b" \r\n\x04\x04>"
        client.send(command(2))
        assert [client.receive()[:2] for _ in range(3)] == [(ERROR, 0), (STATE, CONNECTED), (RESULT, 2)]
    client.send(b"\x02")


def test_mpremote_works_on_the_same_line(board, tmp_path):
    data = command(2) + bytes(range(256)) * 8 + b"IMPROV\x01\x03" * 50
    (tmp_path / "data").write_bytes(data)
    (tmp_path / "script.py").write_text(f"print(sum({data!r}), 'IMPROV' * 100)\n")

    def mpremote(*arguments):
        command = [sys.executable, "-m", "mpremote", "connect", board.device, *arguments]
        done = subprocess.run(command, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        return done.stdout

    mpremote("fs", "cp", str(tmp_path / "data"), ":data")
    mpremote("fs", "cp", ":data", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data
    assert mpremote("exec", "print('IMPROV')").strip() == b"IMPROV"
    assert mpremote("run", str(tmp_path / "script.py")).split() == [b"%d" % sum(data), b"IMPROV" * 100]


def test_a_program_that_runs_is_interrupted_as_by_ctrl_c(board, client_of):
    """The byte 3 of a packet is Ctrl-C while a program runs; the client's next question finds the prompt."""
    client = client_of(board)
    client.send(b"while True: pass\r\r")
    client.rest()
    client.send(command(2))
    assert b"KeyboardInterrupt" in client.rest(1)
    assert client.ask(2) == (STATE, CONNECTED)
