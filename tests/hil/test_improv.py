"""Improv Wi-Fi over serial on the console's line, beside a person, mpremote and programs."""

import json
import random
import subprocess
import sys
import time

import pytest

from tests.console import PROMPT
from tests.improv_client import CONNECTED, ERROR, READY, RESULT, STATE, STOPPED, Client, command


@pytest.fixture
def client(board):
    """A client on the board, which is at its prompt."""
    with board.console() as console:
        console.prompt(30)
        yield Client(console, factor=board.factor)


def state(client):
    """The board's state, asked for by a whole packet."""
    client.send(command(2))
    return answer(client)


def answer(client):
    """The state in the answer to a request for it."""
    assert client.receive() == (ERROR, 0)
    kind, number = client.receive()
    assert kind == STATE
    assert number in (STOPPED, READY, CONNECTED)
    if number == CONNECTED:
        assert client.receive()[:2] == (RESULT, 2)
    return number


def test_what_it_is(board, client):
    status = json.loads(board.get("/api/status")[2])
    chip = status["machine"].split(" with ")[1]
    names = ["microAsyncWeb", status["firmware"], chip, status["hostname"], "MicroPython", status["micropython"]]
    assert client.ask(3) == (RESULT, 3, names)


def test_packets_byte_by_byte_and_many_at_once(client):
    before = state(client)
    for byte in command(2):
        client.send(bytes((byte,)))
        time.sleep(0.02)
    assert answer(client) == before
    client.send(command(2) * 5)
    assert [answer(client) for _ in range(5)] == [before] * 5
    assert client.rest() == b""


def test_a_person_s_bytes_reach_the_prompt(board):
    with board.console() as console:
        console.prompt(30)
        for text in ("'IMPROV'", "'I'", "'IMPRO'", "len('IMPROVE IMPROV')"):
            assert console.line(text) == f"{eval(text)!r}\r\n"
        for text in ("I", "IMPROV", "IMPRO"):
            console.write(text.encode())
            console.read_until(text.encode())  # it is echoed though nothing more comes
            console.write(b"\x03")
            console.read_until(PROMPT)


def test_any_beginning_of_a_packet_reaches_a_reader_unchanged(client):
    """In the raw REPL bytes are bytes: a script that holds anything of a packet comes to the board as it is."""
    whole = command(2)[:-1]
    pieces = [whole[:size] for size in range(1, 8)] + [b"IMPROV\x01\x02x", b"I" * 5, b"IMPROVIMPROV\x01I", b"\n", b"*"]
    choice = random.Random(5)
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
        state(client)
    client.send(b"\x02")


def test_mpremote_works_on_the_same_line(board, tmp_path):
    data = command(2) + bytes(range(256)) * 4 + b"IMPROV\x01\x03" * 50
    (tmp_path / "data").write_bytes(data)
    (tmp_path / "script.py").write_text(f"print(sum({data!r}), 'IMPROV' * 100)\n")

    def mpremote(*arguments):
        command = [sys.executable, "-m", "mpremote", "connect", board.device, *arguments]
        done = subprocess.run(command, capture_output=True, timeout=60 * board.factor, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        return done.stdout

    mpremote("fs", "cp", str(tmp_path / "data"), ":improv.bin")
    mpremote("fs", "cp", ":improv.bin", str(tmp_path / "back"))
    mpremote("fs", "rm", ":improv.bin")
    assert (tmp_path / "back").read_bytes() == data
    assert mpremote("exec", "print('IMPROV')").strip() == b"IMPROV"
    assert mpremote("run", str(tmp_path / "script.py")).split() == [b"%d" % sum(data), b"IMPROV" * 100]


def test_a_program_that_runs_is_interrupted_as_by_ctrl_c(client):
    """The byte 3 of a packet is Ctrl-C while a program runs; the client's next question finds the prompt."""
    before = state(client)
    client.send(b"while True: pass\r\r")
    client.rest()
    client.send(command(2))
    assert b"KeyboardInterrupt" in client.rest(1)
    assert state(client) == before
