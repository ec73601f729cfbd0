"""How long a board stays away when its network is back: shown with a chip's times and a clock of its own."""

import pytest

from unit.device import wifi

# What docs/network.md promises, from the return of the access point to an address.
BOUND_S = 30

MEASURE = """
class Dice:
    last = 1
    @staticmethod
    def urandom(size):
        Dice.last = Dice.last * 1103515245 + 12345 & 0x7FFFFFFF
        return bytes([Dice.last >> 16 & 255])
network_service.os = Dice
network.chip()

def measure(number, others, times, outage_s=180):
    # The longest time from the return of the last network of `number` to the connection, in s.
    # It returns at another moment of the service's rounds each time.
    back = {"net%d" % (number - 1): "password%d" % (number - 1)}
    back.update(others)
    global made
    made = service(several(number))
    longest = 0
    async def main():
        nonlocal longest
        asyncio.create_task(made.run())
        for time in range(times):
            network.air = dict(others)
            if time:
                await reach(made, away)
            end = network.now + outage_s * 1000 + time * 700
            await reach(made, lambda: network.now >= end)
            assert made.ap_ssid == "shed"
            start = network.now
            network.air = dict(back)
            await reach(made, connected)
            longest = max(longest, network.now - start)
            end = network.now + 1000
            await reach(made, lambda: network.now >= end)
            assert not made.ap_ssid
    asyncio.run(main())
    return longest / 1000
"""
WRONG = {"net0": "another"}
SILENT = {"net0": {"password": "password0", "dhcp": False}}
HIDDEN_NEIGHBOUR = {"neighbour": {"password": "x", "hidden": True}}


@pytest.fixture
def run(tmp_path):
    return lambda program: wifi.run(MEASURE + program, tmp_path)


@pytest.mark.parametrize("number", range(1, 9))
def test_back_in_time_however_many_networks_are_absent(run, number):
    [longest] = run(f"print(measure({number}, {{}}, 30))")
    assert 5 < float(longest) <= BOUND_S


@pytest.mark.parametrize("others", [WRONG, SILENT, HIDDEN_NEIGHBOUR, {**WRONG, **HIDDEN_NEIGHBOUR}])
def test_back_in_time_beside_networks_that_do_not_work(run, others):
    [longest] = run(f"print(measure(4, {others!r}, 40))")
    assert 5 < float(longest) <= BOUND_S


@pytest.mark.parametrize("number", [1, 3])
def test_back_in_time_after_hours(run, number):
    [longest] = run(f"print(measure({number}, {{}}, 2, 4 * 3600))")
    assert 5 < float(longest) <= BOUND_S


def test_a_hidden_network_alone(run):
    program = """
network.air = {"home": {"password": "password1", "hidden": True}}
made = service([("home", "password1")])
live(made, connected, {}, away, 300, {"home": {"password": "password1", "hidden": True}},
    lambda: events.append(network.now) is None, connected)
print((network.now - events[0]) / 1000)
"""
    [longest] = run("events = []\n" + program)
    assert float(longest) <= BOUND_S


def test_a_phone_on_the_access_point_is_disturbed_every_two_minutes_at_most(run):
    program = """
made = service(several(2))
async def main():
    asyncio.create_task(made.run())
    await reach(made, lambda: made.ap_ssid)
    made._access_point._interface.guests.append(b"phone")
    network.events.clear()
    start = network.now
    await reach(made, lambda: network.now - start > 1200000)
    print(network.events.count("scan"), len(network.events))
    made._access_point._interface.guests.clear()
    left = network.now
    network.air = {"net1": "password1"}
    await reach(made, connected)
    print((network.now - left) / 1000)
asyncio.run(main())
"""
    disturbed, back = run(program)
    scans, events = map(int, disturbed.split())
    assert scans <= 10 and events <= 20
    assert float(back) <= BOUND_S
