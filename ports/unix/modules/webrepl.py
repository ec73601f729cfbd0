"""`webrepl` of micropython-lib on the desktop board: the REPL over a WebSocket, and file transfer.

The network side is the supervisor's, which gives WebREPL the same way to the console as the serial port
has. The files are read and written here, by the hardware thread, also while a program runs.
"""

import sys
import time

from _chip import bus, irq, turn

_PASSWORD_MAX = 9

_file = None  # the one of the transfer that is going on


def accept_conn(listen_sock):
    """Take a connection; the default of `start`. The supervisor does it, so this is never called."""
    return False


def start(port=8266, password=None, accept_handler=accept_conn):
    """Listen on `port`. Without a `password` it is PASS of the module webrepl_cfg; at most 9 characters.

    `accept_handler` None: wait until the first client has connected. Another one than `accept_conn` cannot
    be had.
    """
    if accept_handler not in (None, accept_conn):
        raise OSError("an accept_handler of your own is not on the desktop board")
    stop()
    secret = password
    if secret is None:
        try:
            import webrepl_cfg

            secret = webrepl_cfg.PASS
        except Exception:
            print("WebREPL is not configured: write PASS = 'password' to webrepl_cfg.py")
    if not isinstance(secret, (str, bytes)):
        raise TypeError("can't convert '%s' object to str implicitly" % type(secret).__name__)
    secret = secret if isinstance(secret, str) else secret.decode()
    if len(secret.encode()) > _PASSWORD_MAX:
        raise ValueError("the password of WebREPL has at most 9 characters")
    irq.on("webrepl", _serve)
    version = list(sys.implementation.version[:3])
    real_port = bus.call("webrepl.start", port=port, password=secret, version=version)["port"]
    _say_where(real_port)
    if accept_handler is None:
        print("Starting webrepl in foreground mode")
        before = bus.call("webrepl.accepted")["count"]
        while bus.call("webrepl.accepted")["count"] == before:
            time.sleep_ms(50)
    elif password is None:
        print("Started webrepl in normal mode")
    else:
        print("Started webrepl in manual override mode")


def start_foreground(port=8266, password=None):
    """As `start`, but wait until the first client has connected."""
    start(port, password, None)


def stop():
    """Stop listening and end the connection."""
    bus.call("webrepl.stop")


def sweep():
    """Nothing to do: the supervisor sees to it that no client's handshake lasts too long."""


def _say_where(port):
    import network

    if not hasattr(network, "WLAN"):
        return
    for interface in (network.WLAN.IF_AP, network.WLAN.IF_STA):
        wlan = network.WLAN(interface)
        if wlan.active():
            print("WebREPL server started on http://%s:%d/" % (wlan.ifconfig()[0], port))


def _serve(args, blob):
    """Do the supervisor's jobs until there is none, stepping aside after each.

    Runs in the hardware thread.
    """
    job, data = bus.exchange("webrepl.next")
    while job:
        try:
            result = {}
            data = _do(job, data)
        except Exception as e:
            result = {"error": "%s: %s" % (type(e).__name__, e)}
            data = b""
            _close()
        turn.release()
        turn.acquire()
        job, data = bus.exchange("webrepl.next", data, **result)


def _do(job, data):
    """One job; returns the bytes that it read."""
    global _file
    what = job["do"]
    if what == "open":
        _close()
        _file = open(job["name"], job["mode"])
    elif what == "write":
        _file.write(data)
    elif what == "read":
        return _file.read(job["size"])
    else:
        _close()
    return b""


def _close():
    global _file
    file, _file = _file, None
    if file:
        file.close()
