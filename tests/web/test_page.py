"""The board's default page as people meet it: live values, light and dark, phone, keyboard, power cuts."""

import json
import re
import shlex
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from .contrast import CONTRAST

PHONE = {"width": 360, "height": 740}
# As long as they get: 32 bytes of SSID (IEEE 802.11), 32 of host name, what boot.json can be blamed for.
LONG = {
    "hostname": "h" * 32,
    "address": "192.168.100.100",
    "uptime": 400 * 86400 - 1,
    "resetCause": "deep sleep",
    "temperature": 101,
    "machine": "Generic ESP32 module with SPIRAM and OTA with ESP32",
    "problems": ["/boot.json, line 7: wifi.networks[0].password has " + "x" * 63 + " <b>bold</b>"],
    "recovery": {"step": 2, "reason": "the watchdog ended the start before in " + "y" * 40},
    "settings": {"source": "trial", "trial": 60},
    "portal": True,
    "time": {"utc": "2026-09-21T14:13:20Z", "synced": False, "server": "pool.ntp.org"},
    "network": {
        "kind": "wifi",
        "state": "waiting",
        "ssid": "W" * 32,
        "accessPoint": "A" * 32,
        "guests": 4,
        "problem": "the access point is out of reach, beacon timeout",
        "nextAttempt": 300,
        "rssi": -100,
        "lastLoss": {"ssid": "W" * 32, "problem": "beacon timeout", "ago": 99999},
    },
}


def _answer_with(page, **values):
    """Let the page see the board's own status with other `values` in it; a value of None: without that key."""

    def answer(route):
        status = route.fetch().json()
        status.update(values)
        route.fulfill(json={key: value for key, value in status.items() if value is not None})

    page.route("**/api/status", answer)


def test_loads_without_errors_and_only_from_the_board(visit, board):
    tab = visit()
    assert tab.open().status == 200
    tab.live()
    assert tab.errors == []
    assert tab.hosts == {"{}:{}".format(*board.http)}
    assert {path: answer.status for path, answer in tab.answers.items() if answer.status != 200} == {}


def test_arrives_compressed(visit):
    tab = visit()
    tab.open()
    tab.live()
    for path in ("/", "/style.css", "/status.js"):
        assert tab.answers[path].header_value("Content-Encoding") == "gzip", path


def test_shows_this_board(visit, board):
    status = json.loads(board.get("/api/status")[2])
    tab = visit()
    tab.open()
    expect(tab.page.get_by_role("heading", level=1)).to_have_text(status["hostname"])
    expect(tab.page).to_have_title(re.compile(re.escape(status["hostname"])))
    for name in ("address", "resetCause", "firmware", "micropython", "machine"):
        expect(tab.value(name)).to_have_text(status[name])
    network = status["network"]
    expect(tab.value("network.name")).to_have_text(network["ssid"] or network["accessPoint"])


def test_every_value_is_filled_in(visit):
    tab = visit()
    tab.open()
    tab.live()
    for element in tab.page.locator("[data-value]:visible").all():
        text = element.inner_text()
        filled = text not in ("", "–") and "undefined" not in text and "NaN" not in text
        assert filled, element.evaluate("e => e.outerHTML")


def test_values_change_without_reload(visit):
    tab = visit()
    tab.open()
    tab.live()
    tab.page.evaluate("window.notReloaded = true")
    before = tab.value("uptime").inner_text()
    expect(tab.value("uptime")).not_to_have_text(before)
    first = tab.uptime()
    tab.page.wait_for_function(
        "before => document.querySelector('[data-value=uptime]').textContent !== before",
        arg=tab.value("uptime").inner_text(),
    )
    assert tab.uptime() > first
    assert tab.page.evaluate("window.notReloaded") is True


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_legible(visit, scheme):
    tab = visit(color_scheme=scheme, reduced_motion="reduce")
    _answer_with(tab.page, problems=["something to mend"])
    tab.open()
    tab.live()
    background = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    bright = sum(map(int, re.findall(r"\d+", background)[:3])) > 3 * 128
    assert bright == (scheme == "light")
    texts = tab.page.evaluate(CONTRAST)
    assert len(texts) > 20
    # WCAG 2.2, success criterion 1.4.3, level AA.
    assert [text for text in texts if text["ratio"] < 4.5] == []


@pytest.mark.parametrize(
    "path, values", [("/", {}), ("/", LONG), ("/no/such/page", {})], ids=["usual", "long", "missing"]
)
def test_phone_needs_no_horizontal_scrolling(visit, path, values):
    tab = visit(viewport=PHONE, device_scale_factor=3, is_mobile=True, has_touch=True)
    if values:
        _answer_with(tab.page, **values)
    tab.open(path)
    if path == "/":
        tab.live()
    width = tab.page.evaluate("[document.documentElement.scrollWidth, innerWidth, visualViewport.width]")
    assert width == [PHONE["width"]] * 3
    outside = tab.page.evaluate(
        """() => [...document.querySelectorAll('body :not(pre *)')]
            .filter(e => e.getBoundingClientRect().right > innerWidth + .5).map(e => e.outerHTML)"""
    )
    assert outside == []


def test_problems_are_announced_as_text(visit):
    tab = visit()
    _answer_with(tab.page, **LONG)
    tab.open()
    alert = tab.page.get_by_role("alert")
    expect(alert.get_by_role("listitem")).to_have_text(LONG["problems"])
    assert tab.page.locator("b").count() == 0


def test_no_notice_without_a_reason(visit):
    tab = visit()
    _answer_with(tab.page, recovery={"step": 0, "reason": ""}, settings={"source": "boot.json", "trial": None})
    tab.open()
    tab.live()
    for name in ("#trial", "#recovery"):
        expect(tab.page.locator(name)).to_be_hidden()
    expect(tab.value("settings.source")).to_have_text("boot.json")


def test_recovery_and_trial_are_told(visit):
    tab = visit()
    recovery = {"step": 1, "reason": "the server of the start before did not answer"}
    problems = ["recovery: " + recovery["reason"], "log.level is loud"]
    _answer_with(tab.page, recovery=recovery, settings={"source": "trial", "trial": 42}, problems=problems)
    tab.open()
    expect(tab.page.locator("#recovery")).to_contain_text("step 1 of 4: the server of the start before did not answer")
    expect(tab.page.locator("#trial")).to_contain_text("In 42 seconds the board goes back")
    # Not twice.
    expect(tab.page.get_by_role("alert").get_by_role("listitem")).to_have_text(["log.level is loud"])


CONNECTED = {"state": "connected", "ssid": "home", "problem": ""}
LINKS = [
    (CONNECTED, "connected"),
    ({**CONNECTED, "connectedFor": 7200}, "connected for 2\u00a0h"),
    ({"state": "connecting", "ssid": "home"}, "connecting to home"),
    (
        {"state": "waiting", "problem": "wrong password", "nextAttempt": 99},
        "wrong password; next attempt in 99\u00a0s",
    ),
    ({"state": "waiting", "problem": "", "nextAttempt": None}, "waiting"),
    ({"state": "off", "problem": "the driver failed"}, "the driver failed"),
    ({}, "–"),
]


def test_the_link_in_words(visit):
    tab = visit()
    for network, words in LINKS:
        _answer_with(tab.page, network=network)
        tab.open()
        tab.live()
        expect(tab.value("network.state")).to_have_text(words)
        for name in ("network.lastLoss", "network.accessPoint"):
            expect(tab.value(name)).to_be_hidden()
        tab.page.unroute("**/api/status")


def test_access_point_last_loss_and_clock(visit):
    tab = visit()
    network = {
        "accessPoint": "maw-123456",
        "guests": 1,
        "lastLoss": {"ssid": "home", "problem": "no beacon", "ago": 50},
    }
    _answer_with(tab.page, network=network, portal=True, time={"utc": "2026-09-21T14:13:20Z", "synced": True})
    tab.open()
    expect(tab.value("network.accessPoint")).to_have_text("maw-123456, 1 in it, setup is open")
    expect(tab.value("network.lastLoss")).to_have_text("home: no beacon, 50\u00a0s ago")
    expect(tab.value("time")).to_have_text("2026-09-21 14:13 UTC")
    _answer_with(tab.page, time={"utc": "2026-09-21T14:13:20Z", "synced": False})
    expect(tab.value("time")).to_have_text("2026-09-21 14:13 UTC, not confirmed")
    _answer_with(tab.page, time={"utc": "", "synced": False})
    expect(tab.value("time")).to_have_text("not set")


OPTIONAL = "network uptime resetCause connections memory flash firmware update recovery settings time portal watchdog"


def test_a_board_that_says_less(visit):
    tab = visit()
    for missing in [*OPTIONAL.split(), OPTIONAL + " hostname address problems machine micropython"]:
        _answer_with(tab.page, **dict.fromkeys(missing.split()))
        tab.open()
        tab.live()
        text = tab.page.locator("body").inner_text()
        assert "undefined" not in text and "NaN" not in text, missing
        tab.page.unroute("**/api/status")
    assert tab.errors == []


def test_ways_to_the_other_pages(visit):
    tab = visit()
    tab.open()
    ways = tab.page.get_by_role("navigation").get_by_role("link")
    assert [way.get_attribute("href") for way in ways.all()] == ["/admin", "/logs", "/setup"]


def test_no_problems_no_alert(visit):
    tab = visit()
    tab.open()
    tab.live()
    expect(tab.page.get_by_role("alert")).to_have_count(0)


@pytest.mark.needs("power")
def test_says_when_the_board_is_gone_and_recovers(visit, board):
    tab = visit()
    tab.open()
    tab.live()
    tab.page.evaluate("window.notReloaded = true")
    tab.page.wait_for_function("document.querySelector('[data-value=uptime]').textContent !== '0:00:00'")
    link = tab.page.get_by_role("status")
    for _ in range(2):
        board.control("power", on=False)
        expect(link).to_have_text("no answer")
        expect(tab.page.locator("#values")).to_have_class(re.compile(r"\blost\b"))
        board.control("power", on=True)
        expect(link).to_have_text("live")
        expect(tab.page.locator("#values")).not_to_have_class(re.compile(r"\blost\b"))
    expect(tab.value("resetCause")).to_have_text("power on")
    assert tab.page.evaluate("window.notReloaded") is True


def test_a_missing_page_leads_back_to_the_start(visit):
    tab = visit()
    answer = tab.open("/no/such/page.html")
    assert answer.status == 404
    assert answer.header_value("Content-Type").startswith("text/html")
    expect(tab.page.get_by_text("Not here")).to_be_visible()
    assert tab.answers["/style.css"].status == 200
    tab.page.get_by_role("link").click()
    tab.live()


def test_programs_get_a_short_404(board):
    status, headers, body = board.get("/no/such/data.json", Accept="application/json")
    assert (status, headers["Content-Type"], body) == (404, "text/plain", b"404 Not Found")


@pytest.mark.parametrize("path", ["/", "/no/such/page"])
def test_document_structure(visit, path):
    tab = visit()
    tab.open(path)
    page = tab.page
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.title()
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("heading", level=1).count() == 1
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert all(below <= above + 1 for above, below in zip([0, *levels], levels, strict=False)), levels
    assert page.locator("img:not([alt])").count() == 0
    if path == "/":
        assert page.get_by_role("banner").count() == page.get_by_role("contentinfo").count() == 1
        assert page.get_by_role("status").count() == 1
        assert page.get_by_role("region").count() == page.locator("section").count()


def test_keyboard_reaches_everything_and_shows_where_it_is(visit):
    tab = visit()
    tab.open()
    tab.live()
    stops = tab.page.locator("a:visible, pre[tabindex]").count()
    assert stops > 3
    for _ in range(stops):
        tab.page.keyboard.press("Tab")
        tag, style = tab.page.evaluate(
            "[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert (tag in ("A", "PRE"), style) == (True, "solid")


def test_without_javascript_it_says_where_the_values_are(visit):
    tab = visit(java_script_enabled=False)
    tab.open()
    tab.page.get_by_role("link", name="/api/status").first.click()
    assert "hostname" in tab.page.content()


@pytest.mark.needs("control")  # a real board would keep the changed page
def test_the_command_that_the_page_proposes_changes_it(visit, board, tmp_path):
    tab = visit()
    tab.open()
    program, *arguments = shlex.split(tab.page.locator("pre", has_text="index.html").inner_text())
    command = [sys.executable, "-m", program, "connect", board.device, *arguments]
    page = board.read_file("/webroot/index.html")
    for text in (b"The first change", b"And another change"):
        (tmp_path / "index.html").write_bytes(page.replace(b"This page lies", text))
        subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
        board.wait_http()
        tab.page.reload()
        expect(tab.page.get_by_text(text.decode())).to_be_visible()


def test_the_route_that_the_page_proposes_works(visit, board):
    tab = visit()
    tab.open()
    program = tab.page.locator("pre", has_text="server.route").inner_text()
    board.exec(program)
    assert json.loads(board.get("/hello/world")[2]) == {"hello": "world"}
