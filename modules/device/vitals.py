"""What the board knows about itself: the values of /api/status and /health."""

import gc
import os
import sys

import esp32

import device

from . import boot, bootjson, clock, loop, portal, recovery, resetcause, selftest, slots, storage, watchdog


async def answer_status(request):
    """GET /api/status."""
    return snapshot()


async def answer_health(request):
    """GET /health."""
    return health()


def snapshot():
    """The live values as a dict that JSON can carry; sizes in bytes, uptime in seconds, rssi in dBm."""
    service = boot.network_service
    address = service.address() if service else ""
    port = device.config["server"]["port"]
    values = {
        "hostname": boot.hostname,
        "address": address,
        "page": boot.page_url(address, port) if address else "",
        "network": service.describe() if service else {"kind": "", "state": "off"},
        "uptime": loop.uptime_s,
        "resetCause": resetcause.words(),
        "connections": len(getattr(device.server, "connections", ())),
        "memory": {"free": gc.mem_free(), "used": gc.mem_alloc(), "idfFree": _idf_free()},
        "flash": _flash(),
        "firmware": boot.VERSION,
        "update": slots.describe(),
        "recovery": {"step": recovery.step, "reason": recovery.reason},
        "settings": {"source": bootjson.source, "trial": bootjson.trial_left()},
        "time": clock.describe(),
        "portal": portal.opened,
        "watchdog": watchdog.seconds,
        "micropython": "%d.%d.%d" % sys.implementation[1][:3],
        "machine": os.uname().machine,
        "problems": boot.problems,
    }
    celsius = _temperature()
    if celsius is not None:
        values["temperature"] = celsius
    return values


def health():
    """The few values of /health, for who watches many boards: no names, no addresses."""
    return {
        "status": "ok",
        "version": boot.VERSION,
        "uptime": loop.uptime_s,
        "free": gc.mem_free(),
        "state": "trial" if slots.pending() else "confirmed",
    }


def _idf_free():
    """Free bytes in ESP-IDF's heaps that Wi-Fi and sockets live in."""
    return sum(region[1] for region in selftest.idf_heaps())


def _flash():
    try:
        block, total, free = storage.room()
    except OSError:
        block = total = free = 0
    return {"filesystem": block * total, "free": block * free, "state": storage.state}


def _temperature():
    """Of the chip in degrees Celsius, or None where it has no such sensor."""
    read = getattr(esp32, "mcu_temperature", None)
    return read() if read else None
