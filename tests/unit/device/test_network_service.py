"""The network service's way through its states, with scripted access points and no real waiting."""

import pytest

from unit.device import wifi


@pytest.fixture
def run(tmp_path):
    return lambda program: wifi.run(program, tmp_path)


@pytest.mark.parametrize(
    ("air", "problem"),
    [
        ("{}", "not found"),
        ('{"home": "x"}', "wrong password"),
        ('{"home": {"password": "password1", "dhcp": False}}', "no address: its DHCP server does not answer"),
        ('{"home": {"password": "password1", "reason": 15}}', "wrong password, or too weak a signal"),
        ('{"home": {"password": "password1", "reason": 203}}', "refuses the connection"),
        ('{"home": {"password": "password1", "reason": 5}}', "refuses the connection (reason 5)"),
        ('{"home": {"password": "password1", "reason": 211}}', "refused: its security is weaker than WPA2"),
    ],
)
def test_no_network_opens_the_access_point_and_says_why(run, air, problem):
    program = f"""
network.air = {air}
made = service([("home", "password1")])
asyncio.run(until(made, lambda: made.settled and made.state == "waiting"))
show(made)
print([text for _, severity, text in log.records(log.WARNING)])
"""
    assert run(program) == [
        f"waiting home 192.168.4.1 AP:shed {problem}",
        f"['network home: {problem}']",
    ]


def test_an_access_point_that_never_answers(run):
    program = """
network.air = {"home": "password1"}
network.latency["join"] = 60000
made = service([("home", "password1")])
asyncio.run(until(made, lambda: made.settled))
show(made)
"""
    assert run(program) == ["waiting home 192.168.4.1 AP:shed it does not answer"]


def test_lost_link_is_noticed_and_tried_at_once(run):
    program = """
network.air = {"home": "password1"}
made = service([("home", "password1")])
network.latency["join"] = 1000
live(made, connected, {}, away, {"home": "password1"}, connected)
show(made)
print(texts())
lost = made.describe()["lastLoss"]
ago = lost.pop("ago")
print(sorted(lost.items()), 1 <= ago <= 3)
"""
    lines = run(program)
    assert lines[0] == "connected home 10.0.0.7 AP: "
    assert lines[1].startswith(
        "['connected to home as 10.0.0.7', 'the link to home is lost: its signal is gone', "
        "'connected to home as 10.0.0.7, again after "
    )
    assert lines[2] == "[('problem', 'its signal is gone'), ('ssid', 'home')] True"


def test_another_access_point_takes_over(run):
    program = """
network.air = {"home": "password1"}
made = service([("home", "password1")])
live(made, connected, {}, away, {"home": {"password": "password1", "channel": 11}}, connected, 1)
show(made)
print(texts()[1:], network.events)
"""
    assert run(program) == [
        "connected home 10.0.0.7 AP: ",
        "['the link to home is lost: its signal is gone', "
        "'connected to home as 10.0.0.7, by another access point: channel 11 after 6'] "
        "[('connect', 'home'), ('connect', 'home')]",
    ]


def test_a_lost_address_is_asked_for_again(run):
    program = """
network.air = {"home": "password1"}
made = service([("home", "password1")])
silent = {"home": {"password": "password1", "dhcp": False}}
def say():
    print(made.problem)
    return True
live(made, connected, silent, 4, say, away, say, lambda: made.describe()["attempts"], say,
    {"home": "password1"}, connected, 1)
show(made)
print(texts(log.WARNING))
"""
    assert run(program) == [
        "",
        "the address is lost: its DHCP server gives no other",
        "no address: its DHCP server does not answer",
        "connected home 10.0.0.7 AP: ",
        "['home: the address is lost: its DHCP server gives no other', "
        "'network home: no address: its DHCP server does not answer']",
    ]


def test_without_a_network_it_waits_for_one(run):
    program = """
network.air = {"home": "password1"}
made = service([])
async def main():
    task = asyncio.create_task(made.run())
    await reach(made, lambda: network.now > 300000)
    made.use([{"ssid": "home", "password": "password1"}])
    await reach(made, connected)
asyncio.run(main())
show(made)
"""
    assert run(program) == ["connected home 10.0.0.7 AP: "]


def test_a_failure_is_logged_once_not_at_each_attempt(run):
    program = """
made = service([("home", "password1")])
live(made, 600)
print(texts(), made.describe()["attempts"] > 30)
"""
    assert run(program) == ["['network home: not found', 'access point shed is on'] True"]


def test_what_the_status_page_gets(run):
    program = """
network.air = {"net1": "password1"}
made = service(several(2))
live(made, connected, 30)
for name, value in sorted(made.describe().items()):
    print(name, [sorted(known.items()) for known in value] if name == "networks" else value)
network.air.clear()
live(made, connected, away, lambda: made.describe()["attempts"] > 3 and made.state == "waiting")
told = made.describe()
print(told["connectedFor"], told["gateway"] == "", told["channel"], 0 < told["nextAttempt"] < 14)
print(*[known["problem"] for known in told["networks"]])
"""
    assert run(program) == [
        "accessPoint ",
        "attempts 0",
        "channel 6",
        "connectedFor 30",
        "gateway 10.0.0.1",
        "guests 0",
        "kind wifi",
        "lastLoss None",
        "mac 02:6d:61:77:00:01",
        "networks [[('problem', ''), ('ssid', 'net0')], [('problem', ''), ('ssid', 'net1')]]",
        "nextAttempt None",
        "problem ",
        "rssi -50",
        "ssid net1",
        "state connected",
        "None True None True",
        "not found not found",
    ]


def test_a_program_joins_a_network_of_its_own_while_boot_json_names_none(run):
    program = """
network.air = {"lab": "password2"}
made = service([])
def join():
    made._station.wlan.connect("lab", "password2")
    return True
live(made, lambda: made.ap_ssid, 100, join, connected, 5, lambda: show(made) is None,
    {}, away, 50, lambda: show(made) is None, 20, lambda: show(made) is None,
    {"lab": "password2"}, join, connected, 5)
show(made)
print(network.events, made.describe()["networks"], made.describe()["lastLoss"]["ssid"])
"""
    assert run(program) == [
        "connected lab 10.0.0.7 AP: ",
        "waiting lab  AP: boot.json names no network",
        "waiting lab 192.168.4.1 AP:shed boot.json names no network",
        "connected lab 10.0.0.7 AP: ",
        "['AP open', ('connect', 'lab'), 'AP closed', 'AP open', ('connect', 'lab'), 'AP closed'] [] lab",
    ]


def test_name_of_a_programs_network(run):
    # MicroPython reads on into the password if the name has 32 bytes.
    program = """
from device.station import Station
for told in ("lab", "é" * 16 + "password", "x" * 32 + "password"):
    network.WLAN.config = lambda self, name: told
    print(Station().ssid())
"""
    assert run(program) == ["lab", "é" * 16, "x" * 32]
