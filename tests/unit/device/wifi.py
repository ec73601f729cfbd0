"""What programs that test the network service begin with: a service, and a clock that runs as fast as it sleeps."""

from unit.device import vm

HEAD = """
import asyncio, gc, network
gc.enable()  # there is no other thread
from device import access_point, air, log, loop, network_service, station
from device.network_service import NetworkService

async def sleep_ms(ms):
    network.now += ms
    loop.uptime_s = network.now // 1000
    await asyncio.sleep_ms(0)
network_service.sleep_ms = station.sleep_ms = sleep_ms
TIMED = network_service, access_point, air, station
for module in TIMED:
    module.ticks_ms = lambda: network.now

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

def several(number):
    return [("net%d" % index, "password%d" % index) for index in range(number)]

async def reach(made, condition):
    for _ in range(100000):
        if condition():
            assert "is not expected while" not in str(texts()), texts()
            return
        await asyncio.sleep_ms(0)
    raise Exception("not reached: %s %s %s" % (made.state, made.ssid, made.problem))

async def until(made, condition):
    task = asyncio.create_task(made.run())
    await reach(made, condition)
    return task

def live(made, *steps):
    # Each step is a condition to wait for, or something to do, which is no lambda.
    async def main():
        task = asyncio.create_task(made.run())
        for step in steps:
            if callable(step):
                await reach(made, step)
            elif isinstance(step, (int, float)):
                end = network.now + step * 1000
                await reach(made, lambda: network.now >= end)
            elif isinstance(step, dict):
                network.air.clear()
                network.air.update(step)
        task.cancel()
    asyncio.run(main())

def connected(): return made.state == "connected"
def away(): return made.state != "connected"
def texts(least=log.INFO): return [text for _, _, text in log.records(least)]

def show(made):
    print(made.state, made.ssid, made.address(), "AP:" + made.ap_ssid, made.problem)
"""


def run(program, folder):
    """The lines that the program prints."""
    return vm.run(HEAD + program, folder).splitlines()
