"""The chip's webrepl module on the desktop VM, with sockets that a test plays: they deliver what and when it says."""

import pytest

from firmware.paths import ROOT
from unit.device import vm

HEAD = f"""
import sys
sys.path.insert(0, {str(ROOT / "ports/esp32/modules")!r})

class Socket:
    # As modsocket.c's: readinto() gives None when there is nothing, and option 20 calls back.
    def __init__(self, peer=None):
        self.peer = peer
        self.input = []
        self.output = b""
        self.callback = None
        self.blocking = True
        self.closed = False
        self.queue = []
    def setsockopt(self, level, option, value):
        if option == 20:
            self.callback = value
    def setblocking(self, on):
        self.blocking = on
    def bind(self, address):
        if address[1] == 1:
            raise OSError(112)
        self.address = address
    def listen(self, backlog):
        pass
    def accept(self):
        assert not self.blocking
        if not self.queue:
            raise OSError(11)
        sock = self.queue.pop(0)
        return sock, sock.peer
    def readinto(self, buffer):
        assert not self.blocking and not self.closed
        if not self.input:
            return None
        data = self.input.pop(0)
        if len(data) > len(buffer):
            self.input.insert(0, data[len(buffer):])
            data = data[: len(buffer)]
        buffer[: len(data)] = data
        return len(data)
    def write(self, data):
        assert not self.closed
        self.output += data
        return len(data)
    def close(self):
        self.closed = True
        self.callback = None

class socket:
    SOL_SOCKET = 1
    SO_REUSEADDR = 4
    made = []
    def socket():
        socket.made.append(Socket())
        return socket.made[-1]
    def getaddrinfo(host, port):
        return [(0, 0, 0, "", (host, port))]

class _webrepl:
    secret = None
    def password(secret):
        _webrepl.secret = secret
    class _webrepl:
        def __init__(self, ws):
            self.ws = ws
            ws.sock.write(b"Password: ")
            ws.sock.blocking = True  # what modwebsocket.c may leave behind
        def close(self):
            self.ws.sock.close()

class websocket:
    class websocket:
        def __init__(self, sock, blocking):
            assert blocking
            self.sock = sock

class os:
    terminal = None
    def dupterm(stream):
        before, os.terminal = os.terminal, stream
        return before
    def dupterm_notify(sock):
        pass

class time:
    now = (1 << 30) - 100  # the clock wraps during the test
    def ticks_ms():
        return time.now
    def ticks_add(a, b):
        return (a + b) & ((1 << 30) - 1)
    def ticks_diff(a, b):
        return ((a - b + (1 << 29)) & ((1 << 30) - 1)) - (1 << 29)
    def sleep_ms(ms):
        pass

class network:
    pass

for name, module in (("socket", socket), ("_webrepl", _webrepl), ("websocket", websocket), ("os", os), ("time", time),
                     ("network", network)):
    sys.modules[name] = module

import webrepl

REQUEST = b"GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n" \\
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n"

def connect(*pieces):
    listener = socket.made[-1]
    sock = Socket(("10.0.0.2", 5))
    listener.queue.append(sock)
    listener.callback(listener)
    send(sock, *pieces)
    return sock

def send(sock, *pieces):
    for piece in pieces:
        sock.input.append(piece)
        if sock.callback:
            sock.callback(sock)

def status(sock):
    return sock.output.split(b"\\r\\n")[0].decode()
"""

START = """
webrepl.start(password="secret")
"""


@pytest.fixture
def run(tmp_path):
    return lambda program: vm.run(vm._HEAD + HEAD + program, tmp_path, head="").splitlines()


def test_start_listens_without_waiting(run):
    program = """
listener = socket.made[0]
print(listener.address, listener.blocking, _webrepl.secret)
"""
    assert run(START + program) == ["Started webrepl in manual override mode", "('0.0.0.0', 8266) False secret"]


def test_addresses_of_active_interfaces_are_shown(run):
    program = """
class WLAN:
    IF_STA, IF_AP = 0, 1
    def __init__(self, interface):
        self.interface = interface
    def active(self):
        return self.interface == 0
    def ifconfig(self):
        return ("10.0.0.7", "", "", "")
network.WLAN = WLAN
webrepl.start(8267, "secret")
"""
    assert run(program)[0] == "WebREPL server started on http://10.0.0.7:8267/"


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_handshake_in_pieces_of_any_size(run, step):
    program = f"""
sock = connect()
send(sock, *[REQUEST[i : i + {step}] for i in range(0, len(REQUEST), {step})])
print(sock.output)
print(sock.blocking, sock.closed, sock.callback is os.dupterm_notify, os.terminal.ws.sock is sock)
"""
    assert run(START + program)[1:] == [
        str(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nPassword: "
        ),
        "False False True True",
    ]


def test_field_names_and_the_protocol_are_compared_without_case(run):
    program = """
print(status(connect(b"GET / HTTP/1.1\\r\\nUPGRADE:  WebSocket\\r\\nsec-websocket-key:foo\\r\\n\\r\\n")))
"""
    assert run(START + program)[-1] == "HTTP/1.1 101 Switching Protocols"


@pytest.mark.parametrize(
    "request_text",
    [
        r"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        r"GET / HTTP/1.1\r\nUpgrade: h2c\r\nSec-WebSocket-Key: foo\r\n\r\n",
        r"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        r"POST / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: foo\r\n\r\n",
        r"no request\r\nno field\r\n\r\n",
        # Bytes behind the request, before there was an answer.
        r"GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: foo\r\n\r\n\x81\x00",
    ],
)
def test_all_else_gets_the_page_and_is_closed(run, request_text):
    program = f"""
sock = connect(b"{request_text}")
print(status(sock), b'<base href="https://micropython.org/webrepl/">' in sock.output, sock.closed, os.terminal)
"""
    assert run(START + program)[-1] == "HTTP/1.1 200 OK True True None"


def test_oversized_head_is_refused(run):
    program = """
sock = connect(b"GET / HTTP/1.1\\r\\nCookie: " + b"a" * 1500)
print(status(sock), sock.closed)
sock = connect(*[b"a" * 100] * 11)
print(status(sock), sock.closed)
full = b"GET / HTTP/1.1\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Key: k\\r\\nCookie: "
print(status(connect(full + b"a" * (1020 - len(full)) + b"\\r\\n\\r\\n")))
"""
    assert run(START + program)[1:3] + run(START + program)[-1:] == [
        "HTTP/1.1 431 Request Header Fields Too Large True",
        "HTTP/1.1 431 Request Header Fields Too Large True",
        "HTTP/1.1 101 Switching Protocols",
    ]


def test_silent_client_is_swept_out_after_three_seconds(run):
    program = """
silent = connect()
time.now = time.ticks_add(time.now, 2000)
slow = connect(b"GET / ")
webrepl.sweep()
print(silent.closed, slow.closed)
time.now = time.ticks_add(time.now, 1000)
webrepl.sweep()
print(silent.closed, slow.closed, silent.output)
time.now = time.ticks_add(time.now, 2000)
webrepl.sweep()
print(slow.closed)
"""
    assert run(START + program)[1:] == ["False False", "True False b''", "True"]


def test_client_with_the_terminal_is_never_swept_out(run):
    program = """
sock = connect(REQUEST)
time.now = time.ticks_add(time.now, 10000)
webrepl.sweep()
print(sock.closed)
"""
    assert run(START + program)[-1] == "False"


def test_newcomers_push_the_oldest_silent_client_out(run):
    program = """
silent = [connect() for _ in range(5)]
print([sock.closed for sock in silent])
print(status(connect(REQUEST)))
"""
    lines = run(START + program)
    assert lines[1] == "[True, True, True, False, False]"
    assert lines[-1] == "HTTP/1.1 101 Switching Protocols"


def test_client_that_goes_is_forgotten(run):
    program = """
sock = connect(b"GET / ", b"")
print(sock.closed, webrepl._handshakes)
sock = connect()
def broken(buffer):
    raise OSError(104)
sock.readinto = broken
sock.callback(sock)
print(sock.closed, webrepl._handshakes)
"""
    assert run(START + program)[1:] == ["True []", "True []"]


def test_second_client_is_refused_while_there_is_a_first(run):
    program = """
first = connect(REQUEST)
second = connect(REQUEST)
print(status(second), second.closed, first.closed, os.terminal.ws.sock is first)
os.terminal = None  # the first has gone
print(status(connect(REQUEST)))
"""
    lines = run(START + program)
    assert "HTTP/1.1 503 Service Unavailable True False True" in lines
    assert lines[-1] == "HTTP/1.1 101 Switching Protocols"


def test_callback_that_comes_too_late_or_twice_does_nothing(run):
    program = """
listener = socket.made[0]
listener.callback(listener)  # another thread has taken the connection
sock = connect()
sock.callback(sock)  # there is nothing to read
handshake = webrepl._handshakes[0]
handshake.busy = True  # another thread is at it
send(sock, REQUEST)
print(sock.output, len(sock.input))
time.now = time.ticks_add(time.now, 4000)
webrepl.sweep()
print(sock.closed)
handshake.busy = False
sock.callback(sock)
print(status(sock))
"""
    lines = run(START + program)
    assert lines[1:3] == ["b'' 1", "False"]
    assert lines[-1] == "HTTP/1.1 101 Switching Protocols"


def test_stop_closes_all_and_leaves_a_foreign_terminal(run):
    program = """
first, waiting = connect(REQUEST), connect()
webrepl.stop()
print(first.closed, waiting.closed, socket.made[0].closed, os.terminal)
webrepl.stop()
os.terminal = "uart"
webrepl.start(password="other")
print(os.terminal, _webrepl.secret)
"""
    lines = run(START + program)
    assert "True True True None" in lines
    assert lines[-1] == "uart other"


def test_port_that_is_taken_leaves_nothing_behind(run):
    program = """
try:
    webrepl.start(1, "secret")
except OSError as error:
    print(error, socket.made[0].closed)
"""
    assert run(program) == ["112 True"]


def test_password_rules(run):
    program = """
def attempt(*args, **names):
    try:
        webrepl.start(*args, **names)
    except Exception as error:
        print(type(error).__name__, error)
attempt(password="1234567890")
attempt(password="\u00e4\u00e4\u00e4\u00e4\u00e4")
attempt(password=7)
attempt()
print(socket.made, _webrepl.secret)
attempt(password="123456789")
attempt(password=b"bytes")
print(_webrepl.secret)
class webrepl_cfg:
    PASS = "config"
    BASE = "http://10.0.0.1/"
sys.modules["webrepl_cfg"] = webrepl_cfg
attempt()
print(_webrepl.secret, connect(b"GET / HTTP/1.1\\r\\n\\r\\n").output.split(b"\\r\\n\\r\\n")[1].split(b"\\n")[0])
"""
    assert run(program) == [
        "ValueError the password of WebREPL has at most 9 characters",
        "ValueError the password of WebREPL has at most 9 characters",
        "TypeError can't convert 'int' object to str implicitly",
        "WebREPL is not configured: write PASS = 'password' to webrepl_cfg.py",
        "TypeError can't convert 'NoneType' object to str implicitly",
        "[] None",
        "Started webrepl in manual override mode",
        "Started webrepl in manual override mode",
        "b'bytes'",
        "Started webrepl in normal mode",
        "config b'<base href=\"http://10.0.0.1/\">'",
    ]


def test_foreground_waits_for_a_client(run):
    program = """
def sleep_ms(ms):
    connect(REQUEST)
time.sleep_ms = sleep_ms
webrepl.start_foreground(password="secret")
print(os.terminal is not None)
"""
    assert run(program)[-1] == "True"
