"""The board: power, resets and their causes, crashes.

Everything runs in one asyncio loop. Stopping a VM, booting the next one and answering the bus are plain
calls that run to their end, so a reset cannot meet another one or a half-handled bus call.
"""

import asyncio
import enum
import hashlib
import os
import signal

from firmware.loopback import HOST
from ports.unix import bootloader
from ports.unix.bootfile import server_port, wifi_networks
from ports.unix.bus import Bus
from ports.unix.clock import Clock
from ports.unix.console import Console
from ports.unix.ethernet import Ethernet
from ports.unix.flash import PowerCut
from ports.unix.gateway import Gateway
from ports.unix.network import HTTP_PORT, WEBREPL_PORT, Network
from ports.unix.peripherals import Pins, Retained, Rtc, Watchdog
from ports.unix.radio import Radio
from ports.unix.vm import ConsoleInput, Vm
from ports.unix.webrepl import WebReplServer

_CRASHES_MAX = 24  # in a row; more than the firmware needs to come to the end of its recovery, where only the REPL runs
_CRASH_PAUSE = 0.05  # seconds before the first restart, doubled for each further crash
_CRASH_PAUSE_MAX = 0.2
_STABLE_AFTER = 10.0  # seconds of running that end a row of crashes


class Cause(enum.IntEnum):
    """machine.reset_cause(), ports/esp32/modmachine.c; a panic counts as HARD_RESET there."""

    PWRON_RESET = 1
    HARD_RESET = 2
    WDT_RESET = 3
    DEEPSLEEP_RESET = 4
    SOFT_RESET = 5


class State(str, enum.Enum):
    """What the board is doing: `REBOOTING` is the pause after a crash, `HALTED` and `DOWNLOAD` need a power-on."""

    OFF = "off"
    RUNNING = "running"
    REBOOTING = "rebooting"
    ASLEEP = "asleep"
    HALTED = "halted"
    DOWNLOAD = "download"


# What the ROM prints on each reset but a soft one: the CPU's reset reason, ESP32 Technical Reference Manual
# 4.1.
_ROM_REASON = {
    Cause.PWRON_RESET: "0x1 (POWERON_RESET)",
    Cause.HARD_RESET: "0xc (SW_CPU_RESET)",
    Cause.WDT_RESET: "0xc (SW_CPU_RESET)",
    Cause.DEEPSLEEP_RESET: "0x5 (DEEPSLEEP_RESET)",
}
_ROM = "rst:{},boot:{}"
_BOOT_PIN = 0  # low when the power comes: the chip waits for a firmware on its serial port
_PANIC = "Guru Meditation Error: Core  1 panic'ed ({}). Exception was unhandled."
_PANICS = {
    signal.SIGSEGV: _PANIC.format("LoadProhibited"),
    signal.SIGBUS: _PANIC.format("LoadStoreAlignment"),
    signal.SIGILL: _PANIC.format("IllegalInstruction"),
    signal.SIGFPE: _PANIC.format("IntegerDivideByZero"),
    signal.SIGABRT: "abort() was called on core 1",
}


class Supervisor:
    """One board on the image `flash` (Flash).

    `http_port` and `webrepl_port` are Reservations, `heap` is the VM's heap as micropython's -X heapsize
    takes it, `air` what is in the air at the beginning (see radio.py), None for the networks that its
    boot.json names. `link` is "wifi", or "ethernet" for a board with an Ethernet port and without Wi-Fi.
    """

    def __init__(self, flash, http_port, webrepl_port, heap, air=None, link="wifi"):
        self.flash = flash
        self.heap = heap
        self.link = link
        self.uid = _unique_id(flash.path)
        self.state = State.OFF
        self.boots = 0
        self.booted = False  # the firmware's own start is over, boot.py comes next
        self.cause = None
        self.image = None
        self.problem = ""
        self.changed = asyncio.Event()
        self._reservations = {HTTP_PORT: http_port, WEBREPL_PORT: webrepl_port}
        self._mode = "friendly"
        self._vm = None
        self._booted_at = 0.0
        self._crashes = 0
        self._timer = None
        self._input = ConsoleInput()
        self.console = Console(self._on_input, self._on_interrupt)
        self.clock = Clock(self._on_skip)
        self.bus = Bus(self._on_bus_lost, self.clock.follow)
        self.rtc = Rtc(self.clock)
        self.retained = Retained()
        self.watchdog = Watchdog(self._on_watchdog, self.clock)
        self.pins = Pins()
        self.radio = Radio([] if air else wifi_networks(flash), air=air, mac=self.uid, clock=self.clock.now)
        self.ethernet = Ethernet(lambda: self.radio.hostname, clock=self.clock.now)
        self.webrepl = WebReplServer(self.console, self.bus, HOST, webrepl_port.port)
        self.webrepl.before_listen = webrepl_port.release
        self.webrepl.on_change = self._wake_waiting
        self.gateway = Gateway(self.clock)
        self.network = Network(self.ports, self, self._on_listen, self.gateway, self.clock)
        self._register()

    @property
    def pid(self):
        """Process id of the VM, None while there is none."""
        return self._vm.pid if self._vm else None

    @property
    def is_off(self):
        """Whether nothing runs, and nothing will until the power is switched on."""
        return self.state in (State.OFF, State.HALTED, State.DOWNLOAD)

    @property
    def ports(self):
        """{device port: port of this computer} of the two that are moved."""
        return {port: reservation.port for port, reservation in self._reservations.items()}

    @property
    def hostname(self):
        """What the device calls itself in the network."""
        return self.radio.hostname

    def addresses(self):
        """The board's own IP addresses at this moment."""
        return [*self.radio.addresses(), *self.ethernet.addresses()]

    def routers(self):
        """The addresses of routers and DNS servers in the networks that the board is in."""
        return [*self.radio.routers(), *self.ethernet.routers()]

    def power_on(self):
        """Begin with a cold start; no effect on a board that is on."""
        if not self.is_off:
            return
        self.rtc.power_on()
        self.gateway.open()
        self.retained.power_on()
        self._crashes = 0
        if self.pins.is_held_low(_BOOT_PIN):
            # Only here: a reset by software, the watchdog's and the end of a deep sleep do not look at the pin anew.
            self._say(_ROM.format(_ROM_REASON[Cause.PWRON_RESET], "0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))"))
            self._say("waiting for download")
            self._set_state(State.DOWNLOAD)
            return
        self._boot(Cause.PWRON_RESET)

    def power_off(self):
        """At once, as if the plug were pulled."""
        self._stop_vm()
        self._hard_reset()
        self.flash.cut_after(None)
        self._set_state(State.OFF)

    def reset(self, kind="hard", cause=None, mode="friendly", ms=None):
        """Reset the board: `kind` "hard" (with `cause`) or "soft" (into REPL `mode` "friendly" or "raw").

        A deep sleep is a hard reset with cause DEEPSLEEP_RESET after which the CPU is off for `ms`
        milliseconds, or for good if that is None. Raises ValueError when the board is off or an argument is
        wrong.
        """
        if self.is_off:
            raise ValueError(f"the board is {self.state.value}: switch the power on")
        if kind not in ("hard", "soft") or mode not in ("friendly", "raw"):
            raise ValueError(f"there is no {kind!r} reset into {mode!r} mode")
        if kind == "soft" and self._vm is None:
            raise ValueError(f"the board is {self.state.value}: only a hard reset gets it out of that")
        cause = Cause.SOFT_RESET if kind == "soft" else Cause(cause or Cause.HARD_RESET)
        if kind == "hard" and cause == Cause.SOFT_RESET:
            raise ValueError("a hard reset has another cause than a soft one")
        if ms is not None and not (isinstance(ms, int) and ms >= 0):
            raise ValueError(f"{ms!r} is no number of milliseconds")
        self._stop_vm()
        if cause == Cause.DEEPSLEEP_RESET:
            self._sleep(ms)
        else:
            self._boot(cause, mode)

    def crash(self):
        """Let the VM crash; the board restarts as after a panic. Raises ValueError when it does not run."""
        if self._vm is None:
            raise ValueError(f"the board is {self.state.value}: nothing runs that could crash")
        self._vm.crash()

    def release_ports(self):
        """Stop keeping the two ports for the board; what it does not use by now refuses connections again."""
        for reservation in self._reservations.values():
            reservation.release()

    def close(self):
        """Power off and give everything back."""
        self.power_off()
        self.gateway.close()
        self.release_ports()
        self._input.close()

    def _register(self):
        bus = self.bus
        bus.register("boot.info", self._op_boot_info)
        bus.register("boot.done", self._op_boot_done)
        bus.register("reset", self._op_reset)
        bus.register("console.kbd_intr", self._op_interrupt_char)
        bus.register("irq.wake", lambda args, blob: bus.notify({"irq": "wake"}))
        bus.register("irq.main", lambda args, blob: self._vm.wake())
        bus.register("flash.erase", self._op_erase)
        bus.register("flash.write", self._op_write)
        self.console.packets.register(bus)
        self.clock.register(bus)
        self.rtc.register(bus)
        self.retained.register(bus)
        self.watchdog.register(bus)
        self.pins.register(bus)
        self.network.register(bus)
        self.radio.register(bus)
        self.ethernet.register(bus)
        self.webrepl.register(bus)

    def _boot(self, cause, mode="friendly"):
        """Start the next VM; none may be running."""
        soft = cause == Cause.SOFT_RESET
        if soft:
            self.pins.soft_reset()
            self.radio.reset(False)
        else:
            self._hard_reset()
            self._say(_ROM.format(_ROM_REASON[cause], "0x13 (SPI_FAST_FLASH_BOOT)"))
            for device_port, port in self.network.moved(server_port(self.flash)):
                self._say(f"net: port {device_port} of the board is {HOST}:{port} on this computer")
        self._mode = mode
        self.cause = cause
        try:
            # A soft reset goes on in the application that runs, whatever the boot loader would choose now.
            if not soft:
                self.image = bootloader.boot(self.flash, self._say)
        except bootloader.BootError as error:
            self._halt(str(error))
            return
        except PowerCut:
            self.power_off()
            return
        self.network.serve_http_at(server_port(self.flash))
        self.console.restart()
        self.console.packets.start(keep=soft)
        self._vm = Vm(self.flash, self.image, self.heap, self._input, self.console.receive)
        self.bus.connect(self._vm.calls, self._vm.interrupts)
        self.boots += 1
        self.booted = False
        self._booted_at = self.clock.now()
        self._set_state(State.RUNNING)
        self.clock.start()

    def _hard_reset(self):
        """Everything outside the VM that a reset of the chip resets too."""
        self._input.close()
        self._input = ConsoleInput()
        self.watchdog.reset()
        self.pins.hard_reset()
        self.radio.reset(True)
        self.ethernet.reset(True)

    def _stop_vm(self):
        """End the VM, or what the board is waiting for; returns what Vm.stop() does."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._vm is None:
            return 0
        vm, self._vm = self._vm, None
        # Killed before the bus is hung up: the device must not live to see that.
        code = vm.stop()
        self.bus.disconnect()
        self.network.reset()
        self.webrepl.reset()
        return code

    def _sleep(self, ms):
        self._hard_reset()
        self._set_state(State.ASLEEP)
        if ms is not None:
            self._restart_later(ms / 1000, Cause.DEEPSLEEP_RESET)
        self._on_skip()

    def _restart_later(self, seconds, cause):
        def restart():
            """The pause is over."""
            self._timer = None
            self._boot(cause)

        self._timer = self.clock.call_later(seconds, restart)

    def _halt(self, problem):
        self.problem = problem
        self._say(f"E boot: {problem}")
        self._set_state(State.HALTED)

    def _set_state(self, state):
        self.state = state
        if state != State.HALTED:
            self.problem = ""
        if self.is_off:
            self.clock.stop(f"the board is {state.value}: switch the power on")
        self._wake_waiting()

    def _wake_waiting(self):
        self.changed.set()
        self.changed = asyncio.Event()

    def _say(self, text):
        self.console.emit(text.encode() + b"\r\n")

    def _on_input(self, data):
        if self.state == State.RUNNING:
            self._input.write(data)

    def _on_interrupt(self):
        if self._vm is not None:
            self._vm.interrupt()

    def _on_bus_lost(self, reason):
        """The VM has crashed: it never ends by itself."""
        ran = self.clock.now() - self._booted_at
        text = _describe_end(self._stop_vm(), reason)
        self._hard_reset()
        self._say(f"\r\n{text}\r\n")
        self._crashes = 1 if ran > _STABLE_AFTER else self._crashes + 1
        if self._crashes >= _CRASHES_MAX:
            self._halt(f"{self._crashes} crashes in a row, the last one: {text} Halted until the power is switched on.")
            return
        self._say("Rebooting...")
        self._set_state(State.REBOOTING)
        pause = min(_CRASH_PAUSE * 2 ** (self._crashes - 1), _CRASH_PAUSE_MAX)
        self._restart_later(pause, Cause.HARD_RESET)

    def _on_skip(self):
        """Time is to run ahead: the device sees to it, or nobody if it sleeps."""
        self.bus.notify({"irq": "clock"})
        if self.state == State.ASLEEP:
            self.clock.run_ahead()

    def _on_watchdog(self):
        self._say("\r\nTask watchdog got triggered.\r\n\r\nRebooting...")
        self.reset(cause=Cause.WDT_RESET)

    def _on_listen(self, device_port, port):
        for reservation in self._reservations.values():
            if reservation.port == port:
                reservation.release()
        self._wake_waiting()

    def _op_boot_info(self, args, blob):
        ports = self.ports
        return {
            "cause": int(self.cause),
            "mode": self._mode,
            "slot": self.image.partition.name,
            "slot_offset": self.image.partition.offset,
            "slot_size": self.image.partition.size,
            "version": self.image.version,
            "flash_size": self.flash.size,
            "uid": self.uid.hex(),
            "heap": self.heap,
            "network": self.link,
            "net": {"host": HOST, "http_port": ports[HTTP_PORT], "webrepl_port": ports[WEBREPL_PORT]},
        }

    def _op_boot_done(self, args, blob):
        """_boot has run: all that it starts has been started."""
        self.booted = True
        self._wake_waiting()

    def _op_reset(self, args, blob):
        """{kind, mode?, cause?, ms?}: the caller gets no answer."""
        self.reset(args.pop("kind"), **args)

    def _op_interrupt_char(self, args, blob):
        char = int(args["c"])
        if not -1 <= char <= 255:
            raise ValueError(f"{char} is no character")
        self.console.interrupt_char = char

    def _op_erase(self, args, blob):
        self._flash_operation(self.flash.erase, int(args["off"]), int(args["len"]))

    def _op_write(self, args, blob):
        self._flash_operation(self.flash.program, int(args["off"]), blob)

    def _flash_operation(self, operation, *args):
        try:
            operation(*args)
        except PowerCut:
            self.power_off()


def _describe_end(code, reason):
    """A line about a VM that ended with subprocess's return `code`, or that the bus gave up for `reason`."""
    if -code in _PANICS:
        return _PANICS[-code]
    if reason:
        return f"Bus error: {reason}."
    if code == -signal.SIGKILL:
        return "The virtual machine was killed or closed its bus."
    return f"The virtual machine ended with exit code {code}."


def _unique_id(path):
    """6 bytes for machine.unique_id() and MAC address: locally administered, each image file has its own."""
    digest = hashlib.sha256(os.path.realpath(path).encode()).digest()
    return bytes((0x02,)) + digest[:5]
