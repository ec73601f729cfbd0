"""The files of the settings, on a LittleFS in RAM: what a start takes, what is saved, and what a power cut leaves."""

import json

import pytest

from unit.device import vm

HEAD = """
import gc, json, os, sys
gc.enable()
class machine:
    def unique_id():
        return b"abcdef"
    def reset():
        raise SystemExit("reset")
sys.modules["machine"] = machine
import ramdisk
from ramdisk import disk, files, start, write
ramdisk.attach()
import device
from device import bootjson, log
class recovery:
    good = False
sys.modules["device.recovery"] = device.recovery = recovery
class rescue:
    kept = None
    def keep(config):
        rescue.kept = config
sys.modules["device.rescue"] = device.rescue = rescue

def load(*args):
    settings, problems, source = bootjson.load(*args)
    assert source == bootjson.source
    return settings["hostname"], source, problems
def names():
    return " ".join(sorted(files()))
"""
GONE = "the settings on trial were not confirmed: these are the ones before"
NOTED = '{"ssid": "a", "password": "87654321", "note": "mine"}'
INSTEAD = "the last good settings are used in the place of boot.json"
MISSING = "boot.json: there is no such file"
DEFAULTS = "the default settings are used"


def run(program, folder):
    return vm.run(HEAD + program, folder).splitlines()


def named(name):
    return json.dumps({"hostname": name}).encode()


FILES = {"boot.json": named("now"), "boot.good.json": named("good"), "boot.trial.json": named("new")}
FILES["boot.tried.json"] = named("tried")


@pytest.mark.parametrize("last_good", [False, True])
@pytest.mark.parametrize("there", range(16))
def test_which_file_a_start_takes(tmp_path, there, last_good):
    """All combinations of files; and the start after it, when nobody has confirmed anything."""
    given = [name for bit, name in enumerate(FILES) if there >> bit & 1]
    program = "".join(f"write({name!r}, {FILES[name]!r})\n" for name in given)
    program += f"print(load({last_good}))\nprint(names())\nprint(load({last_good}))\nprint(names())\n"
    first, then, second, at_last = run(program, tmp_path)
    stay = [name for name in ("boot.good.json", "boot.json") if name in given]
    problems = [GONE] if "boot.tried.json" in given else []
    if "boot.trial.json" in given and last_good:
        problems.append("the settings on trial are given up: the board is recovering")
    settled = ("", "defaults", [MISSING, DEFAULTS])
    if "boot.good.json" in given and (last_good or "boot.json" not in given):
        settled = ("good", "last good", [] if last_good else [MISSING, INSTEAD])
    elif "boot.json" in given:
        settled = ("now", "boot.json", [])
    if "boot.trial.json" in given and not last_good:
        assert (first, then) == (repr(("new", "trial", problems)), " ".join([*stay, "boot.tried.json"]))
        problems = [GONE]
    else:
        assert (first, then) == (repr((settled[0], settled[1], problems + settled[2])), " ".join(stay))
        problems = []
    assert (second, at_last) == (repr((settled[0], settled[1], problems + settled[2])), " ".join(stay))


def test_a_start_without_a_filesystem(tmp_path):
    program = "import vfs\nvfs.umount('/')\nprint(load())\nprint(bootjson.current())\n"
    problem = "boot.json: cannot be read: there is no filesystem"
    assert run(program, tmp_path) == [repr(("", "defaults", [problem, DEFAULTS])), "{}"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no such file"),
        (b"", "not JSON at line 1"),
        (b'{\n"a": 1,\n"b": tru\n}', "not JSON at line 3, column 6"),
        (b'{"hostname": "a"', "not JSON at line 1"),
        (b"\xff\xfe\x00", "not JSON at line 1"),
        (b" " * 9000, "larger than 8192 bytes"),
        (b'{"hostname": ' + b"[" * 3000 + b"]" * 3000 + b"}", "nested too deeply"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark"),
        (b"[]", "the file is a list of 0, must be an object"),
        (b'{"watchdog": 1e400}', "watchdog is 1e400"),
        (b'{"hostname": ' + b"[" * 7 + b"]" * 7 + b"}", "hostname is a list of 1"),
        (b'{"hostname": "ok", "watchdog": 1, "server": {"port": 81}}', "watchdog is 1, must be 0, or 5 to 600 seconds"),
    ],
)
def test_a_file_that_is_wrong_gives_way_to_the_last_good_one(tmp_path, content, words):
    program = "" if content is None else f"write('boot.json', {content!r})\n"
    program += """
settings, problems, source = bootjson.load()
print(source, settings["server"]["port"], repr(settings["hostname"]), len(problems), problems[0])
write("boot.good.json", b'{"hostname": "good"}')
print(load())
bootjson.keep_good()
print(files()["boot.good.json"])
"""
    before, after, good = run(program, tmp_path)
    assert words in before
    assert before.split(" boot.json: ")[0] == {
        True: "boot.json 81 'ok' 1" if b"ok" in (content or b"") else "boot.json 80 '' 1",
        False: "defaults 80 '' 2",
    }[words != "there is no such file" and "is " in words]
    assert after.startswith("('good', 'last good', ['boot.json: ")
    assert words in after
    assert after.endswith(f"'{INSTEAD}'])")
    assert json.loads(good) == {"hostname": "good"}


def test_remarks_do_not_make_a_file_bad(tmp_path):
    program = r"""
write("boot.json", b'{"hostname": "a", "colour": 1,\n "hostname": "b", "lo\\ng": {}}')
print(load()[:2], bootjson.source)
print("\n".join(bootjson.load()[1]))
"""
    assert run(program, tmp_path) == [
        "('b', 'boot.json') boot.json",
        "boot.json: unknown key colour is ignored",
        "boot.json: unknown key lo\\ng is ignored",
        "boot.json: key hostname in line 2 was there before, the last one counts",
    ]


def test_saved_is_what_a_person_can_edit(tmp_path):
    program = r"""
raw = bootjson.parse(b'''{"own": {"b": 0.10, "a": 123456789012345678901}, "watchdog": 8e1, "hostname": "h\\u0061us",
 "wifi": {"networks": [{"password": "", "ssid": "caf\\u00e9 \\"x\\""}], "ap": {}}, "log": []}''')
print(bootjson.save(raw), names())
del raw["log"]
print(bootjson.save(raw), names())
print(files()["boot.json"])
print(bootjson.load()[0]["watchdog"], bootjson.save(bootjson.current()))
print(bootjson.render(raw).decode() == files()["boot.json"])
"""
    lines = run(program, tmp_path)
    assert lines[:2] == ["['log is a list of 0, must be an object'] ", "[] boot.json"]
    assert "\n".join(lines[2:]) == (
        '{\n  "hostname": "haus",\n  "wifi": {\n    "networks": [\n      {\n        "ssid": "café \\"x\\"",\n'
        '        "password": ""\n      }\n    ],\n    "ap": {}\n  },\n  "watchdog": 8e1,\n'
        '  "own": {\n    "b": 0.10,\n    "a": 123456789012345678901\n  }\n}\n\n80 []\nTrue'
    )


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("{'hostname': '-', 'watchdog': 1}", "hostname is \"-\""),
        ("{'watchdog': 1}", "watchdog is 1"),
        ("[]", "the file is a list of 0"),
        ("None", "the file is null"),
        ("{'x': object()}", "these are no settings: "),
        ("{'x': float('nan')}", "these are no settings: "),
        ("{'x': {1, 2}}", "these are no settings: "),
        ("{3: 4}", "these are no settings: "),
        ("{'x': [[[[[[[[]]]]]]]]}", "these are no settings: nested too deeply"),
        ("{'x': 'x' * 8192}", "the settings have 8206 bytes, there is room for 8192"),
    ],
)
def test_what_is_wrong_is_not_saved(tmp_path, raw, words):
    program = f"""
write("boot.json", b"{{}}")
for save in (bootjson.save, bootjson.propose):
    problems = save({raw})
    print(problems[0])
print(files())
"""
    first, second, left = run(program, tmp_path)
    assert first == second
    assert first.startswith(words)
    assert left == "{'boot.json': '{}'}"


def test_modules_that_check_are_dropped_again(tmp_path):
    program = """
import device
bootjson.load(); bootjson.save({}); bootjson.check({}); bootjson.current(); bootjson.add_network("a", "")
try:
    bootjson.parse(b"x")
except ValueError as error:
    print(error)
print([name for name in ("settings", "jsontext") if hasattr(device, name) or "device." + name in sys.modules])
print(bootjson._lock.locked())
"""
    assert run(program, tmp_path) == ["not JSON at line 1, column 1: a value is expected", "[]", "False"]


SAVERS = """
def tried():
    bootjson.propose({"hostname": "new"})
    return bootjson.load()[2]
savers = [
    ("save", lambda: bootjson.save({"hostname": "new"})),
    ("propose", lambda: bootjson.propose({"hostname": "new"})),
    ("add", lambda: bootjson.add_network("x" * 32, "y" * 63, "new")),
    ("keep", bootjson.keep_good),
]
"""


@pytest.mark.parametrize("state", ["full", "read-only", "missing"])
def test_a_filesystem_that_cannot_be_written_to(tmp_path, state):
    prepare = {
        "full": "ramdisk.fill()",
        "read-only": "start(readonly=True)",
        "missing": "import vfs\nvfs.umount('/')",
    }[state]
    # As large as a block, so that it has no room within a folder's own.
    program = f"""
{SAVERS}
write("boot.json", b'{{"hostname": "old", "own": "' + b"x" * 4000 + b'"}}')
write("boot.good.json", b'{{"hostname": "older"}}')
load()
before = files()
{prepare}
for name, save in savers:
    print(name, save())
    if name == "keep":
        print([text for _, _, text in log.records()])
{"" if state == "missing" else "after = files()"}
{"" if state == "missing" else "print({name: after.get(name) for name in before} == before)"}
{"" if state == "missing" else "print([name for name in after if name[:5] == 'boot.' and name not in before])"}
print(bootjson._lock.locked())
"""
    lines = run(program.replace('{"hostname": "new"}', '{"hostname": "new", "own": "y" * 4000}'), tmp_path)
    words = "there is no filesystem" if state == "missing" else f"the filesystem is {state}"
    refused = f"['the settings cannot be saved: {words}; nothing has changed']"
    assert lines[:2] == [f"save {refused}", f"propose {refused}"]
    assert lines[2] == f"add {refused}"
    assert lines[3:5] == ["keep None", f"['a copy of boot.json cannot be kept: {words}']"]
    if state != "missing":
        assert lines[5:7] == ["True", "[]"]
    assert lines[-1] == "False"


def test_the_last_good_copy(tmp_path):
    program = """
def good():
    bootjson.keep_good()
    return files().get("boot.good.json")
def writes():
    before = disk.operations
    bootjson.keep_good()
    return disk.operations - before
load(); print("no file:", good())
bootjson.save({"hostname": "a"}); print("saved since the start:", good())
load(); print("good:", json.loads(good()))
print("again:", writes())
bootjson.save({"hostname": "b"}); print("changed since:", json.loads(good()))
load(); print("next:", json.loads(good()))
write("boot.json", b'{"hostname": "c", "x": 1}'); load(); print("unknown key:", json.loads(good()))
write("boot.json", b'{"hostname": "d", "watchdog": 1}'); print(load()[:2]); print("wrong:", json.loads(good()))
bootjson.save({"hostname": "e"}); load(True); print("recovering:", json.loads(good()))
load(); bootjson.propose({"hostname": "f"}); load(); print("on trial:", json.loads(good()))
print("confirmed:", bootjson.confirm(), json.loads(files()["boot.good.json"]))
"""
    assert run(program, tmp_path) == [
        "no file: None",
        "saved since the start: None",
        "good: {'hostname': 'a'}",
        "again: 0",
        "changed since: {'hostname': 'a'}",
        "next: {'hostname': 'b'}",
        "unknown key: {'hostname': 'c', 'x': 1}",
        "('c', 'last good')",
        "wrong: {'hostname': 'c', 'x': 1}",
        "recovering: {'hostname': 'c', 'x': 1}",
        "on trial: {'hostname': 'c', 'x': 1}",
        "confirmed: [] {'hostname': 'f'}",
    ]


def test_adding_networks(tmp_path):
    program = """
def networks():
    return json.dumps(bootjson.parse(files()["boot.json"].encode())["wifi"]["networks"])
print(bootjson.add_network("a", "12345678"), networks())
print(bootjson.add_network("b", "", "haus", "secret"), files()["boot.json"].replace("\\n", "").replace(" ", ""))
raw = bootjson.current()
raw["wifi"]["networks"][1]["note"] = "mine"
raw["own"] = bootjson.parse(b"[1.50]")
print(bootjson.save(raw))
print(bootjson.add_network("a", "87654321"), networks())
print(bootjson.add_network("a", "short"), bootjson.add_network("x" * 33, ""), bootjson.add_network("c", "", "-"))
print(networks())
for number in range(9):
    bootjson.add_network("n%d" % number, "")
print(networks(), "1.50" in files()["boot.json"])
write("boot.json", b'{"watchdog": 1, "hostname": "h", "wifi": {"networks": [{"ssid": "k"}, 5], "ap": 3}, "x": 1}')
print(bootjson.add_network("l", ""), files()["boot.json"].replace("\\n", "").replace(" ", ""))
write("boot.json", b'{"hostname"')
write("boot.good.json", b'{"log": {"level": "debug"}}')
print(bootjson.add_network("m", ""), files()["boot.json"].replace("\\n", "").replace(" ", ""))
"""
    assert run(program, tmp_path) == [
        '[] [{"ssid": "a", "password": "12345678"}]',
        '[] {"hostname":"haus","wifi":{"networks":[{"ssid":"b","password":""},{"ssid":"a","password":"12345678"}]},'
        '"admin":{"password":"secret"}}',
        "[]",
        f'[] [{NOTED}, {{"ssid": "b", "password": ""}}]',
        "['wifi.networks[0].password is a text of 5 characters, must be a text of 8 to 63 characters, or empty'] "
        f"['wifi.networks[0].ssid is \"{'x' * 33}\", must be a text of 1 to 32 characters'] "
        "['hostname is \"-\", must be 1 to 32 letters, digits and inner hyphens']",
        f'[{NOTED}, {{"ssid": "b", "password": ""}}]',
        "[" + ", ".join(f'{{"ssid": "n{number}", "password": ""}}' for number in range(8, 0, -1)) + "] True",
        '[] {"hostname":"h","wifi":{"networks":[{"ssid":"l","password":""},{"ssid":"k"}]},"x":1}',
        '[] {"wifi":{"networks":[{"ssid":"m","password":""}]},"log":{"level":"debug"}}',
    ]


def test_a_trial(tmp_path):
    program = """
bootjson.save({"hostname": "old"}); print(load(), bootjson.trial_left(), bootjson.confirm())
print(bootjson.propose({"hostname": "new"}), bootjson.source, names())
print(load(), bootjson.trial_left(), bootjson.current())
print(bootjson.save({}), bootjson.propose({}) == bootjson.save({}))
print(bootjson.add_network("a", ""), [len(json.loads(text)["wifi"]["networks"]) for text in files().values()])
print(load()[:2], bootjson.trial_left(), names())
bootjson.propose({"hostname": "new"}); load()
print(bootjson.confirm(), bootjson.source, bootjson.trial_left(), bootjson.confirm(), names())
print(load())
write("boot.trial.json", b'{"hostname": "-"}'); print(load(), names())
print(load(), names())
"""
    assert run(program, tmp_path) == [
        "('old', 'boot.json', []) None ['no settings are on trial']",
        "[] boot.json boot.json boot.trial.json",
        "('new', 'trial', []) 60 OrderedDict({'hostname': 'new'})",
        "['other settings are on trial: confirm them first, or wait until they are given up'] True",
        "[] [1, 1]",
        "('old', 'boot.json') None boot.json",
        "[] boot.json None ['no settings are on trial'] boot.good.json boot.json",
        "('new', 'boot.json', [])",
        "('new', 'boot.json', ['boot.tried.json: hostname is \"-\", must be 1 to 32 letters, digits and inner hyphens"
        "']) boot.good.json boot.json boot.tried.json",
        f"('new', 'boot.json', ['{GONE}']) boot.good.json boot.json",
    ]


def test_erase(tmp_path):
    program = """
for name in ("boot.json", "boot.good.json", "boot.trial.json", "boot.tried.json", "boot.json.new", "app.py"):
    write(name, b"{}")
print(bootjson.erase(), names(), bootjson.erase())
write("boot.json", b"{}")
start(readonly=True)
print(bootjson.erase())
"""
    assert run(program, tmp_path) == [
        "[] app.py []",
        "['boot.json cannot be removed: the filesystem is read-only']",
    ]
