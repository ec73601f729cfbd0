"""One verdict on boot.json: the same files, good and bad, are given to the host's check and to the device's.

Compared for each: accepted or not, which keys are named as wrong, unknown or doubled. The files are made of
edge cases at every key of the schema, of slips in the text of good files, and of what hypothesis thinks of, always the
same (derandomize).
"""

import json
import re

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from firmware import bootjson
from firmware.errors import FirmwareError
from unit.device import vm
from unit.device.test_settings import BAD, GOOD, SCHEMA, schema_leaves

WRONG_FILE = "the file"

# As they stand in a file, for json.dumps() writes each value in one way only.
VALUES = [
    "null", "true", "false", "0", "1", "-1", "5", "80", "80.0", "8e1", "80.5", "1e2", "1E+02", "0.5e1", "-0", "-0.0",
    "70000", "1e400", "1e-400", "123456789012345678901234567890", "80.00000000000000000000000001",
    "1e99999999999999999",
    '""', '"x"', '"80"', '"true"', '"null"', '"DE"', '"de"', '"info"', '"INFO"', '"fallback"', '"/"', '"/a b"',
    '"a/b"',
    '"192.168.1.20"', '"192.168.01.20"', '"192.168.1.20 "', '"0.0.0.0"', '"255.255.255.256"', '"1.2.3"',
    '"1.2.3.4.5"',
    '"-1.2.3.4"', '"+1.2.3.4"', '"1e1.2.3.4"', '"\\u0661.2.3.4"', '"::1"', '"a-b"', '"-ab"', '"ab-"', '"a_b"',
    '"a.b"', '"\\u00e4"', '"\\u212a"', '"x\\n"', '"\\u0000"', '"1234567"', '"12345678"', '"\\n2345678"',
    "[]", "{}", "[1]", '[""]', '["a"]', '["a", "b", "c", "d"]', '["a", "b", "c", "d", "e"]', '["a", 1, ""]',
    '[["a"]]',
    '{"a": 1}', '[{}]', '[{"ssid": "a"}]', '[{"ssid": "a"}, {"ssid": null}, 4, {"password": "short"}]',
]  # fmt: skip
# Texts around the longest that a key takes, of one, three and four bytes a character.
for length in (4, 9, 10, 32, 33, 63, 64, 65, 253, 254, 255, 256):
    VALUES += [json.dumps(letter * length, ensure_ascii=False) for letter in "x€"]
VALUES += [json.dumps("/" + "x" * length) for length in (254, 255)]
VALUES += [json.dumps("😀" * length) for length in (31, 32, 33, 63, 64)]

FILES = [
    b"", b" ", b"\n", b"\0", b"{}", b" {} ", b"\t\r\n{}\n", b"{}\0", b"{}{}", b"{},", b"{}]", b"\xef\xbb\xbf{}",
    b"{} x",
    b"\xff\xfe{\0}\0", b"{", b"}", b"[", b"[]", b"[{}]", b"null", b"true", b"1", b"\"x\"", b"nul", b"nulll", b"True",
    b"{'a': 1}", b"{a: 1}", b'{"a": 1,}', b'{,"a": 1}', b'{"a": 1,, "b": 2}', b'{"a" 1}', b'{"a":: 1}', b'{"a"}',
    b'{"a": }', b'{"a": 1 "b": 2}', b'{"a": [1 2]}', b'{"a": [1,]}', b'{"a": [,1]}', b'{"a": [}]', b'{"a": (1)}',
    b'{"a": 1]', b'{"a": [1}', b'{"log": {"level": "info"]}', b'{1: 2}', b'{null: 2}', b'{"a": 1}}', b"\xa0{}",
    b"// comment\n{}", b"{} // comment", b"/* comment */{}", b"# comment\n{}", b'{"a": 1 /* x */}', b"\x0b{}",
    b"\x0c{}",
    b'{"hostname": "a\nb"}', b'{"hostname": "a\tb"}', b'{"x": "a\x00b"}', b'{"x": "a\x7fb"}', b'{"x": "\\u12"}',
    b'{"x": "\\u12g4"}', b'{"x": "\\u+123"}', b'{"x": "\\u 123"}', b'{"x": "\\x41"}', b'{"x": "\\"}', b'{"x": "\\',
    b'{"x": "\\u"}', b'{"x": "\\a"}', b'{"x": "\\\'"}', b'{"x": "\\/\\b\\f\\n\\r\\t\\"\\\\"}', b'{"x": "abc', b'{"x',
    b'{"x": "\\ud800"}', b'{"x": "\\udc00"}', b'{"x": "\\ud83d\\ude00"}', b'{"x": "\\ud83d\\u0041"}',
    b'{"x": "\\ud83d\\ud83d\\ude00"}', b'{"x": "\\ud83d\\n"}', b'{"\\ud800": 1}', b'{"x": ["\\uDFFF"]}',
    b'{"x": "\xc3\xa4"}', b'{"x": "\xe4"}', b'{"x": "\xc0\x80"}', b'{"x": "\xc1\xbf"}', b'{"x": "\xe0\x80\xaf"}',
    b'{"x": "\xed\xa0\x80"}', b'{"x": "\xf0\x80\x80\x80"}', b'{"x": "\xf4\x8f\xbf\xbf"}',
    b'{"x": "\xf4\x90\x80\x80"}',
    b'{"x": "\xf8\x88\x80\x80\x80"}', b'{"x": "\xc3"}', b'{"x": "\xc3\\n"}', b'{"x": "\x80"}', b'{"\xe4": 1}',
    b"{}\xff",
    b'{"watchdog": 030}', b'{"watchdog": +30}', b'{"watchdog": 30.}', b'{"watchdog": .5}', b'{"watchdog": 0x1e}',
    b'{"watchdog": 3e}', b'{"watchdog": 3e+}', b'{"watchdog": 1-2}', b'{"watchdog": 30e}', b'{"watchdog": -}',
    b'{"watchdog": --30}', b'{"watchdog": 1.5.5}', b'{"watchdog": 1e1e1}', b'{"watchdog": NaN}', b'{"watchdog": nan}',
    b'{"watchdog": Infinity}', b'{"watchdog": -Infinity}', b'{"watchdog": 3_0}', b'{"watchdog": 30f}', b'{"x": -01}',
    b'{"watchdog": \xd9\xa3}', b'{"x": 1E5, "y": 1e-5, "z": -0.0}', b'{"watchdog": 0e0}', b'{"watchdog": 0E-5}',
    b'{"watchdog": 9, "watchdog": 4}', b'{"watchdog": 4, "watchdog": 9}', b'{"log": {"level": 1}, "log": {}}',
    b'{"x": 1, "x": 2, "x": 3}', b'{"wifi": {"networks": [{"ssid": "a", "ssid": "b"}]}}',
    b'{"a": {"x": 1}, "b": {"x": 2}}',
    b'{"server": {"\\u0070ort": 0}}', b'{"server": {"port": 80, "\\u0070ort": 0}}', b'{"": 1}',
    b'{"server": {"": 1}}',
    b'{"hostnam": "x", "hostname ": "x"}', b'{"wifi.country": "DE"}',
    b'{"wifi": {"networks": [{"ssid": "a", "x": 1}]}}',
    b'{"hostname": "ok", "x": "' + b"x" * 8164 + b'"}', b'{"hostname": "ok", "x": "' + b"x" * 8165 + b'"}',
    b" " * 8190 + b"{}", b" " * 8191 + b"{}", b"[" * 8 + b"]" * 8, b"[" * 9 + b"]" * 9, b"[" * 4000 + b"]" * 4000,
    b'{"x": ' + b"[" * 7 + b"1" + b"]" * 7 + b"}", b'{"x": ' + b"[" * 8 + b"]" * 8 + b"}",
    b'{"x": ' * 8 + b"1" + b"}" * 8,
    b'{"x": ' * 9 + b"1" + b"}" * 9, b"[" * 3000, b'{"a":' * 1500, b'{"watchdog": ' + b"9" * 5000 + b"}",
    b'{"watchdog": 1' + b"0" * 17 + b"}", b'{"watchdog": 30.' + b"0" * 5000 + b"}",
    b'{"watchdog": 1e' + b"9" * 5000 + b"}",
    b'{"server": 1, "wifi": [], "log": "", "time": null, "admin": 0.5, "webrepl": true}',
    b'{"server": {"port": {"x": 1}}}',
    b'{"wifi": {"networks": [' + b",".join([b'{"ssid": "a"}'] * 9) + b"]}}",
    b'{"wifi": {"networks": [' + b",".join([b'{"ssid": 1}'] * 9) + b"]}}",
]  # fmt: skip

EXAMPLE = """{
  "hostname": "greenhouse",
  "wifi": {
    "networks": [{"ssid": "höme", "password": "12345678"}, {"ssid": "b"}],
    "country": "DE", "static": {"ip": "192.168.1.20", "netmask": ""}, "ap": {"mode": "always"}
  },
  "server": {"port": 8080, "webroot": "/webroot", "core": 1e0, "maxConnections": 8.0},
  "webrepl": {"enabled": true, "password": "se\\u0063ret"},
  "time": {"ntp": ["a.example", "b"]}, "log": {"level": "info"}, "watchdog": 30, "own": [1.5, null, {"x": -2e-3}]
}
"""


def at(path, value):
    """The text of a file that holds a value's text at a dotted path; those below wifi.networks in an entry."""
    for key in reversed(path.split(".")):
        value = f'{{"{key}": {value}}}'
        if key in ("ssid", "password") and path.startswith("wifi.networks"):
            other = '{"ssid": "x", "password": ""}' if key == "ssid" else '{"password": "12345678"}'
            value = f'[{value[:-1]}, "y": 0}}, {other}]'
    return value.encode()


def written():
    """The files that people thought of."""
    files = list(FILES)
    leaves = list(schema_leaves())
    sections = sorted({path.rpartition(".")[0] for path in leaves if "." in path})
    for path in leaves:
        files += [at(path, value) for value in VALUES]
        files.append(at(path.upper(), "1"))
        files.append(at(path + "s", "1"))
    for path in sections:
        files += [at(path, value) for value in VALUES if len(value) < 10 or value[0] in "[{"]
        files.append(at(path.title(), "{}"))
    return files + [json.dumps(document).encode() for document in GOOD + BAD]


@st.composite
def slips(draw):
    """A good file with some characters removed, doubled, exchanged or put in."""
    text = list(EXAMPLE)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text) - 1))
        what = draw(st.sampled_from(["remove", "replace", "insert", "double", "swap", "cut"]))
        letter = draw(st.sampled_from('{}[]",:\\ \n\t-+.eE0179ntfu\0\x1f/*#\'äa'))
        if what == "remove":
            del text[place]
        elif what == "replace":
            text[place] = letter
        elif what == "insert":
            text.insert(place, letter)
        elif what == "double":
            text.insert(place, text[place])
        elif what == "swap" and place:
            text[place - 1 : place + 1] = text[place], text[place - 1]
        elif what == "cut" and draw(st.integers(0, 9)) == 0:
            del text[place:]
        if not text:
            break
    return "".join(text).encode()


letters = st.characters(exclude_categories=["Cs"]) | st.sampled_from("09azAZ-./_ ")
texts = st.text(letters, max_size=70) | st.text("0123456789.", max_size=16) | st.text("xX", max_size=256)
numbers = st.integers() | st.integers(-2, 70000) | st.floats(allow_nan=False, allow_infinity=False)
numbers |= st.integers(-2, 70000).map(float)
scalars = st.none() | st.booleans() | numbers | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)


def documents(schema):
    """Values that are mostly as a part of the schema wants them."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return st.sampled_from(schema["enum"]) | anything
    kinds = {
        "boolean": st.booleans(),
        "integer": st.integers(schema.get("minimum", 0), schema.get("maximum", 700)) | numbers,
        "string": st.from_regex(schema["pattern"], fullmatch=True) if "pattern" in schema else texts,
    }
    if schema.get("type") == "object":
        inner = {key: documents(part) for key, part in schema["properties"].items()}
        return st.fixed_dictionaries({}, optional=inner) | anything
    if "items" in schema:
        whole = st.lists(documents(schema["items"]), max_size=schema["maxItems"] + 1)
        return whole | texts if schema["type"] != "array" else whole
    return st.one_of(kinds[schema["type"]], kinds[schema["type"]], anything)


def thought_of(strategy, count):
    """`count` values of a strategy, always the same."""
    found = []

    @profile(derandomize=True, max_examples=count, database=None, deadline=None, suppress_health_check=HealthCheck)
    @given(strategy)
    def collect(value):
        found.append(value)

    collect()
    return found


def corpus():
    """All files, each once."""
    files = written()
    files += thought_of(slips(), 400)
    for document in thought_of(documents(SCHEMA), 300):
        text = json.dumps(document, ensure_ascii=len(files) % 2 == 0, indent=len(files) % 3 or None)
        files.append(text.encode())
    return list(dict.fromkeys(files))


def host(folder, count):
    """[(keys that are wrong, unknown keys, keys that are there twice)] by firmware/bootjson.py for 0.json, 1.json …"""
    verdicts = []
    for number in range(count):
        try:
            findings = bootjson.inspect(folder / f"{number}.json")
        except FirmwareError:
            verdicts.append(([WRONG_FILE], 0, []))
            continue
        lines = [re.sub(r"^.*?\d\.json:(\d+:\d+:)? ", "", finding.text, flags=re.S) for finding in findings]
        wrong = [named(line) for line, finding in zip(lines, findings, strict=True) if finding.fatal]
        unknown = [line for line in lines if line.startswith("unknown key ")]
        twice = [line.partition(" is there twice")[0][4:] for line in lines if " is there twice" in line]
        verdicts.append((sorted(set(wrong)), len(unknown), sorted({key.rpartition(".")[2] for key in twice})))
    return verdicts


def device(folder, count):
    """The same by modules/device, all files in one process."""
    program = f"""
import gc, json
from device import bootjson
gc.enable()
with bootjson._Settings() as settings:
    for number in range({count}):
        data, raw, problems, doubled = bootjson._examine(settings, "%d.json" % number)
        verdict = settings.check(raw)
        print(json.dumps([problems, verdict.problems, len(verdict.remarks), doubled]))
"""
    verdicts = []
    for line in vm.run(program, folder).split("\n")[:-1]:  # other line breaks stand within texts
        problems, wrong, unknown, doubled = json.loads(line)
        if problems:
            verdicts.append(([WRONG_FILE], 0, []))
            continue
        twice = {re.search(r": key (.*) in line \d+ was there before", text)[1] for text in doubled}
        verdicts.append((sorted({named(text) for text in wrong}), unknown, sorted(twice)))
    return verdicts


def named(line):
    """The key that a line says to be wrong."""
    match = re.match(r"([\w.\[\]]+) (is|lacks) ", line)
    return match[1] if match else WRONG_FILE


def test_host_and_device_say_the_same_about_every_file(tmp_path):
    files = corpus()
    for number, data in enumerate(files):
        (tmp_path / f"{number}.json").write_bytes(data)
    here, there = host(tmp_path, len(files)), device(tmp_path, len(files))
    differ = [row for row in zip(files, here, there, strict=True) if row[1] != row[2]]
    assert differ == []
    accepted = sum(not wrong for wrong, _unknown, _twice in here)
    spoilt = sum(wrong == [WRONG_FILE] for wrong, _unknown, _twice in here)
    # Enough of each kind for the comparison to mean something.
    assert len(files) > 1000
    assert accepted > 200
    assert spoilt > 200
    assert len(files) - accepted - spoilt > 500
    assert {key for wrong, _unknown, _twice in here for key in wrong} >= {
        path.replace("networks.", "networks[0].") for path in schema_leaves()
    }


@pytest.mark.parametrize("key", sorted(path for path in schema_leaves() if path.endswith("password")))
def test_neither_shows_a_password(tmp_path, key):
    """Whatever is wrong with it, and wherever it stands."""
    values = ['"SECRET\\u0021' + "x" * 70 + '"', '["SECRET"]', '{"password": "SECRET"}', '{"SECRET": 1}']
    files = [at(key, value) for value in values] + [at(key.rpartition(".")[0], '[{"password": "SECRET"}]')]
    lines = []
    for data in files:
        (tmp_path / "boot.json").write_bytes(data)
        lines += [finding.text for finding in bootjson.inspect(tmp_path / "boot.json") if finding.fatal]
    documents = json.dumps([json.loads(data) for data in files])
    (tmp_path / "documents.json").write_text(documents)
    program = """
import json
from device import bootjson
with open("documents.json") as file:
    for document in json.load(file):
        print("\\n".join(bootjson.check(document)[1]))
"""
    lines += vm.run(program, tmp_path).splitlines()
    assert len(lines) >= 2 * len(files) - 2
    assert not any("SECRET" in line for line in lines)


@pytest.mark.parametrize(
    "document",
    [
        "SECRET",
        ["SECRET"],
        {"admin": "SECRET"},
        {"webrepl": "SECRET"},
        {"wifi": "SECRET"},
        {"wifi": {"ap": "SECRET"}},
        {"wifi": {"networks": "home:SECRET"}},
        {"wifi": {"networks": {"ssid": "home", "psk": "SECRET"}}},
        {"wifi": {"networks": ["SECRET"]}},
        {"wifi": {"networks": [["home", "SECRET"]]}},
        {"wifi": {"networks": [{"ssid": {"psk": "SECRET"}}]}},
        {"wifi": {"networks": [{"ssid": ["SECRET"]}]}},
        {"hostname": {"x": "SECRET"}},
        {"time": {"ntp": {"x": "SECRET"}}},
        {"admin": 731},
        {"wifi": {"networks": 731}},
        {"wifi": {"networks": [731]}},
    ],
    ids=json.dumps,
)
def test_neither_shows_what_stands_in_the_place_of_an_object(tmp_path, document):
    """It may well be a password: these lines go to /api/status, which everybody may read."""
    path = tmp_path / "boot.json"
    path.write_text(json.dumps(document))
    here = [re.sub(r"^.*?boot\.json:(\d+:\d+:)? ", "", finding.text) for finding in bootjson.inspect(path)]
    program = f"""
import json
from device import bootjson
print("\\n".join(bootjson.check(json.loads({json.dumps(document)!r}))[1]))
"""
    there = vm.run(program, tmp_path).splitlines()
    assert len(here) >= 1
    assert [line.partition(", must be")[0] for line in here if " is " in line] == [
        line.partition(", must be")[0] for line in there if " is " in line
    ]
    assert not any("SECRET" in line or "731" in line for line in here + there)
