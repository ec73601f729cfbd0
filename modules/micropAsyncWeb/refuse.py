"""What is out of the ordinary: other methods, versions and forms of the target, and clients that are turned away."""

import select
from time import ticks_diff, ticks_ms

from micropython import const

from . import exchange as Response
from .parser import HttpError

# States of a connection; from _BODY on it cannot be closed in favour of others.
_NEW = const(-1)
_HEAD = const(1)
_BODY = const(3)
_GRACE_MS = const(50)
_UNKNOWN = const(16)  # a flag of parse_fields()


def other_version(version):
    """A version that is neither HTTP/1.1 nor HTTP/1.0: gives the one to act by (RFC 9110 section 2.5)."""
    if len(version) != 8 or version[:5] + version[6:7] != b"HTTP/.":
        raise HttpError(400)
    if not (version[5:6] + version[7:8]).isdigit():
        raise HttpError(400)
    if version[5:6] != b"1":
        raise HttpError(505)
    return b"HTTP/1.1"


def bad_host(value):
    """Whether the value of Host is none (RFC 9110 section 7.2, RFC 3986 section 3.2), in lower case."""
    if value[:1] == b"[":
        host, end, port = value[1:].partition(b"]")
        if not end or not host or host.strip(b"0123456789abcdef:.") or port[:1] not in b":":
            return True
        port = port[1:]
    else:
        host, _, port = value.partition(b":")
        for escape in host.split(b"%")[1:]:
            if len(escape) < 2 or escape[:2].strip(b"0123456789abcdef"):
                return True
        if host.strip(b"abcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=%"):
            return True
    return port.strip(b"0123456789") != b""


def unusual(request, target, flags):
    """Refuse transfer codings that are not known (RFC 9112 sections 6.1 and 6.3).

    Gives the path and query of a target in absolute form (section 3.2.2); "*" stands for the server.
    """
    if flags & _UNKNOWN:
        # Without chunked as the last coding, nobody knows where the body ends.
        codings = request.header["transfer-encoding"].lower()
        framed = codings.split(",")[-1].strip(" \t") == "chunked" and "content-length" not in request.header
        raise HttpError(501 if framed else 400)
    if target == b"*":
        if request.method != "OPTIONS":
            raise HttpError(404)
        return b"/"
    scheme, mark, rest = target.partition(b"://")
    host = rest.split(b"#")[0].split(b"?")[0].split(b"/")[0]
    if not mark or not host or scheme.lower() not in (b"http", b"https"):
        raise HttpError(400)
    rest = rest[len(host) :]
    return rest if rest[:1] == b"/" else b"/" + rest


def refuse(request):
    """No handler for this method: automatic OPTIONS, 405 with Allow, or 501. 404 for a file that is not there."""
    handlers = request.name
    if not handlers and request.method != "OPTIONS":
        raise HttpError(404)
    methods = {method for method in handlers if method} | {"OPTIONS"}
    if "GET" in methods:
        methods.add("HEAD")
    known = request.method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    if known and request.method != "OPTIONS" and handlers.get("GET") == "":
        from .files import inside, stat_of

        server = request.conn.server
        name = server.webroot + "/" + inside(request.path, server.indexFile)
        if not stat_of(name) and not stat_of(name + ".gz"):
            raise HttpError(404)
    Response.start(request, 204 if request.method == "OPTIONS" else 405 if known else 501)
    request.head += b"Allow: %s\r\n" % ", ".join(sorted(methods))
    return Response.startBody(request)


def move(request):
    """Send the client of a folder on to its index: relative links there work only below a trailing slash."""
    url, mark, query = request.url.partition("?")
    return Response.redirect(request, url + "/" + mark + query, 301)


def make_room(server):
    """At the cap: close the connection that has been idle longest. Whether there is room for a new one now.

    A new connection counts as idle after a moment only: its request is on its way. Until then the next one waits in
    the system's queue. With none idle, that one is answered with 503.
    """
    poller = select.poll()
    poller.register(server.sock, select.POLLIN)
    if not poller.poll(0):
        # The reactor's poll names the socket once more if others were added meanwhile: nobody is waiting.
        return None
    oldest = None
    fresh = False
    now = ticks_ms()
    for conn in server.connections:
        if conn.state == _NEW and ticks_diff(now, conn.since) < _GRACE_MS:
            fresh = True
        elif conn.state < _BODY and (not oldest or ticks_diff(oldest.since, conn.since) > 0):
            oldest = conn
    if oldest:
        oldest.close()
    elif not fresh:
        sock = server.sock.accept()[0]
        sock.setblocking(False)
        turn_away(sock, 503)
        sock.close()
    return oldest


def report(request, conn, error):
    """Log what a handler has raised. An exception that is meant for the whole thread is raised again.

    Those are KeyboardInterrupt, and the SystemExit by which the ESP32 firmware unwinds its threads before a soft reset
    (ports/esp32/unwind.c); a handler's own sys.exit() ends only its request.
    """
    if isinstance(error, KeyboardInterrupt) or isinstance(error, SystemExit) and error.args == ("soft_reset",):
        conn.close()
        raise error
    log = conn.server.log
    if log and conn.sock:
        try:
            log("error", request.line, error)
        except Exception:
            pass  # a log that fails must not end the server


def late(conn):
    """A request has not come to its end in time: 408."""
    if conn.state == _HEAD:
        turn_away(conn.sock, 408)
        conn.close()
    else:
        # Its handler waits for the body, and may have begun to answer.
        from .stream import interrupt

        interrupt(conn)


def turn_away(sock, status):
    """Send an error answer to a client that gets no Request."""
    try:
        head = Response.status_line(status) + Response.date
        sock.write(head + b"Connection: close\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n")
    except OSError:
        pass
