"""WebREPL of a chip: `webrepl` of micropython-lib, except that it never waits for a client.

That one reads a client's request from a blocking socket, line by line, in whichever thread has seen the connection: a
client that says nothing stops the server. Here the socket calls back when bytes have come (option 20 of the ESP32's
sockets, modsocket.c), again in whichever thread polls: what is there is taken, and the thread goes on.
"""

import os
import socket
import time
from binascii import b2a_base64
from hashlib import sha1

import _webrepl
import websocket
from micropython import const

_PASSWORD_MAX = const(9)  # webrepl_passwd in extmod/modwebrepl.c
_HEAD_MAX = const(1024)
_HANDSHAKE_MS = const(3000)
_HANDSHAKES_MAX = const(2)  # a browser may open a connection to spare
_ON_READABLE = const(20)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\nWebREPL has a client already.\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n"
_PAGE = b"""\
HTTP/1.1 200 OK\r
Content-Type: text/html\r
Connection: close\r
\r
<base href="%s">
<script src="webrepl_content.js"></script>
<noscript>This is the WebREPL of a MicroPython board, for webrepl_cli.py or a browser with scripts.</noscript>
"""
_UPGRADE = b"""\
HTTP/1.1 101 Switching Protocols\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Accept: %s\r
\r
"""

static_host = "https://micropython.org/webrepl/"  # where the page for a browser gets its script

_listener = None
_handshakes = []  # that are not done
_terminal = None  # the client that os.dupterm got last


class _Handshake:
    """A client that has connected and whose request is not complete."""

    def __init__(self, sock):
        self.sock = sock
        self.head = bytearray(_HEAD_MAX)
        self.size = 0
        self.deadline = time.ticks_add(time.ticks_ms(), _HANDSHAKE_MS)
        self.busy = False
        sock.setblocking(False)
        _handshakes.append(self)
        sock.setsockopt(socket.SOL_SOCKET, _ON_READABLE, self.read)

    def read(self, sock):
        """Bytes have come, or the end."""
        if self.busy:
            return  # another thread is at it
        self.busy = True
        try:
            if self.receive():
                self.close()
        except Exception:
            self.close()
        self.busy = False

    def receive(self):
        """Take what is there. Returns whether that is all this client gets."""
        count = self.sock.readinto(memoryview(self.head)[self.size :])
        if count is None:
            return False
        self.size += count
        head = bytes(memoryview(self.head)[: self.size])
        end = head.find(b"\r\n\r\n")
        if end < 0:
            if self.size == _HEAD_MAX:
                self.sock.write(_TOO_LARGE)
                return True
            return count == 0
        key = _key(head[:end].split(b"\r\n"))
        # A client has to wait for the answer: what it has sent behind its request could not be given back.
        if not key or end + 4 < self.size:
            self.sock.write(_PAGE % static_host.encode())
            return True
        if _taken():
            self.sock.write(_BUSY)
            return True
        self.sock.write(_UPGRADE % b2a_base64(sha1(key + _GUID).digest())[:-1])
        self.hand_over()
        return False

    def hand_over(self):
        """The connection becomes the terminal; it asks for the password."""
        global _terminal
        _handshakes.remove(self)
        terminal = _webrepl._webrepl(websocket.websocket(self.sock, True))
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, _ON_READABLE, os.dupterm_notify)
        os.dupterm(terminal)
        _terminal = terminal

    def close(self):
        """Hang up; the socket takes its call back with it."""
        if self in _handshakes:
            _handshakes.remove(self)
        self.sock.close()


def start(port=8266, password=None):
    """Listen on `port`. Without a `password` it is PASS of the module webrepl_cfg; at most 9 characters.

    TypeError, ValueError: the password. OSError: the port is taken.
    """
    global _listener, static_host
    secret = password
    if secret is None:
        try:
            import webrepl_cfg

            secret = webrepl_cfg.PASS
            static_host = getattr(webrepl_cfg, "BASE", static_host)
        except Exception:
            print("WebREPL is not configured: write PASS = 'password' to webrepl_cfg.py")
    if not isinstance(secret, (str, bytes)):
        raise TypeError("can't convert '%s' object to str implicitly" % type(secret).__name__)
    if len(secret if isinstance(secret, bytes) else secret.encode()) > _PASSWORD_MAX:
        raise ValueError("the password of WebREPL has at most 9 characters")
    stop()
    _webrepl.password(secret)
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(socket.getaddrinfo("0.0.0.0", port)[0][-1])
        listener.listen(_HANDSHAKES_MAX)
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, _ON_READABLE, accept_conn)
    except Exception:
        listener.close()
        raise
    _listener = listener
    _say_where(port)
    print("Started webrepl in %s mode" % ("normal" if password is None else "manual override"))


def start_foreground(port=8266, password=None):
    """As `start`, but wait until a client has connected."""
    start(port, password)
    while not _terminal:
        time.sleep_ms(50)


def stop():
    """Stop listening and end the connection."""
    global _listener, _terminal
    terminal, _terminal = _terminal, None
    if terminal:
        now = os.dupterm(None)
        if now and now is not terminal:
            os.dupterm(now)  # a terminal of somebody else
        terminal.close()
    for handshake in list(_handshakes):
        handshake.close()
    if _listener:
        _listener.close()
        _listener = None


def accept_conn(listener):
    """Take a connection: called by the listening socket."""
    try:
        sock, _ = listener.accept()
    except OSError:
        return  # another thread has it, or there is no socket to be had
    while len(_handshakes) >= _HANDSHAKES_MAX:
        _handshakes[0].close()
    try:
        _Handshake(sock)
    except Exception:
        sock.close()


def sweep():
    """Hang up on clients whose request is not complete after 3 s. To be called once in a while."""
    now = time.ticks_ms()
    for handshake in list(_handshakes):
        if not handshake.busy and time.ticks_diff(now, handshake.deadline) >= 0:
            handshake.close()


def _key(lines):
    """Sec-WebSocket-Key of a request for a WebSocket, given as its lines; b"" if it is none (RFC 6455, 4.2.1)."""
    key = b""
    upgrade = False
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        name = name.lower()
        value = value.strip()
        if name == b"sec-websocket-key":
            key = value
        elif name == b"upgrade":
            upgrade = value.lower() == b"websocket"
    return key if upgrade and lines[0].startswith(b"GET ") else b""


def _taken():
    terminal = os.dupterm(None)
    os.dupterm(terminal)
    return terminal is not None


def _say_where(port):
    import network

    wlan = getattr(network, "WLAN", None)  # a board with Ethernet may have none
    for interface in (wlan.IF_AP, wlan.IF_STA) if wlan else ():
        interface = wlan(interface)
        if interface.active():
            print("WebREPL server started on http://%s:%d/" % (interface.ifconfig()[0], port))
