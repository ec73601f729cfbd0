"""What an open portal does: it answers all names with its own address, and requests before the server's routes do.

How the systems find out that they are behind a portal, and what they take for "there is an Internet":

Android   /generate_204 or /gen_204 of several hosts: 204 is success, 200 to 399 a portal, but a 200 without a body is
          a failure (NetworkStack, NetworkMonitor.sendHttpProbe and CaptivePortalProbeResult.isPortal). Its window
          closes by itself as soon as it gets a 204.
Apple     captive.apple.com/hotspot-detect.html, older ones /library/test/success.html: a page with the word Success is
          success, all else a portal. Its window has "Done" in the place of "Cancel" after that.
Windows   www.msftconnecttest.com/connecttest.txt, before 10.1607 www.msftncsi.com/ncsi.txt: their texts are success;
          else it opens /redirect of the same host in the browser, and expects to be led elsewhere.
Firefox   detectportal.firefox.com/canonical.html and /success.txt: their texts.
NetworkManager   a page of the distribution's: its text, or the field X-NetworkManager-Status: online. GNOME's, Arch's,
          Debian's and Ubuntu's say the same, Fedora's and KDE's are OK.
Kindle    spectrum.s3.amazonaws.com/kindle-wifi/wifistub.html: a page with a certain number in it.

So to all of them, a redirect is the sign of a portal, and no path has to be known for it: the name is foreign.
"""

import gc
import socket
import sys
from asyncio import core, create_task, sleep_ms

from micropAsyncWeb import HttpError, MicropAsyncWeb
from micropython import const

from . import dns, log, portal

_HTTP_PORT = const(80)
_DNS_PORT = const(53)
_DNS_SIZE = const(512)  # of a request by UDP at most (RFC 1035 section 4.2.1)
_PAUSE_MS = const(100)  # after an error of the socket
_FORM_MAX = const(4096)  # bytes; all fields of the form at their longest, each byte as %XX

_OWN = ("/health", "/admin", "/logs", "/repair", "/favicon.ico", "/favicon.svg")
_APPLE = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"
_NETWORK_MANAGER = "NetworkManager is online\n"

# Path → the body that says to the system that asks for it that there is no portal; an empty one goes with a 204.
SUCCESS = {
    "/generate_204": "",
    "/gen_204": "",
    "/hotspot-detect.html": _APPLE,
    "/library/test/success.html": _APPLE,
    "/connecttest.txt": "Microsoft Connect Test",
    "/ncsi.txt": "Microsoft NCSI",
    "/canonical.html": '<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>',
    "/success.txt": "success\n",
    "/check_network_status.txt": _NETWORK_MANAGER,
    "/nm-check.txt": _NETWORK_MANAGER,
    "/nm": _NETWORK_MANAGER,
    "/static/hotspot.txt": "OK\n",
    "/kindle-wifi/wifistub.html": "<p>81ce4465-7167-4dcb-835b-dcc9e44c112a</p>",
}


class Captive:
    """The portal of `server`, a MicropAsyncWeb, on the access point whose address is `address`."""

    def __init__(self, server, address):
        port = server.port
        self.base = "http://" + address + ("" if port == _HTTP_PORT else ":%d" % port)
        self._server = server
        self._address = address
        self._gate = None
        self._tasks = []

    def open(self):
        """Begin; close() ends it, also when this has raised."""
        self._tasks.append(create_task(_answer_names(self._address)))
        if self._server.port != _HTTP_PORT:
            self._tasks.append(create_task(self._stand_in_front()))
        self._gate = _Gate(self._server, self._choose)

    def close(self):
        """Leave the server as it was."""
        if self._gate:
            self._gate.remove()
        for task in self._tasks:
            task.cancel()

    async def ended(self):
        """Wait after close() until its ports are free."""
        for task in self._tasks:
            while not task.done():
                await sleep_ms(0)

    def _choose(self, request):
        """The handler of a request; None: the server's own."""
        handler = self._answer_foreign(request)
        if handler:
            return handler
        path = request.path
        if (path + "/").startswith("/setup/"):
            return _setup(request)
        if portal.phase != portal.OPEN or path in _OWN or path.startswith("/api/"):
            return None
        if path == "/wpad.dat":
            # Windows looks for a proxy's settings; it would take the setup page for them.
            return _missing
        return redirect("/setup")

    def _answer_foreign(self, request):
        """The handler of a request to a name that is not this board's; None if the portal has no say in it."""
        if not is_foreign(request.header.get("host", "").lower()):
            return None
        path = request.path
        if portal.phase != portal.OPEN and path not in SUCCESS:
            return None
        # Phones open many connections for what goes on in the background, the server has few.
        request.keep = 0
        if portal.phase == portal.RELEASED:
            # As if there were an Internet.
            body = SUCCESS[path]
            return _fixed(body or None, 200 if body else 204, {"X-NetworkManager-Status": "online"})
        return redirect(self.base + ("/setup" if portal.phase == portal.OPEN else "/setup/result"))

    async def _stand_in_front(self):
        """Probes go to port 80: where the server is elsewhere, they are led there."""
        front = MicropAsyncWeb(
            port=_HTTP_PORT, webroot=None, maxConnections=4, maxHead=1024, bufferSize=256, headTimeout=5, idleTimeout=5
        )
        front.log = self._server.log
        _Gate(front, self._lead_on)
        try:
            await front.runAsync()
        except OSError as error:
            _warn(_HTTP_PORT, error)

    def _lead_on(self, request):
        """The handler of a request at port 80."""
        handler = self._answer_foreign(request)
        if handler:
            return handler
        request.keep = 0
        name = request.header.get("host", "").partition(":")[0]
        base = "http://%s:%d" % (name, self._server.port) if name else self.base
        return redirect(base + (request.url if request.url[0] == "/" else "/"))


class _Gate:
    """Stands before a server's prepare(): `choose(request)` gives a handler, which no hook precedes, or None."""

    def __init__(self, server, choose):
        self._server = server
        self._choose = choose
        self._prepare = server.prepare
        server.prepare = self
        self._lines = server.router.lines
        server.router.lines = _Lines(self._lines)
        server.size = -1

    def __call__(self, request, flags):
        self._prepare(request, flags)
        handler = self._choose and self._choose(request)
        if handler:
            request.handler = handler
            # The hooks of this request, if the server has some by now.
            request.chain = ()

    def remove(self):
        """Take it away again; hooks that were added meanwhile have their place before it."""
        server = self._server
        self._choose = None
        hooks = server.__dict__.get("hooks")
        if server.prepare is self:
            server.prepare = self._prepare
        elif hooks and hooks.prepare is self:
            hooks.prepare = self._prepare
        if isinstance(server.router.lines, _Lines):
            server.router.lines = self._lines


class _Lines:
    """Stands in for Router.lines: no request takes the short way; routes that are added are kept for later."""

    def __init__(self, lines):
        self._lines = lines

    def get(self, line):
        """Always None."""

    def __setitem__(self, line, handler):
        self._lines[line] = handler


def is_foreign(host):
    """Whether the value of Host, in lower case, is a name of the Internet's: no address, no name of this network."""
    name = host.partition(":")[0].rstrip(".")
    # Whoever comes by an address has asked no DNS; names without a dot and those of mDNS are not phones' probes.
    return "." in name and not name.endswith(".local") and bool(name.strip("0123456789."))


def redirect(location):
    """A handler that sends the client there. With a page, for who does not follow, and since some want a body."""
    return _fixed('<a href="/setup">Setup</a>', 302, {"Location": location})


def _fixed(body, status, headers):
    """A handler with always the same answer; a body is HTML if it begins as that does, else text."""
    headers["Cache-Control"] = "no-store"
    if body and body[0] == "<":
        headers["Content-Type"] = "text/html"
    return lambda request: (body, status, headers)


def _setup(request):
    if request.left > _FORM_MAX:
        raise HttpError(413)
    request.maxBody = _FORM_MAX
    if "device.setup" not in sys.modules:
        # What is loaded now stays for a while: it must not come to lie behind garbage.
        gc.collect()
    from . import setup

    return setup.HANDLERS.get(request.path, _missing)


def _missing(request):
    raise HttpError(404)


async def _answer_names(address):
    """DNS for the access point's clients: every name is at `address`."""
    sock = None
    while True:
        try:
            sock = _listen(address)
        except OSError as error:
            if not sock:
                _warn(_DNS_PORT, error)
                return
            # It could be opened before, so it can be opened again.
            await sleep_ms(_PAUSE_MS)
            continue
        try:
            await _serve_names(sock, address)
        finally:
            sock.close()


def _listen(address):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Not for the network that the station is in.
        sock.bind(socket.getaddrinfo(address, _DNS_PORT)[0][-1])
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


async def _serve_names(sock, address):
    """Answer what comes, until it is an empty datagram.

    On the ESP32 no socket gives anything any more after one (modsocket.c:631, :655 take it for the end of a stream).
    """
    while True:
        try:
            await _readable(sock)
            request, client = sock.recvfrom(_DNS_SIZE)
            if not request:
                break
            reply = dns.answer(request, address)
            if reply:
                sock.sendto(reply, client)
        except Exception:
            # A client that has gone, no memory: whatever it is with one packet, the next one is answered.
            await sleep_ms(_PAUSE_MS)
    # Whoever sends nothing but empty ones shall not keep the loop busy with sockets.
    await sleep_ms(_PAUSE_MS)


def _warn(port, error):
    log.warning("phones do not find the setup page: port %d is taken (%s)", port, error)


def _readable(sock):
    yield core._io_queue.queue_read(sock)
