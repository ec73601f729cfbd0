"""What others ask of the network service: to try a network, and what is in the air."""

import pytest

from unit.device import wifi


@pytest.fixture
def run(tmp_path):
    return lambda program: wifi.run(program, tmp_path)


TRY = """
async def main(ssid, password):
    task = asyncio.create_task(made.run())
    await reach(made, begin)
    print(repr(await made.try_network(ssid, password)))
    show(made)
begin = lambda: made.settled
"""


@pytest.mark.parametrize(
    ("ssid", "password", "said", "state"),
    [
        ("new", "new password", "''", "connected new 10.0.0.7 AP:shed "),
        ("new", "false", "'wrong password'", "waiting new 192.168.4.1 AP:shed wrong password"),
        ("nowhere", "", "'not found'", "waiting nowhere 192.168.4.1 AP:shed not found"),
        (
            "silent",
            "p",
            "'no address: its DHCP server does not answer'",
            "waiting silent 192.168.4.1 AP:shed no address: its DHCP server does not answer",
        ),
    ],
)
def test_trying_a_network_while_the_access_point_stays(run, ssid, password, said, state):
    program = f"""
network.air = {{"new": "new password", "silent": {{"password": "p", "dhcp": False}}}}
made = service([("home", "password1")])
asyncio.run(main("{ssid}", "{password}"))
print(network.events.count("AP open"), network.events.count("AP closed"))
"""
    assert run(TRY + program) == [said, state, "1 0"]


def test_a_network_that_was_tried_is_kept_until_there_are_others(run):
    program = """
network.air = {"new": "new password"}
made = service([("home", "password1")])
async def more():
    await main("new", "new password")
    network.air.clear()
    await reach(made, away)
    network.air["new"] = "new password"
    await reach(made, connected)
    await reach(made, lambda: not made.ap_ssid)
    show(made)
    made.use([{"ssid": "home", "password": "password1"}])
    await reach(made, lambda: network.now > 1000000)
    show(made)
    print([known["ssid"] for known in made.describe()["networks"]])
asyncio.run(more())
"""
    assert run(TRY + program)[2:] == ["connected new 10.0.0.7 AP: ", "connected new 10.0.0.7 AP: ", "['home']"]


def test_a_failed_try_leaves_the_phone_on_the_access_point_alone(run):
    program = """
made = service([("home", "password1")])
def begin():
    if made.settled:
        made._access_point._interface.guests = [b"phone"]
    return made.settled
async def more():
    await main("nowhere", "")
    before = network.now
    await reach(made, lambda: network.events[-1] == ("connect", "home"))
    print(network.now - before >= 120000)
asyncio.run(more())
"""
    assert run(TRY + program)[2:] == ["True"]


def test_a_failed_try_goes_back_to_what_was_there(run):
    program = """
network.air = {"home": "password1", "new": "new password"}
made = service([("home", "password1")])
begin = connected
async def more():
    await main("new", "false")
    await reach(made, connected)
    show(made)
asyncio.run(more())
"""
    assert run(TRY + program) == [
        "'wrong password'",
        "connecting home  AP: wrong password",
        "connected home 10.0.0.7 AP: ",
    ]


def test_a_try_comes_before_an_attempt_that_is_under_way(run):
    program = """
network.air = {"home": {"password": "password1", "dhcp": False}, "new": "new password"}
made = service([("home", "password1")])
begin = lambda: made.state == "connecting" and network.now > 1000
asyncio.run(main("new", "new password"))
print(network.now < 3000)
"""
    assert run(TRY + program) == ["''", "connected new 10.0.0.7 AP: ", "True"]


def test_two_who_try_at_once_are_served_one_after_the_other(run):
    program = """
network.air = {"a": "password a", "b": "password b"}
made = service([])
async def ask(*network):
    print(repr(await made.try_network(*network)))
async def main():
    asyncio.create_task(made.run())
    tasks = [asyncio.create_task(ask(*what)) for what in (("a", "password a"), ("b", "no"), ("b", "password b"))]
    for task in tasks:
        await task
asyncio.run(main())
show(made)
"""
    assert run(program) == ["''", "'wrong password'", "''", "connected b 10.0.0.7 AP: "]


def test_who_tries_and_goes_away_leaves_nothing_behind(run):
    program = """
network.air = {"slow": {"password": "p", "dhcp": False}, "home": "password1"}
made = service([("home", "password1")], mode="never")
async def main():
    asyncio.create_task(made.run())
    await reach(made, connected)
    task = asyncio.create_task(made.try_network("slow", "p"))
    await reach(made, lambda: made.ssid == "slow")
    task.cancel()
    await reach(made, connected)
    show(made)
    print(repr(await made.try_network("home", "password1")))
asyncio.run(main())
"""
    assert run(program) == ["connected home 10.0.0.7 AP: ", "''"]


def test_trying_without_a_service_ends(run):
    program = """
made = service([])
print(asyncio.run(made.try_network("home", "password1")), asyncio.run(made.scan()))
"""
    assert run(program) == ["the network service does not answer []"]


SCAN = """
network.air = {
    "near": {"password": "p", "rssi": -40},
    "far": {"password": "", "rssi": -80},
    "secret": {"password": "p", "hidden": True},
}
scan = network.WLAN.scan
more = [(b"far", bytes(6), 3, -60, 0, False), (b"\\xff", bytes(6), 3, -60, 0, False)]
network.WLAN.scan = lambda self: scan(self) + more
async def main():
    asyncio.create_task(made.run())
    await reach(made, begin)
    print([(entry["ssid"], entry["rssi"], entry["lock"]) for entry in await made.scan()])
    await made.scan()
    print(network.events.count("scan"))
"""
SEEN = "[('near', -40, True), ('far', -60, False)]"


@pytest.mark.parametrize(
    ("networks", "begin"),
    [
        ("[]", "made.settled"),
        ('[("near", "p")]', 'made.state == "connected"'),
        ('[("nowhere", "p")]', 'made.state == "waiting"'),
    ],
)
def test_scan_at_any_time(run, networks, begin):
    assert run(f"{SCAN}\nbegin = lambda: {begin}\nmade = service({networks})\nasyncio.run(main())") == [SEEN, "1"]


def test_scan_puts_an_attempt_off(run):
    program = """
network.air["slow"] = {"password": "p", "dhcp": False, "rssi": -90}
made = service([("slow", "p")])
begin = lambda: made.state == "connecting" and network.now > 1000
asyncio.run(main())
print(network.now < 3000)
"""
    assert run(SCAN + program) == [SEEN[:-1] + ", ('slow', -90, True)]", "1", "True"]


@pytest.mark.parametrize("error", ["MemoryError()", 'OSError("WiFi Out of Memory")'])
def test_look_at_the_air_that_fails_leaves_the_connection_alone(run, error):
    program = f"""
network.air = {{"home": "password1"}}
made = service([("home", "password1")])
def fail(self):
    raise {error}
network.WLAN.scan = fail
async def main():
    task = asyncio.create_task(made.run())
    await reach(made, connected)
    print(await made.scan(), task.done())
    end = network.now + 20000
    await reach(made, lambda: network.now >= end)
    print(task.done(), network.events)
asyncio.run(main())
show(made)
"""
    assert run(program) == ["[] False", "False [('connect', 'home')]", "connected home 10.0.0.7 AP: "]


def test_a_try_ends_before_the_web_installer_gives_up(run):
    program = """
network.chip()
network.air = {"slow": {"password": "p", "dhcp": False}}
made = service([])
async def ask(start):
    print((await made.try_network("slow", "p")) != "", network.now - start < 45000)
async def main():
    asyncio.create_task(made.run())
    await reach(made, lambda: made.settled)
    tasks = [asyncio.create_task(ask(network.now)) for _ in range(4)]
    for task in tasks:
        await task
    before = network.now
    await reach(made, lambda: made.state == "waiting")
    print(network.now - before < 1000, made._trial)
asyncio.run(main())
"""
    assert run(program) == ["True True"] * 4 + ["True None"]


def test_new_settings_leave_a_try_alone(run):
    program = """
network.chip()
network.air = {"new": "new password"}
made = service([])
async def main():
    asyncio.create_task(made.run())
    await reach(made, lambda: made.settled)
    task = asyncio.create_task(made.try_network("new", "new password"))
    await reach(made, lambda: made.ssid == "new")
    made.use([{"ssid": "other", "password": "password1"}])
    await task
    show(made)
asyncio.run(main())
"""
    assert run(program) == ["connected new 10.0.0.7 AP:shed "]


def test_a_try_long_after_the_air_was_forgotten(run):
    # The pause that follows has then no look at the air to count from.
    program = """
made = service(several(2))
def begin():
    if made.settled:
        made._access_point._interface.guests = [b"phone"]
    return made._failed > 6
async def more():
    asyncio.create_task(made.run())
    await reach(made, begin)
    await made.scan()
    await reach(made, lambda: made._air.age() is None)
    made._access_point._interface.guests.clear()
    await made.try_network("nowhere", "")
    print(made.state, 8000 <= made._pause_ms() <= 10000)
asyncio.run(more())
"""
    assert run(program) == ["waiting True"]
