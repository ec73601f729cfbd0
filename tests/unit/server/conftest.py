"""Fixtures: the HTTP server in a process of the real MicroPython VM, and raw sockets to it."""

import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).parent
MODULES = HERE.parents[2] / "modules"
VM = pathlib.Path(sys.executable).parent / "micropython"


def free_port():
    """A TCP port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_vm(source, *args, heap="400k", timeout=60, modules=MODULES):
    """Run MicroPython source with the module on its path; returns what it printed. Fails with its traceback."""
    source = f"import sys\nsys.path.insert(0, {str(modules)!r})\n" + source
    done = subprocess.run(
        [str(VM), "-X", f"heapsize={heap}", "-c", source, *args], capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Client:
    """One connection, byte by byte."""

    def __init__(self, port, timeout=5):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        """Send bytes as they are; a str gets CRLF line ends."""
        if isinstance(data, str):
            data = data.replace("\n", "\r\n").encode()
        self.sock.sendall(data)
        return self

    def _more(self):
        part = self.sock.recv(65536)
        self.data += part
        return part

    def closed(self):
        """Wait for the server to close; returns what came before that."""
        try:
            while self._more():
                pass
        except ConnectionResetError:
            pass
        return self.data

    def answer(self, head=False):
        """Read one answer by its own framing: (status, header dict with lower-case names, body)."""
        while b"\r\n\r\n" not in self.data:
            assert self._more(), f"closed after {self.data!r}"
        top, _, self.data = self.data.partition(b"\r\n\r\n")
        lines = top.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        assert lines[0].startswith("HTTP/1.1 ")
        header = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            assert name.lower() not in header, f"{name} twice"
            header[name.lower()] = value
        if head or status in (100, 204, 304):
            return status, header, b""
        if "chunked" in header.get("transfer-encoding", ""):
            return status, header, self._chunks()
        if "content-length" in header:
            return status, header, self._take(int(header["content-length"]))
        body, self.data = self.closed(), b""
        return status, header, body

    def _take(self, count):
        while len(self.data) < count:
            assert self._more(), f"closed {count - len(self.data)} bytes early"
        body, self.data = self.data[:count], self.data[count:]
        return body

    def _line(self):
        while b"\r\n" not in self.data:
            assert self._more()
        line, _, self.data = self.data.partition(b"\r\n")
        return line

    def _chunks(self):
        body = b""
        while size := int(self._line(), 16):
            body += self._take(size)
            assert self._line() == b""
        assert self._line() == b""
        return body


class Server:
    """A MicroPython process that serves app.py (or other source) on a free port."""

    def __init__(self, webroot, options="", source=None, heap="400k"):
        self.port = free_port()
        path = HERE / "app.py" if source is None else None
        source = source or path.read_text()
        command = f"import sys\nsys.path.insert(0, {str(MODULES)!r})\nPORT = {self.port}\n"
        command += f"WEBROOT = {str(webroot)!r}\nOPTIONS = dict({options})\n" + source
        self.process = subprocess.Popen(
            [str(VM), "-X", f"heapsize={heap}", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                self.connect().sock.close()
                return
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.process.stdout.read().decode()
                assert time.monotonic() < deadline
                time.sleep(0.01)

    def connect(self, timeout=5):
        """A new connection."""
        return Client(self.port, timeout)

    def ask(self, text, **options):
        """Send one request on a connection of its own; returns its answer."""
        with self.connect() as client:
            return client.send(text).answer(**options)

    def get(self, target, *fields):
        """GET target; returns (status, header, body)."""
        return self.ask(f"GET {target} HTTP/1.1\nHost: x\n" + "".join(f + "\n" for f in fields) + "\n")

    def files(self):
        """Number of open file descriptors of the server's process."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def state(self):
        """What the application says about itself (route /state)."""
        import json

        return json.loads(self.get("/state")[2])

    def close(self):
        """End the process; returns what it has printed."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout.closed:
            return ""
        with self.process.stdout as output:
            return output.read().decode()


@pytest.fixture(scope="session")
def webroot(tmp_path_factory):
    """A directory of files to serve."""
    import gzip

    root = tmp_path_factory.mktemp("webroot")
    (root / "index.html").write_bytes(b"<h1>index</h1>")
    (root / "sub").mkdir()
    (root / "sub" / "index.html").write_bytes(b"<h1>sub</h1>")
    (root / "sub" / "page.htm").write_bytes(b"page")
    (root / "empty.txt").write_bytes(b"")
    (root / "small.txt").write_bytes(b"0123456789")
    (root / "big.bin").write_bytes(bytes(range(256)) * 400)
    (root / "app.js").write_bytes(b"let x = 1;\n" * 1000)
    (root / "app.js.gz").write_bytes(gzip.compress(b"let x = 1;\n" * 1000, mtime=0))
    (root / "with space.txt").write_bytes(b"space")
    (root / "\u00fcml.txt").write_bytes(b"umlaut")
    (root.parent / "secret.txt").write_bytes(b"secret")
    return root


@pytest.fixture(scope="module")
def server(webroot):
    """app.py with default limits."""
    server = Server(webroot, "maxConnections=16")
    yield server
    server.close()


@pytest.fixture
def start(webroot):
    """Start servers of one's own: start(options, source) → Server."""
    servers = []

    def start(options="", source=None, heap="400k"):
        servers.append(Server(webroot, options, source, heap))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
