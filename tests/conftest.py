"""Options of the whole test run: which board the hardware-in-loop tests run on."""


def pytest_addoption(parser):
    group = parser.getgroup("board", "the board that the hardware-in-loop tests run on")
    group.addoption(
        "--board",
        default="desktop",
        help="'desktop' (default), a serial port, or an URL that pyserial opens (socket://…, rfc2217://…)",
    )
    group.addoption("--address", help="host[:port] of the board's web server (default port 80)")
    group.addoption("--webrepl", help="host[:port] of its WebREPL (default port 8266)")
    group.addoption("--webrepl-password", default="", help="its WebREPL password")
    group.addoption("--slow", type=float, help="factor for every time-out (desktop: 1, others: 4)")


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*capabilities): what the board must have beyond console and network")
