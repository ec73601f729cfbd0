"""The administrator's page: what it shows, what its forms do, with and without JavaScript."""

import base64
import json
import re
import shutil
import subprocess
import time

import pytest
from playwright.sync_api import expect

from firmware.filesystem import BLOCK_SIZE
from firmware.partitions import default_table
from tests.boards import ROOT
from tests.hil.test_update import build, settings

from .contrast import CONTRAST

PASSWORD = "desktop"  # of the desktop board's boot.json
PHONE = {"width": 360, "height": 740}
LOGIN = {"username": "admin", "password": PASSWORD}


@pytest.fixture
def admin(board, request):
    """A board with PASSWORD."""
    if request.config.getoption("--board") == "desktop":
        yield board
        return
    with settings(board, admin={"password": PASSWORD}):
        yield board


def login():
    return {"Authorization": "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()}


def until_boots(board, boots):
    """Wait until the board has started that many times and answers."""
    deadline = time.monotonic() + 30 * board.factor
    while board.control("info")["boots"] < boots:
        assert time.monotonic() < deadline, "it does not start anew"
        time.sleep(0.05)
    board.wait_http()


def editor(tab):
    """The settings as /admin shows them for editing; returns the locator and what it holds."""
    tab.open("/admin")
    text = tab.page.get_by_label("boot.json")
    expect(text).to_be_visible()
    return text, json.loads(text.input_value())


def post(board, path, body, **headers):
    """(status, header fields, body) of a form that is posted."""
    fields = {**login(), "Content-Type": "application/x-www-form-urlencoded", **headers}
    return board.request("POST", path, body.encode(), fields)


def test_without_a_password_it_says_how_to_set_one(board, visit):
    with settings(board, admin={}):
        tab = visit()
        assert tab.open("/admin").status == 403
        expect(tab.page.get_by_text("admin.password")).to_be_visible()
        expect(tab.page.get_by_text("opens its own Wi-Fi").first).to_be_visible()
        # All that asks for it says the same to a browser.
        assert tab.open("/setup").status == tab.open("/repair").status == 403
        expect(tab.page.get_by_role("heading", name="no administrator's password")).to_be_visible()


@pytest.mark.needs("control")
def test_the_way_it_names_at_the_prompt_sets_a_password(board, visit):
    with settings(board, admin={}):
        tab = visit()
        tab.open("/admin")
        program = tab.page.locator("pre").inner_text()
        boots = board.control("info")["boots"]
        with board.console() as console:
            console.prompt()
            for line in program.splitlines():
                console.write(line.encode() + b"\r")
        until_boots(board, boots + 1)
        proof = base64.b64encode(b"admin:battery staple").decode()
        assert board.get("/admin", Authorization="Basic " + proof)[0] == 200


def test_a_wrong_password_is_a_page(admin, visit):
    tab = visit(http_credentials={**LOGIN, "password": "guess"})
    assert tab.open("/admin").status == 401
    expect(tab.page.get_by_role("alert")).to_contain_text("name is admin")


def test_what_it_shows(admin, visit):
    answer, headers, _ = admin.get("/admin")
    assert answer == 401 and headers["WWW-Authenticate"].startswith("Basic ")
    status = json.loads(admin.get("/api/status")[2])
    tab = visit(http_credentials=LOGIN)
    answer = tab.open("/admin")
    assert answer.status == 200
    assert answer.header_value("Cache-Control") == "no-store"
    assert tab.errors == []
    assert tab.hosts == {"{}:{}".format(*admin.http)}
    texts = [status[name] for name in ("hostname", "address", "firmware", "machine", "resetCause")]
    for text in (*texts, status["network"]["mac"]):
        expect(tab.page.get_by_text(text).first).to_be_visible()
    for name in ("Start page", "Log", "Wi-Fi setup", "Status as JSON"):
        expect(tab.page.get_by_role("link", name=name)).to_be_visible()
    expect(tab.page.get_by_text("on trial")).to_have_count(0)
    page = tab.page
    assert page.evaluate("document.compatMode") == "CSS1Compat"
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.get_by_role("main").count() == page.get_by_role("banner").count() == 1
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1 and set(levels[1:]) == {2}
    # Everything that takes an input has a name that is read aloud.
    nameless = page.evaluate(
        "[...document.querySelectorAll('input,textarea')].filter(e => !e.labels.length).map(e => e.outerHTML)"
    )
    assert nameless == []
    assert page.evaluate("new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size") == page.evaluate(
        "document.querySelectorAll('[id]').length"
    )


def test_is_legible_in_light_and_dark_and_fits_a_phone(admin, visit):
    for scheme in ("light", "dark"):
        tab = visit(http_credentials=LOGIN, color_scheme=scheme)
        tab.open("/admin?word")
        texts = tab.page.evaluate(CONTRAST)
        assert len(texts) > 20
        assert [text for text in texts if text["ratio"] < 4.5] == []
    tab = visit(http_credentials=LOGIN, viewport=PHONE, device_scale_factor=3, is_mobile=True, has_touch=True)
    tab.open("/admin")
    assert tab.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    small = tab.page.evaluate(
        "[...document.querySelectorAll('button')].filter(e => e.checkVisibility() && e.offsetHeight < 44).length"
    )
    assert small == 0


@pytest.mark.needs("control")
def test_settings_on_trial_can_be_kept(admin, visit):
    boots = admin.control("info")["boots"]
    status, _, answer = admin.request("PATCH", "/api/settings", b'{"hostname": "shed"}', login())
    assert status == 202, answer
    until_boots(admin, boots + 1)
    tab = visit(http_credentials=LOGIN, java_script_enabled=False)
    tab.open("/admin")
    expect(tab.page.get_by_role("heading", name="The settings are on trial")).to_be_visible()
    assert 0 < int(tab.page.locator("form b").inner_text()) <= 60
    tab.page.get_by_role("button", name="Keep these settings").click()
    expect(tab.page.get_by_role("heading", name="The settings are on trial")).to_have_count(0)
    assert json.loads(admin.get("/api/status")[2])["settings"] == {"source": "boot.json", "trial": None}


@pytest.mark.needs("control")
def test_settings_are_edited_in_the_browser(admin, visit):
    """Refused, then on trial over a restart, kept, and saved at once."""
    boots = admin.control("info")["boots"]
    tab = visit(http_credentials=LOGIN)
    text, raw = editor(tab)
    assert raw["admin"]["password"] is True
    save, said = tab.page.get_by_role("button", name="Save"), tab.page.locator("#forsettings")
    text.fill('{"hostname": "my shed"}')
    save.click()
    expect(said).to_contain_text('hostname is "my shed"')
    text.fill("{")
    save.click()
    expect(said).to_contain_text("the body is")
    assert admin.control("info")["boots"] == boots

    text.fill(json.dumps({**raw, "hostname": "shed"}))
    save.click()
    # The page comes back by itself when the board has restarted.
    left = tab.page.locator("#left")
    expect(left).to_be_visible()
    until_boots(admin, boots + 1)
    expect(left).not_to_have_text(left.inner_text())
    tab.page.get_by_role("button", name="Keep these settings").click()
    expect(left).to_have_count(0)
    text, raw = editor(tab)
    assert raw["hostname"] == "shed"

    text.fill(json.dumps({**raw, "log": {"level": "debug"}}))
    save.click()
    expect(said).to_have_text("Saved.")
    text.fill(json.dumps({**raw, "watchdog": 0}))
    save.click()
    expect(said).to_have_text("Saved, in force after a restart.")
    assert admin.control("info")["boots"] == boots + 1
    with admin.raw_repl() as repl:
        saved = json.loads(bytes(repl.fs_readfile("/boot.json")))
    assert (saved["watchdog"], saved["admin"]["password"]) == (0, PASSWORD)


@pytest.mark.needs("control")
def test_settings_that_nobody_keeps(admin, visit):
    """The page counts the seconds down, and comes back with the settings before."""
    boots = admin.control("info")["boots"]
    assert admin.request("PATCH", "/api/settings", b'{"hostname": "shed"}', login())[0] == 202
    until_boots(admin, boots + 1)
    admin.skip(50)
    tab = visit(http_credentials=LOGIN)
    tab.open("/admin")
    expect(tab.page.get_by_role("heading", name="The settings are on trial")).to_have_count(1)
    until_boots(admin, boots + 2)
    expect(tab.page.get_by_role("heading", name="The settings are on trial")).to_have_count(0)
    expect(tab.page.get_by_role("heading", name="Administration")).to_be_visible()


def test_the_log_on_a_phone(admin, visit):
    """No word of a line's head is broken, the text is below it; on a wide screen all have their columns."""
    admin.exec("from device import log\nlog.error('%s', 'wire ' * 30)")
    heads = "[...document.querySelectorAll('td:not(:nth-child(3))')].map(e => e.offsetHeight)"
    lefts = "[...new Set([...document.querySelectorAll('td:nth-child(3)')].map(e => e.offsetLeft))]"
    phone = visit(http_credentials=LOGIN, viewport=PHONE, device_scale_factor=3, is_mobile=True)
    phone.open("/logs")
    assert phone.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert max(phone.page.evaluate(heads)) < 30
    wide = visit(http_credentials=LOGIN, color_scheme="dark")
    wide.open("/logs")
    assert len(wide.page.evaluate(lefts)) == 1
    assert [text for text in wide.page.evaluate(CONTRAST) if text["ratio"] < 4.5] == []
    assert wide.errors == []


@pytest.mark.needs("control")
def test_factory_reset(admin, visit):
    boots = admin.control("info")["boots"]
    tab = visit(http_credentials=LOGIN)
    tab.open("/admin")
    tab.page.get_by_label("Type RESET").fill("reset ")
    tab.page.get_by_role("button", name="Factory reset").click()
    expect(tab.page.get_by_role("heading", name="Everything is forgotten")).to_be_visible()
    expect(tab.page.get_by_text("Join its own Wi-Fi of that name")).to_be_visible()
    name = tab.page.locator("b").inner_text()
    until_boots(admin, boots + 1)
    assert json.loads(admin.get("/api/status")[2])["network"]["accessPoint"] == name
    with admin.raw_repl() as repl:
        assert not repl.fs_exists("/boot.json")
        assert repl.fs_exists("/webroot/index.html")


def test_nothing_happens_without_the_word(admin, visit):
    tab = visit(http_credentials=LOGIN, java_script_enabled=False)
    tab.open("/admin")
    tab.page.get_by_label("Type RESET").fill("yes")
    tab.page.get_by_role("button", name="Factory reset").click()
    expect(tab.page.get_by_role("alert")).to_contain_text("Nothing was erased")
    assert admin.get("/health")[0] == 200


@pytest.mark.needs("control")
@pytest.mark.parametrize("javascript", [True, False], ids=["JavaScript", "no JavaScript"])
def test_restart(admin, visit, javascript):
    before = admin.control("info")["boots"]
    tab = visit(http_credentials=LOGIN, java_script_enabled=javascript)
    tab.open("/admin")
    tab.page.get_by_role("button", name="Restart").click()
    expect(tab.page.get_by_role("heading", name="The board restarts")).to_be_visible()
    if javascript:
        # It waits for the board by itself.
        expect(tab.page.get_by_role("heading", name="Administration")).to_be_visible()
    else:
        assert tab.page.locator('noscript meta[http-equiv="refresh"]').count() == 1
    until_boots(admin, before + 1)


@pytest.mark.needs("control")
def test_restart_by_a_program(admin):
    before = admin.control("info")["boots"]
    status, _, body = admin.request("POST", "/api/restart", b"", login())
    assert (status, json.loads(body)) == (202, {"restarting": True})
    until_boots(admin, before + 1)


@pytest.mark.needs("control")
@pytest.mark.parametrize("path", ["/admin", "/api/restart"])
def test_other_sites_cannot_press_its_buttons(admin, path):
    boots = admin.control("info")["boots"]
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert post(admin, path, "do=restart", **headers)[0] == 403
    assert admin.get("/health")[0] == 200
    assert admin.control("info")["boots"] == boots


def test_forms_that_change_nothing(admin):
    for form, place in (("do=confirm", "trial"), ("do=reset&word=no", "word"), ("do=dance", "word"), ("", "word")):
        status, headers, _ = post(admin, "/admin", form)
        assert (status, headers["Location"]) == (303, "/admin?" + place)
        status, _, page = admin.request("GET", "/admin?" + place, headers=login())
        assert status == 200 and b'role="alert"' in page


@pytest.mark.needs("control")
def test_update_with_a_browser(admin, visit, tmp_path):
    tab = visit(http_credentials=LOGIN)
    tab.open("/admin")
    button = tab.page.get_by_role("button", name="Update")
    button.click()
    expect(tab.page.locator("#forupdate")).to_have_text("Choose a file first.")
    (tmp_path / "notes.bin").write_bytes(b"no image" * 100)
    tab.page.get_by_label("New firmware").set_input_files(tmp_path / "notes.bin")
    button.click()
    expect(tab.page.locator("#forupdate")).to_contain_text("this is no application image")
    (tmp_path / "app.bin").write_bytes(build("8.8.8"))
    tab.page.get_by_label("New firmware").set_input_files(tmp_path / "app.bin")
    button.click()
    expect(tab.page.locator("#forupdate")).to_have_text("The board restarts to try it out.")
    # The page is loaded anew when the board is back.
    expect(tab.page.get_by_text(re.compile(r"8\.8\.8, "))).to_be_visible()


@pytest.mark.needs("control")
def test_the_commands_of_the_guide(admin, tmp_path):
    """All commands of docs/admin.md, one after the other, by curl itself."""
    if not shutil.which("curl"):
        pytest.fail("curl is not installed: apt-get install curl", pytrace=False)
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "admin.md").read_text("utf-8"), re.S)
    commands = [line for block in blocks for line in block.splitlines()]
    (tmp_path / "index.html").write_text("<h1>Mine</h1>")
    (tmp_path / "notes.txt").write_text("rain")
    boots = admin.control("info")["boots"]
    said = []
    for command in commands:
        program, *words = command.replace("ADDRESS", "{}:{}".format(*admin.http)).split()
        words[words.index("admin")] = "admin:" + PASSWORD
        done = subprocess.run([program, "-fsS", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, command + done.stderr
        said.append(done.stdout)
    assert "index.html" in {entry["name"] for entry in json.loads(said[0])["entries"]}
    assert json.loads(said[1]) == {"path": "/webroot/index.html", "size": 13}
    assert (tmp_path / "copy.txt").read_text() == "rain"
    assert json.loads(said[-1]) == {"restarting": True}
    until_boots(admin, boots + 1)
    assert admin.get("/")[2] == b"<h1>Mine</h1>"
    assert admin.get("/api/files/garden")[0] == 401
    assert admin.request("GET", "/api/files/garden", headers=login())[0] == 200


@pytest.mark.needs("control")
def test_a_board_that_has_lost_its_files(start_board):
    """The page is still there, with the password that NVS has kept, and leads to the repair."""
    board = start_board()
    board.wait_http()
    board.skip(20)
    board.close()
    vfs = default_table()["vfs"]
    with open(board.flash, "r+b") as flash:
        flash.seek(vfs.offset)
        flash.write(bytes(2 * BLOCK_SIZE))
    board = start_board()
    board.wait_http()
    assert board.get("/admin")[0] == 401
    status, _, page = board.request("GET", "/admin", headers=login())
    assert status == 200
    assert b"The filesystem is damaged" in page and b'href="/repair"' in page
    for method in ("GET", "PUT", "DELETE"):
        status, _, text = board.request(method, "/api/files/webroot/index.html", b"x", login())
        assert status == 503 and b"no filesystem" in text
