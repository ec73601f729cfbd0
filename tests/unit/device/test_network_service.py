"""The network service's way through its states, with scripted access points and no real waiting."""

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
        f"['network home: {problem}', 'access point shed is on']",
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


@pytest.mark.parametrize(
    ("networks", "mode", "state"),
    [
        ("[]", "fallback", "waiting  192.168.4.1 AP:shed boot.json names no network"),
        ("[]", "always", "waiting  192.168.4.1 AP:shed boot.json names no network"),
        ("[]", "never", "waiting   AP: boot.json names no network"),
        ('[("home", "password1")]', "always", "connected home 10.0.0.7 AP:shed "),
        ('[("home", "password1")]', "never", "connected home 10.0.0.7 AP: "),
        ('[("lost", "password1")]', "never", "waiting lost  AP: not found"),
    ],
)
def test_modes_of_the_access_point(run, networks, mode, state):
    program = f"""
network.air = {{"home": "password1"}}
made = service({networks}, mode="{mode}")
asyncio.run(until(made, lambda: made.settled))
show(made)
"""
    assert run(program) == [state]


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


def test_static_address(run):
    program = """
network.air = {"home": "password1"}
made = service([("home", "password1")], static_ip="10.0.0.9")
asyncio.run(until(made, lambda: made.settled))
print(network.events)
"""
    [events] = run(program)
    assert "('ipconfig', {'addr4': ('10.0.0.9', '255.255.255.0')})" in events
    assert "('ipconfig', {'gw4': '10.0.0.1'})" in events
    assert "('ipconfig', {'dns': '10.0.0.1'})" in events


def test_static_address_of_the_last_start_is_given_up(run):
    program = """
network.air = {"home": "password1"}
ipconfig = network.WLAN.ipconfig
network.WLAN.ipconfig = lambda self, *args, **kwargs: False if args == ("dhcp4",) else ipconfig(self, *args, **kwargs)
made = service([("home", "password1")])
asyncio.run(until(made, lambda: made.settled))
print(network.events[0])
"""
    assert run(program) == ["('ipconfig', {'dhcp4': True})"]


def test_own_password_of_the_access_point_is_made_once(run):
    program = """
first = service(password="").ap_password()
again = service(password="").ap_password()
print(len(first), first == again, service(password="given-one").ap_password())
"""
    assert run(program) == ["10 True given-one"]


def test_failure_of_the_last_attempt_is_not_that_of_this_one(run):
    program = """
network.chip()
network.air = {"second": "password2"}
made = service([("second", "wrong")])
live(made, lambda: made.problem == "wrong password")
made = service([("second", "password2")])
live(made, connected)
show(made)
"""
    assert run(program) == ["connected second 10.0.0.7 AP: "]


def test_slow_dhcp_after_a_failure_is_waited_for(run):
    program = """
network.chip()
network.latency["dhcp"] = 9000
made = service([("home", "password1")])
live(made, lambda: made.problem == "not found", {"home": "password1"}, connected)
print(made.describe()["attempts"], texts())
"""
    [line] = run(program)
    assert line.startswith("0 ['network home: not found', 'access point shed is on', ")


def test_the_same_failure_twice_is_believed_in_time(run):
    program = """
network.chip()
made = service([("first", "password1"), ("second", "password2")])
asyncio.run(until(made, lambda: made.settled))
print(made.problem, texts()[:2], 6000 <= network.now < 20000)
"""
    assert run(program) == ["not found ['network first: not found', 'network second: not found'] True"]


def test_a_failure_is_logged_once_not_at_each_attempt(run):
    program = """
made = service([("home", "password1")])
live(made, 600)
print(texts(), made.describe()["attempts"] > 30)
"""
    assert run(program) == ["['network home: not found', 'access point shed is on'] True"]


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
network_service.ticks_diff = access_point.ticks_diff = ticks_diff
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


def test_access_point_opens_a_minute_after_a_loss_and_closes_at_once(run):
    program = """
network.air = {"home": "password1"}
made = service([("home", "password1")])
live(made, connected, {}, away, 55, lambda: print(made.ap_ssid) is None, 20, lambda: print(made.ap_ssid) is None,
    {"home": "password1"}, connected, 1)
show(made)
"""
    assert run(program) == ["", "shed", "connected home 10.0.0.7 AP: "]


def test_access_point_stays_for_a_phone_that_is_on_it(run):
    program = """
made = service([("home", "password1")])
def join():
    made._access_point._interface.guests.append(b"phone")
    return True
live(made, lambda: made.ap_ssid, join, 90, {"home": "password1"}, 20, connected, 100,
    lambda: print(made.ap_ssid, made.describe()["guests"]) is None, 30)
show(made)
print(network.events.count(("connect", "home")))
"""
    lines = run(program)
    assert lines[:2] == ["shed 1", "connected home 10.0.0.7 AP: "]
    assert int(lines[2]) <= 4  # two before the phone came, one after 120 s


def test_access_point_that_lingers_stays_when_the_connection_is_lost(run):
    program = """
network.air = {"home": "password1"}
made = service([])
async def main():
    task = asyncio.create_task(made.run())
    await reach(made, lambda: made.ap_ssid)
    print(repr(await made.try_network("home", "password1")))
    network.air.clear()
    await reach(made, lambda: network.now > 400000 and made.state == "waiting")
asyncio.run(main())
show(made)
print(network.events.count("AP open"))
"""
    assert run(program) == ["''", "waiting home 192.168.4.1 AP:shed not found", "1"]


def test_access_point_that_cannot_be_opened_is_tried_again(run):
    program = """
made = service([])
active = network.WLAN.active
def refuse(self, *args):
    if self.interface == network.WLAN.IF_AP and args == (True,):
        raise OSError("WiFi Out of Memory")
    return active(self, *args)
network.WLAN.active = refuse
def mend():
    network.WLAN.active = active
    return True
live(made, 50, lambda: print(texts(), made.settled) is None, mend, lambda: made.ap_ssid)
show(made)
"""
    assert run(program) == [
        "['the access point cannot be opened: WiFi Out of Memory'] True",
        "waiting  192.168.4.1 AP:shed boot.json names no network",
    ]


def test_access_point_that_is_always_open_opens_late_if_it_has_to(run):
    program = """
network.air = {"home": "password1"}
made = service([("home", "password1")], mode="always")
active = network.WLAN.active
def refuse(self, *args):
    if self.interface == network.WLAN.IF_AP and args == (True,):
        network.WLAN.active = active
        raise OSError("WiFi Out of Memory")
    return active(self, *args)
network.WLAN.active = refuse
live(made, connected, lambda: made.ap_ssid)
show(made)
"""
    assert run(program) == ["connected home 10.0.0.7 AP:shed "]


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


@pytest.mark.parametrize("error", ['OSError("Wifi Internal State Error")', 'RuntimeError("Wifi Unknown Error 0x0102")'])
def test_driver_that_fails_is_started_again(run, error):
    program = f"""
network.air = {{"home": "password1"}}
made = service([("home", "password1")])
network.broken = [{error}] * 2
live(made, lambda: made.problem, lambda: print(made.state, made.settled) is None, connected)
isconnected = network.WLAN.isconnected
def fail(self):
    network.WLAN.isconnected = isconnected
    raise {error}
def fall_ill():
    network.WLAN.isconnected = fail
    return True
live(made, connected, fall_ill, away, connected)
show(made)
"""
    assert run(program) == ["off True", "connected home 10.0.0.7 AP: "]


def test_driver_that_never_runs_is_logged_once(run):
    program = """
made = service([("home", "password1")])
def refuse(self, *args):
    raise OSError("Wifi Not Initialized")
network.WLAN.active = refuse
live(made, 100)
print(texts(), made.problem, made.state)
"""
    [line] = run(program)
    assert line.count("Wifi Not Initialized") == 2  # one in the log
    assert line.endswith("] the Wi-Fi driver failed: Wifi Not Initialized off")


def test_driver_that_refuses_an_attempt(run):
    program = """
network.air = {"home": "password1"}
made = service([("home", "password1")])
connect = network.WLAN.connect
def refuse(self, *args):
    network.WLAN.connect = connect
    raise OSError("Wifi Internal Error")
network.WLAN.connect = refuse
live(made, connected)
print(texts(log.WARNING))
"""
    assert run(program)[0].startswith("['network home: cannot be tried (Wifi Internal Error)'")


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


def test_board_without_wifi_says_so(run):
    program = """
del network.WLAN
try:
    service([("home", "password1")])
except OSError as error:
    print(error)
"""
    assert run(program) == ["this firmware has neither Wi-Fi nor an Ethernet port"]
