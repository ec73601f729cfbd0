"""The board with a VM in it: boot, resets, what survives them, crashes, watchdog, power cut."""

import asyncio
import os
import signal

import pytest

from firmware.otadata import Entry, State
from ports.unix import supervisor
from ports.unix.bootfile import wifi_networks
from ports.unix.flash import Flash
from tests.unix.bench import bench, run
from tests.unix.images import device, entries_of, write_flash

# Says how it was started, then does what it is told, a line each; Ctrl-C interrupts.
SCRIPT = """
import sys
info = call("boot.info")
def loop():
    while True:
        pass
def ask():
    line = sys.stdin.readline()
    try:
        exec(line)
    except OSError as error:
        print("OSError", *error.args)
    except KeyboardInterrupt:
        print("interrupted")
print("cause", info["cause"], info["mode"], info["slot"])
while True:
    ask()
"""


@pytest.fixture
def flash(tmp_path):
    return write_flash(tmp_path / "flash.bin", device(SCRIPT))


def check(flash, test, **options):
    """Run `test(bench)` on a board with the image `flash`."""

    async def on_bench():
        async with bench(flash, **options) as it:
            await test(it)

    run(on_bench())


async def tell(it, line):
    it.board.console.feed(line.encode() + b"\n")


def test_power_on_boots_and_reports(flash):
    async def test(it):
        text = await it.says(b"cause 1 friendly ota_0\r\n")
        moved = "".join(
            f"net: port {port} of the board is 127.0.0.1:{here} on this computer\r\n"
            for port, here in it.board.ports.items()
        )
        rom = "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
        assert text.decode() == rom + moved + "cause 1 friendly ota_0\r\n"
        await tell(it, "print(len(flash), bytes(flash[0x10000:0x10008]), info['heap'], info['version'])")
        await it.says(b"4194304 b'MAWIMAGE' 320k test\r\n")
        await tell(it, "print(info['uid'], info['flash_size'], info['net']['http_port'])")
        await it.says(f"{it.board.uid.hex()} 4194304 {it.board.ports[80]}\r\n".encode())

    check(flash, test)


@pytest.mark.parametrize("mode", ["friendly", "raw"])
def test_soft_reset_shows_only_what_the_device_says(flash, mode):
    async def test(it):
        await it.says(b"ota_0\r\n")
        await tell(it, f"print('MPY: soft reboot'); call('reset', kind='soft', mode='{mode}')")
        assert await it.says(b"ota_0\r\n") == f"MPY: soft reboot\r\ncause 5 {mode} ota_0\r\n".encode()

    check(flash, test)


def test_output_before_a_reset_is_not_lost(flash):
    async def test(it):
        await it.says(b"ota_0\r\n")
        await tell(it, "sys.stdout.write('x' * 60000); call('reset', kind='soft')")
        assert (await it.says(b"cause 5")).count(b"x") == 60000

    check(flash, test)


def test_hard_reset_by_the_device_with_a_cause(flash):
    async def test(it):
        await it.says(b"ota_0\r\n")
        for cause in (2, 4):
            extra = ", ms=1" if cause == 4 else ""
            await tell(it, f"call('reset', kind='hard', cause={cause}{extra})")
            await it.says(f"cause {cause} friendly".encode())

    check(flash, test)


def test_deep_sleep_lasts_as_asked_or_until_a_reset(flash):
    async def test(it):
        await it.says(b"ota_0\r\n")
        await tell(it, "call('reset', kind='hard', cause=4)")
        await it.until(lambda: it.board.state == "asleep")
        assert it.board.pid is None
        with pytest.raises(ValueError, match="asleep"):
            it.board.reset("soft")
        it.board.reset("hard")
        await it.says(b"cause 2 friendly")
        await tell(it, "call('reset', kind='hard', cause=4, ms=50)")
        await it.says(b"cause 4 friendly")

    check(flash, test)


@pytest.mark.parametrize(
    "args",
    [
        "kind='warm'",
        "kind='soft', mode='paste'",
        "kind='hard', cause=9",
        "kind='hard', cause=5",
        "kind='hard', cause=4, ms='x'",
        "kind='hard', x=1",
        "",
    ],
)
def test_bad_reset_is_refused(flash, args):
    async def test(it):
        await it.says(b"ota_0\r\n")
        await tell(it, f"call('reset', {args})")
        await it.says(b"OSError 22")
        assert it.board.boots == 1

    check(flash, test)


def test_typed_ahead_survives_a_soft_reset_only(flash):
    async def test(it):
        await it.says(b"ota_0\r\n")
        # Read by the device in one go, so the rest has to come while it is busy.
        await tell(it, "print('busy'); loop()")
        await it.says(b"busy\r\n")
        await tell(it, "print('kept', 1)")
        it.board.reset("soft")
        await it.says(b"kept 1\r\n")
        await tell(it, "print('busy'); loop()")
        await it.says(b"busy\r\n")
        await tell(it, "print('lost', 1)")
        it.board.reset("hard")
        await it.says(b"cause 2 friendly ota_0\r\n")
        await tell(it, "print('end', 1)")
        assert b"lost" not in await it.says(b"end 1\r\n")

    check(flash, test)


def test_rtc_survives_resets_not_power_off(flash):
    read = "print('rtc', call_blob('rtc.read')[1], call('rtc.clock')['offset_us'] == 7)"

    async def test(it):
        await it.says(b"ota_0\r\n")
        await tell(it, "call('rtc.write', b'abc'); call('rtc.clock', offset_us=7)")
        for kind in ("soft", "hard"):
            await tell(it, f"call('reset', kind='{kind}')")
            await it.says(b"ota_0\r\n")
            await tell(it, read)
            await it.says(b"rtc b'abc' True\r\n")
        it.board.power_off()
        it.board.power_on()
        await it.says(b"cause 1 friendly ota_0\r\n")
        await tell(it, read)
        await it.says(b"rtc b'' False\r\n")

    check(flash, test)


def test_watchdog_survives_a_soft_reset_and_bites(flash):
    async def test(it):
        await it.says(b"ota_0\r\n")
        await tell(it, "call('wdt.start', ms=300); call('reset', kind='soft')")
        await it.says(b"cause 5")
        assert b"Task watchdog got triggered." in await it.says(b"cause 3 friendly")
        await asyncio.sleep(0.4)
        assert it.board.boots == 3

    check(flash, test)


def test_ctrl_c_interrupts_only_when_the_device_asked_for_it(flash):
    async def test(it):
        await it.says(b"ota_0\r\n")
        await tell(it, "call('console.kbd_intr', c=3); print('go'); loop()")
        await it.says(b"go\r\n")
        it.board.console.feed(b"\x03")
        await it.says(b"interrupted\r\n")
        await tell(it, "call('console.kbd_intr', c=-1); print('raw'); print(sys.stdin.read(2).encode())")
        await it.says(b"raw\r\n")
        it.board.console.feed(b"\x03\x04")
        await it.says(b"b'\\x03\\x04'\r\n")

    check(flash, test)


def test_ctrl_c_during_resets_never_kills_the_vm(flash):
    async def test(it):
        for number in range(40):
            it.board.console.feed(b"\x03")
            it.board.reset("soft" if number % 2 else "hard")
            it.board.console.feed(b"\x03\x03")
            await asyncio.sleep(0.005 * (number % 8))
        await it.says(b"ota_0\r\n")
        assert it.board.boots == 41

    check(flash, test)


@pytest.mark.parametrize(
    ("end", "text"),
    [
        ("flash[0] = 0", b"Guru Meditation Error: Core  1 panic'ed (LoadProhibited)"),
        ("raise SystemExit(3)", b"The virtual machine ended with exit code 3."),
        (
            "from _chip.device import _bus; _bus.write(b'\\xff' * 6)",
            b"Bus error: bus frame of 65535 + 4294967295 bytes.",
        ),
        ("from _chip.device import _bus; _bus.close()", b"The virtual machine was killed or closed its bus."),
    ],
)
def test_crash_is_shown_and_restarts_the_board(flash, end, text):
    async def test(it):
        await it.says(b"ota_0\r\n")
        await tell(it, end)
        said = await it.says(b"cause 2 friendly ota_0\r\n")
        assert text in said and b"Rebooting...\r\n" in said
        assert it.board.state == "running"

    check(flash, test)


def test_boot_pin_at_power_on_leads_to_download_mode(flash):
    async def test(it):
        board = it.board
        board.pins.command({"id": 0, "value": 0})
        board.reset()
        await it.says(b"SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)")
        board.power_off()
        board.power_on()
        await it.says(b"boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\nwaiting for download\r\n")
        assert board.state == "download" and board.pid is None
        with pytest.raises(ValueError, match="the board is download"):
            board.reset()
        board.pins.command({"id": 0, "value": None})
        board.power_on()
        await it.says(b"boot:0x13")
        board.pins.command({"id": 0, "value": 0})
        assert board.pins.command({"id": 0})["value"] == 0

    check(flash, test)


def test_crash_loop_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_CRASH_PAUSE_MAX", 0.01)
    flash = write_flash(tmp_path / "flash.bin", device("print('up')\nraise SystemExit(1)"))

    async def test(it):
        said = await it.says(b"Halted until the power is switched on.\r\n")
        assert said.count(b"up\r\n") == it.board.boots == 24
        assert it.board.state == "halted" and "24 crashes" in it.board.problem
        with pytest.raises(ValueError, match="halted"):
            it.board.reset()
        it.board.power_on()
        await it.says(b"POWERON_RESET")

    check(flash, test)


def test_power_cut_in_a_write_switches_off(flash):
    async def test(it):
        await it.says(b"ota_0\r\n")
        await tell(it, "call('flash.erase', off=0x310000, len=4096); print('erased', flash[0x310000])")
        await it.says(b"erased 255\r\n")
        it.board.flash.cut_after(1)
        await tell(it, "call('flash.write', bytes(8), off=0x310000); print('not', 'reached')")
        await it.until(lambda: it.board.state == "off")
        assert it.board.pid is None
        it.board.power_on()
        await it.says(b"cause 1 friendly ota_0\r\n")
        await tell(it, "print(bytes(flash[0x310000:0x310008]))")
        text = await it.says(b"b'\\x00\\x00\\x00\\x00\\xff\\xff\\xff\\xff'\r\n")
        assert b"not reached" not in text

    check(flash, test)


def test_power_cut_in_the_boot_loader(tmp_path):
    entries = (Entry(1, State.VALID), Entry(2, State.NEW))
    flash = write_flash(tmp_path / "flash.bin", device(SCRIPT, "old"), device(SCRIPT, "new"), entries=entries)

    async def test(it):
        it.board.flash.cut_after(2)
        it.board.power_on()
        assert it.board.state == "off"
        it.board.power_on()
        await it.says(b"cause 1 friendly ota_0\r\n")
        assert entries_of(it.board.flash)[0].state == State.VALID

    check(flash, test, power=False)


def test_flash_errors_reach_the_device(flash):
    async def test(it):
        await it.says(b"ota_0\r\n")
        for call in (
            "'flash.erase', off=1, len=4096",
            "'flash.write', b'x', off=0x400000",
            "'flash.write', b'x'",
        ):
            await tell(it, f"call({call})")
            await it.says(b"OSError 22")

    check(flash, test)


def test_rollback_happens_at_a_hard_reset_not_at_a_soft_one(tmp_path):
    entries = (Entry(1, State.VALID), Entry(2, State.NEW))
    flash = write_flash(tmp_path / "flash.bin", device(SCRIPT, "old"), device(SCRIPT, "new"), entries=entries)

    async def test(it):
        await it.says(b"cause 1 friendly ota_1\r\n")
        await tell(it, "call('reset', kind='soft')")
        await it.says(b"cause 5 friendly ota_1\r\n")
        await tell(it, "call('reset', kind='hard')")
        assert b"ota_1 was started and did not confirm itself" in await it.says(b"cause 2 friendly ota_0\r\n")

    check(flash, test)


def test_nothing_to_boot_halts_with_advice(tmp_path):
    async def test(it):
        assert it.board.state == "halted"
        await it.says(b"E boot: ")
        await it.says(b"no bootable app partitions")
        with pytest.raises(ValueError, match="halted"):
            it.board.crash()

    check(write_flash(tmp_path / "flash.bin"), test)


def test_interrupts_and_pins_reach_the_device(flash):
    async def test(it):
        await it.says(b"ota_0\r\n")
        await tell(it, "call('irq.wake'); print(interrupt())")
        await it.says(b"({'irq': 'wake'}, b'')\r\n")
        await tell(
            it, "call('pin.irq', id=0, trigger=1); print('armed'); print(interrupt(), call('pin.get', id=0))"
        )
        await it.says(b"armed\r\n")
        it.board.pins.command({"id": 0, "value": 1})
        assert b"'pin'" in await it.says(b"{'value': 1}\r\n")

    check(flash, test)


def test_hundreds_of_resets_leak_nothing(flash):
    async def test(it):
        await it.says(b"ota_0\r\n")
        before = len(os.listdir("/dev/fd"))
        for number in range(300):
            it.board.reset("soft" if number % 2 else "hard")
        await it.says(b"ota_0\r\n")
        assert len(os.listdir("/dev/fd")) == before

    check(flash, test)


def test_the_vm_is_gone_after_power_off(flash):
    async def test(it):
        await it.says(b"ota_0\r\n")
        pid = it.board.pid
        it.board.power_off()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        it.board.power_off()
        assert it.board.state == "off"

    check(flash, test)


def test_what_the_vm_started_ends_with_it(flash):
    async def test(it):
        await it.says(b"ota_0\r\n")
        await tell(it, "import os; os.system('sleep 1000 & echo child $!')")
        await it.says(b"child ")
        child = int((await it.says(b"\r\n")).strip())
        it.board.reset()
        await it.says(b"cause 2 friendly")
        await it.until(lambda: not _alive(child), "end of the child")

    check(flash, test)


def test_the_networks_of_boot_json_are_in_the_air(tmp_path):
    boot_json = b'{"wifi": {"networks": [{"ssid": "attic", "password": "correct horse"}]}}'
    path = write_flash(tmp_path / "flash.bin", device("pass"), files={"boot.json": boot_json})
    flash = Flash(path)
    assert wifi_networks(flash) == [{"ssid": "attic", "password": "correct horse"}]
    flash.close()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"wifi": {"networks": 3}}', b'{"wifi": {"networks": [{}]}}']
)
def test_a_bad_boot_json_gives_no_networks(tmp_path, content):
    flash = Flash(write_flash(tmp_path / "flash.bin", files={"boot.json": content}))
    assert wifi_networks(flash) == []
    flash.close()


def test_a_damaged_filesystem_gives_no_networks(tmp_path):
    flash = Flash(write_flash(tmp_path / "flash.bin"))
    assert wifi_networks(flash) == []
    flash.close()


def test_killed_vm_is_a_crash(flash):
    async def test(it):
        await it.says(b"ota_0\r\n")
        os.kill(it.board.pid, signal.SIGKILL)
        await it.says(b"was killed")
        await it.says(b"cause 2 friendly")

    check(flash, test)


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
