"""The network service and a Wi-Fi driver that fails, refuses, keeps old reasons or is used by a program, too."""

import pytest

from unit.device import wifi


@pytest.fixture
def run(tmp_path):
    return lambda program: wifi.run(program, tmp_path)


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


def test_board_without_wifi_says_so(run):
    program = """
del network.WLAN
try:
    service([("home", "password1")])
except OSError as error:
    print(error)
"""
    assert run(program) == ["this firmware has neither Wi-Fi nor an Ethernet port"]


@pytest.mark.parametrize("networks", [1, 2])
@pytest.mark.parametrize("mode", ["fallback", "never"])
def test_station_that_a_program_has_switched_off(run, networks, mode):
    program = f"""
made = service(several({networks}), mode="{mode}")
def switch_off():
    made._station.wlan.active(False)
    return True
live(made, lambda: made.settled, switch_off, 300, switch_off, {{"net0": "password0"}}, connected, 10,
    switch_off, away, lambda: print(made.problem) is None, connected, 1)
show(made)
print(*[text for text in texts(log.WARNING) if "a program" in text], sep="\\n")
"""
    again = "a program has switched Wi-Fi off: it is on again"
    assert run(program) == [
        "a program has switched Wi-Fi off",
        "connected net0 10.0.0.7 AP: ",
        again,
        again,
        "the link to net0 is lost: a program has switched Wi-Fi off",
        again,
    ]


def test_station_that_cannot_be_switched_on_again(run):
    program = """
network.air = {"home": "password1"}
made = service([("home", "password1")])
def switch_off():
    network.broken.append(OSError("WiFi Out of Memory"))
    made._station.wlan.up = False
    return True
live(made, connected, switch_off, lambda: made.state == "off", lambda: print(made.problem) is None, connected)
show(made)
"""
    assert run(program) == ["the Wi-Fi driver failed: WiFi Out of Memory", "connected home 10.0.0.7 AP: "]
