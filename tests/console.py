"""A board's serial console as a person and as mpremote use it, and the lines that reset a chip."""

from __future__ import annotations

import time

import serial
from mpremote.transport_serial import SerialTransport

SOFT_REBOOT = b"MPY: soft reboot\r\n"
PROMPT = b">>> "

_PIECE = 128  # bytes that fit into a UART's FIFO; MicroPython's own buffer behind it has 260
_PIECE_PAUSE = 0.01  # seconds in which 115200 baud carry as much
_LINES_HELD = 0.2  # seconds; a circuit with a capacitor at EN needs 0.1, a USB port some frames


class Console:
    """The console, typed at and read. `device` is what pyserial opens, `factor` multiplies every time-out."""

    def __init__(self, device: str, factor: float):
        self._factor = factor
        self.serial = serial.serial_for_url(device, baudrate=115200, timeout=0.05)
        self.seen = b""

    def write(self, data: bytes) -> None:
        """Type `data`, in pieces that a UART's buffer can take."""
        for i in range(0, len(data), _PIECE):
            if i:
                time.sleep(_PIECE_PAUSE)
            self.serial.write(data[i : i + _PIECE])

    def read_until(self, marker: bytes, timeout: float = 10) -> bytes:
        """Everything up to and with `marker`. AssertionError with what came instead after `timeout` seconds."""
        deadline = time.monotonic() + timeout * self._factor
        while marker not in self.seen:
            if time.monotonic() > deadline:
                raise AssertionError(f"{marker!r} did not come; the console has {self.seen[-2000:]!r}")
            self.seen += self.serial.read(max(1, self.serial.in_waiting))
        end = self.seen.index(marker) + len(marker)
        text, self.seen = self.seen[:end], self.seen[end:]
        return text

    def prompt(self, timeout: float = 10) -> None:
        """Get the friendly prompt, whatever the REPL was doing."""
        self.write(b"\r\x03\x03\x02")
        self.read_until(b"\r\n>>> ", timeout)
        # Each of the interrupts printed a prompt of its own: the echo of this line comes after the last of them.
        self.write(b"'pro' 'mpt'\r")
        self.read_until(b"'prompt'\r\n>>> ", timeout)

    def line(self, text: str, timeout: float = 10) -> str:
        """Type a line at the prompt; what it printed."""
        self.write(text.encode() + b"\r")
        self.read_until(text.encode() + b"\r\n", timeout)
        return self.read_until(PROMPT, timeout)[: -len(PROMPT)].decode()

    def pulse_reset(self) -> None:
        """Reset the chip by RTS and DTR; what it printed before is thrown away."""
        pulse_reset(self.serial)
        self.seen = b""

    def close(self) -> None:
        """Close the port; RTS goes first, see `pulse_reset`."""
        release_lines(self.serial)
        self.serial.close()


def pulse_reset(port) -> None:
    """Reset an ESP32 so that it boots from flash; `port` is an open port of pyserial.

    On boards with an automatic reset circuit EN is low while RTS is active and DTR is not, and IO0 is low while DTR is
    active and RTS is not (ESP-IDF, "Establish Serial Connection"). The USB-Serial-JTAG peripheral of newer chips acts
    as such a circuit does. The input that is thrown away is that of before the reset: the chip is silent.
    """
    port.dtr = False
    port.rts = True
    time.sleep(_LINES_HELD)
    port.reset_input_buffer()
    port.rts = False


def release_lines(port) -> None:
    """Let go of both lines in the order in which no chip is reset: EN would go low with RTS alone."""
    try:
        port.rts = False
        port.dtr = False
    except OSError:
        pass  # a pty has none, and an adapter that has been pulled out has none any more


class RawRepl(SerialTransport):
    """mpremote's transport with time-outs that fit a slow board, and an end to those that it leaves open."""

    def __init__(self, device: str, factor: float):
        super().__init__(device, timeout=10 * factor)
        self._factor = factor

    def read_until(self, min_num_bytes, ending, timeout=10, data_consumer=None, timeout_overall=None):
        if timeout is not None:
            timeout *= self._factor
        if timeout_overall is not None:
            timeout_overall *= self._factor
        return super().read_until(min_num_bytes, ending, timeout, data_consumer, timeout_overall)

    def leave(self) -> None:
        """Back to the friendly prompt: who closes a port at once may cut off what was written last."""
        self.exit_raw_repl()
        self.read_until(1, PROMPT)
