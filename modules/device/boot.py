"""The boot script: settings, network, server thread, WebREPL, the user's app.py, a summary on the console."""

import os
import sys
import time

import machine
from micropAsyncWeb import MicropAsyncWeb, Response
from micropython import const, kbd_intr

import device

from . import bootjson, log, loop, recovery, routes, slots, storage, watchdog

try:
    from _firmware_version import VERSION
except ImportError:
    VERSION = "unknown"

_CTRL_C = const(3)
_NETWORK_WAIT_MS = const(5000)  # the prompt does not wait longer for an address
_NO_PAGES = "404 Not Found\n\nThere are no pages on this board yet: its folder %s is missing.\n"

hostname = ""
network_service = None
webrepl_port = 0  # 0: WebREPL is off
problems = []  # what a user should know and mend, one line each
_shown = 0  # the lines of the log that the console has seen: not yet those of the filesystem, which is mounted before


def start():
    """What device.start() does; returns at once when the server runs already."""
    global hostname, network_service
    if loop.running():
        return
    problems.clear()
    if recovery.step:
        problems.append("recovery: " + recovery.reason)
    recovery.at("the settings")
    config, found, _source = bootjson.load(last_good=recovery.step > 0)
    if storage.state in storage.LOST:
        from . import rescue

        config = rescue.instead(config, found)
    device.config = config
    log.level = log.NAMES[config["log"]["level"]]
    for problem in found:
        _problem(problem)
    if storage.state not in ("ok", "new"):
        problems.append("the filesystem is " + storage.state)
    hostname = config["hostname"] or default_hostname()
    recovery.at("the network")
    network_service = _network(config["wifi"])
    recovery.at("the server")
    device.server = _server(config["server"])
    problem = loop.start(_services(config), config["server"]["core"])
    watchdog.arm(config["watchdog"])
    if problem:
        _problem("boot.json: server.core: " + problem)
    _start_webrepl(config["webrepl"])
    _wait_for_network()
    _import_app()
    _summary()


def default_hostname():
    """The host name of a board whose settings give none, as firmware/boot.schema.json has it."""
    return "maw-" + machine.unique_id()[-3:].hex()


def _network(config):
    try:
        import _board

        interface = _board.ethernet()
        if interface:
            from .ethernet_service import EthernetService

            service = EthernetService(interface, hostname, config["static"])
        else:
            from .network_service import NetworkService

            service = NetworkService(config, hostname)
        service.prepare()
    except Exception as error:
        log.exception("network", error)
        problems.append("the network cannot be used: %s" % error)
        return None
    return service


def _server(config):
    server = MicropAsyncWeb(
        port=config["port"],
        webroot=config["webroot"],
        indexFile=config["index"],
        maxConnections=config["maxConnections"],
    )
    server.log = _server_log
    server.error = _answer_error
    routes.add(server)
    return server


def _server_log(level, text, error):
    if error is not None:
        log.exception(text, error)
    else:
        log.write(log.NAMES.get(level, log.INFO), "%s", text)


async def _answer_error(request):
    """The webroot's 404.html for a browser that looked for a page; a line of text for all other errors."""
    if request.error[0] == 404:
        webroot = device.config["server"]["webroot"]
        try:
            os.stat(webroot)
        except OSError:
            return await Response.send(request, _NO_PAGES % webroot, "text/plain; charset=utf-8", 404)
        if "text/html" in request.header.get("accept", ""):
            try:
                with open(webroot + "/404.html", "rb") as file:
                    page = file.read()
            except OSError:
                pass
            else:
                return await Response.send(request, page, "text/html; charset=utf-8", 404)
    await Response.error(request, *request.error)


def _services(config):
    """The (name, coroutine function) of each task on the server's loop."""
    from . import clock, portal, selftest

    services = [("server", device.server.runAsync), ("self-test", selftest.run)]
    if bootjson.source == "trial":
        services.append(("settings", bootjson.watch))
    if network_service:
        services.append(("network", network_service.run))
        services.append(("portal", lambda: portal.run(network_service)))
    services.append(("clock", clock.run))
    if config["log"]["syslog"]:
        from . import syslog

        services.append(("syslog", syslog.run))
    try:
        from . import improv
    except ImportError:
        pass  # another firmware, without the C module improvserial
    else:
        services.append(("improv", improv.run))
    if machine.reset_cause() == machine.PWRON_RESET:
        from . import factory

        services.append(("button", factory.watch))
    state = slots.describe()["state"]
    if state == "pending":
        log.warning("this firmware is on trial: a reset before it can be reached brings the one before back")
    elif state == "rolled back":
        log.warning("the last update was given up: this is the firmware before it")
    return services


def _start_webrepl(config):
    global webrepl_port
    webrepl_port = 0
    if not (config["enabled"] and config["password"]):
        return
    try:
        import webrepl

        webrepl.start(port=config["port"], password=config["password"])
        webrepl_port = config["port"]
    except Exception as error:
        log.exception("WebREPL", error)
        problems.append("WebREPL does not start: %s" % error)


def _import_app():
    """The user's app.py, on the main thread; one that fails does not stop the board, and Ctrl-C ends it."""
    recovery.at("app.py")
    try:
        os.stat("/app.py")
    except OSError:
        return
    if not recovery.allows_user_code():
        return
    kbd_intr(_CTRL_C)  # _boot runs without
    try:
        try:
            __import__("app")
        finally:
            kbd_intr(-1)
    except SystemExit:
        log.info("app.py: ended by sys.exit()")
    except KeyboardInterrupt:
        kbd_intr(-1)
        _problem("app.py was ended by Ctrl-C")
    except Exception as error:
        log.exception("app.py", error)
        problems.append("app.py failed: %s: %s" % (type(error).__name__, error))
        sys.print_exception(error)


def _wait_for_network():
    deadline = time.ticks_add(time.ticks_ms(), _NETWORK_WAIT_MS)
    while network_service and not network_service.settled:
        if time.ticks_diff(deadline, time.ticks_ms()) <= 0:
            return
        time.sleep_ms(20)


def _summary():
    """What a person at the console wants to know first, with the warnings that were not shown yet."""
    global _shown
    address = network_service.address() if network_service else ""
    print("microAsyncWeb %s on %s" % (VERSION, hostname))
    if address:
        print("  page     " + page_url(address, device.config["server"]["port"]))
        if webrepl_port:
            print("  WebREPL  ws://%s:%d/" % (address, webrepl_port))
    elif network_service and network_service.state == "connecting":
        print("  network  still connecting to " + network_service.ssid)
    if network_service and network_service.ap_ssid:
        print("  access point %s, password %s" % (network_service.ap_ssid, network_service.ap_password()))
        print("  setup    http://%s/setup" % network_service.ap_address())
    for _stamp, severity, text in log.records(log.WARNING, _shown):
        print("  %s: %s" % (log.name(severity), text))
    _shown = log.count


def page_url(address, port):
    """http://address/ with the port unless it is 80."""
    return "http://%s/" % address if port == 80 else "http://%s:%d/" % (address, port)


def _problem(text):
    problems.append(text)
    log.warning(text)
