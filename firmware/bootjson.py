"""Checks a boot.json against boot.schema.json and says where in the file it is wrong."""

import contextlib
import difflib
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from firmware import paths
from firmware.errors import FirmwareError

SCHEMA = paths.ROOT / "firmware" / "boot.schema.json"
_CACHE = paths.BUILD / "cache" / "boot-json"


@dataclass(frozen=True)
class Finding:
    """One remark: `text` is the line to show; a `fatal` one stops the build, the others are warnings."""

    text: str
    fatal: bool


def check(path):
    """Raise FirmwareError for the first thing wrong in the file; returns the warnings as a list of lines.

    A verdict is kept in build/cache for as long as file and schema stay as they are.
    """
    findings = _known_findings(Path(path))
    wrong = [finding.text for finding in findings if finding.fatal]
    if wrong:
        more = f" (and {len(wrong) - 1} more: make check-boot-json)" if len(wrong) > 1 else ""
        raise FirmwareError(wrong[0] + more)
    return [finding.text for finding in findings]


def _known_findings(path):
    try:
        key = hashlib.sha256(str(path).encode() + SCHEMA.read_bytes() + path.read_bytes()).hexdigest()
    except OSError:
        return inspect(path)
    cached = _CACHE / f"{key}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        return [Finding(*row) for row in json.loads(cached.read_text("utf-8"))]
    findings = inspect(path)
    paths.write_atomically(
        cached, json.dumps([[finding.text, finding.fatal] for finding in findings]).encode()
    )
    return findings


def inspect(path):
    """All Findings of a file, in the file's order. Raises FirmwareError when it cannot be read."""
    path = Path(path)
    try:
        return _inspect(path)
    except RecursionError:
        return [Finding(f"{paths.show(path)}: nested too deeply to be settings", True)]


def _inspect(path):
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise FirmwareError(
            f"cannot read {paths.show(path)}: {error.strerror}; BOOT_JSON=FILE names another"
        ) from error
    except UnicodeDecodeError as error:
        raise FirmwareError(
            f"{paths.show(path)}: byte {error.start} is not UTF-8, save the file as UTF-8"
        ) from error
    if text.startswith("\ufeff"):
        return [Finding(f"{paths.show(path)}:1:1: begins with a byte order mark, save the file without it", True)]
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return [Finding(f"{paths.show(path)}:{error.lineno}:{error.colno}: not JSON: {error.msg}", True)]
    # Slow to import, and needed only when the file changed.
    import jsonschema
    from json_source_map import calculate

    def pattern(_validator, text, instance, _schema):
        # In ECMA 262, which JSON Schema means, '$' is the end; in Python also the place before a newline.
        if isinstance(instance, str) and not re.search(text.replace("$", r"\Z"), instance):
            yield jsonschema.ValidationError("does not match")

    validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": pattern})
    schema = json.loads(SCHEMA.read_text("utf-8"))
    places = calculate(text)

    def place(keys):
        pointer = "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)
        entry = places[pointer]
        start = entry.key_start or entry.value_start
        return start.line + 1, start.column + 1

    found = []
    for error in validator(schema).iter_errors(value):
        keys = list(error.absolute_path)
        found.append((place(keys), _explain(keys, error), True))
    for keys, known in _unknown(value, schema, schema, []):
        close = difflib.get_close_matches(str(keys[-1]), known, 1, 0.75)
        hint = f", did you mean '{close[0]}'?" if close else f"; known here: {', '.join(known)}"
        found.append((place(keys), f"unknown key {_name(keys)} is ignored{hint}", False))
    found.sort()
    return [
        Finding(f"{paths.show(path)}:{line}:{column}: {text}", fatal) for (line, column), text, fatal in found
    ]


def _explain(keys, error):
    """What the field held and what is allowed, which the schema's description says in words."""
    if error.validator == "required":
        return f"{_name(keys)} lacks {error.message.split(' ')[0]}"
    held = json.dumps(error.instance, ensure_ascii=False)
    if keys and keys[-1] == "password" and isinstance(error.instance, str):
        held = f"a text of {len(error.instance)} characters"
    elif len(held) > 40:
        held = held[:39] + "…"
    allowed = error.schema.get("description", error.message) if keys else "an object"
    return f"{_name(keys)} is {held}, must be {allowed}"


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
