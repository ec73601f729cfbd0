"""HTTPS: serves by TLS through MicroPython's ssl module (mbedTLS).

    from micropAsyncWeb import MicropAsyncWeb, tls

    server = MicropAsyncWeb(port=443, maxConnections=3)
    tls.enable(server, "/cert.der", "/key.der")
    tls.redirector().runThread()        # or, in your own loop, runAsync(): http://… is sent to https://…

Make the key and a certificate on a computer; an elliptic-curve key, since a signature takes a chip far less time and
memory with it than with RSA:

    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=greenhouse.local \\
        -addext subjectAltName=DNS:greenhouse.local,IP:192.168.4.1 -keyout key.pem -outform DER -out cert.der
    openssl pkey -in key.pem -outform DER -out key.der

Browsers warn of a certificate that no authority they know has signed, until it is imported there.

Memory of each connection, where mbedTLS is configured as in MicroPython's ESP32 port (records of 16 KB in, 4 KB out;
CONFIG_MBEDTLS_ASYMMETRIC_CONTENT_LEN of ESP-IDF): 25 KB outside the MicroPython heap and 1 KB in it, measured on the
unix port, which has the same buffers; more for a moment during the handshake. So allow few connections at a time.

The handshake never waits for the client, but its signature holds up the server. Connections are dropped without TLS's
closing alert, so an answer that has neither a length nor chunks (to HTTP/1.0) can't be told from one that was cut off.
"""

import ssl

from . import Connection, MicropAsyncWeb
from . import exchange as Response


def enable(server, cert, key):
    """Make server talk TLS: call it before the server runs.

    cert, key: names of files in DER or PEM form, the latter only where the firmware has it. OSError if one can't be
    read, ValueError if it is malformed or the two don't belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with open(cert, "rb") as file:
        cert = file.read()
    with open(key, "rb") as file:
        key = file.read()
    context.load_cert_chain(cert, key)
    server.receive = lambda: _accept(server, context)


def _accept(server, context):
    # Accept a connection as ever, and put TLS between it and its socket. Its first read begins the handshake.
    conn = server.accept()
    if not conn:
        return
    sock = conn.sock

    def close():
        Connection.close(conn)
        # After a handshake that has failed, to close the TLS socket leaves this one open.
        sock.close()

    conn.close = close
    try:
        conn.sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
    except (OSError, MemoryError, ValueError) as error:
        # Most likely no memory is left for one more.
        conn.close()
        if server.log:
            server.log("warning", "TLS", error)
    else:
        return conn.receive()


def redirector(port=80, to=443, address="0.0.0.0"):
    """A server that sends every request on to the same URL with https (308). It is still to be started."""
    server = MicropAsyncWeb(port=port, address=address, webroot=None, maxConnections=4, maxHead=1024, bufferSize=256)

    def move(request):
        host = request.header.get("host", "").rpartition("]")
        name = host[0] + host[1] + host[2].partition(":")[0]
        if not name:
            return Response.error(request, 400)
        url = request.url
        if url[0] != "/":
            # Absolute form.
            url = "/" + url.partition("://")[2].partition("/")[2]
        return Response.redirect(request, "https://" + name + ("" if to == 443 else ":%d" % to) + url, 308)

    methods = {}
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        methods[method] = move
    server.router.find = lambda request, path: methods
    return server
