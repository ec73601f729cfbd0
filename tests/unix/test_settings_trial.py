"""Settings changed over the network, on whole desktop boards: saved at once or on trial, confirmed or given up."""

import base64
import json

import pytest

from firmware import partitions

PASSWORD = "desktop"  # admin.password of ports/unix/boot.json
CONFIRM = "/api/settings/confirm"
NOT_CONFIRMED = "the settings on trial were not confirmed: these are the ones before"


class Administrator:
    """Somebody with the board's password."""

    def __init__(self, board, password=PASSWORD):
        self.board = board
        self.password = password
        board.wait_http()

    def ask(self, method, path="/api/settings", data=None, **fields):
        """(status, JSON of the answer)."""
        proof = base64.b64encode(f"admin:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {proof}", **{name.replace("_", "-"): fields[name] for name in fields}}
        body = data if isinstance(data, bytes | None) else json.dumps(data).encode()
        status, _headers, answer = self.board.request(method, path, body, headers)
        return status, json.loads(answer)

    def change(self, **patch):
        """Send a merge patch."""
        return self.ask("PATCH", data=patch)

    def status(self):
        return json.loads(self.board.get("/api/status")[2])

    def source(self):
        return self.status()["settings"]["source"]

    def problems(self):
        return self.status()["problems"]

    def restarted(self):
        """Wait for the restart that was announced: the settings are on trial."""
        return self.board.until(lambda: self.source() == "trial", within=30)

    def given_up(self, within):
        """Let time go by until the settings from before are back."""
        return self.board.until(lambda: self.source() == "boot.json" and NOT_CONFIRMED in self.problems(), within)

    def files(self):
        """The files of the settings on the board."""
        names = self.board.eval("__import__('os').listdir('/')")
        return sorted(name for name in names if name.startswith("boot."))


@pytest.fixture
def admin(start_board):
    return Administrator(start_board())


def test_what_is_saved_at_once(admin):
    before = admin.board.config
    assert admin.ask("GET") == (
        200,
        {
            "hostname": "desktop",
            "wifi": {"networks": [{"ssid": "home", "password": True}]},
            "server": {"port": 8080},
            "admin": {"password": True},
            "webrepl": {"password": True},
        },
    )
    assert admin.change(log={"level": "debug"}, own={"x": 1.50}) == (
        200,
        {"saved": True, "changed": ["log", "own"], "restart": False, "remarks": ["unknown key own is ignored"]},
    )
    assert admin.board.eval("__import__('device').log.level") == 10
    assert admin.change(watchdog=60, time={"ntp": ["a", "b"]})[1]["restart"] is True
    assert admin.change(admin={"password": "other one"})[1]["restart"] is False
    assert admin.board.request("GET", "/api/settings", None, {"Authorization": "Basic YWRtaW46ZGVza3RvcA=="})[0] == 401
    admin = Administrator(admin.board, "other one")
    status, whole = admin.ask("GET")
    assert (status, whole["watchdog"], whole["own"]) == (200, 60, {"x": 1.5})
    # What GET gave keeps the passwords that it does not show; without a change nothing is to be restarted.
    assert admin.ask("PUT", data={**whole, "watchdog": 61})[1]["changed"] == ["watchdog"]
    saved = json.loads(admin.board.read_file("/boot.json"))
    assert saved["wifi"]["networks"] == before["wifi"]["networks"]
    assert saved["webrepl"]["password"] == before["webrepl"]["password"]
    assert saved["admin"]["password"] == "other one"
    # The rest waits for the next start.
    assert admin.board.eval("__import__('device').config['watchdog']") == before["watchdog"]
    assert admin.source() == "boot.json"


def test_what_is_refused(admin):
    before = admin.board.read_file("/boot.json")
    wrong = {"hostname": "-", "server": {"port": "80"}, "admin": {"password": 5}}
    status, answer = admin.change(**wrong)
    assert (status, len(answer["problems"])) == (400, 3)
    assert answer["problems"][0] == 'hostname is "-", must be 1 to 32 letters, digits and inner hyphens'
    assert not any("5" in problem for problem in answer["problems"] if "password" in problem)
    networks = [{"ssid": "home", "password": True}, {"ssid": "new", "password": True}]
    assert admin.change(wifi={"networks": networks}) == (
        400,
        {"problems": ["wifi.networks[1].password is true, but none is set: send the password"]},
    )
    assert admin.ask("PUT", data=b'{"hostname": "x",}') == (
        400,
        {"problems": ["the body is not JSON at line 1, column 18: a key in double quotes is expected"]},
    )
    assert admin.ask("PUT", data=b"[]")[1] == {"problems": ["the file is a list of 0, must be an object"]}
    status, answer = admin.ask("PUT", data=b" " * 8193)
    assert (status, answer) == (413, {"problems": ["the body has 8193 bytes, there is room for 8192"]})
    assert admin.ask("POST", CONFIRM) == (409, {"problems": ["no settings are on trial"]})
    board = admin.board
    for method, path in (("GET", "/api/settings"), ("PUT", "/api/settings"), ("POST", CONFIRM)):
        assert board.request(method, path, b"{}" if method == "PUT" else None)[0] == 401
    assert board.request("PUT", "/api/settings", b"{}", {"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert board.read_file("/boot.json") == before
    assert admin.files() == ["boot.json"]


def test_confirmed(admin):
    status, answer = admin.change(hostname="shed", watchdog=60)
    assert status == 202
    assert answer["seconds"] == 60
    assert answer["confirm"][0] == f"http://shed.local:8080{CONFIRM}"
    assert len(answer["confirm"]) == 2
    assert answer["trial"].startswith("on trial: the board restarts with them; confirm within 60 s at http://shed.local")
    admin.restarted()
    assert admin.status()["hostname"] == "shed"
    admin.board.skip(5)
    assert 0 < admin.status()["settings"]["trial"] < 60
    assert admin.change(watchdog=70)[0] == 409
    assert admin.files() == ["boot.json", "boot.tried.json"]
    assert admin.ask("POST", CONFIRM) == (200, {"confirmed": True})
    assert admin.files() == ["boot.good.json", "boot.json"]
    admin.board.skip(90)
    assert (admin.status()["hostname"], admin.status()["settings"]) == ("shed", {"source": "boot.json", "trial": None})
    admin.board.hard_reset()
    admin.board.wait_http()
    assert (admin.status()["hostname"], admin.problems()) == ("shed", [])
    assert admin.board.eval("__import__('device').config['watchdog']") == 60


def test_another_port(admin):
    assert admin.change(server={"port": 81})[1]["confirm"][0] == f"http://desktop.local:81{CONFIRM}"
    admin.restarted()
    assert admin.board.config["server"]["port"] == 81
    admin.given_up(within=90)
    assert admin.board.eval("__import__('device').server.port") == 8080


def test_not_confirmed(admin):
    admin.change(hostname="shed")
    admin.restarted()
    admin.board.skip(40)
    assert admin.status()["hostname"] == "shed"
    admin.given_up(within=40)
    assert admin.status()["hostname"] == "desktop"
    assert admin.files() == ["boot.json"]
    assert admin.status()["recovery"]["step"] == 0
    # And it stays at that.
    admin.board.skip(120)
    assert admin.status()["hostname"] == "desktop"


@pytest.mark.parametrize("end", ["power cut", "reset", "soft reset", "crash"])
def test_a_trial_that_is_cut_short(admin, end):
    board = admin.board
    admin.change(hostname="shed")
    admin.restarted()
    if end == "power cut":
        board.control("power", on=False)
        board.control("power", on=True)
    elif end == "crash":
        board.control("crash")
    elif end == "reset":
        board.hard_reset()
    else:
        board.soft_reset()
    admin.given_up(within=30)
    assert admin.status()["hostname"] == "desktop"
    assert admin.files() == ["boot.json"]


def test_a_network_that_does_not_exist(admin):
    """Cut off by its owner's slip, the board opens its access point, and comes back to the network that it knew."""
    networks = [{"ssid": "hoem", "password": "correct horse"}]
    assert admin.change(wifi={"networks": networks})[0] == 202
    admin.board.until(lambda: admin.source() == "trial" and admin.status()["network"]["accessPoint"], within=120)
    admin.given_up(within=90)
    admin.board.until(lambda: admin.status()["network"]["ssid"] == "home", within=60)


def test_out_of_reach(admin):
    """Without an access point nobody can reach it: the time runs all the same, from three minutes on."""
    change = {"networks": [{"ssid": "hoem", "password": "correct horse"}], "ap": {"mode": "never"}}
    assert admin.change(wifi=change)[0] == 202
    admin.restarted()
    admin.board.skip(170)
    assert admin.status()["settings"] == {"source": "trial", "trial": 60}
    admin.given_up(within=90)


def test_broken_by_hand(admin):
    """A slip in the file leads to the last good settings, which can be changed and saved again."""
    board = admin.board
    admin.board.until(lambda: "boot.good.json" in admin.files(), within=60, step=5)
    board.write_file("/boot.json", b'{"hostname": "shed",}')
    board.hard_reset()
    board.wait_http()
    assert (admin.source(), admin.status()["hostname"]) == ("last good", "desktop")
    assert admin.problems()[0].startswith("boot.json: not JSON at line 1, column 21")
    assert admin.change(watchdog=60)[0] == 200
    board.hard_reset()
    board.wait_http()
    assert (admin.source(), admin.problems()) == ("boot.json", [])


def test_a_slip_by_hand_loses_nothing(admin):
    """A change that has nothing to do with the slip is saved with all that is in force, above all the network."""
    board = admin.board
    board.settle()
    whole = json.loads(board.read_file("/boot.json"))
    wrong = dict(whole, wifi={"networks": {"ssid": "home", "password": "correct horse"}, "ap": {"mode": "never"}})
    board.write_file("/boot.json", json.dumps(wrong).encode())
    board.hard_reset()
    board.wait_http()
    assert admin.source() == "last good"
    assert admin.change(log={"level": "debug"})[0] == 200
    assert json.loads(board.read_file("/boot.json")) == {**whole, "log": {"level": "debug"}}
    board.settle()
    board.hard_reset()
    board.wait_http()
    assert (admin.source(), admin.status()["network"]["ssid"], admin.problems()) == ("boot.json", "home", [])


def test_nothing_is_taken_between_the_answer_and_the_restart(admin):
    board = admin.board
    # The restart waits, so that there is time to send more.
    board.exec(
        "import asyncio\nfrom device import restart\n"
        "async def wait(*args):\n    await asyncio.sleep(1000)\n"
        "restart._run = wait"
    )
    assert admin.change(server={"maxConnections": 7})[0] == 202
    refused = (409, {"problems": ["the board is about to restart: try again when it has"]})
    assert admin.change(admin={"password": "changed"}) == refused
    assert admin.change(hostname="shed") == refused
    proof = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    answer = board.request("PUT", "/api/update", b"firmware", {"Authorization": f"Basic {proof}"})
    assert (answer[0], answer[2]) == (409, b"the board is about to restart: try again when it has\n")
    assert admin.files() == ["boot.json", "boot.trial.json"]
    board.hard_reset()
    admin.restarted()
    answer = board.request("PUT", "/api/update", b"firmware", {"Authorization": f"Basic {proof}"})
    assert (answer[0], answer[2].startswith(b"other settings are on trial")) == (409, True)
    assert admin.ask("POST", CONFIRM)[0] == 200
    assert json.loads(board.read_file("/boot.json"))["server"]["maxConnections"] == 7


def test_passwords_are_not_served(admin):
    """Neither as files of a webroot that has them, nor by what is said about a slip."""
    assert admin.change(server={"webroot": "/"})[0] == 400
    board = admin.board
    board.settle()
    whole = json.loads(board.read_file("/boot.json"))
    wrong = {**whole, "admin": "top secret", "webrepl": "top secret", "wifi": {"networks": "home:top secret"}}
    board.write_file("/boot.json", json.dumps(wrong).encode())
    board.hard_reset()
    board.wait_http()
    assert "boot.json: admin is a text of 10 characters, must be an object" in admin.problems()
    assert b"top secret" not in board.get("/api/status")[2] + board.get("/api/log")[2]


def test_a_network_that_was_added_outlives_the_files(admin):
    """Without another start: what setup page and Improv save is in both copies at once."""
    board = admin.board
    board.settle()
    board.exec("from device import bootjson\nassert not bootjson.add_network('attic', 'password of it', 'shed')")
    assert board.read_file("/boot.good.json") == board.read_file("/boot.json")
    board.control("power", on=False)
    with open(board.flash, "r+b") as flash:
        flash.seek(partitions.default_table()["vfs"].offset)
        flash.write(bytes(2 * 4096))
    board.control("power", on=True)
    board.wait_http()
    status = admin.status()
    assert (status["hostname"], status["settings"]["source"]) == ("shed", "NVS copy")
    lines = [line for line in status["problems"] if line.startswith("boot.json") or "default settings" in line]
    assert lines == ["boot.json cannot be read: name, networks and passwords are those of the last good start"]
    ssids = [entry["ssid"] for entry in board.eval("__import__('device').config['wifi']['networks']")]
    assert ssids == ["attic", "home"]
