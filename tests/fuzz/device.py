"""Runs on the MicroPython VM: the whole server, fed with cases from stdin by sockets that exist in memory only.

The server is not changed: it gets another `socket` module and another poller before it starts, as a board with
sockets of its own would give it. So every way of splitting the input is exact and costs no waiting.

A case on stdin: header `<IHH` (bytes of data, number of cuts, most bytes that one write takes; 0: all), the cuts as
`<H` (how many bytes each poll brings; what is left comes last), data. After the data the client half-closes.
Its result on stdout: `<IB` (bytes of output, verdict), output. Verdicts: see the constants.
"""

import asyncio
import errno
import gc
import struct
import sys
from asyncio import core

CLOSED = 0  # the server closed the connection
STUCK = 1  # it did not, though there was nothing left to wait for
LEFT = 2  # it closed, but still counts the connection as open

IDLE_POLLS = 200
POLLIN, POLLOUT = 1, 4

inward, outward = sys.stdin.buffer, sys.stdout.buffer


class Listener:
    """The listening socket: has a client whenever there is a case to run."""

    def __getattr__(self, name):
        return lambda *args: None

    def close(self):
        pass

    def ready(self):
        return POLLIN if bench.case and not bench.conn else 0

    def accept(self):
        if not bench.case or bench.conn:
            raise OSError(errno.EAGAIN)
        bench.conn = Client(*bench.case)
        return bench.conn, ("127.0.0.1", 1)


class Client:
    """A connection whose client sends one case and takes all answers."""

    full = False

    def __init__(self, data, cuts, most):
        self.data = memoryview(data)
        self.cuts = cuts
        self.most = most
        self.next()
        self.output = bytearray()
        self.open = True

    def next(self):
        # The bytes that the next polls bring.
        count = self.cuts.pop(0) if self.cuts else len(self.data)
        self.part, self.data = self.data[:count], self.data[count:]

    def ready(self):
        """What poll() says; a part that is used up lets one poll pass before the next one comes."""
        if not self.part and self.data:
            self.next()
        return POLLIN | POLLOUT

    def readinto(self, buffer):
        count = min(len(self.part), len(buffer))
        if count:
            bench.polls = 0
            buffer[:count] = self.part[:count]
            self.part = self.part[count:]
        elif self.data:
            return None
        return count

    def write(self, data):
        if not self.open:
            raise OSError(errno.EBADF)
        bench.polls = 0
        if not self.most:
            self.output += data
            return len(data)
        # A full socket every other time.
        self.full = not self.full
        if self.full:
            return None
        part = bytes(data[: self.most])
        self.output += part
        return len(part)

    def setblocking(self, flag):
        pass

    def setsockopt(self, *args):
        pass

    def close(self):
        self.open = False


class Poller:
    """select.poll() for the sockets above."""

    def __init__(self):
        self.entries = {}

    def register(self, sock, mask=POLLIN | POLLOUT):
        self.entries[id(sock)] = [sock, mask]

    def modify(self, sock, mask):
        self.entries[id(sock)][1] = mask

    def unregister(self, sock):
        del self.entries[id(sock)]

    def ipoll(self, dt=-1, flags=0):
        bench.step()
        return [(sock, mask & sock.ready()) for sock, mask in self.entries.values() if mask & sock.ready()]


class Bench:
    """Takes the cases one after another and reports what became of them."""

    case = conn = None
    polls = 0  # since something was read or written

    def step(self):
        """Called once per poll: ends the case if the connection is closed or hangs, and fetches the next."""
        conn = self.conn
        if conn and not conn.open:
            self.report(LEFT if web.connections else CLOSED)
        elif self.polls > IDLE_POLLS:
            self.report(STUCK)
        self.polls += 1
        if not self.case:
            self.fetch()

    def report(self, verdict):
        output = self.conn.output if self.conn else b""
        outward.write(struct.pack("<IB", len(output), verdict))
        outward.write(output)
        self.case = self.conn = None
        if verdict:
            sys.exit(1)

    def fetch(self):
        head = inward.read(8)
        if not head:
            sys.exit(0)
        size, count, most = struct.unpack("<IHH", head)
        cuts = list(struct.unpack(f"<{count}H", inward.read(2 * count)))
        self.case = inward.read(size), cuts, most
        self.polls = 0


class Sockets:
    """Stands in for the module socket."""

    SOL_SOCKET = SO_REUSEADDR = 1
    AF_INET = SOCK_STREAM = 1

    @staticmethod
    def socket(*args):
        return Listener()

    @staticmethod
    def getaddrinfo(host, port, *args):
        return [(0, 0, 0, "", (host, port))]


bench = Bench()
sys.modules["socket"] = Sockets
core._io_queue.poller = Poller()

from micropAsyncWeb import HttpError, MicropAsyncWeb, Response  # noqa: E402

web = MicropAsyncWeb(webroot=WEBROOT, maxHead=1024, maxBody=2048, bufferSize=512)  # noqa: F821
METHODS = "GET, POST, PUT, PATCH, DELETE"


async def saw(request):
    """Answers with what the server understood: method and target in a field, the body as it came."""
    data = await request.body()
    return data, 200, {"X-Saw": request.method + " " + request.url}


for path in ("/", "/a", "/a/*", "/*/b", "/n/<int:n>", "/x/y/z"):
    web.route(path, METHODS)(saw)


@web.route("/skip", METHODS)
async def skip(request):
    """Leaves the body unread."""
    return "skipped", 200, {"X-Saw": request.method + " " + request.url}


@web.route("/stream", METHODS)
async def stream(request):
    """Answers with chunks, also longer than what was promised to fit the buffer."""
    await Response.start(request)
    await Response.header(request, "X-Saw", request.method + " " + request.url)
    await Response.startBody(request)
    for number in range(150):
        await request.write(f"{number}\n")


@web.route("/form", METHODS)
async def form(request):
    """Uses everything that parses what the client says."""
    fields = await request.form()
    return [fields, request.query, request.cookies, dict(request.header.items())]


@web.route("/json", METHODS)
async def json_(request):
    return {"got": await request.json()}


@web.route("/teapot")
def teapot(request):
    raise HttpError(418, "short and stout")


async def main():
    gc.collect()
    await web.runAsync()


asyncio.run(main())
