"""The tables by which the network services move: all of each is used, and docs/network.md draws the same."""

import re

import pytest

from firmware.paths import ROOT
from unit.device import vm, wifi

MODULES = ("network_service", "access_point", "ethernet_service")


def table(name, folder):
    """{(state, event, next state)} of a module."""
    program = f"from device import {name}\nfor move in {name}.MOVES:\n    print('|'.join(move))"
    moves = [tuple(line.split("|")) for line in vm.run(program, folder).splitlines()]
    assert len(set(moves)) == len(moves)
    return set(moves)


def drawn(name):
    """The same as docs/network.md draws it, and the state that the diagram begins with."""
    text = (ROOT / "docs/network.md").read_text("utf-8")
    [diagram] = re.findall(rf"```mermaid\nstateDiagram-v2\n    %% {name}\.MOVES\n(.*?)```", text, re.S)
    lines = [line.strip() for line in diagram.strip().splitlines()]
    begin = re.fullmatch(r"\[\*\] --> (\w+)", lines.pop(0))[1]
    moves = [re.fullmatch(r"(\w+) --> (\w+): (.+)", line).group(1, 3, 2) for line in lines]
    return begin, moves


@pytest.mark.parametrize("name", MODULES)
def test_docs_draw_what_the_code_does(name, tmp_path):
    begin, moves = drawn(name)
    assert len(set(moves)) == len(moves)
    assert set(moves) == table(name, tmp_path)
    assert begin == {"access_point": "closed"}.get(name, "off")


@pytest.mark.parametrize("name", MODULES)
def test_every_state_is_reached_and_left(name, tmp_path):
    begin, moves = drawn(name)
    states = {state for state, _, _ in moves}
    assert states == {after for _, _, after in moves} | {begin}
    # An event leads from a state to one other only.
    assert len({move[:2] for move in moves}) == len(moves)


@pytest.mark.parametrize("name", MODULES[::2])
def test_docs_say_what_the_events_are(name):
    text = (ROOT / "docs/network.md").read_text("utf-8")
    explained = set(re.findall(r"^\| ([a-z ]+) \|", text, re.M))
    plain = {"started", "attempt", "connected", "cable changed"}
    assert {event for _, event, _ in drawn(name)[1]} - plain <= explained


def test_a_move_that_the_table_lacks_is_an_error(tmp_path):
    program = """
from device import interface, network_service
try:
    interface.moved(network_service.MOVES, "off", "connected")
except RuntimeError as error:
    print(error)
"""
    assert vm.run(program, tmp_path) == "connected is not expected while off\n"


def test_every_move_of_wifi_happens(tmp_path):
    """One life of a board that meets everything: nothing in the tables is dead."""
    program = """
seen = set()
moved = network_service.moved
def note(moves, state, event):
    after = moved(moves, state, event)
    seen.add((moves is access_point.MOVES, state, event, after))
    return after
network_service.moved = access_point.moved = note

network.chip()
HOME = {"password": "password1"}
def having(**fields):
    point = dict(HOME)
    point.update(fields)
    return {"home": point}
def problem(words):
    return lambda: words in made.problem
def ask(coro):
    def begin():
        asyncio.create_task(coro())
        return True
    return begin
def guest():
    made._access_point._interface.guests.append(b"phone")
    return True
def nobody():
    made._access_point._interface.guests.clear()
    return True
def fail_in(state):
    def fall_ill():
        if made.state != state:
            return False
        def fail(self):
            if made.state == state:
                raise RuntimeError("Wifi Unknown Error 0x0102")
            return healthy(self)
        network.WLAN.isconnected = fail
        return True
    return fall_ill
def refused():
    network.broken.append(OSError("Wifi Internal Error"))
    return True
def slow():
    network.latency["join"] = 60000
    return True
def quick():
    network.latency["join"] = 1000
    return True

made = service([("home", "password1")])
healthy = network.WLAN.isconnected
def nothing_named():
    made.use([])
    return True
def joined():
    made._station.wlan.connect("home", "password1")
    return True
def off():
    if made.state == "off":
        network.WLAN.isconnected = healthy
    return made.state == "off"
life = [
    problem("not found"), having(password="x"), problem("wrong password"), having(reason=203), problem("refuses"),
    having(dhcp=False), problem("no address"), {}, problem("not found"), having(), slow, problem("does not answer"),
    quick, refused, problem("cannot be tried"), guest, connected, lambda: made._access_point.state == "lingering",
    {}, away, having(), connected, 200, nobody, having(dhcp=False), problem("address is lost"), problem("no address"),
    having(), connected, ask(lambda: made.try_network("other", "")), away, connected,
    {}, away, lambda: made.state == "connecting", ask(lambda: made.scan()),
    lambda: made.ap_ssid, fail_in("waiting"), off, fail_in("connecting"), off,
    having(), fail_in("connected"), off, connected, lambda: not made.ap_ssid,
    nothing_named, {}, away, having(), joined, connected,
]
live(made, *life)
wanted = {(False,) + move for move in network_service.MOVES} | {(True,) + move for move in access_point.MOVES}
print(sorted(wanted - seen))
"""
    assert wifi.run(program, tmp_path) == ["[]"]
