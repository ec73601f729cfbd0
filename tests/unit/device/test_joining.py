"""What a person may name as a network, and what stays as it was when it is not kept."""

import json

import pytest

from unit.device import vm

STAGE = """
import asyncio, device, json, sys
from device import settings

class Object:
    def __init__(self, **values):
        for name in values:
            setattr(self, name, values[name])

class Wifi:
    problem = ""
    used = None
    async def try_network(self, ssid, password):
        if self.problem is None:
            raise OSError("radio")
        return self.problem
    def use(self, networks):
        self.used = networks

def check(raw):
    verdict = settings.check(raw)
    return verdict.settings, verdict.problems, verdict.remarks

stored, names, unsaved = [], [], []
def add_network(*what):
    stored.append(what)
    return unsaved
file = {"hostname": "shed", "admin": {"password": "secret"}, "wifi": {"networks": [{"ssid": "lab"}]}}
wifi = Wifi()
device.boot = Object(network_service=wifi, hostname="maw-1")
device.bootjson = Object(add_network=add_network, current=lambda: file, check=check)
sys.modules["device.boot"], sys.modules["device.bootjson"] = device.boot, device.bootjson
sys.modules["network"] = Object(hostname=names.append)
device.config = check({})[0]
from device import joining

def join(*what):
    return asyncio.run(joining.join(*what))
"""


@pytest.fixture
def run(tmp_path):
    return lambda program: json.loads(vm.run(STAGE + program, tmp_path).splitlines()[-1])


@pytest.mark.parametrize(
    ("texts", "reasons"),
    [
        (("lab", "12345678", "shed", "secret"), []),
        (("ü" * 16, "x" * 63, "x" * 32, "ü" * 64), []),
        (("lab", ""), []),
        (("",), ["1 to 32 bytes, this one has 0"]),
        (("ü" * 17,), ["1 to 32 bytes, this one has 34"]),
        (("lab", "1234567"), ["8 to 63 characters, this one has 7"]),
        (("lab", "x" * 64), ["this one has 64"]),
        (("lab", "ü" * 32), ["this one has 32; other characters than A to Z count more"]),
        (("lab", "", "my shed"), ["my shed has others"]),
        (("lab", "", "x" * 33), ["1 to 32 letters"]),
        (("lab", "", "", "x" * 65), ["too long: 65 characters, 64 are possible"]),
        (("l\tb",), ["control character"]),
        (("lab", "\x7f2345678"), ["control character"]),
        (("lab", "", "", "a\nb"), ["control character"]),
        (("x" * 33, "short", "-a", "x" * 65), ["has 33", "has 5", "-a has", "65 characters"]),
    ],
)
def test_what_is_not_right_is_said_all_at_once(run, texts, reasons):
    texts = texts + ("",) * (2 - len(texts))
    lines = run(f"print(json.dumps(joining.problems(*{texts!r})))")
    assert len(lines) == len(reasons)
    for line, reason in zip(lines, reasons, strict=True):
        assert reason in line


def test_what_works_is_in_force(run):
    program = """
said = join("lab", "12345678", "shed", "secret")
print(json.dumps([said, stored, names, device.boot.hostname, wifi.used, device.config["admin"]["password"],
    device.config["hostname"]]))
"""
    lab = [{"ssid": "lab", "password": ""}]
    stored = [["lab", "12345678", "shed", "secret"]]
    assert run(program) == [["", ""], stored, ["shed"], "shed", lab, "secret", "shed"]


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("wifi.problem = 'wrong password'", ["wrong password", ""]),
        ("unsaved.append('the filesystem is full')", ["", "the filesystem is full"]),
        ("wifi.problem = None", "radio"),
    ],
)
def test_the_name_is_taken_back(run, before, said):
    program = f"""
{before}
try:
    said = join("lab", "12345678", "shed")
except OSError as error:
    said = str(error)
print(json.dumps([said, names, device.boot.hostname, wifi.used, device.config["hostname"]]))
"""
    assert run(program) == [said, ["shed", "maw-1"], "maw-1", None, ""]


def test_a_name_that_is_not_changed_is_not_saved(run):
    assert run("join('lab', '', 'maw-1'); print(json.dumps([stored, device.boot.hostname]))") == [
        [["lab", "", "", ""]],
        "maw-1",
    ]
