"""The clock, the log and syslog on a whole desktop board, with the servers of its simulated network."""

import base64
import email.utils
import json
import re
import socket
import time
from datetime import datetime

import pytest

from ports.unix.supervisor import State
from tests.unit.device.test_syslog import MESSAGE

STAMP = re.compile(r"^(before  )?(?:\d{4}-\d\d-\d\d |\+)\d\d:\d\d:\d\d (\w+) +(.*)$")
PASSWORD = {"Authorization": "Basic " + base64.b64encode(b"admin:desktop").decode()}


def settings(**changes):
    """A boot.json like that of the desktop board, without a password and with these sections."""
    base = {"hostname": "shed", "wifi": {"networks": [{"ssid": "home", "password": "correct horse"}]}}
    return json.dumps({**base, "server": {"port": 8080}, "time": {"ntp": ""}, **changes}).encode()


@pytest.fixture
def start(start_board):
    """Start a board with settings of one's own in a network that is set by the control verb net.

    With power=True it comes from power-on, so that its clock is not set, else from a reset.
    """

    def start(net=None, power=False, **changes):
        board = start_board()
        board.wait_http()
        board.control("net", **(net or {}))
        board.write_file("/boot.json", settings(**changes))
        if power:
            switch_off_and_on(board)
        else:
            board.hard_reset()
            board.wait_http()
        return board

    return start


def switch_off_and_on(board):
    board.control("power", on=False)
    board.control("wait", **{"for": State.OFF.value})
    board.control("power", on=True)
    board.wait_http()


def clock(board):
    """What /api/status says about the time."""
    return json.loads(board.get("/api/status")[2])["time"]


def date(board, path="/health"):
    """The Date of an answer in seconds, None if it has none."""
    value = board.get(path)[1]["Date"]
    return None if value is None else email.utils.parsedate_to_datetime(value).timestamp()


def synced(board):
    return clock(board)["synced"]


def test_no_date_before_the_clock_is_right(start):
    board = start({"ntp": "silent"}, True, time={"ntp": "pool.ntp.org"})
    board.until(lambda: any("no time by NTP" in text for text in texts(board)), within=60)
    assert clock(board) == {"utc": "", "synced": False, "server": ""}
    for path in ("/", "/health", "/nothing", "/style.css"):
        assert date(board, path) is None
        assert board.get(path)[1]["Last-Modified"] is None

    board.control("net", ntp="ok")
    board.until(lambda: synced(board), within=120)
    for path in ("/", "/health", "/nothing", "/style.css"):
        # The board's time, which was skipped, is ahead of the computer's.
        assert time.time() - 5 < date(board, path) < time.time() + 300
    assert clock(board)["server"] == "pool.ntp.org"
    board.write_file("/webroot/new.txt", b"new")
    headers = board.get("/new.txt")[1]
    moment = email.utils.parsedate_to_datetime(headers["Last-Modified"]).timestamp()
    assert date(board) - 300 <= moment <= date(board)  # files have the computer's time
    assert board.get("/new.txt", If_Modified_Since=headers["Last-Modified"])[0] == 304
    assert board.get("/style.css")[1]["Last-Modified"] is None  # was in the image

    board.control("net", ntp="silent")
    board.hard_reset()
    assert time.time() - 5 < date(board) < time.time() + 300
    assert clock(board)["server"] == ""
    switch_off_and_on(board)
    assert date(board) is None
    assert board.get("/new.txt")[1]["Last-Modified"] is None


def test_the_next_server_is_asked_when_one_is_of_no_use(start):
    names = {f"{name}.example": f"192.0.2.{number}" for number, name in enumerate(["kiss", "wrong", "good"], 1)}
    servers = ["gone.example", *names]
    ntp = {"192.0.2.1": "kiss of death", "192.0.2.2": "unsynchronized", "192.0.2.3": "ok"}
    board = start({"names": names, "ntp": ntp}, True, time={"ntp": servers})
    board.until(lambda: synced(board), within=60)
    asked = board.control("net")["asked"]
    assert [name for name in asked["dns"] if name in servers] == servers
    assert asked["ntp"][-3:] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert clock(board)["server"] == "good.example"
    # The next time it is asked first. Now it is silent, and the first one is well.
    board.control("net", ntp={**ntp, "192.0.2.1": "ok", "192.0.2.3": "silent"})
    board.exec("import machine\nmachine.RTC().datetime((2030, 1, 1, 0, 12, 0, 0, 0))")
    board.until(lambda: clock(board)["server"] == "kiss.example", within=60)
    assert board.control("net")["asked"]["ntp"][3:] == ["192.0.2.3", "192.0.2.1"]


def test_dns_that_does_not_answer_holds_nobody_up(start):
    board = start({"dns": "silent"}, True, time={"ntp": "pool.ntp.org"})
    slowest = 0
    deadline = time.monotonic() + 20
    while not any("no answer from the DNS server" in text for text in texts(board)):
        begin = time.monotonic()
        assert board.get("/health")[0] == 200
        slowest = max(slowest, time.monotonic() - begin)
        assert begin < deadline
    assert slowest < 2
    board.control("net", dns="ok")
    board.until(lambda: synced(board), within=60)


def test_nobody_is_asked_when_it_is_off(start):
    board = start({}, True, time={"ntp": ""})
    before = board.control("net")["asked"]
    board.skip(60)
    assert board.control("net")["asked"] == before
    assert (synced(board), date(board)) == (False, None)


def test_a_clock_set_by_hand_is_set_right(start):
    board = start({}, True, time={"ntp": "pool.ntp.org"})
    board.until(lambda: synced(board), within=60)
    board.exec("import machine\nmachine.RTC().datetime((2030, 1, 1, 0, 12, 0, 0, 0))")
    board.until(lambda: "the clock was set by somebody else" in " ".join(texts(board)), within=20)
    board.until(lambda: synced(board), within=60)
    assert time.time() - 5 < date(board) < time.time() + 300


HANG = """
import time
from device import server
@server.route("/hang")
async def hang(request):
    time.sleep(10000)
"""


def lines(board):
    """What log.show() prints: (kept from before, level, text)."""
    shown = board.exec("import device\ndevice.log.show()").splitlines()
    return [(bool(found[1]), found[2], found[3]) for found in map(STAMP.match, shown)]


def texts(board, part="lines"):
    """The texts that /api/log gives; part: "before" for those that were kept."""
    return [line["text"] for line in json.loads(board.get("/api/log")[2])[part]]


def test_the_log_outlives_resets_but_not_power_off(start):
    board = start()
    board.exec("import device\ndevice.log.error('the pump is stuck')")
    board.soft_reset()
    shown = lines(board)
    assert (True, "error", "the pump is stuck") in shown
    assert next(line for line in shown if not line[0]) == (False, "info", "started: soft reset")

    board.exec("import device\ndevice.log.warning('just before the crash')")
    board.control("crash")
    board.until(lambda: "just before the crash" in texts(board, "before"), within=30)
    assert "the pump is stuck" in texts(board, "before")
    assert texts(board)[0] == "started: reset"

    with board.console() as console:
        console.prompt()
    board.exec(HANG + "import device\ndevice.log.warning('just before it hangs')")
    with socket.create_connection(board.http) as client:
        client.send(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        board.skip(45)
        board.until(lambda: texts(board)[0] == "started: watchdog", within=60)
    assert {"just before the crash", "just before it hangs"} <= set(texts(board, "before"))

    switch_off_and_on(board)
    assert texts(board, "before") == []
    assert texts(board)[0] == "started: power on"


def test_follow_prints_until_ctrl_c(start):
    board = start()
    with board.console() as console:
        console.prompt()
        console.write(b"import device; device.log.follow()\r")
        console.read_until(b"started: reset\r\n")
        board.get("/api/log")
        console.write(b"\x03")
        console.read_until(b">>> ")


def test_api_and_page_show_it(start):
    board = start()
    board.exec("import device\ndevice.log.warning('<b>&\"')\ndevice.log.info('gr\\u00fcn')")
    status, headers, body = board.get("/api/log")
    answer = json.loads(body)
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "application/json", "no-store")
    assert answer["started"] == "reset"
    assert answer["before"][0]["text"] == "started: power on"
    assert answer["lines"][0] == {"time": answer["lines"][0]["time"], "level": "info", "text": "started: reset"}
    assert [line["text"] for line in answer["lines"]][-2:] == ['<b>&"', "grün"]

    again = json.loads(board.get(f"/api/log?since={answer['next']}")[2])
    assert (again["before"], again["lines"]) == ([], [])
    board.exec("import device\ndevice.log.error('new')")
    again = json.loads(board.get(f"/api/log?since={answer['next']}")[2])
    assert [(line["level"], line["text"]) for line in again["lines"]] == [("error", "new")]
    only = json.loads(board.get("/api/log?level=warning")[2])["lines"]
    assert [line["level"] for line in only] == ["warning", "error"]
    assert board.get("/api/log?level=loud")[0] == board.get("/api/log?since=x")[0] == 400

    status, _, body = board.get("/logs")
    page = body.decode()
    assert status == 200
    assert "&lt;b&gt;&amp;&quot;" in page and "<b>&" not in page
    assert page.index("new") < page.index("grün") < page.index("Before that")
    assert '<meta http-equiv="refresh" content="5">' in page
    assert "grün" not in board.get("/logs?level=warning")[2].decode()


def test_only_the_administrator_reads_it_where_there_is_one(start):
    board = start(admin={"password": "desktop"})
    for path in ("/api/log", "/logs"):
        assert board.get(path)[0] == 401
        assert board.request("GET", path, headers=PASSWORD)[0] == 200


def test_syslog(start):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        port = server.getsockname()[1]
        net = {"names": {"logs.example": "192.0.2.9"}, "forward": {"514/udp": port}}
        board = start(net, log={"syslog": "logs.example"}, time={"ntp": "pool.ntp.org"})
        board.until(lambda: synced(board), within=60)
        board.exec("import device\ndevice.log.warning('tr\\u00fcb')")
        messages = []
        while not messages or not messages[-1]["text"].endswith(b"b"):
            messages.append(MESSAGE.fullmatch(server.recv(2048)))
        assert {message["host"] for message in messages} == {b"shed"}
        kept = [message["text"] for message in messages if message["id"] == b"before"]
        assert kept[0] == b"started: power on"
        assert [message["id"] for message in messages] == [b"before"] * len(kept) + [b"-"] * (len(messages) - len(kept))
        fresh = [(message["pri"], message["text"]) for message in messages[len(kept) :]]
        assert fresh[0] == (b"30", b"started: reset")
        assert fresh[-1] == (b"28", b"\xef\xbb\xbftr\xc3\xbcb")
        assert messages[0]["time"] == b"-"  # of when the clock was not set
        moment = datetime.fromisoformat(messages[-1]["time"].decode().replace("Z", "+00:00")).timestamp()
        assert time.time() - 60 < moment < time.time() + 60


def test_syslog_to_nobody_harms_nothing(start):
    board = start(log={"syslog": "nowhere.example"})
    problem = "syslog to nowhere.example: the DNS server 127.0.0.1 knows no address of it"
    board.until(lambda: problem in texts(board), within=60)
    board.skip(60)
    assert texts(board).count(problem) == 1
    assert board.get("/health")[0] == 200
