"""The Ethernet service's way through its states, with a scripted cable and no real waiting."""

import pytest

from unit.device import vm

HEAD = """
import asyncio, network
network.ETH_STARTED, network.ETH_CONNECTED, network.ETH_DISCONNECTED, network.ETH_GOT_IP = 1, 3, 4, 5
from device import ethernet_service, log
from device.ethernet_service import EthernetService

class Lan:
    state = network.ETH_STARTED
    up = False
    def active(self, up):
        print("active", up, network.names)
        self.up = up
    def status(self):
        return self.state
    def isconnected(self):
        return self.up and self.state == network.ETH_GOT_IP
    def ipconfig(self, name):
        return "10.0.0.7", "255.0.0.0"
lan = Lan()
made = EthernetService(lan, "shed")
slept = 0
script = []  # (seconds, status of the interface)
async def sleep_ms(ms):
    global slept
    slept += ms
    while script and slept >= script[0][0] * 1000:
        lan.state = script.pop(0)[1]
    await asyncio.sleep_ms(0)
ethernet_service.sleep_ms = sleep_ms

async def watch(seconds):
    task = asyncio.create_task(made.run())
    last = None
    while slept < seconds * 1000:
        now = made.state, made.settled, made.address() if made.state == "connected" else "", made.problem
        # What the service has not yet looked at is not its state.
        if now != last and (made.state == "connected") == lan.isconnected():
            print(slept // 1000, *now)
            last = now
        await asyncio.sleep_ms(0)
made.prepare()
"""
ACTIVE = "active True {'hostname': 'shed'}"
NO_CABLE = "no cable is plugged in, or nothing is at its other end"


@pytest.fixture
def run(tmp_path):
    return lambda program: vm.run(HEAD + program, tmp_path).splitlines()


def test_cable_is_there(run):
    program = """
script[:] = [(2, network.ETH_CONNECTED), (5, network.ETH_GOT_IP)]
asyncio.run(watch(30))
print([text for _, _, text in log.records()], made.rssi(), made.kind, made.ap_ssid == "")
"""
    assert run(program) == [
        ACTIVE,
        "0 off False  ",
        "0 connecting False  ",
        "5 connected True 10.0.0.7 ",
        "['connected by cable as 10.0.0.7'] None ethernet True",
    ]


def test_no_cable_then_one(run):
    program = """
script[:] = [(60, network.ETH_CONNECTED), (61, network.ETH_GOT_IP)]
asyncio.run(watch(70))
"""
    assert run(program)[2:] == [
        "0 connecting False  ",
        f"3 waiting True  {NO_CABLE}",
        "60 connecting True  ",
        "61 connected True 10.0.0.7 ",
    ]


def test_no_dhcp_server(run):
    program = """
script[:] = [(1, network.ETH_CONNECTED), (40, network.ETH_GOT_IP)]
asyncio.run(watch(45))
print([text for _, _, text in log.records()])
"""
    assert run(program)[3:] == [
        "16 waiting True  no DHCP server gives an address",
        "40 connected True 10.0.0.7 ",
        "['Ethernet: no DHCP server gives an address', 'connected by cable as 10.0.0.7']",
    ]


def test_cable_is_pulled_out_and_plugged_in_again(run):
    program = """
script[:] = [(1, network.ETH_GOT_IP), (10, network.ETH_DISCONNECTED), (30, network.ETH_CONNECTED),
    (31, network.ETH_GOT_IP)]
asyncio.run(watch(40))
print([text for _, _, text in log.records(log.WARNING)])
"""
    assert run(program)[3:] == [
        "1 connected True 10.0.0.7 ",
        "10 connecting True  ",
        f"13 waiting True  {NO_CABLE}",
        "30 connecting True  ",
        "31 connected True 10.0.0.7 ",
        f"['the link by cable is lost', 'Ethernet: {NO_CABLE}']",
    ]


def test_address_is_lost_and_comes_back(run):
    program = """
script[:] = [(1, network.ETH_GOT_IP)]
address = "10.0.0.7"
lan.ipconfig = lambda name: (address, "255.0.0.0") if name == "addr4" else "10.0.0.1"
lan.config = lambda name: b"\\x02maw\\0\\1"
async def main():
    global address, slept
    asyncio.create_task(made.run())
    for end, after in ((10, "0.0.0.0"), (40, "10.0.0.8"), (50, "")):
        while slept < end * 1000:
            await asyncio.sleep_ms(0)
        print(made.state, made.address(), made.problem)
        address = after
    told = made.describe()
    print(sorted(told.pop("lastLoss").items()))
    print(sorted(told.items()))
asyncio.run(main())
print([text for _, _, text in log.records()])
"""
    assert run(program)[1:] == [
        "connected 10.0.0.7 ",
        "waiting  no DHCP server gives an address",
        "connected 10.0.0.8 ",
        "[('ago', 0), ('problem', 'the address is lost: its DHCP server gives no other'), ('ssid', 'Ethernet')]",
        "[('accessPoint', ''), ('connectedFor', 0), ('gateway', '10.0.0.1'), ('kind', 'ethernet'), "
        "('mac', '02:6d:61:77:00:01'), ('problem', ''), ('rssi', None), ('ssid', 'Ethernet'), ('state', 'connected')]",
        "['connected by cable as 10.0.0.7', 'the address is lost: its DHCP server gives no other', "
        "'Ethernet: no DHCP server gives an address', 'connected by cable as 10.0.0.8']",
    ]


def test_fixed_address_is_set_before_the_interface_becomes_active(run):
    program = """
lan.ipconfig = lambda *args, **settings: print(args, settings)
network.ipconfig = lambda **settings: print(settings)
static = {"ip": "10.0.0.9", "netmask": "255.0.0.0", "gateway": "10.0.0.1", "dns": "9.9.9.9"}
EthernetService(lan, "shed", static).prepare()
lan.ipconfig = lambda *args, **settings: print(settings) if settings else False
EthernetService(lan, "shed", {"ip": ""}).prepare()
"""
    assert run(program)[1:] == [
        "() {'addr4': ('10.0.0.9', '255.0.0.0')}",
        "() {'gw4': '10.0.0.1'}",
        "{'dns': '9.9.9.9'}",
        ACTIVE,
        "{'dhcp4': True}",
        ACTIVE,
    ]
