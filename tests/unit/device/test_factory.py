"""Factory reset, and the copy of the network settings in NVS: what is kept, what is erased, what the button does."""

import json

import pytest

from unit.device import vm

HEAD = """
import asyncio, os, sys
events = []
class machine:
    PWRON_RESET = 1
    @staticmethod
    def reset():
        events.append("reset")
        raise SystemExit
class recovery:
    pressed = False
    programs_run = False
    @staticmethod
    def button():
        return recovery.pressed
    @staticmethod
    def intended():
        events.append("intended")
class storage:
    state = "ok"
    @staticmethod
    def format():
        events.append("format")
class bootjson:
    problems = []
    @staticmethod
    def erase():
        events.append("erase")
        return list(bootjson.problems)
    @staticmethod
    def check(raw):
        return raw, [], []
class slots:
    pass
class access_point:
    @staticmethod
    def ap_password(settings):
        return settings["password"]
sys.modules["machine"] = machine
import device
for part in (recovery, storage, bootjson, slots, access_point):
    sys.modules["device." + part.__name__] = part
    setattr(device, part.__name__, part)
from device import factory, log, rescue
"""
CONFIG = {
    "hostname": "shed",
    "wifi": {
        "networks": [{"ssid": "home", "password": "correct horse"}, {"ssid": "open", "password": ""}],
        "country": "",
        "static": {"ip": "", "gateway": ""},
        "ap": {"mode": "fallback", "ssid": "", "password": ""},
    },
    "server": {"port": 80},
    "webrepl": {"password": ""},
    "log": {"level": "info"},
    "admin": {"password": "secret"},
}


def run(program, folder):
    return vm.run(HEAD + program, folder).splitlines()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("factory.reset()", "['erase', 'intended', 'reset']"),
        ("factory.reset(files=True)", "['erase', 'format', 'intended', 'reset']"),
        ("storage.state = 'damaged'\n    factory.reset(True)", "['format', 'intended', 'reset']"),
    ],
)
def test_reset(tmp_path, call, said):
    assert run(f"try:\n    {call}\nexcept SystemExit:\n    print(events)\n", tmp_path) == [said]


def test_what_cannot_be_erased_is_told(tmp_path):
    program = "bootjson.problems = ['the filesystem is read-only']\nprint(factory.erase())\n"
    program += "print([text for _, _, text in log.records()])\nprint(factory.erase(files=True))\n"
    assert run(program, tmp_path) == [
        "['the filesystem is read-only']",
        "['factory reset', 'factory reset: the filesystem is read-only']",
        "[]",
    ]


# Seconds after power-on at which the button goes down and up, and when the board has been reset by then.
PRESSES = {
    "held": ([(5, 100)], 15),
    "held from the beginning": ([(0, 100)], 10),
    "pressed at the last moment": ([(29, 100)], 39),
    "too late": ([(31, 100)], None),
    "too short": ([(2, 11)], None),
    "many times": ([(second, second + 0.5) for second in range(30)], None),
    "second attempt": ([(2, 6), (8, 30)], 18),
}


@pytest.mark.parametrize("name", PRESSES)
def test_button(tmp_path, name):
    presses, wanted = PRESSES[name]
    program = f"""
presses = {presses}
now = 0
factory.time = type("time", (), {{"ticks_ms": lambda: now, "ticks_diff": lambda a, b: a - b}})
async def sleep_ms(ms):
    global now
    now += ms
    recovery.pressed = any(down * 1000 <= now < up * 1000 for down, up in presses)
factory.sleep_ms = sleep_ms
recovery.pressed = presses[0][0] == 0
try:
    asyncio.run(factory.watch())
    print(None)
except SystemExit:
    print(now // 1000)
"""
    assert run(program, tmp_path) == [str(wanted)]


@pytest.mark.parametrize(("begin", "wanted"), [(2, None), (100, 11)])
def test_button_is_left_to_the_programs(tmp_path, begin, wanted):
    """Held down from the second second on; they begin in that second, or not as it is down."""
    program = f"""
now = 0
factory.time = type("time", (), {{"ticks_ms": lambda: now, "ticks_diff": lambda a, b: a - b}})
async def sleep_ms(ms):
    global now
    now += ms
    recovery.pressed = now >= 1000
    recovery.programs_run = now >= {begin} * 1000
factory.sleep_ms = sleep_ms
try:
    asyncio.run(factory.watch())
    print(None)
except SystemExit:
    print(now // 1000)
"""
    assert run(program, tmp_path) == [str(wanted)]


def test_copy_of_the_networks(tmp_path):
    program = f"config = {CONFIG}\nrescue.keep(config)\nimport json\nprint(json.dumps(rescue.settings()))\n"
    program += "rescue.erase()\nprint(rescue.settings())\n"
    kept, erased = run(program, tmp_path)
    assert json.loads(kept) == {
        "hostname": "shed",
        "wifi": {
            "networks": [{"ssid": "home", "password": "correct horse"}, {"ssid": "open"}],
            "static": {},
            "ap": {"mode": "fallback"},
        },
        "webrepl": {},
        "admin": {"password": "secret"},
    }
    assert erased == "{}"


def test_copy_is_written_only_when_it_changes(tmp_path):
    program = f"config = {CONFIG}\nrescue.keep(config)\nos.remove('nvs.json')\n"
    program += "from device import nvs\nnvs._stores.clear()\nstore = nvs.store('rescue')\n"
    program += "store.commit = lambda: print('written')\nrescue.keep(config)\nrescue.keep(config)\n"
    assert run(program, tmp_path) == ["written"]


def test_copy_has_its_bounds(tmp_path):
    program = f"""
config = {CONFIG}
config["wifi"]["networks"] = [{{"ssid": "%032d" % number, "password": "p" * 63}} for number in range(8)]
rescue.keep(config)
print(len(rescue.settings()["wifi"]["networks"]))
config["wifi"]["networks"] = [{{"ssid": "\\u00e4" * 32, "password": "\\u00e4" * 63}} for number in range(16)]
rescue.keep(config)
print(len(rescue.settings()["wifi"]["networks"]), len(rescue._read()) <= 1900)
"""
    everything, some = run(program, tmp_path)
    assert everything == "8" and some.endswith("True")


def test_board_without_its_files(tmp_path):
    program = f"""
found = []
default = {{"admin": {{"password": ""}}, "wifi": {{"ap": {{"password": "of the label"}}}}}}
config = rescue.instead(default, found)
print(config["admin"]["password"], len(found))
rescue.keep({CONFIG})
found = ["boot.json: cannot be read: there is no filesystem", "the default settings are used"]
config = rescue.instead(default, found)
print(config["hostname"], config["admin"]["password"], found)
from device import bootjson
print(bootjson.source)
"""
    assert run(program, tmp_path) == [
        "  admin    password of the label",
        "of the label 1",
        "shed secret ['boot.json cannot be read: name, networks and passwords are those of the last good start']",
        "NVS copy",
    ]


def test_nvs_has_one_object_for_each_namespace(tmp_path):
    """MicroPython never closes them."""
    program = f"""
from device import nvs
opened = []
class NVS(nvs.NVS):
    def __init__(self, namespace):
        opened.append(namespace)
        super().__init__(namespace)
nvs.NVS = NVS
for _ in range(3):
    rescue.keep({CONFIG})
    rescue.settings()
    rescue.erase()
print(opened)
print(nvs.store("rescue") is nvs.store("rescue"), nvs.store("other") is nvs.store("rescue"))
"""
    assert run(program, tmp_path) == ["['rescue']", "True False"]
