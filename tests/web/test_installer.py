"""The web installer in a browser: it loads from its folder alone, and writes a release to a chip's stand-in."""

import functools
import http.server
import json
import re
import threading
from urllib.parse import urljoin

import pytest
from playwright.sync_api import expect

from firmware import npmtools, webinstaller
from firmware.boards import boards
from firmware.errors import FirmwareError

from . import release
from .browser import Visit
from .contrast import CONTRAST
from .serialport import ChipStandIn, as_in_a_browser

PHONE = {"width": 360, "height": 740}
RELEASED = [board for board in boards() if board.release]
FILLED = 0x5A  # what the flash holds before


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The web installer of a fake release of all boards."""
    scratch = tmp_path_factory.mktemp("installer")
    try:
        modules = npmtools.install()
    except FirmwareError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    webinstaller.build(release.write(scratch / "release"), scratch / "site", modules)
    return scratch / "site"


@pytest.fixture(scope="module")
def site(folder):
    """Its address; served as any static host would."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def visit(browser, site):
    """Open a tab on the installer."""
    visits = []

    def start(chip=None, wait=1, **context):
        """`chip` is at the serial port; `wait` are the seconds that it has to answer to Improv when it is written."""
        visits.append(Visit(browser, site, **context))
        if chip:
            chip.plug_into(visits[-1].page)
            visits[-1].page.route("**/manifest*.json", functools.partial(_shorten, wait))
        visits[-1].open("/index.html")
        return visits[-1]

    yield start
    for visit in visits:
        visit.close()


def _shorten(wait, route):
    """A manifest, for a chip that does not answer to Improv."""
    answer = route.fetch()
    route.fulfill(response=answer, json={**answer.json(), "new_install_improv_wait_time": wait})


@pytest.fixture
def chip_of():
    """A chip's stand-in with the flash of a board, all of it in use."""
    chips = []

    def make(board, console=None):
        chips.append(ChipStandIn(board.chip, board.flash_size, FILLED, console))
        return chips[-1]

    yield make
    for chip in chips:
        chip.unplug()


def test_loads_everything_from_its_own_folder(visit, site):
    tab = visit()
    expect(tab.page.get_by_role("button", name="Connect and install")).to_be_visible()
    assert tab.page.evaluate("customElements.get('esp-web-install-button') !== undefined")
    assert tab.page.locator("esp-web-install-button").get_attribute("install-supported") is not None
    assert tab.errors == []
    assert tab.hosts == {site.removeprefix("http://")}
    assert {path: answer.status for path, answer in tab.answers.items() if answer.status != 200} == {}


def test_shows_version_and_boards(visit):
    tab = visit()
    expect(tab.page.get_by_role("banner")).to_contain_text(release.VERSION)
    choices = tab.page.get_by_role("group", name="Which board is it?").get_by_role("radio")
    expect(choices).to_have_count(1 + len(RELEASED))
    for board in RELEASED:
        assert tab.page.get_by_text(f"{board.chip_family}, {board.flash_size >> 20} MB").count() > 0


@pytest.mark.parametrize("name", ["manifest.json", "manifest-update.json"])
def test_manifests_name_files_that_are_there_at_the_offsets_of_the_table(visit, folder, name):
    """As the page's scripts load them: every choice's manifest, and every part that it names."""
    tab = visit()
    by_label = {board.label: board for board in RELEASED}
    seen = set()
    for value in tab.page.evaluate("[...document.getElementsByName('board')].map((choice) => choice.value)"):
        manifest = tab.page.request.get(urljoin(tab.url, value + name)).json()
        assert manifest["version"] == release.VERSION
        for build in manifest["builds"]:
            places = {}
            for part in build["parts"]:
                address = urljoin(urljoin(tab.url, value + name), part["path"])
                label, file = address.split("/")[-2:]
                answer = tab.page.request.get(address)
                assert answer.status == 200
                part_name = re.sub(r"-[0-9a-f]{8}\.bin$", "", file)
                released = folder.parent / "release" / release.VERSION / label / "manifest.json"
                parts = json.loads(released.read_text())["parts"]
                size = next(entry["size"] for entry in parts if entry["name"] == part_name)
                assert len(answer.body()) == size == int(answer.headers["content-length"])
                places[part_name] = part["offset"]
            board = by_label[label]
            assert build["chipFamily"] == board.chip_family
            wanted = release.offsets(board)
            if name == "manifest-update.json":
                del wanted["filesystem"]
            assert places == wanted
            seen.add(label)
    assert seen == set(by_label)


@pytest.mark.parametrize("board", RELEASED, ids=lambda board: board.label)
def test_installs_what_is_chosen(visit, chip_of, folder, board):
    """From the click to the bytes in flash: a plain board by its chip, a variant by its name."""
    chip = chip_of(board)
    with as_in_a_browser(board.chip, board.flash_size):
        tab = visit(chip)
        if board.variant:
            tab.page.locator(f'input[value="firmware/{board.label}/"]').check()
        tab.page.get_by_role("button", name="Connect and install").click()
        tab.page.locator("ew-list-item", has_text="Install microAsyncWeb").click()
        expect(tab.page.get_by_text("All data on the device will be erased")).to_be_visible()
        _press(tab, "Install")
        _says(tab, "Installation complete!")
    assert chip.image.data == _flash(folder, board, 0xFF)


def test_update_keeps_files(visit, chip_of, folder):
    board = RELEASED[0]
    chip = chip_of(board)
    with as_in_a_browser(board.chip, board.flash_size):
        tab = visit(chip)
        tab.page.get_by_label("its files shall stay").check()
        tab.page.get_by_role("button", name="Connect and install").click()
        tab.page.locator("ew-list-item", has_text="Install microAsyncWeb").click()
        _press(tab, "Next")
        _press(tab, "Install")
        _says(tab, "Installation complete!")
    assert chip.image.data == _flash(folder, board, FILLED, without="filesystem")


def test_from_the_click_to_the_board_s_page(visit, chip_of, folder, start_board, tmp_path):
    """Written, brought into the Wi-Fi, and its page opened, in one dialog. What runs is the desktop board."""
    air = [{"ssid": "cellar", "rssi": -80}, {"ssid": "home", "password": "correct horse", "rssi": -50}]
    (tmp_path / "air.json").write_text(json.dumps(air))
    running = start_board("--air", str(tmp_path / "air.json"))
    running.write_file("/boot.json", b'{"hostname": "new", "server": {"port": 8080}}')
    running.hard_reset()
    board = RELEASED[0]
    with as_in_a_browser(board.chip, board.flash_size):
        tab = visit(chip_of(board, running.device), wait=webinstaller.IMPROV_WAIT)
        dialog = tab.page.locator("ewt-install-dialog")
        tab.page.get_by_role("button", name="Connect and install").click()
        tab.page.locator("ew-list-item", has_text="Install microAsyncWeb").click()
        _press(tab, "Install")
        _says(tab, "Installation complete!")
        _press(tab, "Next")
        networks = tab.page.locator("ew-select-option")
        expect(networks).to_have_count(3)
        expect(networks.nth(1)).to_contain_text("home")
        password = tab.page.locator("ew-filled-text-field[name=password]")
        for word, says in (("wrong horse", "Unable to connect"), ("correct horse", None)):
            password.locator("input").fill(word)
            _press(tab, "Connect")
            if says:
                expect(dialog.locator(".error")).to_have_text(says)
        _says(tab, "Device connected to the network!")
        page = json.loads(running.get("/api/status")[2])["page"]
        visit_device = tab.page.locator("ew-list-item", has_text="Visit Device")
        expect(visit_device).to_have_js_property("href", page)
        # Later the same dialog knows it, and offers the same choices as for any board.
        tab.page.locator("ew-list-item", has_text="Skip").click()
        expect(dialog).to_contain_text("Connected to new")
        expect(tab.page.locator("ew-list-item", has_text="Install microAsyncWeb")).to_be_visible()
        expect(tab.page.locator("ew-list-item", has_text="Change Wi-Fi")).to_be_visible()
        expect(tab.page.locator("ew-list-item", has_text="Erase User Data")).to_have_count(0)
    saved = json.loads(running.read_file("/boot.json"))
    assert saved["wifi"]["networks"] == [{"ssid": "home", "password": "correct horse"}]


def test_another_chip_than_the_chosen_one_is_left_alone(visit, chip_of):
    plain = {board.chip: board for board in RELEASED if not board.variant}
    chip = chip_of(plain["esp32"])
    tab = visit(chip)
    tab.page.locator(f'input[value="firmware/{plain["esp32c3"].label}/"]').check()
    tab.page.get_by_role("button", name="Connect and install").click()
    tab.page.locator("ew-list-item", has_text="Install microAsyncWeb").click()
    _press(tab, "Install")
    _says(tab, "Your ESP32 board is not supported.")
    assert set(chip.image.data) == {FILLED}


def _says(tab, text):
    """Wait for the message of ESP Web Tools' dialog, which is no element's text."""
    expect(tab.page.locator("ewt-page-message")).to_have_js_property("label", text)


def _press(tab, name):
    """Click the button of ESP Web Tools' dialog."""
    tab.page.locator("ew-text-button", has_text=re.compile(f"^\\s*{name}\\s*$")).click()


def _flash(folder, board, filled, without=None):
    image = bytearray([filled]) * board.flash_size
    for name, offset in release.offsets(board).items():
        if name != without:
            data = next((folder / "firmware" / board.label).glob(f"{name}-*.bin")).read_bytes()
            image[offset : offset + len(data)] = data
    return image


@pytest.mark.parametrize(
    "script, text",
    [
        ("delete Navigator.prototype.serial", "cannot reach"),
        ("Object.defineProperty(window, 'isSecureContext', {value: false})", "https"),
    ],
    ids=["no Web Serial", "no secure context"],
)
def test_a_browser_that_cannot_do_it_is_told_why(browser, site, script, text):
    tab = Visit(browser, site)
    tab.page.add_init_script(script)
    tab.open("/index.html")
    expect(tab.page.locator("esp-web-install-button")).to_contain_text(text)
    expect(tab.page.locator(".warn:visible")).to_have_count(1)
    expect(tab.page.get_by_role("button", name="Connect and install")).to_have_count(0)
    tab.close()


def test_without_javascript_it_says_so(browser, site):
    tab = Visit(browser, site, java_script_enabled=False)
    tab.open("/index.html")
    expect(tab.page.locator(".warn:visible")).to_have_count(1)
    expect(tab.page.locator(".warn:visible")).to_contain_text("needs JavaScript")
    tab.close()


def test_opened_as_a_file_it_says_how_to_serve_it(browser, folder):
    tab = Visit(browser, folder.as_uri())
    tab.open("/index.html")
    expect(tab.page.get_by_text("was opened as a file")).to_be_visible()
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/index.html", "/help/hooks.html"])
def test_light_and_dark_are_legible(visit, scheme, path):
    tab = visit(color_scheme=scheme)
    tab.open(path)
    tab.page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    background = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    bright = sum(map(int, re.findall(r"\d+", background)[:3])) > 3 * 128
    assert bright == (scheme == "light")
    texts = tab.page.evaluate(CONTRAST)
    assert len(texts) > 20
    # WCAG 2.2, success criterion 1.4.3, level AA.
    assert [text for text in texts if text["ratio"] < 4.5] == []


def test_a_phone_needs_no_horizontal_scrolling(visit, folder):
    tab = visit(viewport=PHONE, is_mobile=True)
    for path in ("index.html", *(f"help/{page.name}" for page in sorted((folder / "help").glob("*.html")))):
        tab.open("/" + path)
        tab.page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
        assert tab.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], path


def test_every_link_of_page_and_help_leads_somewhere(visit, folder):
    tab = visit()
    pages = ["index.html", *(f"help/{page.name}" for page in sorted((folder / "help").glob("*.html")))]
    anchors, targets = {}, {}
    for path in pages:
        tab.open("/" + path)
        anchors[f"{tab.url}/{path}"] = set(tab.page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)"))
        links = tab.page.evaluate("[...document.querySelectorAll('a[href], img')].map((e) => e.href || e.src)")
        targets[path] = [link for link in links if link.startswith(tab.url)]
        assert tab.page.get_by_role("heading", level=1).count() == 1
        assert tab.page.title()
    assert tab.errors == []
    for path, links in targets.items():
        for link in links:
            address, _, anchor = link.partition("#")
            assert (folder / address.removeprefix(tab.url + "/")).is_file(), f"{path}: {link}"
            assert not anchor or anchor in anchors[address], f"{path}: {link}"
