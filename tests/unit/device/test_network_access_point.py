"""When the board's own access point is open, with scripted access points and no real waiting."""

import pytest

from unit.device import wifi


@pytest.fixture
def run(tmp_path):
    return lambda program: wifi.run(program, tmp_path)


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


def test_own_password_of_the_access_point_is_made_once(run):
    program = """
first = service(password="").ap_password()
again = service(password="").ap_password()
print(len(first), first == again, service(password="given-one").ap_password())
"""
    assert run(program) == ["10 True given-one"]


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


@pytest.mark.parametrize("networks", ["[]", '[("home", "password1")]'])
def test_access_point_that_a_program_has_switched_off_opens_again(run, networks):
    program = f"""
made = service({networks})
def switch_off():
    made._access_point._interface.active(False)
    print(made.describe()["guests"])
    return True
live(made, lambda: made.ap_ssid, 40, switch_off, lambda: not made.ap_ssid, lambda: made.ap_ssid, 1)
print(made.ap_ssid, made.ap_address(), network.events.count("AP open"), texts(log.WARNING)[-1])
"""
    assert run(program) == ["0", "shed 192.168.4.1 2 a program has switched the access point off"]


@pytest.mark.parametrize(("mode", "opened"), [("always", "2 shed"), ("fallback", "1 ")])
def test_access_point_that_is_switched_off_when_there_is_a_connection(run, mode, opened):
    program = f"""
made = service([("home", "password1")], mode="{mode}")
def switch_off():
    made._access_point._interface.guests = []
    made._access_point._interface.active(False)
    return True
def guest():
    made._access_point._interface.guests = [b"phone"]
    return True
live(made, lambda: made.ap_ssid, guest, 1, {{"home": "password1"}}, connected, 40, switch_off, 5)
print(network.events.count("AP open"), made.ap_ssid)
made._access_point.connected()
"""
    assert run(program) == [opened]


def test_access_point_that_goes_as_the_connection_comes(run):
    program = """
made = service([])
live(made, lambda: made.ap_ssid)
made._access_point._interface.active(False)
made._access_point.connected(hold=True)
print(made._access_point.state)
"""
    assert run(program) == ["closed"]


def test_own_password_is_read_once(run):
    # Each esp32.NVS() takes memory that MicroPython never gives back.
    program = """
from device import nvs
opened = []
NVS = nvs.NVS
def counted(namespace):
    opened.append(namespace)
    return NVS(namespace)
nvs.NVS = counted
made = service([], password="")
live(made, lambda: made.ap_ssid)
print(made.ap_password() == access_point.ap_password({"password": ""}), opened)
"""
    assert run(program) == ["True ['network']"]


@pytest.mark.parametrize("name", ["commit", "__init__"])
def test_own_password_that_cannot_be_kept_stays_while_the_board_runs(run, name):
    program = f"""
from device import nvs
def refuse(self, *args):
    raise OSError(-0x1105, "ESP_ERR_NVS_NOT_ENOUGH_SPACE")
nvs.NVS.{name} = refuse
made = service([], password="")
live(made, lambda: made.ap_ssid)
print(made.ap_password() == made.ap_password())
"""
    assert run(program) == ["True"]
