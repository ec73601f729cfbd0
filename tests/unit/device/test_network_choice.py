"""Which network the service tries and when, with scripted access points and no real waiting."""

import pytest

from unit.device import wifi


@pytest.fixture
def run(tmp_path):
    return lambda program: wifi.run(program, tmp_path)


def test_first_network_that_answers(run):
    program = """
network.air = {"second": "password2"}
made = service([("first", "password1"), ("second", "password2")])
asyncio.run(until(made, lambda: made.settled))
show(made)
print(network.events, network.names, made.rssi())
"""
    assert run(program) == [
        "connected second 10.0.0.7 AP: ",
        "['scan', ('connect', 'second')] {'hostname': 'shed', 'country': 'DE'} -50",
    ]


def test_pauses_grow_and_end_when_the_network_is_back(run):
    program = """
pauses = []
connect = network.WLAN.connect
def noted(self, *args):
    pauses.append(network.now)
    connect(self, *args)
network.WLAN.connect = noted
made = service([("home", "password1")])
live(made, 300, {"home": "password1"}, connected, 1)
show(made)
gaps = [(after - before) / 1000 for before, after in zip(pauses, pauses[1:])]
for least, gap in zip((2, 4, 8, 8, 8, 8), gaps[1:]):
    # An attempt that fails as the last one takes six seconds.
    assert least <= gap - 6 <= least * 1.25 + 0.8, gaps
assert len(set(gaps[6:])) > 3, gaps
print(network.events[:3], network.events[-1])
"""
    assert run(program) == [
        "connected home 10.0.0.7 AP: ",
        "[('connect', 'home'), 'AP open', ('connect', 'home')] AP closed",
    ]


@pytest.mark.parametrize(
    ("air", "order"),
    [
        ('{"net0": "password0", "net1": "password1"}', "net0"),
        ('{"net0": {"password": "password0", "rssi": -79}, "net1": {"password": "password1", "rssi": -30}}', "net0"),
        ('{"net0": {"password": "password0", "rssi": -82}, "net1": {"password": "password1", "rssi": -70}}', "net0"),
        ('{"net0": {"password": "password0", "rssi": -82}, "net1": {"password": "password1", "rssi": -67}}', "net1"),
        ('{"net2": {"password": "password2", "rssi": -90}}', "net2"),
        ('{"net0": "other", "net1": "password1"}', "net0 net1"),
        ('{"net0": "other", "net1": "other", "net2": "password2"}', "net0 net1 net2"),
        ('{"net2": {"password": "password2", "hidden": True}}', "net0 net1 net2"),
    ],
)
def test_order_and_signal(run, air, order):
    program = f"""
network.air = {air}
made = service(several(3))
live(made, connected)
print(*[event[1] for event in network.events if event[0] == "connect"])
"""
    assert run(program) == [order]


def test_after_a_loss_the_order_counts_not_what_is_new_in_the_air(run):
    program = """
network.air = {"net0": {"password": "password0", "rssi": -85}, "net1": "password1"}
made = service(several(3))
live(made, connected, {"net0": "password0", "net2": "password2"}, away, connected)
print(*[event[1] for event in network.events if event[0] == "connect"])
"""
    assert run(program) == ["net1 net0"]


def test_wrong_password_waits_for_all_others_after_a_loss_too(run):
    program = """
network.air = {"net0": "other", "net2": {"password": "password2", "hidden": True}}
made = service(several(3))
live(made, connected, {"net0": "other", "net1": "password1"}, away, connected)
print(*[event[1] for event in network.events if event[0] == "connect"])
"""
    assert run(program) == ["net0 net1 net2 net1"]


def test_no_look_at_the_air_with_one_network_or_while_connected(run):
    program = """
made = service(several(1))
live(made, 600)
print("scan" in network.events)
network.events.clear()
network.air = {"net1": "password1"}
made = service(several(2))
live(made, connected, 600)
print(network.events.count("scan"))
"""
    assert run(program) == ["False", "1"]


def test_ticks_that_begin_anew(run):
    program = """
# As on a chip, where they have 30 bits: after six days an older time looks like a later one.
def ticks_diff(after, before):
    return ((after - before + (1 << 29)) & (1 << 30) - 1) - (1 << 29)
for module in TIMED:
    module.ticks_diff = ticks_diff
def sleep_for_days():
    network.now += 9 * 24 * 3600 * 1000
    network.events.clear()
    return True
network.air = {"net0": "password0"}
made = service(several(2))
live(made, connected, sleep_for_days, {"net1": "password1"}, away, connected)
print(network.events)
"""
    assert run(program) == ["['scan', ('connect', 'net1')]"]
