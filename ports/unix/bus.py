"""The bus: calls of the device to its hardware, answered in place, and interrupts the other way.

Frame, both ways: `<HI` (length of the JSON, length of the blob), the JSON in UTF-8, the blob. A call is
{"op": name, ...}, its answer {...} or {"error": [errno, text]}; an interrupt is {"irq": name, ...}. A call has "at"
when the device's clock has run ahead, see clock.py.
"""

import asyncio
import errno
import json
import os
import struct
import sys
import traceback

from ports.unix.flash import FlashError

_HEADER = struct.Struct("<HI")
JSON_MAX = 4096
BLOB_MAX = 65536
REPLY_MAX = 4096  # fits the socket's buffer, so that an answer never has to wait
_INTERRUPTS_MAX = 65536  # bytes of interrupts that wait for a device which does not read


class BusError(Exception):
    """The device's call fails there with OSError(errno, text)."""

    def __init__(self, errno, text=""):
        super().__init__(errno, text or os.strerror(errno))

    @property
    def errno(self):
        """The error number, e.g. errno.EINVAL."""
        return self.args[0]

    @property
    def text(self):
        """What went wrong, for the device's exception."""
        return self.args[1]


class Bus:
    """Handlers by name; they outlive the VM, which is connected anew at each start.

    A handler is `handler(args: dict, blob: bytes) -> dict | tuple[dict, bytes] | None`, plain and quick: the
    device waits for it with everything stopped. It raises BusError for the device's OSError.
    """

    def __init__(self, on_lost, on_skipped=lambda ms: None):
        """`on_lost(reason: str)` is called when the device hangs up or sends what is no frame, `on_skipped(ms)` with
        how far its clock has run ahead since its start.
        """
        self._on_lost = on_lost
        self._on_skipped = on_skipped
        self._handlers = {}
        self._calls = None
        self._interrupts = None
        self._received = bytearray()
        self._unsent = bytearray()

    def register(self, op, handler):
        """Answer calls of `op` by `handler`. Raises ValueError when the name is taken."""
        if op in self._handlers:
            raise ValueError(f"bus operation {op} is registered twice")
        self._handlers[op] = handler

    def connect(self, calls, interrupts):
        """Serve the two stream sockets of a VM that has just been started; disconnect() closes them."""
        self._received.clear()
        self._unsent.clear()
        self._calls = calls
        self._interrupts = interrupts
        calls.setblocking(False)
        interrupts.setblocking(False)
        asyncio.get_running_loop().add_reader(calls, self._on_readable)

    def disconnect(self):
        """Hang up; a call that is being handled gets no answer."""
        if self._calls is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._calls)
        loop.remove_writer(self._interrupts)
        self._calls.close()
        self._interrupts.close()
        self._calls = self._interrupts = None

    def notify(self, irq, blob=b""):
        """Send the interrupt frame `irq` ({"irq": name, ...}); dropped when no device takes any."""
        if self._interrupts is None:
            return
        frame = _pack(irq, blob)
        if len(self._unsent) + len(frame) <= _INTERRUPTS_MAX:
            self._unsent += frame
            self._send_interrupts()

    def _send_interrupts(self):
        loop = asyncio.get_running_loop()
        try:
            sent = self._interrupts.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:  # the VM has just ended; the other socket tells
            sent = len(self._unsent)
        del self._unsent[:sent]
        if self._unsent:
            loop.add_writer(self._interrupts, self._send_interrupts)
        else:
            loop.remove_writer(self._interrupts)

    def _on_readable(self):
        calls = self._calls
        try:
            chunk = calls.recv(BLOB_MAX)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._on_lost("")
            return
        self._received += chunk
        # A handler may reset the board, which leaves this connection behind.
        while calls is self._calls:
            frame = self._next_frame()
            if frame is None:
                return
            self._answer(calls, *frame)

    def _next_frame(self):
        """(JSON bytes, blob) taken from what was received, or None until a frame is complete."""
        received = self._received
        if len(received) < _HEADER.size:
            return None
        json_size, blob_size = _HEADER.unpack_from(received)
        if json_size > JSON_MAX or blob_size > BLOB_MAX:
            self._on_lost(f"bus frame of {json_size} + {blob_size} bytes")
            return None
        start = _HEADER.size
        end = start + json_size + blob_size
        if len(received) < end:
            return None
        call = bytes(received[start : start + json_size])
        blob = bytes(received[start + json_size : end])
        del received[:end]
        return call, blob

    def _answer(self, calls, call, blob):
        try:
            frame = self._call(call, blob)
        except BusError as error:
            if calls is not self._calls:
                raise  # nobody is left to be told: a fault of the host's while it reset the board
            frame = _pack({"error": [error.errno, error.text]})
        if calls is not self._calls:
            return
        try:
            sent = calls.send(frame)
        except OSError:
            sent = 0
        if sent != len(frame):
            self._on_lost("bus answer not taken")

    def _call(self, call, blob):
        try:
            args = json.loads(call)
            op = args.pop("op")
            skipped = args.pop("at", 0)
            handler = self._handlers[op]
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise BusError(
                errno.ENOSYS, f"no bus operation: {call[:80].decode('utf-8', 'replace')}"
            ) from error
        try:
            if skipped:
                self._on_skipped(skipped)
            result = handler(args, blob)
        except BusError:
            raise
        except FlashError as error:
            raise BusError(error.errno, str(error)) from error
        except (KeyError, TypeError, ValueError) as error:
            raise BusError(errno.EINVAL, f"{op}: {type(error).__name__}: {error}") from error
        except Exception as error:
            # A fault of the host's must neither stop the board nor pass unseen.
            traceback.print_exc(file=sys.stderr)
            raise BusError(errno.EIO, f"{op}: {type(error).__name__}: {error}") from error
        reply, reply_blob = result if isinstance(result, tuple) else (result or {}, b"")
        frame = _pack(reply, reply_blob)
        if len(frame) > REPLY_MAX:
            raise BusError(errno.EMSGSIZE, f"{op}: the answer has {len(frame)} bytes")
        return frame


def _pack(message, blob=b""):
    body = json.dumps(message, separators=(",", ":")).encode()
    return b"".join((_HEADER.pack(len(body), len(blob)), body, blob))
