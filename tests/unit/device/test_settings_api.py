"""/api/settings on the VM: the merge patch of RFC 7396, passwords that are not given out, and the time of a trial."""

import json

import pytest

from unit.device import test_bootjson, vm

HEAD = (
    test_bootjson.HEAD
    + """
import asyncio, device
from device import settings_api
"""
)

# RFC 7396, appendix A: original, patch, result
RFC = """
{"a":"b"}           {"a":"c"}              {"a":"c"}
{"a":"b"}           {"b":"c"}              {"a":"b","b":"c"}
{"a":"b"}           {"a":null}             {}
{"a":"b","b":"c"}   {"a":null}             {"b":"c"}
{"a":["b"]}         {"a":"c"}              {"a":"c"}
{"a":"c"}           {"a":["b"]}            {"a":["b"]}
{"a":{"b":"c"}}     {"a":{"b":"d","c":null}} {"a":{"b":"d"}}
{"a":[{"b":"c"}]}   {"a":[1]}              {"a":[1]}
["a","b"]           ["c","d"]              ["c","d"]
{"a":"b"}           ["c"]                  ["c"]
{"a":"foo"}         null                   null
{"a":"foo"}         "bar"                  "bar"
{"e":null}          {"a":1}                {"e":null,"a":1}
[1,2]               {"a":"b","c":null}     {"a":"b"}
{}                  {"a":{"bb":{"ccc":null}}} {"a":{"bb":{}}}
"""


def run(program, folder):
    return vm.run(HEAD + program, folder).splitlines()


def test_merge_patch(tmp_path):
    rows = [line.split() for line in RFC.strip().splitlines()]
    program = f"""
for target, patch, result in json.loads({json.dumps(rows)!r}):
    merged = settings_api.merged(json.loads(target), json.loads(patch))
    assert merged == json.loads(result), (target, patch, merged)
print("done")
"""
    assert run(program, tmp_path) == ["done"]


STORED = {
    "wifi": {
        "networks": [{"ssid": "a", "password": "secret-a"}, {"ssid": "b", "password": ""}, {"ssid": "c"}],
        "ap": {"password": "secret-p"},
    },
    "admin": {"password": "secret"},
    "own": {"password": "mine", "list": [{"password": "first"}, 5], "password ": "x"},
}
SHOWN = {
    "wifi": {
        "networks": [{"ssid": "a", "password": True}, {"ssid": "b", "password": ""}, {"ssid": "c"}],
        "ap": {"password": True},
    },
    "admin": {"password": True},
    "own": {"password": True, "list": [{"password": True}, 5], "password ": "x"},
}


def test_passwords_are_hidden_and_what_was_shown_keeps_them(tmp_path):
    program = f"""
stored = bootjson.parse({json.dumps(STORED).encode()!r})
shown = settings_api.masked(stored)
print(json.dumps(shown))
problems = []
print(json.dumps(settings_api.unmasked(shown, stored, "", problems)), problems)
print(json.dumps(stored))
"""
    shown, back, stored = run(program, tmp_path)
    assert json.loads(shown) == SHOWN
    assert back.endswith(" []")
    assert json.loads(back[:-3]) == json.loads(stored) == STORED


@pytest.mark.parametrize(
    ("sent", "result", "missing"),
    [
        # Another order, another password, a new network.
        (
            [{"ssid": "b", "password": "new"}, {"ssid": "a", "password": True}, {"ssid": "d", "password": "x"}],
            ["new", "secret-a", "x"],
            [],
        ),
        # Another name, an open network, one that had none.
        (
            [{"ssid": "A", "password": True}, {"ssid": "b", "password": True}, {"ssid": "c", "password": True}],
            ["", "", ""],
            [0, 1, 2],
        ),
        # Without a name there is no telling but by the place.
        ([{"password": True}, {"ssid": "a", "password": ""}], ["secret-a", ""], []),
        ([{"ssid": "a", "password": False}, {"ssid": "a"}], [False, None], []),
    ],
)
def test_passwords_belong_to_networks_by_their_name(tmp_path, sent, result, missing):
    program = f"""
stored = bootjson.parse({json.dumps(STORED).encode()!r})
problems = []
sent = bootjson.parse({json.dumps({"wifi": {"networks": sent}}).encode()!r})
found = settings_api.unmasked(sent, stored, "", problems)
print(json.dumps([entry.get("password") for entry in found["wifi"]["networks"]]))
print("\\n".join(problems))
"""
    passwords, *problems = run(program, tmp_path)
    assert json.loads(passwords) == result
    line = "wifi.networks[{}].password is true, but none is set: send the password"
    assert problems == ([line.format(number) for number in missing] or [""])


REQUEST = """
class admin:
    async def check(request, purpose):
        return None
settings_api.admin = admin
class slots:
    trial = False
    def pending():
        return slots.trial
settings_api.slots = slots
class boot:
    network_service = None
    def default_hostname():
        return "maw-abc"
    def page_url(host, port):
        return "http://%s:%d/" % (host, port)
sys.modules["device.boot"] = device.boot = boot
class restart:
    def soon(request):
        print("restart")
settings_api.restart = restart
device.config = bootjson.load()[0]

class Request:
    def __init__(self, method, body=b"", kind=""):
        self.method = method
        self.body = body
        self.left = len(body)
        self.header = {"content-type": kind}
    async def read(self, size):
        return self.body[:size]
def ask(handler, *args):
    answer = asyncio.run(handler(Request(*args)))
    body, status = answer[:2] if isinstance(answer, tuple) else (answer, 200)
    values = json.loads(body) if isinstance(body, str) else body
    print(status, " ".join("%s=%s" % (key, values[key]) for key in sorted(values)))
def send(method, raw, kind=""):
    ask(settings_api.answer, method, json.dumps(raw).encode(), kind)
"""


def ask(program, folder):
    return run(REQUEST + program, folder)


def test_put_and_patch(tmp_path):
    program = """
send("PUT", {"watchdog": 60, "log": {"level": "debug"}})
send("PUT", {"watchdog": 70}, "application/json")
print(files()["boot.json"], log.level)
send("PUT", {"log": {"level": "error"}}, "Application/Merge-Patch+JSON; charset=utf-8")
send("PATCH", {"watchdog": None, "x": {"y": None}})
print(files()["boot.json"], log.level, device.config["watchdog"], device.config["log"]["level"])
send("PATCH", {"x": {"z": 1}})
"""
    both = "200 changed=['log', 'watchdog'] remarks=[] restart=True saved=True"
    unknown = "remarks=['unknown key x is ignored']"
    assert ask(program, tmp_path) == [
        both,
        both,
        "{",
        '  "watchdog": 70',
        "}",
        " 20",
        "200 changed=['log'] remarks=[] restart=False saved=True",
        f"200 changed=['watchdog', 'x'] {unknown} restart=True saved=True",
        "{",
        '  "log": {',
        '    "level": "error"',
        "  },",
        '  "x": {}',
        "}",
        " 40 30 error",
        f"200 changed=['x'] {unknown} restart=False saved=True",
    ]


def test_on_trial(tmp_path):
    program = """
send("PATCH", {"hostname": "new", "server": {"port": 81}})
print(names())
slots.trial = True
send("PATCH", {"hostname": "other"})
slots.trial = False
print(bootjson.load()[2], names())
send("PATCH", {"hostname": "other"})
send("PATCH", {"watchdog": 60})
ask(settings_api.answer_confirm, "POST")
ask(settings_api.answer_confirm, "POST")
print(names())
"""
    place = "http://new.local:81/api/settings/confirm"
    firmware = "the firmware is on trial, a restart would bring the one before back: try again later"
    other = "other settings are on trial: confirm them first, or wait until they are given up"
    assert ask(program, tmp_path) == [
        "restart",
        f"202 confirm=['{place}'] remarks=[] seconds=60 trial=on trial: the board restarts with them; confirm within"
        f" 60 s at {place}, or the settings before come back",
        "boot.trial.json",
        f"409 problems=['{firmware}']",
        "trial boot.tried.json",
        f"409 problems=['{other}']",
        f"409 problems=['{other}']",
        "200 confirmed=True",
        "409 problems=['no settings are on trial']",
        "boot.good.json boot.json",
    ]


def test_what_cannot_be_written(tmp_path):
    program = """
start(readonly=True)
send("PATCH", {"watchdog": 60})
send("PATCH", {"hostname": "new"})
start()
bootjson.propose({})
bootjson.load()
start(readonly=True)
ask(settings_api.answer_confirm, "POST")
"""
    words = "the filesystem is read-only"
    lines = [f"the settings cannot be saved: {words}; nothing has changed"] * 2
    lines.append(f"the settings cannot be confirmed: {words}")
    assert ask(program, tmp_path) == [f"507 problems=['{line}']" for line in lines]


def test_what_is_in_force_decides_on_a_trial(tmp_path):
    """Not what the file has: it may have been edited since the start, or have given way to the last good one."""
    program = """
good = b'{"wifi": {"networks": [{"ssid": "a", "password": "12345678"}]}}'
write("boot.good.json", good)
write("boot.json", b'{"wifi": {"networks": {"ssid": "b"}}}')
device.config = bootjson.load()[0]
send("PATCH", {"log": {"level": "debug"}})
print(json.loads(files()["boot.json"]) == dict(json.loads(good), log={"level": "debug"}))
write("boot.json", b'{"wifi": {"networks": [{"ssid": "other"}]}}')
send("PATCH", {"log": {"level": "info"}})
print(files()["boot.json"], "other" in files()["boot.trial.json"])
"""
    saved, whole, restart, trial, left = ask(program, tmp_path)
    assert saved == "200 changed=['log'] remarks=[] restart=False saved=True"
    assert (whole, restart, trial.partition(" ")[0]) == ("True", "restart", "202")
    assert left == '{"wifi": {"networks": [{"ssid": "other"}]}} True'


def test_a_change_does_not_mend_a_file_away(tmp_path):
    """Where there is no last good one either; all settings at once do replace it."""
    program = """
write("boot.json", b'{"watchdog": 60, "wifi": {"networks": {"ssid": "home", "password": "12345678"}}}')
device.config = bootjson.load()[0]
before = files()
send("PATCH", {"log": {"level": "debug"}})
print(files() == before)
send("PUT", {"log": {"level": "debug"}})
print(json.loads(files()["boot.json"]))
write("boot.json", b'{"watchdog": 60')
send("PATCH", {"log": {"level": "info"}})
"""
    answers = ask(program, tmp_path)
    assert answers[0].startswith("409 problems=['boot.json: wifi.networks is an object, must be a list of at most 8")
    assert answers[0].endswith("'a change would lose that: mend the file, or send all settings with PUT']")
    assert answers[1] == "True"
    assert answers[2].startswith("200 changed=['log', 'watchdog']")
    assert answers[3] == "{'log': {'level': 'debug'}}"
    assert answers[4].startswith("409 problems=['boot.json: not JSON at line 1, column 16")


WATCH = """
class Service:
    def __init__(self, after):
        self.after = after
    def address(self):
        return "10.0.0.2" if self.after is not None and now >= self.after else ""
class boot:
    network_service = None
class recovery:
    announced = False
    def intended():
        recovery.announced = True
sys.modules["device.boot"] = device.boot = boot
sys.modules["device.recovery"] = device.recovery = recovery

now = 0
def ticks():
    return (now + START) % (1 << 30)
class time:
    ticks_ms = ticks
    def ticks_add(a, b):
        return (a + b) % (1 << 30)
    def ticks_diff(a, b):
        return (a - b + (1 << 29)) % (1 << 30) - (1 << 29)
bootjson.time = time
async def sleep_ms(ms):
    global now
    now += ms
    if now in events:
        events[now]()
    if now % 10000 == 0:
        left.append(bootjson.trial_left())
    assert now < 400_000
bootjson.sleep_ms = sleep_ms
left = []

def trial(after, **more):
    global now
    now = 0
    left.clear()
    recovery.announced = False
    boot.network_service = after if after is None else Service(after)
    bootjson.load()
    bootjson.propose({"hostname": "new"})
    bootjson.load()
    try:
        asyncio.run(bootjson.watch())
        print("returned", now, recovery.announced)
    except SystemExit as error:
        print(error, now, recovery.announced, left)
events = {}
"""


@pytest.mark.parametrize("start", [0, (1 << 30) - 30_000])
def test_the_time_of_a_trial(tmp_path, start):
    """From the address on, else from three minutes after the start; also where ticks_ms() begins anew."""
    program = """
bootjson.save({"hostname": "old"})
bootjson.load()
trial(0)
trial(20000)
trial(300000)
trial(None)
print(bootjson.load()[0]["hostname"])
events[30000] = bootjson.confirm
trial(0)
print(bootjson.load()[0]["hostname"], bootjson.trial_left())
"""
    sixty = list(range(60, -1, -10))
    assert run(WATCH.replace("START", str(start)) + program, tmp_path) == [
        f"reset 60000 True {sixty[1:]}",
        f"reset 80000 True {[60, *sixty]}",
        f"reset 240000 True {[60] * 17 + sixty}",
        f"reset 240000 True {[60] * 17 + sixty}",
        "old",
        "returned 30000 False",
        "new None",
    ]
