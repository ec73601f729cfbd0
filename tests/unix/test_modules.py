"""machine, esp32, network, webrepl and ntptime on a whole board, with a script in the place of the firmware."""

import asyncio
import functools
import socket
import struct
import threading
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from firmware import appimage, modules, otadata, romfs
from tests.unix.bench import bench, run
from tests.unix.images import entries_of, write_flash

MODULES = Path(__file__).resolve().parents[2] / "ports" / "unix" / "modules"
AIR = [{"ssid": "home", "password": "correct horse"}]
# What a script begins with: `fails(exception, f, *args)` is what the exception was made from.
HELPERS = """
import sys, time
def fails(kind, f, *args, **kwargs):
    try:
        f(*args, **kwargs)
    except kind as e:
        return e.args
    raise AssertionError("no exception")
def until(condition):
    start = time.ticks_ms()
    while not condition():
        assert time.ticks_diff(time.ticks_ms(), start) < 5000
        time.sleep_ms(5)
"""


@functools.cache
def port_files():
    """The compiled modules of the port, {path in the ROMFS: bytes}."""
    return modules.compile_all(modules.tree(MODULES, "port"))


def image(script):
    """Application image that runs `script` as _boot."""
    files = {**port_files(), "_boot.py": (HELPERS + script).encode()}
    return appimage.pack(romfs.build(files), "test")


def check(tmp_path, script, drive=None, **options):
    """Boot a board with `script`, run `drive(bench)` beside it; the script has to come to its end."""
    path = write_flash(tmp_path / "flash.bin", image(script + "\nprint('the end')\n"), files={}, **options)

    async def test():
        async with bench(path) as it:
            it.board.radio.command({"air": AIR})
            if drive:
                await drive(it)
            await it.until(lambda: b"the end" in it.said or b"Traceback" in it.said)
            assert b"Traceback" not in it.said, it.said.decode()

    run(test())


def test_machine_of_the_chip(tmp_path):
    check(
        tmp_path,
        """
import machine
assert machine.reset_cause() == machine.PWRON_RESET
assert len(machine.unique_id()) == 6
assert machine.freq() == 160000000
assert "160MHz or 240MHz" in fails(ValueError, machine.freq, 100000000)[0]
machine.freq(80000000)
assert machine.freq() == 80000000
assert fails(AttributeError, lambda: machine.ADC) == ("machine.ADC is not on the desktop board",)
assert not hasattr(machine, "PWM")
fails(OSError, lambda: machine.mem32[0])
assert fails(ValueError, machine.WDT, timeout=0) == ("WDT timeout too short",)
assert fails(ValueError, machine.WDT, 1) == ()
fails(SystemExit, machine.soft_reset)
machine.idle()
start = time.ticks_ms()
machine.lightsleep(30)
assert 30 <= time.ticks_diff(time.ticks_ms(), start) < 500
assert machine.wake_reason() == machine.TIMER_WAKE
""",
    )


def test_rtc(tmp_path):
    check(
        tmp_path,
        """
import machine
rtc = machine.RTC()
assert rtc is machine.RTC()
assert rtc.datetime()[:4] == (2000, 1, 1, 5)
assert rtc.memory() == b""
rtc.memory(b"kept")
assert rtc.memory() == b"kept"
assert fails(ValueError, rtc.memory, bytes(2049)) == ("buffer too long",)
rtc.datetime((2026, 2, 28, 0, 23, 59, 58, 500000))
assert rtc.datetime()[:7] == (2026, 2, 28, 5, 23, 59, 58)
assert time.gmtime()[:5] == (2026, 2, 28, 23, 59)
rtc.init((2027, 1, 2, 3, 4, 5, 0, 0))
assert rtc.datetime()[:6] == (2027, 1, 2, 5, 3, 4)
fails(ValueError, rtc.datetime, (2026, 1, 1))
""",
    )


def test_timers(tmp_path):
    check(
        tmp_path,
        """
from machine import Timer, disable_irq, enable_irq
beats = []
timer = Timer(0, period=5, callback=beats.append)
assert timer is Timer(0) and repr(timer) == "Timer(0, mode=PERIODIC, period=5)"
until(lambda: len(beats) > 5)
assert beats[0] is timer and timer.value() <= 5
timer.deinit()
count = len(beats)
assert fails(ValueError, timer.value) == ("timer not set",)
once = []
Timer(3, mode=Timer.ONE_SHOT, period=1, callback=once.append)
until(lambda: once)
time.sleep_ms(20)
assert len(once) == 1 and len(beats) == count
assert fails(ValueError, Timer, 4) == ("invalid Timer number",)
assert fails(ValueError, Timer, 0, hard=True)[0].startswith("hard Timers")
# a program that never waits is interrupted all the same
timer.init(freq=200, callback=beats.append)
start = time.ticks_ms()
while len(beats) < count + 5:
    assert time.ticks_diff(time.ticks_ms(), start) < 5000
timer.deinit()
state = disable_irq()
late = []
Timer(1, mode=Timer.ONE_SHOT, period=1, callback=late.append)
time.sleep_ms(30)
assert not late
enable_irq(state)
until(lambda: late)
def bad(t):
    raise ValueError("in a callback")
fails(TypeError, lambda: Timer())
""",
    )


def test_timers_beat_while_main_waits_for_input(tmp_path):
    async def drive(it):
        await it.says(b"waiting")
        await it.says(b"beat 20")
        it.board.console.feed(b"x\n")

    check(
        tmp_path,
        """
from machine import Timer
beats = []
def beat(t):
    beats.append(t)
    print("beat", len(beats))
timer = Timer(0, period=10, callback=beat)
print("waiting")
assert sys.stdin.readline() == "x\\n"
timer.deinit()
""",
        drive,
    )


def test_pins(tmp_path):
    async def drive(it):
        await it.says(b"ready")
        for value in (1, 0, 1):
            it.board.pins.command({"id": 4, "value": value})
            await it.says(b"edge %d" % value)
        assert it.board.pins.command({"id": 5})["value"] == 1

    check(
        tmp_path,
        """
from machine import Pin, Signal, time_pulse_us
out = Pin(5, Pin.OUT, value=1)
assert out is Pin(5) and repr(out) == "Pin(5)" and out() == out.value() == 1
out.off(); assert out() == 0
out.toggle(); assert out() == 1
led = Signal(out, invert=True)
led.on(); assert out() == 0
led.off()
assert fails(ValueError, Pin, 24) == ("invalid pin",)
assert fails(ValueError, Pin, 34, Pin.OUT) == ("pin can only be input",)
button = Pin(4, Pin.IN, Pin.PULL_UP)
assert button() == 1
button.init(pull=Pin.PULL_DOWN)
assert button() == 0
assert time_pulse_us(button, 1, 100) == -2
edges = []
def edge(pin):
    edges.append(pin)
    print("edge", pin())
button.irq(edge, Pin.IRQ_RISING | Pin.IRQ_FALLING)
assert button.irq().trigger() == 3
print("ready")
until(lambda: len(edges) == 3)
assert edges[0] is button
""",
        drive,
    )


def test_partitions(tmp_path):
    check(
        tmp_path,
        """
from esp32 import Partition
app = Partition(Partition.RUNNING)
assert app.info() == (0, 16, 0x10000, 0x180000, "ota_0", False)
assert Partition(Partition.BOOT).info() == app.info()
assert [p.info()[4] for p in Partition.find()] == ["ota_0", "ota_1"]
assert [p.info()[4] for p in Partition.find(Partition.TYPE_DATA, 0x81)] == ["vfs"]
assert Partition.find(label="nothing") == []
assert fails(OSError, Partition, "nothing") == (2,)
assert fails(ValueError, Partition, 2) == ()
other = app.get_next_update()
assert other.info()[4] == "ota_1" and other.get_next_update().info()[4] == "ota_0"
assert [other.ioctl(i, 0) for i in range(8)] == [None, 0, 0, 0, 384, 4096, 0, None]
buffer = bytearray(8)
other.writeblocks(1, b"abcd", 4)
other.writeblocks(1, b"\\xfe\\xff", 4)  # NOR flash: bits only fall
other.readblocks(1, buffer)
assert buffer == b"\\xff\\xff\\xff\\xff`bcd"
other.writeblocks(1, bytes(4096))
other.readblocks(1, buffer, 4088)
assert buffer == bytes(8)
assert fails(OSError, other.writeblocks, 1, b"ab") == (-260, "ESP_ERR_INVALID_SIZE")
assert fails(OSError, other.readblocks, 385, buffer) == (-258, "ESP_ERR_INVALID_ARG")
assert fails(OSError, other.readblocks, 384, buffer) == (-260, "ESP_ERR_INVALID_SIZE")
# blocks smaller than what can be erased leave their neighbours alone
small = Partition("ota_1", 512)
assert small.ioctl(5, 0) == 512 and small.ioctl(6, 0) == -22
small.writeblocks(9, b"Y" * 1024)
for block, content in ((8, 0), (9, 89), (10, 89), (11, 0)):
    small.readblocks(block, buffer)
    assert buffer == bytes([content] * 8)
""",
    )


def test_neither_callback_nor_interrupt_cuts_a_flash_operation_in_two(tmp_path):
    """The VM runs callbacks, switches threads and raises KeyboardInterrupt at jumps: so there are none."""
    check(
        tmp_path,
        """
import micropython
from esp32 import Partition
from _chip import bus
part = Partition("ota_1")
block = bytearray(4096)
ran = []
for operation, args in (
    (bus.call, ("boot.info",)),
    (bus.call_blob, ("rtc.read",)),
    (bus.exchange, ("rtc.read",)),
    (part.readblocks, (1, block)),
    (part.readblocks, (1, block, 7)),
    (part.writeblocks, (1, block)),
    (part.writeblocks, (1, block, 7)),
    (part.ioctl, (6, 3)),
    (part.ioctl, (3, 0)),
    (part.ioctl, (4, 0)),
):
    # Evaluated from left to right, without a jump outside of `operation`.
    before, _, _, after = len(ran), micropython.schedule(ran.append, operation), operation(*args), len(ran)
    assert before == after, operation
    until(lambda: len(ran) == before + 1)
""",
    )


def test_an_update_starts_the_other_slot(tmp_path):
    script = """
from esp32 import Partition
import machine
running = Partition(Partition.RUNNING)
print("runs", running.info()[4])
if machine.reset_cause() == machine.PWRON_RESET:
    other = running.get_next_update()
    assert fails(OSError, other.set_boot) == (-5379, "ESP_ERR_OTA_VALIDATE_FAILED")
    block = bytearray(4096)
    for i in range(other.ioctl(4, 0)):
        running.readblocks(i, block)
        other.writeblocks(i, block)
    other.set_boot()
    assert Partition(Partition.BOOT).info() == other.info()
    machine.reset()
assert running.info()[4] == "ota_1"
Partition.mark_app_valid_cancel_rollback()
"""

    async def drive(it):
        await it.says(b"runs ota_0")
        await it.says(b"runs ota_1")
        await it.says(b"the end")
        it.said = b"the end"
        entries = entries_of(it.board.flash)
        newest = max((e for e in entries if e.valid), key=lambda e: e.seq)
        assert (newest.seq, newest.state) == (2, otadata.State.VALID)

    check(tmp_path, script, drive)


def test_nvs(tmp_path):
    script = """
from esp32 import NVS
import machine
nvs = NVS("test")
NOT_FOUND = (-4354, "ESP_ERR_NVS_NOT_FOUND")
buffer = bytearray(8)
if machine.reset_cause() == machine.PWRON_RESET:
    assert fails(OSError, nvs.get_i32, "a") == NOT_FOUND
    nvs.set_i32("a", -5)
    assert nvs.get_i32("a") == -5
    nvs.set_blob("b", b"hello")
    assert nvs.get_blob("b", buffer) == 5 and buffer == b"hello\\0\\0\\0"
    assert fails(OSError, nvs.get_blob, "b", bytearray(2)) == (-4364, "ESP_ERR_NVS_INVALID_LENGTH")
    assert fails(OSError, nvs.get_blob, "a", buffer) == NOT_FOUND
    assert fails(OSError, nvs.set_i32, "x" * 16, 1) == (-4361, "ESP_ERR_NVS_KEY_TOO_LONG")
    nvs.set_blob("b", "h\u00e9llo")
    assert nvs.get_blob("b", buffer) == 6 and buffer[:6] == "h\u00e9llo".encode()
    nvs.set_blob("b", b"hello")
    buffer = bytearray(8)
    nvs.set_i32("gone", 1)
    nvs.erase_key("gone")
    assert fails(OSError, nvs.erase_key, "gone") == NOT_FOUND
    assert fails(OSError, NVS("other").get_i32, "a") == NOT_FOUND
    NVS("other").set_i32("a", 7)
    assert fails(OSError, nvs.set_blob, "big", bytes(9000)) == (-4357, "ESP_ERR_NVS_NOT_ENOUGH_SPACE")
    for i in range(600):  # fills both banks more than once
        nvs.set_i32("counter", i)
    nvs.commit()
    machine.reset()
assert nvs.get_i32("counter") == 599 and nvs.get_i32("a") == -5 and NVS("other").get_i32("a") == 7
assert nvs.get_blob("b", buffer) == 5
assert fails(OSError, nvs.get_i32, "gone") == NOT_FOUND
assert repr(nvs) == "<NVS namespace>"
"""
    check(tmp_path, script)


@pytest.mark.parametrize("operation", range(1, 12))
def test_nvs_survives_a_power_cut(tmp_path, operation):
    """The old value or the new one, whatever flash operation the power fails in, compaction included."""
    script = """
from esp32 import NVS
nvs = NVS("test")
def get():
    try:
        return nvs.get_i32("n")
    except OSError:
        return 0
print("value", get(), end=";")
while True:
    sys.stdin.readline()
    for i in range(3):
        nvs.set_i32("n", get() + 1)
    print("set")
"""
    path = write_flash(tmp_path / "flash.bin", image(script), files={})

    async def test():
        async with bench(path) as it:
            await it.says(b"value 0;")
            # 384 records of 21 bytes, a few short of a bank: cuts hit the compaction too.
            for _ in range(128):
                it.board.console.feed(b"\n")
                await it.says(b"set")
            it.board.flash.cut_after(operation)
            before = 384
            it.board.console.feed(b"\n")
            await it.until(lambda: b"set" in it.said or it.board.state == "off")
            while it.board.state != "off":
                before += 3
                it.said = b""
                it.board.console.feed(b"\n")
                await it.until(lambda: b"set" in it.said or it.board.state == "off")
            it.board.power_on()
            await it.says(b"value ")
            value = int((await it.says(b";"))[:-1])
            assert before <= value <= before + 3
            it.board.console.feed(b"\n")
            await it.says(b"set")
            it.board.reset()
            await it.says(b"value %d;" % (value + 3))

    run(test())


def test_network(tmp_path):
    check(
        tmp_path,
        """
import network
sta, ap = network.WLAN(), network.WLAN(network.AP_IF)
assert sta is network.WLAN(network.WLAN.IF_STA) and ap is network.WLAN(network.WLAN.IF_AP)
assert fails(ValueError, network.WLAN, 2) == ("invalid WLAN interface identifier",)
assert not sta.active() and sta.status() == network.STAT_IDLE and sta.ifconfig() == ("0.0.0.0",) * 4
assert fails(OSError, sta.connect, "home", "correct horse") == ("Wifi Not Started",)
assert sta.active(True)
assert sta.scan() == [(b"home", sta.scan()[0][1], 6, -50, network.AUTH_WPA2_PSK, False)]
sta.connect("home", "correct horse")
until(sta.isconnected)
assert sta.status() == network.STAT_GOT_IP and sta.status("rssi") == -50
assert sta.ifconfig() == ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")
assert sta.ipconfig("addr4") == ("127.0.0.1", "255.0.0.0") and sta.ipconfig("dhcp4") is True
assert sta.config("ssid") == "home" and sta.config("channel") == 6 and sta.config("txpower") == 20.0
assert len(sta.config("mac")) == 6 and sta.config("reconnects") == -1
sta.config(reconnects=3)
assert sta.config("reconnects") == 3
assert fails(OSError, sta.config, ssid="x") == ("AP required",)
assert fails(ValueError, sta.config, "nonsense") == ("unknown config param",)
assert fails(TypeError, sta.config, "mac", pm=1)[0].startswith("either")
assert fails(OSError, ap.config, ssid="x", security=3, key="short") == ("Wifi Invalid Password",)
assert fails(RuntimeError, ap.config, authmode=1) == ("Wifi Unknown Error 0x0102",)
ap.config(ssid="mine", security=3, key="longenough")
assert ap.config("essid") == "mine" and ap.config("authmode") == 3
assert ap.active(True) and ap.status() is None and ap.status("stations") == [] and not ap.isconnected()
assert ap.ifconfig()[0] == "192.168.4.1"
sta.ipconfig(addr4="10.0.0.5/24", gw4="10.0.0.1")
assert sta.ifconfig()[:3] == ("10.0.0.5", "255.255.255.0", "10.0.0.1") and not sta.ipconfig("dhcp4")
network.ipconfig(dns="9.9.9.9")
assert network.ipconfig("dns") == "9.9.9.9"
assert fails(ValueError, network.ipconfig, dns="x") == ("invalid arguments as dns server",)
sta.ifconfig("dhcp")
until(lambda: sta.ifconfig()[0] == "127.0.0.1")
network.hostname("greenhouse")
assert network.hostname() == sta.config("hostname") == "greenhouse"
fails(ValueError, network.hostname, "x" * 33)
network.country("DE")
assert network.country() == "DE" and network.phy_mode() is None
assert fails(OSError, network.LAN, mdc=23, mdio=18, phy_addr=1, phy_type=network.PHY_LAN8720)
sta.disconnect()
assert sta.status() == network.STAT_IDLE
""",
    )


def test_ntptime(tmp_path):
    """Against a server that says 2026-01-01, on the board's port 123."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def answer():
        query, peer = server.recvfrom(100)
        assert len(query) == 48 and query[0] == 0x1B
        server.sendto(bytes(40) + struct.pack(">II", 1767225600 + 2208988800, 0), peer)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    check(
        tmp_path,
        f"""
import ntptime, socket
# port 123 needs rights that a test has not
real = socket.getaddrinfo
socket.getaddrinfo = lambda host, port: real("127.0.0.1", {server.getsockname()[1]})
ntptime.timeout = 5
ntptime.settime()
assert time.gmtime()[:4] == (2026, 1, 1, 0), time.gmtime()
""",
    )
    thread.join(5)
    server.close()


def test_webrepl_serves_files_while_a_program_runs(tmp_path):
    record = struct.Struct("<2sBBQLH64s")
    content = bytes(range(256)) * 40

    async def drive(it):
        await it.says(b"running")
        host, port = it.board.webrepl.address
        async with connect(f"ws://{host}:{port}/", compression=None) as ws:
            await ws.recv()
            await ws.send("secret\r")
            assert "WebREPL connected" in await ws.recv()
            await ws.send(record.pack(b"WA", 1, 0, 0, len(content), 9, b"/data.bin"))
            assert await ws.recv() == b"WB\0\0"
            for at in range(0, len(content), 1024):
                await ws.send(content[at : at + 1024])
            assert await asyncio.wait_for(ws.recv(), 10) == b"WB\0\0"
            await ws.send(record.pack(b"WA", 2, 0, 0, 0, 9, b"/data.bin"))
            assert await ws.recv() == b"WB\0\0"
            got = b""
            while True:
                await ws.send(b"\0")
                block = await asyncio.wait_for(ws.recv(), 10)
                if len(block) == 2:
                    break
                got += block[2:]
            assert got == content
            assert await ws.recv() == b"WB\0\0"
            await ws.send("\3")  # Ctrl-C ends the program

    check(
        tmp_path,
        """
import esp32, os, vfs, webrepl
vfs.mount(vfs.VfsLfs2(esp32.Partition("vfs")), "/")
os.chdir("/")
fails(TypeError, webrepl.start)
fails(ValueError, webrepl.start, password="0123456789")
webrepl.start(password="secret")
import micropython
micropython.kbd_intr(3)
print("running")
try:
    while True:
        pass
except KeyboardInterrupt:
    pass
assert os.stat("/data.bin")[6] == 10240
""",
        drive,
    )
