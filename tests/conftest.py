"""The board that the hardware-in-loop and the web tests run on: its options and fixtures."""

import pytest

from tests.boards import DesktopBoard, SerialBoard, build_flash


def pytest_addoption(parser):
    group = parser.getgroup("board", "the board that the hardware-in-loop and the web tests run on")
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


def _endpoint(text, port):
    host, _, number = text.partition(":")
    return host, int(number or port)


def _board_class(config):
    return DesktopBoard if config.getoption("--board") == "desktop" else SerialBoard


def pytest_collection_modifyitems(config, items):
    have = set(_board_class(config).capabilities)
    if config.getoption("--board") == "desktop" or config.getoption("--webrepl"):
        have.add("webrepl")
    kept, missing = [], []
    for item in items:
        needs = {name for mark in item.iter_markers("needs") for name in mark.args}
        (missing if needs - have else kept).append(item)
    if missing:
        config.hook.pytest_deselected(items=missing)
        items[:] = kept


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


@pytest.fixture
def board(request):
    """A board that has just started and answers. The desktop board is a new one for each test."""
    option = request.config.getoption
    if option("--board") == "desktop":
        board = request.getfixturevalue("start_board")()
        board.wait_http()
        yield board
        return
    if not option("--address"):
        raise pytest.UsageError("--address host[:port] says where the board's web server is")
    webrepl = option("--webrepl")
    board = SerialBoard(
        option("--board"),
        _endpoint(option("--address"), 80),
        _endpoint(webrepl, 8266) if webrepl else None,
        option("--webrepl-password"),
    )
    if option("--slow"):
        board.factor = option("--slow")
    board.soft_reset()
    board.wait_http()
    yield board
    board.close()
