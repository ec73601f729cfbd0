"""File transfer of WebREPL (modwebrepl.c): binary frames on one side, jobs for the device on the other.

The files are the device's. It fetches a job with the bus operation webrepl.next, with what came of the one
before, whenever an interrupt has told it that there is one; so the device sets the pace.
"""

import struct
from collections import deque

# struct webrepl_file: signature, type, flags, offset, size, length of the name, name
_RECORD = struct.Struct("<2sBBQLH64s")
_PUT, _GET, _VERSION = 1, 2, 3
_OK = b"WB\0\0"
_GET_BLOCK = 256  # bytes that the client gets for each byte it sends
_BLOCK = 2048  # bytes of a job
_WAITING_MAX = 1 << 16  # bytes that wait for the device before the client has to


class Files:
    """The transfer of one client after the other. `notify()` tells the device that there is a job."""

    def __init__(self, notify):
        self._notify = notify
        self.reset()

    def reset(self):
        """The device begins anew: it has no job and no file."""
        self._connection = None
        self._jobs = deque()  # (job, data, what to do with the result or None)
        self._running = None  # the one that the device works on
        self._forget()

    def serve(self, connection, version):
        """A client begins: `connection` has send_binary(data), hold(bool), fail(reason).

        `version` is three bytes: of the firmware.
        """
        self._connection = connection
        self._version = version

    def abandon(self):
        """The client has gone; if there is a file, the device closes it."""
        self._connection = None
        self._jobs.clear()
        if self._operation is not None:
            self._add({"do": "close"})
        self._forget()

    def receive(self, data):
        """Bytes of binary frames, cut anywhere."""
        self._received += data
        self._step()
        self._hold()

    def next(self, result, blob):
        """Bus operation webrepl.next {error?} + data read -> {do: open|read|write|close, …} + data to write.

        It is {} when there is no job.
        """
        if self._running is not None:
            _, _, then = self._running
            self._running = None
            if "error" in result:
                self._jobs.clear()
                if self._connection is not None:
                    self._connection.fail(result["error"])
                self._forget()
            elif self._connection is not None:
                if then is not None:
                    then(blob)
                self._step()
                self._hold()
        if not self._jobs:
            return {}
        self._running = self._jobs.popleft()
        return self._running[:2]

    def _forget(self):
        self._received = bytearray()
        self._operation = None  # _PUT or _GET while there is a file
        self._waits = False  # for the device, before what the client sends next counts
        self._left = 0  # bytes of the file still to come from the client
        self._ahead = b""  # bytes that the device has read and the client not asked for

    def _hold(self):
        waiting = len(self._received) + sum(len(data) for _, data, _ in self._jobs)
        if self._connection is not None:
            self._connection.hold(waiting > _WAITING_MAX)

    def _add(self, job, data=b"", then=None):
        self._jobs.append((job, data, then))
        if self._running is None and len(self._jobs) == 1:
            self._notify()

    def _take(self, size):
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def _step(self):
        """Go as far as the received bytes and the device allow."""
        while self._received and not self._waits and self._connection is not None:
            if self._operation == _PUT:
                data = self._take(min(self._left, _BLOCK))
                self._left -= len(data)
                self._add({"do": "write"}, data)
                if not self._left:
                    self._finish()
            elif self._operation == _GET:
                self._take(1)
                self._give()
            elif len(self._received) < _RECORD.size:
                return
            else:
                self._begin(*_RECORD.unpack(self._take(_RECORD.size)))

    def _begin(self, signature, operation, flags, offset, size, name_length, name):
        if operation == _VERSION:
            self._connection.send_binary(self._version)
            return
        if signature != b"WA" or operation not in (_PUT, _GET):
            self._connection.fail("ValueError: unknown record")
            self._forget()
            return
        self._operation = operation
        self._left = size
        self._waits = True
        job = {
            "do": "open",
            "name": name.split(b"\0")[0].decode("utf-8", "replace"),
            "mode": "wb" if operation == _PUT else "rb",
        }
        self._add(job, b"", self._opened)

    def _opened(self, blob):
        self._waits = False
        self._connection.send_binary(_OK)
        if self._operation == _PUT and not self._left:
            self._finish()

    def _give(self):
        """The client asks for the next block of the file."""
        if self._ahead:
            block, self._ahead = self._ahead[:_GET_BLOCK], self._ahead[_GET_BLOCK:]
            self._connection.send_binary(len(block).to_bytes(2, "little") + block)
        else:
            self._waits = True
            self._add({"do": "read", "size": _BLOCK}, b"", self._read)

    def _read(self, blob):
        self._waits = False
        self._ahead = blob
        if blob:
            self._give()
        else:
            self._connection.send_binary(b"\0\0")
            self._finish()

    def _finish(self):
        """The file is complete: close it, then say so."""
        self._waits = True
        self._add({"do": "close"}, b"", self._closed)

    def _closed(self, blob):
        self._forget_file()
        self._connection.send_binary(_OK)

    def _forget_file(self):
        received = self._received
        self._forget()
        self._received = received
