"""machine, network, webrepl and ntptime on a whole board, with a script in the place of the firmware."""

import asyncio
import socket
import struct
import threading

from websockets.asyncio.client import connect

from tests.unix.scripted import check


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


def test_retained_memory_survives_every_reset_but_power_off(tmp_path):
    async def drive(it):
        for text, reset in (
            (b"start 0 soft", None),
            (b"start 1 hard", None),
            (b"start 2 watchdog", None),
            (b"start 3 crash", it.board.crash),
            (b"start 4 power", it.board.power_off),
            (b"start 0 soft", None),
        ):
            await it.says(text)
            if reset:
                reset()
            if it.board.state.value == "off":
                it.board.power_on()
        await it.says(b"start 1")

    check(
        tmp_path,
        """
import machine, retained
assert retained.SIZE == 1024 and retained.read(0, 1020) == bytes(1020)
assert fails(ValueError, retained.read, 1020, 5) == fails(ValueError, retained.write, -1, b"")
starts = retained.read(1020, 4)[0]
retained.write(1020, bytearray([starts + 1]))
print("start", starts, ("soft", "hard", "watchdog", "crash", "power")[starts])
if starts == 1 and machine.reset_cause() == machine.SOFT_RESET:
    print("the end")
    machine.reset()
if starts == 0:
    machine.RTC().memory(b"the user's own")
    from _chip import bus
    bus.call("reset", kind="soft", mode="friendly")
if starts == 2:
    machine.WDT(timeout=20)
while True:
    time.sleep_ms(50)
""",
        drive,
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
