"""boot.json on the host: each error with its place in the file, what it held and what is allowed."""

import json

import pytest

from firmware import bootjson, paths
from firmware.errors import FirmwareError


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Write a text as boot.json and inspect it: the lines without the file's name."""
    monkeypatch.setattr(bootjson, "_CACHE", tmp_path / "cache")

    def inspect(text):
        path = tmp_path / "boot.json"
        path.write_text(text, "utf-8")
        return [
            (finding.text.removeprefix(paths.show(path) + ":"), finding.fatal)
            for finding in bootjson.inspect(path)
        ]

    return inspect


def test_default_boot_json_and_the_documented_one_are_good(check):
    assert bootjson.inspect(paths.ROOT / "ports" / "unix" / "boot.json") == []
    example = {
        "hostname": "greenhouse",
        "wifi": {
            "networks": [{"ssid": "home", "password": "12345678"}],
            "country": "DE",
            "static": {"ip": "", "netmask": "", "gateway": "", "dns": ""},
            "ap": {"mode": "fallback", "ssid": "", "password": ""},
        },
        "server": {"port": 80, "webroot": "/webroot", "index": "index.html", "core": 0, "maxConnections": 8},
        "admin": {"password": "secret"},
        "webrepl": {"enabled": True, "password": "secret", "port": 8266},
        "time": {"ntp": "pool.ntp.org"},
        "log": {"level": "info", "syslog": ""},
        "watchdog": 30,
    }
    assert check(json.dumps(example)) == []
    assert check("{}") == []


def test_place_value_and_what_is_allowed(check):
    text = '{\n  "server": {\n    "port": 70000,\n    "index": "a/b"\n  }\n}'
    assert check(text) == [
        ("3:5: server.port is 70000, must be a port number, 1 to 65535", True),
        ('4:5: server.index is "a/b", must be a file name with no slash, 1 to 255 characters', True),
    ]


def test_syntax_error_has_line_and_column(check):
    assert check('{\n  "a": tru\n}') == [("2:8: not JSON: Expecting value", True)]


def test_unknown_keys_are_warnings_with_a_guess(check):
    assert check('{"hostnam": "x",\n"log": {"colour": 1}}') == [
        ("1:2: unknown key hostnam is ignored, did you mean 'hostname'?", False),
        (
            "2:9: unknown key log.colour is ignored; known here: level, syslog",
            False,
        ),
    ]


def test_entries_of_lists(check):
    text = '{"wifi": {"networks": [\n{"ssid": "a"},\n{"ssid": 4},\n{"password": "short"}]}}'
    assert check(text) == [
        ("3:2: wifi.networks[1].ssid is 4, must be a network's name, 1 to 32 characters", True),
        ("4:1: wifi.networks[2] lacks 'ssid'", True),
        (
            "4:2: wifi.networks[2].password is a text of 5 characters, must be 8 to 63 characters (WPA2), "
            "or nothing for an open network",
            True,
        ),
    ]


def test_not_even_an_object(check):
    assert check("[]") == [("1:1: the file is a list of 0, must be an object", True)]


def test_newline_at_the_end_of_a_value_is_no_match(check):
    assert [fatal for _text, fatal in check('{"hostname": "ab\\n"}')] == [True]


def test_check_raises_for_errors_and_returns_warnings(tmp_path, monkeypatch):
    monkeypatch.setattr(bootjson, "_CACHE", tmp_path / "cache")
    path = tmp_path / "boot.json"
    path.write_text('{"watchdog": 3, "hostname": "-"}')
    for _from_cache in (False, True):
        with pytest.raises(FirmwareError, match=r"boot\.json:1:2: watchdog is 3.*\(and 1 more"):
            bootjson.check(path)
    path.write_text('{"x": 3}')
    assert len(bootjson.check(path)) == 1


def test_unreadable(tmp_path, monkeypatch):
    monkeypatch.setattr(bootjson, "_CACHE", tmp_path / "cache")
    with pytest.raises(FirmwareError, match="BOOT_JSON="):
        bootjson.check(tmp_path / "nix.json")
    (tmp_path / "latin.json").write_bytes(b'{"hostname": "\xe4"}')
    with pytest.raises(FirmwareError, match="byte 14 is not UTF-8"):
        bootjson.check(tmp_path / "latin.json")


def test_nesting_and_byte_order_mark_are_one_line(check):
    assert check("[" * 4000 + "]" * 4000) == [(" nested too deeply to be settings", True)]
    assert check('{"a":\n' + "[" * 8 + "]" * 8 + "}") == [("2:8: nested too deeply to be settings", True)]
    assert check('{"a": ' + "[" * 7 + "]" * 7 + "}")[0][1] is False
    assert check("\ufeff{}") == [("1:1: begins with a byte order mark, save the file without it", True)]


def test_what_python_takes_for_json_and_a_board_does_not(check):
    assert check('{"watchdog": NaN}') == [(" not JSON: NaN is no number", True)]
    assert check('{"hostname":\n"\\ud800"}') == [("1:2: not JSON: one half of a surrogate pair", True)]
    assert check("[" + " " * 8192 + "]") == [(" has 8194 bytes, a board reads 8192 at most", True)]


def test_keys_that_are_there_twice(check):
    text = '{"log": {"level": "info"},\n"log": {}, "wifi": {"country": "de",\n"country": "DE"}}'
    assert check(text) == [
        ("2:1: key log is there twice, the last one counts", False),
        ("3:1: key wifi.country is there twice, the last one counts", False),
    ]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("80.0", None),
        ("8E1", None),
        ("0.0080e4", None),
        ("80.00000000000000000000001", "80.00000000000000000000001"),
        ("1e400", "1E+400"),
        ("1e99999999999999999999", "Infinity"),
        ("9" * 5000, "9" * 39 + "…"),
    ],
)
def test_numbers_are_what_their_digits_say(check, number, words):
    found = check(f'{{"server": {{"port": {number}}}}}')
    assert [text.partition("server.port is ")[2].partition(", must be")[0] for text, _fatal in found] == (
        [words] if words else []
    )


def test_passwords_are_never_shown(check):
    secret = "hunter2hunter2"
    texts = [
        {"wifi": {"networks": {"ssid": "a", "password": secret}}},
        {"wifi": {"networks": [[{"password": secret}]], "ap": {"password": secret * 9}}},
        {"admin": {"password": [secret]}, "webrepl": {"password": {"x": secret}}},
        [{"admin": {"password": secret}}],
    ]
    for text in texts:
        lines = [line for line, _fatal in check(json.dumps(text))]
        assert lines
        assert not any("hunter" in line for line in lines)
    assert check('{"admin": {"password": 12345678}}')[0][0].startswith("1:12: admin.password is no text, must be")


def test_keys_with_escapes_have_the_place_of_what_they_lie_in(check):
    assert check('{"server":\n{"\\u0070ort": 0, "a/b~": 1}}') == [
        ("1:2: server.port is 0, must be a port number, 1 to 65535", True),
        ("2:18: unknown key server.a/b~ is ignored; known here: port, webroot, index, core, maxConnections", False),
    ]


def test_time_servers(check):
    assert check('{"time": {"ntp": ["a", "b", "c", "d"]}}') == []
    assert check('{"time": {"ntp": ""}}') == []
    assert [line.partition(",")[0] for line, _fatal in check('{"time": {"ntp": ["a", ""]}}')] == [
        '1:24: time.ntp[1] is ""'
    ]
    for wrong in ("[]", '["a", "b", "c", "d", "e"]', "5", "null", "{}"):
        assert "time.ntp is" in check(f'{{"time": {{"ntp": {wrong}}}}}')[0][0]
