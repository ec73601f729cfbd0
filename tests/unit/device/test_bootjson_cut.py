"""The power fails at every single write and erasure of the flash while settings are saved, tried out, confirmed.

Each time the power comes back, the files are there whole, the old ones or the new ones, and the board starts with
settings that somebody wanted.
"""

import json

import pytest

from unit.device import test_bootjson, vm

HEAD = (
    test_bootjson.HEAD
    + """
import device
class recovery:
    def intended():
        pass
OLD, NEW = {"hostname": "old", "own": "o" * OWN}, {"hostname": "new", "own": "n" * OWN}

def cut(prepare, action, check):
    # The number of operations of `action`; `check` gets what a start loads after a cut in the midst of each of them.
    prepare()
    image = bytes(disk.data)
    source = bootjson.source
    count = 0
    while True:
        disk.data[:] = image
        start()
        bootjson.source = source
        disk.left = count
        action()
        whole = not disk.off
        start()
        loaded = load()
        assert open("/other").read() == "other" * 300
        assert not bootjson._lock.locked()
        check(loaded, {name: text for name, text in files().items() if name[-4:] != ".new"}, whole)
        # And it can be written to.
        assert bootjson.source == "trial" or bootjson.save({"hostname": "later"}) == [], count
        if whole:
            return count
        count += 1

def is_settings(text, *allowed):
    assert json.loads(text) in allowed, text
seen = set()
def prepare():
    write("other", "other" * 300)
    assert bootjson.save(OLD) == []
    load()
    bootjson.keep_good()
"""
)


@pytest.fixture(params=[0, 600, 3900], ids=["small", "a few hundred bytes", "a block"])
def run(request, tmp_path):
    """Run a program that ends with print(number of operations, what was seen); small files lie within their folder."""

    def run(program):
        head = HEAD.replace("* OWN", f"* {request.param}")
        count, *seen = json.loads(vm.run(head + program + "print(json.dumps([count] + sorted(seen)))", tmp_path))
        assert count
        return seen

    return run


def test_save(run):
    program = """
def check(loaded, there, whole):
    assert sorted(there) == ["boot.good.json", "boot.json", "other"]
    assert loaded[1:] == ("boot.json", ["boot.json: unknown key own is ignored"]), loaded
    is_settings(there["boot.json"], OLD, NEW)
    is_settings(there["boot.good.json"], OLD)
    assert loaded[0] == "new" or not whole
    seen.add(loaded[0])
count = cut(prepare, lambda: bootjson.save(NEW), check)
"""
    assert run(program) == ["new", "old"]


def test_the_first_save(run):
    program = """
def check(loaded, there, whole):
    if "boot.json" in there:
        is_settings(there["boot.json"], NEW)
    seen.add(loaded[1])
count = cut(lambda: write("other", "other" * 300), lambda: bootjson.save(NEW), check)
"""
    assert run(program) == ["boot.json", "defaults"]


def test_add_network(run):
    program = """
ADDED = {"hostname": "old", "own": OLD["own"], "wifi": {"networks": [{"ssid": "a", "password": "12345678"}]}}
def check(loaded, there, whole):
    is_settings(there["boot.json"], OLD, ADDED)
    is_settings(there["boot.good.json"], OLD)
    assert loaded[:2] == ("old", "boot.json")
    seen.add("wifi" in there["boot.json"])
    assert "wifi" in there["boot.json"] or not whole
count = cut(prepare, lambda: bootjson.add_network("a", "12345678"), check)
"""
    assert run(program) == [False, True]


def test_add_network_in_a_trial(run):
    program = """
def on_trial():
    prepare()
    bootjson.propose(NEW)
    load()
def check(loaded, there, whole):
    assert loaded[:2] == ("old", "boot.json")
    assert "boot.tried.json" not in there
    seen.add("wifi" in there["boot.json"])
    assert "wifi" in there["boot.json"] or not whole
count = cut(on_trial, lambda: bootjson.add_network("a", "12345678"), check)
"""
    assert run(program) == [False, True]


def test_keep_good(run):
    program = """
def changed():
    prepare()
    bootjson.save(NEW)
    load()
def keep():
    bootjson._sum = total
    bootjson.keep_good()
total = None
def changed_and_noted():
    global total
    changed()
    total = bootjson._sum
def check(loaded, there, whole):
    is_settings(there["boot.json"], NEW)
    is_settings(there["boot.good.json"], OLD, NEW)
    assert loaded[:2] == ("new", "boot.json")
    seen.add(bootjson.parse(there["boot.good.json"].encode())["hostname"])
    assert not whole or there["boot.good.json"] == there["boot.json"]
count = cut(changed_and_noted, keep, check)
"""
    assert run(program) == ["new", "old"]


def test_propose(run):
    """Either nothing has happened, or the trial begins with the start after the cut."""
    program = """
def check(loaded, there, whole):
    is_settings(there["boot.json"], OLD)
    is_settings(there["boot.good.json"], OLD)
    assert loaded[:2] in (("old", "boot.json"), ("new", "trial")), loaded
    assert ("boot.tried.json" in there) == (loaded[1] == "trial")
    seen.add(loaded[1])
    assert loaded[1] == "trial" or not whole
    # A further cut ends the trial.
    assert load()[:2] == ("old", "boot.json")
count = cut(prepare, lambda: bootjson.propose(NEW), check)
"""
    assert run(program) == ["boot.json", "trial"]


def test_start_of_a_trial(run):
    """The start that takes up new settings is cut off: the next one does, or they are given up."""
    program = """
def proposed():
    prepare()
    bootjson.propose(NEW)
def check(loaded, there, whole):
    is_settings(there["boot.json"], OLD)
    assert loaded[:2] in (("old", "boot.json"), ("new", "trial")), loaded
    seen.add(loaded[1])
    assert loaded[1] == "boot.json" or not whole
count = cut(proposed, load, check)
assert bootjson.load()[2] == "boot.json"
"""
    assert run(program) == ["boot.json", "trial"]


def test_confirm(run):
    """Before it is done the trial is given up by the cut, after it the new settings stay."""
    program = """
def on_trial():
    prepare()
    bootjson.propose(NEW)
    load()
def check(loaded, there, whole):
    is_settings(there["boot.json"], OLD, NEW)
    is_settings(there["boot.good.json"], OLD, NEW)
    assert loaded[1] == "boot.json" and "boot.tried.json" not in there, loaded
    assert bootjson.parse(there["boot.json"].encode())["hostname"] == loaded[0]
    seen.add(loaded[0])
    assert loaded[0] == "new" or not whole
count = cut(on_trial, bootjson.confirm, check)
"""
    assert run(program) == ["new", "old"]


def test_end_of_a_trial(run):
    """The start that removes settings which nobody has confirmed is cut off."""
    program = """
def given_up():
    prepare()
    bootjson.propose(NEW)
    load()
def check(loaded, there, whole):
    is_settings(there["boot.json"], OLD)
    assert loaded[:2] == ("old", "boot.json")
    assert "boot.tried.json" not in there and "boot.trial.json" not in there
    seen.add(len(there))
count = cut(given_up, load, check)
"""
    assert run(program) == [3]


def test_a_trial_from_its_beginning_to_its_end(run):
    """All steps in a row, cut off anywhere."""
    program = """
def all():
    bootjson.propose(NEW)
    load()
    bootjson.confirm()
    load()
    bootjson.keep_good()
def check(loaded, there, whole):
    is_settings(there["boot.json"], OLD, NEW)
    is_settings(there["boot.good.json"], OLD, NEW)
    assert loaded[:2] in (("old", "boot.json"), ("new", "trial"), ("new", "boot.json")), loaded
    seen.add(" ".join(loaded[:2]))
    assert loaded[:2] == ("new", "boot.json") or not whole
count = cut(prepare, all, check)
"""
    assert run(program) == ["new boot.json", "new trial", "old boot.json"]


def test_erase(run):
    """What is left after a cut are the settings as they were, or none."""
    program = """
def filled():
    prepare()
    write("boot.good.json", bootjson.render({"hostname": "older"}))
    bootjson.propose(NEW)
def check(loaded, there, whole):
    assert loaded[:2] in (("old", "boot.json"), ("new", "trial"), ("", "defaults")), loaded
    if whole:
        assert list(there) == ["other"]
    seen.add(" ".join(loaded[:2]))
count = cut(filled, bootjson.erase, check)
"""
    assert run(program) == [" defaults", "new trial", "old boot.json"]
