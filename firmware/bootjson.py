"""Checks a boot.json against boot.schema.json and says where in the file it is wrong.

What the board's own parser takes for JSON (modules/device/jsontext.py), and nothing else, passes here too.
"""

import contextlib
import decimal
import difflib
import functools
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from firmware import paths
from firmware.errors import FirmwareError

SCHEMA = paths.ROOT / "firmware" / "boot.schema.json"
_CACHE = paths.BUILD / "cache" / "boot-json"

# The limits of a board: modules/device/bootjson.py and jsontext.py
SIZE_MAX = 8192
DEPTH_MAX = 8
_DIGITS_MAX = 18


@dataclass(frozen=True)
class Finding:
    """One remark: `text` is the line to show; a `fatal` one stops the build, the others are warnings."""

    text: str
    fatal: bool


def check(path):
    """Raise FirmwareError for the first thing wrong in the file; returns the warnings as a list of lines.

    A verdict is kept in build/cache for as long as file, schema and this module stay as they are.
    """
    findings = _known_findings(Path(path))
    wrong = [finding.text for finding in findings if finding.fatal]
    if wrong:
        more = f" (and {len(wrong) - 1} more: make check-boot-json)" if len(wrong) > 1 else ""
        raise FirmwareError(wrong[0] + more)
    return [finding.text for finding in findings]


def _known_findings(path):
    try:
        parts = [str(path).encode(), SCHEMA.read_bytes(), Path(__file__).read_bytes(), path.read_bytes()]
        key = hashlib.sha256(b"\0".join(parts)).hexdigest()
    except OSError:
        return inspect(path)
    cached = _CACHE / f"{key}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        return [Finding(*row) for row in json.loads(cached.read_text("utf-8"))]
    findings = inspect(path)
    paths.write_atomically(cached, json.dumps([[finding.text, finding.fatal] for finding in findings]).encode())
    return findings


def inspect(path):
    """All Findings of a file, in the file's order. Raises FirmwareError when it cannot be read."""
    path = Path(path)
    try:
        data = path.read_bytes()
        text = data.decode("utf-8")
    except OSError as error:
        raise FirmwareError(
            f"cannot read {paths.show(path)}: {error.strerror}; BOOT_JSON=FILE names another"
        ) from error
    except UnicodeDecodeError as error:
        raise FirmwareError(f"{paths.show(path)}: byte {error.start} is not UTF-8, save the file as UTF-8") from error
    name = paths.show(path)
    if len(data) > SIZE_MAX:
        return [Finding(f"{name}: has {len(data)} bytes, a board reads {SIZE_MAX} at most", True)]
    if text.startswith("\ufeff"):
        return [Finding(f"{name}:1:1: begins with a byte order mark, save the file without it", True)]
    try:
        value = _parse(text)
    except json.JSONDecodeError as error:
        return [Finding(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}", True)]
    except ValueError as error:
        return [Finding(f"{name}: not JSON: {error}", True)]
    except RecursionError:
        return [Finding(f"{name}: nested too deeply to be settings", True)]
    rows = sorted(set(_findings(value, _places(text))))
    return [Finding(f"{name}:{line}:{column}: {text}", fatal) for (line, column), text, fatal in rows]


class _Object(dict):
    """A JSON object that remembers the keys which were there before."""

    def __init__(self, pairs):
        super().__init__(pairs)
        keys = [key for key, _value in pairs]
        self.twice = {key for key in keys if keys.count(key) > 1}


def _parse(text):
    """The value of a JSON text; numbers as ints where they are whole, else exact. ValueError for NaN and the like."""

    def refuse(name):
        raise ValueError(f"{name} is no number")

    return json.loads(text, parse_float=_number, parse_int=_number, parse_constant=refuse, object_pairs_hook=_Object)


def _number(text):
    """An int as JSON Schema sees 80, 80.0 and 8e1; else a Decimal, which to the schema is no integer."""
    try:
        value = decimal.Decimal(text)
    except decimal.InvalidOperation:  # an exponent of 18 digits and more
        mantissa = text.lower().partition("e")[0]
        return decimal.Decimal("Infinity") if mantissa.strip("-0.") else 0
    if value.is_zero():
        return 0
    if value.adjusted() >= _DIGITS_MAX or value.adjusted() < 0:
        return value
    whole = int(value)
    return whole if whole == value else value


def _places(text):
    """A function that gives (line, column) for a list of keys."""
    # Slow to import, and needed only when the file changed.
    from json_source_map import calculate

    try:
        places = calculate(text)
    except ValueError:  # sys.set_int_max_str_digits(): thousands of digits in a row
        places = {}

    def place(keys):
        # The map has keys as the file writes them. One with escapes is not found: what it lies in is.
        for end in range(len(keys), -1, -1):
            pointer = "".join("/" + json.dumps(str(key), ensure_ascii=False)[1:-1] for key in keys[:end])
            if pointer in places:
                start = places[pointer].key_start or places[pointer].value_start
                return start.line + 1, start.column + 1
        return 1, 1

    return place


@functools.cache
def _validator():
    """The schema's validator; jsonschema is slow to import, too, and makes a class for it."""
    import jsonschema

    def pattern(_validator, text, instance, _schema):
        # In ECMA 262, which JSON Schema means, '$' is the end; in Python also the place before a newline.
        if isinstance(instance, str) and not re.search(text.replace("$", r"\Z"), instance):
            yield jsonschema.ValidationError("does not match")

    kind = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": pattern})
    return kind(json.loads(SCHEMA.read_text("utf-8")))


def _findings(value, place):
    """((line, column), text, fatal) for all that is wrong or strange about a value."""
    deep = [keys for keys, inner in _walk(value) if len(keys) >= DEPTH_MAX and isinstance(inner, (dict, list))]
    if deep:
        yield place(deep[0]), "nested too deeply to be settings", True
        return
    halves = [keys for keys, inner in _walk(value) if _has_half(inner)]
    if halves:
        yield place(halves[0]), "not JSON: one half of a surrogate pair", True
        return
    for keys, inner in _walk(value):
        for key in getattr(inner, "twice", ()):
            yield place([*keys, key]), f"key {_name([*keys, key])} is there twice, the last one counts", False
    schema = _validator().schema
    for error in _validator().iter_errors(value):
        keys = list(error.absolute_path)
        yield place(keys), _explain(keys, error), True
    for keys, known in _unknown(value, schema, schema, []):
        close = difflib.get_close_matches(str(keys[-1]), known, 1, 0.75)
        hint = f", did you mean '{close[0]}'?" if close else f"; known here: {', '.join(known)}"
        yield place(keys), f"unknown key {_name(keys)} is ignored{hint}", False


def _walk(value, keys=()):
    """(keys, value) of a value and of all that it consists of."""
    yield keys, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from _walk(part, (*keys, key))


def _has_half(value):
    """Whether a text or a key has a surrogate, which is no character (RFC 8259 section 8.2)."""
    texts = [value] if isinstance(value, str) else value if isinstance(value, dict) else ()
    return any("\ud800" <= letter <= "\udfff" for text in texts for letter in text)


def _explain(keys, error):
    """What the field held and what is allowed, which the schema's description says in words."""
    if error.validator == "required":
        return f"{_name(keys)} lacks {error.message.split(' ')[0]}"
    if not keys or "properties" in error.schema:
        held = _hidden(error.instance, "object")
    elif error.schema.get("type") == "array":
        held = _hidden(error.instance, "list")
    elif keys[-1] == "password" or isinstance(error.instance, dict | list):
        held = _hidden(error.instance, "text")
    else:
        held = _shown(error.instance)
    allowed = error.schema.get("description", error.message) if keys else "an object"
    return f"{_name(keys)} is {held}, must be {allowed}"


def _hidden(value, wanted):
    """What a value is, in the words of a board: it may be a password that stands in the wrong place."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"a text of {len(value)} characters" if isinstance(value, str) else f"no {wanted}"


def _shown(value):
    """The beginning of a value that is no object and no list, as JSON."""
    text = str(value) if isinstance(value, decimal.Decimal) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"


def _unknown(value, schema, root, keys):
    """(path of an unknown key, the known ones beside it) everywhere in the value."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, dict) and "properties" in schema:
        for key, inner in value.items():
            if key in schema["properties"]:
                yield from _unknown(inner, schema["properties"][key], root, [*keys, key])
            else:
                yield [*keys, key], list(schema["properties"])
    elif isinstance(value, list) and "items" in schema:
        for number, inner in enumerate(value):
            yield from _unknown(inner, schema["items"], root, [*keys, number])


def _name(keys):
    """wifi.networks[0].ssid"""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text or "the file"
