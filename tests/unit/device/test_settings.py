"""boot.json on the device: the same verdicts as the schema on the host, and defaults for what is wrong."""

import json

import jsonschema
import pytest

from firmware import bootjson
from unit.device import vm

SCHEMA = json.loads(bootjson.SCHEMA.read_text("utf-8"))

GOOD = [
    {},
    {"hostname": "a"},
    {"hostname": "green-house-2", "watchdog": 0},
    {"hostname": "x" * 32, "watchdog": 600},
    {"wifi": {"networks": [{"ssid": "home", "password": "12345678"}, {"ssid": "ü" * 32}]}},
    {"wifi": {"networks": [{"ssid": "a", "password": ""}] * 8, "country": "DE"}},
    {"wifi": {"static": {"ip": "192.168.1.2", "netmask": "255.255.255.0", "gateway": "", "dns": "0.0.0.0"}}},
    {"wifi": {"ap": {"mode": "never", "ssid": "", "password": "x" * 63}}},
    {"server": {"port": 1, "webroot": "/a", "index": "i", "core": 1, "maxConnections": 16}},
    {"server": {"port": 65535.0}},
    {"server": {"webroot": "/a b/c.d/"}},
    {"server": {"webroot": "/" + "x" * 254}},
    {"admin": {"password": "p" * 64}, "webrepl": {"enabled": False, "password": "1234", "port": 8266}},
    {"time": {"ntp": ""}, "log": {"level": "debug", "syslog": "host"}, "watchdog": 5},
    {"time": {"ntp": ["a"]}},
    {"time": {"ntp": ["x" * 253, "b", "c", "d"]}},
]
BAD = [
    [],
    "text",
    None,
    {"hostname": ""},
    {"hostname": "-a"},
    {"hostname": "a-"},
    {"hostname": "a_b"},
    {"hostname": "ä"},
    {"hostname": "x" * 33},
    {"hostname": "ab\n"},
    {"hostname": 3},
    {"hostname": None},
    {"wifi": []},
    {"wifi": {"networks": {}}},
    {"wifi": {"networks": [{"ssid": "a"}] * 9}},
    {"wifi": {"networks": [{}]}},
    {"wifi": {"networks": ["a"]}},
    {"wifi": {"networks": [{"ssid": ""}]}},
    {"wifi": {"networks": [{"ssid": "x" * 33}]}},
    {"wifi": {"networks": [{"ssid": "a", "password": "1234567"}]}},
    {"wifi": {"networks": [{"ssid": "a", "password": "x" * 64}]}},
    {"wifi": {"country": "de"}},
    {"wifi": {"country": "DEU"}},
    {"wifi": {"static": {"ip": "192.168.1"}}},
    {"wifi": {"static": {"ip": "192.168.1.256"}}},
    {"wifi": {"static": {"ip": "192.168.01.1"}}},
    {"wifi": {"static": {"ip": "1.2.3.4."}}},
    {"wifi": {"static": {"ip": "1..3.4"}}},
    {"wifi": {"static": {"ip": "1.2.3.4.5"}}},
    {"wifi": {"static": {"ip": "a.b.c.d"}}},
    {"wifi": {"ap": {"mode": "sometimes"}}},
    {"wifi": {"ap": {"mode": ""}}},
    {"wifi": {"ap": {"mode": "fallback|always"}}},
    {"wifi": {"ap": {"password": "short"}}},
    {"server": {"port": 0}},
    {"server": {"port": 65536}},
    {"server": {"port": 80.5}},
    {"server": {"port": "80"}},
    {"server": {"port": True}},
    {"server": {"webroot": "webroot"}},
    {"server": {"webroot": ""}},
    # The root has boot.json, and so has recovery's /.recovery.
    {"server": {"webroot": "/"}},
    {"server": {"webroot": "//"}},
    {"server": {"webroot": "/."}},
    {"server": {"webroot": "/a/.."}},
    {"server": {"webroot": "/a/../"}},
    {"server": {"webroot": "/a//"}},
    {"server": {"webroot": "//a"}},
    {"server": {"webroot": "/.recovery"}},
    {"server": {"index": "a/b"}},
    {"server": {"index": ""}},
    {"server": {"core": 2}},
    {"server": {"maxConnections": 17}},
    {"admin": {"password": "p" * 65}},
    {"webrepl": {"enabled": 1}},
    {"webrepl": {"password": "123"}},
    {"webrepl": {"password": "1234567890"}},
    {"log": {"level": "loud"}},
    {"time": {"ntp": 5}},
    {"time": {"ntp": []}},
    {"time": {"ntp": ["a", "b", "c", "d", "e"]}},
    {"time": {"ntp": ["a", ""]}},
    {"time": {"ntp": ["x" * 254]}},
    {"server": {"webroot": "/" + "x" * 255}},
    {"server": {"index": "x" * 256}},
    {"watchdog": 4},
    {"watchdog": 601},
    {"watchdog": -1},
    {"watchdog": False},
]


def on_device(tmp_path, documents):
    """[[settings, problems, remarks]] of device/settings.py for each document."""
    (tmp_path / "documents.json").write_text(json.dumps(documents), "utf-8")
    program = """
import json
from device import jsontext, settings
with open("documents.json", "rb") as file:
    documents = jsontext.parse(file.read())
verdicts = [settings.check(document) for document in documents]
print(json.dumps([[verdict.settings, verdict.problems, verdict.remarks] for verdict in verdicts]))
"""
    return json.loads(vm.run(program, tmp_path))


def schema_leaves(schema=SCHEMA, prefix=""):
    """{dotted path: its schema} for everything that is not an object."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    if schema.get("type") == "object":
        leaves = {}
        for key, inner in schema["properties"].items():
            leaves.update(schema_leaves(inner, f"{prefix}.{key}" if prefix else key))
        return leaves
    if schema.get("type") == "array":
        return {prefix: schema, **schema_leaves(schema["items"], prefix)}
    return {prefix: schema}


@pytest.mark.parametrize("documents", [GOOD, BAD], ids=["good", "bad"])
def test_host_and_device_agree(tmp_path, documents):
    device = [not problems for _settings, problems, _remarks in on_device(tmp_path, documents)]
    (tmp_path / "boot.json").write_text("")
    host = []
    for document in documents:
        (tmp_path / "boot.json").write_text(json.dumps(document))
        host.append(not any(finding.fatal for finding in bootjson.inspect(tmp_path / "boot.json")))
    disagree = [
        document for document, here, there in zip(documents, host, device, strict=True) if here != there
    ]
    assert disagree == []
    assert host == [documents is GOOD] * len(documents)


def test_table_and_schema_have_the_same_keys_and_bounds(tmp_path):
    program = "import json\nfrom device import settings\nprint(json.dumps(settings._TABLE))\n"
    table = {path: (kind, low, high) for path, kind, low, high, _default in json.loads(vm.run(program, tmp_path))}
    leaves = schema_leaves()
    assert sorted(table) == sorted(leaves)
    for path, schema in leaves.items():
        kind, low, high = table[path]
        if "maximum" in schema:
            assert (low, high) == (schema["minimum"], schema["maximum"]), path
        if "maxLength" in schema:
            assert high == schema["maxLength"], path
        if "maxItems" in schema and kind == "list":
            assert high == schema["maxItems"], path
        if "enum" in schema:
            assert kind.split("|") == schema["enum"]


def test_the_order_is_that_of_the_schema(tmp_path):
    table = vm.run("from device import settings\nfor row in settings._TABLE: print(row[0])\n", tmp_path)
    assert table.split() == list(schema_leaves())


def test_defaults_are_those_of_the_schema(tmp_path):
    [[settings, problems, remarks]] = on_device(tmp_path, [{}])
    assert problems == remarks == []
    jsonschema.validate({**settings, "hostname": "x", "wifi": {**settings["wifi"], "country": "DE"}}, SCHEMA)
    for path, schema in schema_leaves().items():
        if "default" in schema:
            value = settings
            for key in path.split("."):
                value = value[key]
            assert value == schema["default"], path


def test_what_is_wrong_gets_its_default_and_the_rest_stays(tmp_path):
    document = {
        "hostname": "ok",
        "server": {"port": 99999, "index": "start.htm", "colour": 1},
        "wifi": {"networks": [{"ssid": ""}, {"ssid": "home", "password": "x"}, 7]},
        "webrepl": {"password": "far too long"},
    }
    [[settings, problems, remarks]] = on_device(tmp_path, [document])
    assert settings["hostname"] == "ok"
    assert settings["server"] == {
        "port": 80,
        "webroot": "/webroot",
        "index": "start.htm",
        "core": 0,
        "maxConnections": 8,
    }
    # Without its password "home" would be another network, an open one.
    assert settings["wifi"]["networks"] == []
    assert settings["webrepl"]["password"] == ""
    assert "server.port is 99999, must be a number, 1 to 65535 (default 80)" in problems
    assert remarks == ["unknown key server.colour is ignored"]
    assert not any("far too long" in problem for problem in problems)
    assert len(problems) == 5


def test_mended_is_the_document_without_what_is_wrong(tmp_path):
    document = {
        "hostname": "-",
        "own": {"password": 4},
        "server": {"port": 99999, "index": "start.htm", "colour": 1},
        "wifi": {
            "networks": [{"ssid": ""}, {"ssid": "a", "password": "x", "y": 1}, 7, {"ssid": 5, "password": 3}, {}]
            + [{"ssid": str(n)} for n in range(6)],
            "static": [],
        },
        "time": {"ntp": ["a", 5]},
    }
    program = f"""
import json
from device import settings
raw = json.loads({json.dumps(document)!r})
print(json.dumps(settings.mend(raw, settings.check(raw))))
print(settings.check(raw).problems, settings.mend([], settings.check([])))
"""
    text, rest = vm.run(program, tmp_path).splitlines()
    assert json.loads(text) == {
        "own": {"password": 4},
        "server": {"index": "start.htm", "colour": 1},
        "wifi": {"networks": [{"ssid": "0"}, {"ssid": "1"}, {"ssid": "2"}]},
        "time": {},
    }
    assert rest == "[] OrderedDict({})"


def test_arranged_has_the_order_of_the_table_and_unknown_keys_behind(tmp_path):
    document = """{"z": 1, "watchdog": 9, "log": {"b": 1, "level": "info", "a": {"level": 0}}, "a": 2, "hostname": "x",
 "wifi": {"ap": {}, "networks": [{"q": 1, "password": "", "ssid": "s"}, 7], "country": "DE"}, "server": 5}"""
    program = f"""
import json
from device import jsontext, settings
print(json.dumps(settings.arranged(jsontext.parse({document!r}.encode()))))
"""
    assert vm.run(program, tmp_path).strip() == (
        '{"hostname": "x", "wifi": {"networks": [{"ssid": "s", "password": "", "q": 1}, 7], "country": "DE", "ap": {}},'
        ' "server": 5, "log": {"level": "info", "b": 1, "a": {"level": 0}}, "watchdog": 9, "z": 1, "a": 2}'
    )
