"""A client of Improv Wi-Fi over serial, written after the protocol's text, https://www.improv-wifi.com/serial/."""

import re
import time

STATE, ERROR, RESULT = 1, 2, 4  # types of packets to the client
STOPPED, READY, TRYING, CONNECTED = 0, 2, 3, 4  # states
_PACKET = re.compile(rb"\nIMPROV\x01([\x01\x02\x04])(.)", re.DOTALL)


def packet(data, kind=3):
    """A packet as the text has it: header, version, type, length, data, checksum."""
    body = b"IMPROV\x01" + bytes((kind, len(data))) + data
    return body + bytes((sum(body) % 256,))


def command(number, data=b""):
    """The packet of a command, and the newline that clients send behind it."""
    return packet(bytes((number, len(data))) + data) + b"\n"


def wifi(ssid, password):
    """The packet that sets the Wi-Fi."""
    return command(1, b"".join(bytes((len(text.encode()),)) + text.encode() for text in (ssid, password)))


class Client:
    """Sends commands over an open Console of a board; what is no packet stays in `text`.

    `timeout` are the seconds that an answer may take, `factor` multiplies them and all pauses.
    """

    def __init__(self, console, timeout=10.0, factor=1.0):
        self._console = console
        self._timeout = timeout * factor
        self._factor = factor
        self._bytes = b""
        self.text = b""

    def send(self, data):
        """Write bytes, all in one."""
        self._console.serial.write(data)

    def receive(self):
        """The next packet: (STATE, number), (ERROR, number) or (RESULT, command, [text, ...])."""
        deadline = time.monotonic() + self._timeout
        while True:
            found = _PACKET.search(self._bytes)
            if found:
                end = found.end() + found[2][0]
                if len(self._bytes) > end + 1:
                    break
            assert time.monotonic() < deadline, f"no packet came, but {self.text + self._bytes!r}"
            self._bytes += self._console.serial.read(max(1, self._console.serial.in_waiting))
        whole, data = self._bytes[found.start() + 1 : end + 1], self._bytes[found.end() : end]
        assert whole == packet(data, found[1][0]), whole
        assert self._bytes[end + 1 : end + 2] == b"\n"
        self.text += self._bytes[: found.start()]
        self._bytes = self._bytes[end + 2 :]
        if found[1][0] != RESULT:
            assert len(data) == 1
            return found[1][0], data[0]
        texts = []
        assert data[1] == len(data) - 2
        data, number = data[2:], data[0]
        while data:
            size = data[0]
            assert size < len(data)
            texts.append(data[1 : 1 + size].decode())
            data = data[1 + size :]
        return RESULT, number, texts

    def ask(self, number, data=b""):
        """Send a command; the answer after the packet that says that there is no error."""
        self.send(command(number, data))
        assert self.receive() == (ERROR, 0)
        return self.receive()

    def rest(self, quiet=0.3):
        """What has come beside packets, when nothing has come for a while."""
        before, self._console.serial.timeout = self._console.serial.timeout, quiet * self._factor
        while more := self._console.serial.read(4096):
            self._bytes += more
        self._console.serial.timeout = before
        text, self.text, self._bytes = self.text + self._bytes, b"", b""
        return text
