"""The setup page in a phone's browser, with JavaScript and without: from the access point into a network."""

import json

import pytest
from playwright.sync_api import expect

from .contrast import CONTRAST

pytestmark = pytest.mark.needs("control")

PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
PASSWORD = "secret of the lab"
AIR = [
    {"ssid": "lab", "password": PASSWORD, "rssi": -50},
    {"ssid": "W" * 32, "rssi": -70},
    {"ssid": "neighbour <b>", "password": "not yours", "rssi": -83},
]


@pytest.fixture
def board(start_board, tmp_path):
    """A board that finds none of its networks."""
    air = tmp_path / "air.json"
    air.write_text(json.dumps(AIR))
    board = start_board("--air", str(air))
    board.wait_http()
    board.until(lambda: _status(board)["portal"], within=60)
    return board


def _status(board):
    return json.loads(board.get("/api/status")[2])


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without"])
def tab(request, visit, board):
    """A phone's browser that was led to the setup page: as by the portal's DNS, the board is behind every name."""
    board_as_proxy = {"server": "http://{}:{}".format(*board.http)}
    tab = visit(java_script_enabled=request.param, proxy=board_as_proxy, **PHONE)
    tab.page.goto("http://www.example.com/some/page?x=1")
    assert tab.page.url == "http://192.168.4.1:8080/setup"
    return tab


def test_from_a_wrong_password_into_the_network(tab, board):
    page = tab.page
    page.get_by_label("lab").check()
    page.get_by_label("Password of the network").fill("wrong password")
    page.get_by_label("The board's name").fill("Shed")
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("heading", name="Not connected")).to_be_visible()
    expect(page.get_by_text("wrong password")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_label("lab")).to_be_checked()
    expect(page.get_by_label("The board's name")).to_have_value("Shed")
    expect(page.get_by_label("Password of the network")).to_have_value("")
    page.get_by_label("Password of the network").fill(PASSWORD)
    page.get_by_label("Password of the network").press("Enter")
    expect(page.get_by_role("heading", name="Connected", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="http://shed.local:8080/", exact=True)).to_be_visible()
    assert _status(board)["network"]["ssid"] == "lab"
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_text("You can close this window")).to_be_visible()
    expect(page.get_by_role("link", name="http://shed.local:8080/", exact=True)).to_be_visible()
    assert tab.errors == []
    assert tab.hosts == {"www.example.com", "192.168.4.1:8080"}


def test_a_hidden_network(visit, board):
    tab = visit(java_script_enabled=False, **PHONE)
    tab.open("/setup")
    board.control("air", add={"ssid": "cellar", "password": PASSWORD, "hidden": True})
    page = tab.page
    page.get_by_label("Its name (SSID)").fill("cellar")
    page.get_by_label("Another, or a hidden one").check()
    page.get_by_label("Password of the network").fill(PASSWORD)
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("heading", name="Connected", exact=True)).to_be_visible()


def test_without_wifi(visit):
    tab = visit(**PHONE)
    tab.open("/setup")
    page = tab.page
    page.get_by_role("button", name="Use it without Wi-Fi").click()
    expect(page.get_by_role("heading", name="Without Wi-Fi")).to_be_visible()
    tab.open("/")
    expect(page.get_by_role("heading", name="What next")).to_be_visible()


def test_what_javascript_adds(visit):
    tab = visit(**PHONE)
    tab.open("/setup")
    page = tab.page
    password = page.get_by_label("Password of the network")
    expect(password).to_have_attribute("type", "password")
    page.get_by_label("Show the password").check()
    expect(password).to_have_attribute("type", "text")
    page.get_by_label("The board's name").fill("Green-House")
    expect(page.get_by_text("http://green-house.local:8080/")).to_be_visible()
    other = page.get_by_label("Its name (SSID)")
    page.get_by_label("Another, or a hidden one").check()
    other.fill("x")
    page.get_by_label("lab").check()
    # What was typed there is not sent.
    expect(other).to_be_hidden()
    expect(other).to_be_disabled()
    assert tab.errors == []


def test_looking_again_is_not_what_the_enter_key_does(tab):
    page = tab.page
    page.get_by_label("The board's name").fill("Shed")
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_label("The board's name")).to_have_value("Shed")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_label("The board's name").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Choose a network")


def test_a_phone_that_loses_the_access_point_for_a_while(visit):
    tab = visit(**PHONE)
    tab.open("/setup")
    page = tab.page
    page.get_by_label("lab").check()
    page.get_by_label("Password of the network").fill(PASSWORD)
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("heading", name="Connecting")).to_be_visible()
    page.route("**/setup/result", lambda route: route.abort())
    expect(page.get_by_role("status")).to_contain_text("does not answer at this moment")
    expect(page.get_by_role("heading", name="Connecting")).to_be_visible()
    page.unroute("**/setup/result")
    expect(page.get_by_role("heading", name="Connected", exact=True)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_legible_and_fits_a_phone(visit, scheme):
    tab = visit(color_scheme=scheme, **PHONE)
    tab.open("/setup")
    page = tab.page
    page.get_by_label("Another, or a hidden one").check()  # all there is can be seen
    texts = page.evaluate(CONTRAST)
    assert len(texts) > 10
    # WCAG 2.2, success criterion 1.4.3, level AA.
    assert [text for text in texts if text["ratio"] < 4.5] == []
    assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [PHONE["viewport"]["width"]] * 2
    assert page.evaluate("[...document.querySelectorAll('input:not([type=hidden])')].every(e => e.labels.length)")
    # WCAG 2.2, success criterion 2.5.8: what is to be touched.
    small = """() => [...document.querySelectorAll('button, label:has(input[type=radio]), input:not([type])')]
        .map(e => e.getBoundingClientRect()).filter(box => box.height < 24).length"""
    assert page.evaluate(small) == 0
    assert page.locator("b").count() == 0
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.get_by_role("heading", level=1).count() == page.get_by_role("main").count() == 1


def test_two_passwords_are_one_form_for_password_managers(visit, board):
    """Chromium says in the console what it takes for several forms: a text field between two passwords."""
    board.write_file("/boot.json", b'{"server": {"port": 8080}}')
    board.hard_reset()
    board.wait_http()
    board.until(lambda: _status(board)["portal"], within=60)
    tab = visit(**PHONE)
    said = []
    tab.page.on("console", lambda message: said.append(message.text))
    tab.open("/setup")
    expect(tab.page.get_by_label("Administrator's password")).to_be_visible()
    expect(tab.page.get_by_label("Show the password")).to_have_count(2)
    assert said == []
