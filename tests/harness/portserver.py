"""Serial ports over TCP in front of a desktop board, so that it can be tested as a board somewhere else is.

`RawServer` is what an emulator has (socket://), `LinesServer` a port server with RTS and DTR (rfc2217://), behind which
a model of the automatic reset circuit of ESP32 boards presses the desktop board's buttons.
"""

from __future__ import annotations

import socket
import threading

import serial
from serial.rfc2217 import PortManager

_POLL = 0.05  # seconds after which a server looks whether it is to stop


class _Server:
    """A TCP server on a free loopback port with one client at a time; in between, output of the board is lost.

    For the length of a `with` block; `port` is its number. Others wait in the queue until the client has gone.
    """

    def __init__(self, port: int = 0):
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(_POLL)
        self.port = self._listener.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            with client, self._opened() as device:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.settimeout(_POLL)
                self._serve(client, device)

    def _serve(self, client, device) -> None:
        """Carry bytes both ways until one end closes."""
        writer = _Writer(client)
        incoming, outgoing, tick = self._codec(writer, device)
        self._gone = False
        reader = threading.Thread(target=self._copy_output, args=(writer, device, outgoing))
        reader.start()
        try:
            while not self._stop.is_set() and reader.is_alive():
                tick()
                try:
                    data = client.recv(4096)
                except TimeoutError:
                    continue
                if not data:
                    break
                data = incoming(data)
                if data:
                    device.write(data)
        except OSError:
            pass  # the client has gone
        finally:
            self._gone = True
            device.cancel_read()
            reader.join()

    def _copy_output(self, writer, device, outgoing) -> None:
        while not self._gone:
            try:
                writer.write(outgoing(device.read(max(1, device.in_waiting))))
            except OSError:
                return

    def _opened(self):
        raise NotImplementedError

    def _codec(self, writer, device):
        """What to do with bytes in, with bytes out, and now and then."""
        return bytes, bytes, lambda: None


class RawServer(_Server):
    """The bytes of the board's console, as QEMU gives them with `-serial tcp::PORT,server,nowait`."""

    def __init__(self, device: str, port: int = 0):
        super().__init__(port)
        self._device = device

    def _opened(self):
        return serial.Serial(self._device, timeout=_POLL)


class LinesServer(_Server):
    """RFC 2217 by pyserial's own PortManager. RTS and DTR go to `circuit`, an AutoResetCircuit."""

    def __init__(self, device: str, circuit: AutoResetCircuit):
        super().__init__()
        self._device = device
        self._circuit = circuit

    def _opened(self):
        return _PortWithLines(self._device, self._circuit)

    def _codec(self, writer, device):
        manager = PortManager(device, writer)

        def incoming(data):
            return b"".join(manager.filter(data))

        def outgoing(data):
            return b"".join(manager.escape(data))

        return incoming, outgoing, manager.check_modem_lines


class _Writer:
    """The way to the client for two threads: the board's output, and PortManager's answers."""

    def __init__(self, client):
        self._client = client
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        with self._lock:
            self._client.sendall(data)


class _PortWithLines(serial.Serial):
    """A pty with the lines that it does not have."""

    cts = dsr = ri = cd = False

    def __init__(self, device: str, circuit: AutoResetCircuit):
        self._circuit = circuit
        super().__init__(device, timeout=_POLL)

    def _update_rts_state(self):
        self._circuit.set("rts", self._rts_state)

    def _update_dtr_state(self):
        self._circuit.set("dtr", self._dtr_state)


class AutoResetCircuit:
    """The two transistors between a serial adapter and an ESP32, from Espressif's reference design.

    | DTR | RTS | EN   | IO0  |
    |-----|-----|------|------|
    | 0   | 0   | high | high |
    | 1   | 1   | high | high |
    | 0   | 1   | low  | high |
    | 1   | 0   | high | low  |

    When EN rises the chip starts: `starts` is counted and `on_start()` called. `changes` is a list of all that happened
    on the lines: ("rts", True), ("dtr", False), ...
    """

    def __init__(self, on_start=lambda: None):
        self._on_start = on_start
        self._lines = {"rts": False, "dtr": False}
        self.changes: list[tuple[str, bool]] = []
        self.starts = 0

    @property
    def enabled(self) -> bool:
        """The level of EN."""
        return not (self._lines["rts"] and not self._lines["dtr"])

    def set(self, line: str, active: bool) -> None:
        """Let a line change."""
        if self._lines[line] == bool(active):
            return
        before = self.enabled
        self._lines[line] = bool(active)
        self.changes.append((line, bool(active)))
        if self.enabled and not before:
            self.starts += 1
            self._on_start()
