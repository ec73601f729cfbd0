"""The network service's way through its states, with scripted access points and no real waiting."""

import pytest

from unit.device import vm

HEAD = """
import asyncio, network
from device import log, network_service
from device.network_service import NetworkService

slept = []
async def sleep_ms(ms):
    slept.append(ms)
    await asyncio.sleep_ms(0)
network_service.sleep_ms = sleep_ms

def settings(networks=(), mode="fallback", static_ip="", password="12345678"):
    return {
        "networks": [{"ssid": ssid, "password": key} for ssid, key in networks],
        "country": "DE",
        "static": {"ip": static_ip, "netmask": "", "gateway": "10.0.0.1", "dns": ""},
        "ap": {"mode": mode, "ssid": "", "password": password},
    }

def service(*args, **kwargs):
    made = NetworkService(settings(*args, **kwargs), "shed")
    made.prepare()
    return made

async def until(made, condition):
    task = asyncio.create_task(made.run())
    for _ in range(2000):
        if condition():
            break
        await asyncio.sleep_ms(0)
    else:
        raise Exception("not reached: %s" % made.state)
    return task

def show(made):
    print(made.state, made.ssid, made.address(), "AP:" + made.ap_ssid, made.problem)
"""


@pytest.fixture
def run(tmp_path):
    return lambda program: vm.run(HEAD + program, tmp_path).splitlines()


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
        "[('connect', 'first'), ('connect', 'second')] {'hostname': 'shed', 'country': 'DE'} -50",
    ]


@pytest.mark.parametrize(("air", "problem"), [("{}", "not found"), ('{"home": "x"}', "wrong password")])
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


def test_pauses_grow_and_end_when_the_network_is_back(run):
    program = """
made = service([("home", "password1")])
def back():
    if sum(slept) > 300000:
        network.air["home"] = "password1"
    return made.state == "connected"
asyncio.run(until(made, back))
show(made)
print([ms // 1000 for ms in slept if ms >= 5000][:7])
print(network.events[:3], network.events[-1])
"""
    assert run(program) == [
        "connected home 10.0.0.7 AP: ",
        "[5, 10, 20, 40, 80, 120, 120]",
        "[('connect', 'home'), 'AP open', ('connect', 'home')] AP closed",
    ]


def test_lost_link_is_noticed_and_tried_at_once(run):
    program = """
network.air = {"home": "password1"}
made = service([("home", "password1")])
seen = []
def later():
    if made.state == "connected" and not seen:
        seen.append(1)
        del network.air["home"]
    if made.state == "waiting":
        network.air["home"] = "password1"
        seen.append(2)
    return len(seen) > 1 and made.state == "connected"
asyncio.run(until(made, later))
show(made)
print([text for _, _, text in log.records()])
"""
    lines = run(program)
    assert lines[0] == "connected home 10.0.0.7 AP: "
    assert "the link to home is lost" in lines[1]


@pytest.mark.parametrize(
    ("networks", "mode", "state"),
    [
        ("[]", "fallback", "off  192.168.4.1 AP:shed boot.json names no network"),
        ("[]", "always", "off  192.168.4.1 AP:shed boot.json names no network"),
        ("[]", "never", "off   AP: boot.json names no network"),
        ('[("home", "password1")]', "always", "connected home 10.0.0.7 AP:shed "),
        ('[("home", "password1")]', "never", "connected home 10.0.0.7 AP: "),
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


def test_own_password_of_the_access_point_is_made_once(run):
    program = """
ap = {"password": ""}
first = network_service.ap_password(ap)
again = network_service.ap_password(ap)
print(len(first), first == again, network_service.ap_password({"password": "given-one"}))
"""
    assert run(program) == ["10 True given-one"]


STICKY = """
class Chip(network.WLAN):
    # As on a chip: the reason of the last failure stays the status while the next attempt runs.
    pending = None
    def connect(self, ssid, password):
        before = self.state
        super().connect(ssid, password)
        self.pending = [12, self.state, ssid]
        self.state, self.ssid = before, None
    def status(self, what=None):
        if self.pending:
            self.pending[0] -= 1
            if not self.pending[0]:
                self.state, self.ssid = self.pending[1:]
                self.pending = None
        return super().status(what)
    def disconnect(self):
        if self.pending or self.ssid in network.air:
            self.state = network.STAT_IDLE
        self.pending = None
network.WLAN = Chip
"""


def test_failure_of_the_last_attempt_is_not_that_of_this_one(run):
    program = """
network.air = {"second": "password2"}
made = service([("first", "password1"), ("second", "password2")])
asyncio.run(until(made, lambda: made.settled))
show(made)
"""
    assert run(STICKY + program) == ["connected second 10.0.0.7 AP: "]


def test_the_same_failure_twice_is_believed_in_time(run):
    program = """
made = service([("first", "password1"), ("second", "password2")])
asyncio.run(until(made, lambda: made.settled))
print(made.problem, [text for _, _, text in log.records()][:2], 6000 <= sum(slept) < 15000)
"""
    assert run(STICKY + program) == ["not found ['network first: not found', 'network second: not found'] True"]


def test_board_without_wifi_says_so(run):
    program = """
del network.WLAN
try:
    service([("home", "password1")])
except OSError as error:
    print(error)
"""
    assert run(program) == ["this firmware has neither Wi-Fi nor an Ethernet port"]
