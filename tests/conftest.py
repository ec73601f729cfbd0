"""The board that the hardware-in-loop and the web tests run on: its options and fixtures."""

import pytest

from tests import capabilities
from tests.boards import DesktopBoard, SerialBoard, build_flash
from tests.capabilities import parse_endpoint

DESELECTED = pytest.StashKey[list]()  # (id of a test, capabilities that it misses)


def pytest_addoption(parser):
    group = parser.getgroup("board", "the board that the hardware-in-loop and the web tests run on")
    group.addoption(
        "--board",
        default="desktop",
        help="'desktop' (default), a serial port, socket://host:port (an emulator) or rfc2217://host:port",
    )
    group.addoption("--address", help="host[:port] of the board's web server (default port 80)")
    group.addoption("--webrepl", help="host[:port] of its WebREPL (default port 8266)")
    group.addoption("--webrepl-password", default="", help="its WebREPL password (that of its boot.json)")
    group.addoption("--slow", type=float, help="factor for every time-out (desktop: 1, others: 4)")
    group.addoption("--capability", action="append", default=[], metavar="NAME", help="the board has this, too")
    group.addoption("--without", action="append", default=[], metavar="NAME", help="the board does not have this")


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*capabilities): what the board must have beyond console and web server")
    option = config.getoption
    try:
        _capabilities(config)
        for name in ("--address", "--webrepl"):
            parse_endpoint(option(name) or "localhost", 80)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    if option("--board") != "desktop" and not option("--address"):
        raise pytest.UsageError("--address host[:port] has to say where the board's web server is")
    if option("--slow") is not None and not option("--slow") > 0:
        raise pytest.UsageError("--slow is a factor greater than 0")


def _capabilities(config):
    option = config.getoption
    webrepl = bool(option("--webrepl"))
    return capabilities.declared(option("--board"), webrepl, option("--capability"), option("--without"))


def pytest_collection_modifyitems(config, items):
    have = _capabilities(config)
    kept, missing = [], []
    for item in items:
        needs = {name for mark in item.iter_markers("needs") for name in mark.args}
        try:
            capabilities.check(*needs)
        except ValueError as error:
            raise pytest.UsageError(f"{item.nodeid}: {error}") from None
        if needs - have:
            missing.append((item, sorted(needs - have)))
        else:
            kept.append(item)
    config.stash[DESELECTED] = [(item.nodeid, needs) for item, needs in missing]
    if missing:
        config.hook.pytest_deselected(items=[item for item, _ in missing])
        items[:] = kept


def pytest_terminal_summary(terminalreporter, config):
    """Say what a test run on another board than the desktop's leaves out, and why."""
    deselected = config.stash.get(DESELECTED, [])
    if deselected and config.getoption("--board") != "desktop":
        terminalreporter.section("not for this board")
        for name, needs in deselected:
            terminalreporter.line(f"{name} needs {', '.join(needs)}")


@pytest.fixture(scope="session")
def flash_image(tmp_path_factory):
    """A flash image with the firmware as it is in this checkout, not to be written to."""
    return build_flash(tmp_path_factory.mktemp("image") / "flash.bin")


@pytest.fixture
def start_board(request, tmp_path, flash_image):
    """Start desktop boards with options of their own: `start_board("--heap", "200k")`."""
    boards = []

    def start(*options, folder=tmp_path):
        boards.append(DesktopBoard(folder, flash_image, *options))
        slow = request.config.getoption("--slow")
        if slow:
            boards[-1].factor = slow
        return boards[-1]

    yield start
    for board in boards:
        board.close()


@pytest.fixture(scope="session")
def remote_board(request):
    """The board that --board names, if that is not the desktop board: up, but in any state."""
    option = request.config.getoption
    webrepl = option("--webrepl")
    board = SerialBoard(
        option("--board"),
        parse_endpoint(option("--address"), 80),
        parse_endpoint(webrepl, 8266) if webrepl else None,
        option("--webrepl-password"),
        "rts" in _capabilities(request.config),
    )
    board.factor = option("--slow") or board.factor
    board.greet()
    yield board
    board.close()


@pytest.fixture
def board(request):
    """A board that has just started and answers. The desktop board is a new one for each test."""
    if request.config.getoption("--board") == "desktop":
        board = request.getfixturevalue("start_board")()
    else:
        board = request.getfixturevalue("remote_board")
        board.soft_reset()
    board.wait_http()
    return board
