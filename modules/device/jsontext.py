"""Reads and writes JSON as RFC 8259 has it, and nothing else; loaded when settings are read or saved.

MicroPython's json takes commas and colons for spaces, closes a list with a brace, stops at a byte 0 and knows no
surrogate pairs, so that a file with a slip would be read as something else than what a person sees in it. Here objects
keep the order of their keys, numbers their digits, and what is wrong has a line and a column.
"""

import json
from collections import OrderedDict

from micropython import const

_DEPTH = const(8)  # objects and lists within each other; the settings themselves have four
_DIGITS = const(18)  # of a number that becomes an int

_COMMA = const(0x2C)
_COLON = const(0x3A)
_QUOTE = const(0x22)
_LIST = const(0x5B)
_OBJECT = const(0x7B)
_SPACES = b" \t\n\r"
_NUMBER = b"+-.0123456789eE"
_HEX = b"0123456789abcdefABCDEF"
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}
_WORDS = ((b"true", True), (b"false", False), (b"null", None))


class Real:
    """A number that is no short row of digits, kept as its text: a chip's float has seven digits only."""

    def __init__(self, text):
        self._text = text

    def __repr__(self):
        return self._text  # which json.dumps() prints

    def whole(self):
        """The value as an int, as JSON Schema sees 80.0 and 8e1; None with a fraction or more than 18 digits."""
        mantissa, _, exponent = self._text.lower().partition("e")
        sign = -1 if mantissa[0] == "-" else 1
        before, _, behind = mantissa.lstrip("-").partition(".")
        digits = (before + behind).lstrip("0")
        figures = digits.rstrip("0")
        if not figures:
            return 0
        zeros = int(exponent or "0") - len(behind) + len(digits) - len(figures)
        if zeros < 0 or len(figures) + zeros > _DIGITS:
            return None
        return sign * int(figures + "0" * zeros)


def parse(data, twice=None):
    """The value of the JSON text in `data`, bytes; objects are OrderedDicts.

    twice: a list that gets (key, line) of each key that its object had before; the last one counts.
    ValueError with words for people, which name line and column.
    """
    reader = _Reader(data, [] if twice is None else twice)
    if data[:3] == b"\xef\xbb\xbf":
        reader.fail("begins with a byte order mark, save it without")
    value = reader.value(_DEPTH)
    if reader.skip() >= 0:
        reader.fail("nothing may follow here")
    return value


def dump(value, put, margin="\n"):
    """Write a value as JSON for people, by calls of put(text): a key or entry a line, two spaces for each level."""
    if not value or not isinstance(value, (dict, list)):
        return put(json.dumps(value))
    inner = margin + "  "
    before = "{" if isinstance(value, dict) else "["
    for entry in value:
        put(before + inner)
        if isinstance(value, dict):
            put(json.dumps(entry) + ": ")
            entry = value[entry]
        dump(entry, put, inner)
        before = ","
    put(margin + ("}" if isinstance(value, dict) else "]"))


class _Reader:
    """A place in the text, from which one thing after the other is read."""

    def __init__(self, data, twice):
        self.data = data
        self.at = 0
        self.twice = twice

    def fail(self, words):
        """ValueError with `words` and the place."""
        raise ValueError("not JSON at %s: %s" % (self.place(), words))

    def place(self):
        """Line and column, in words."""
        # A column is a character, not a byte.
        start = self.data.rfind(b"\n", 0, self.at) + 1
        column = 1 + sum(1 for byte in self.data[start : self.at] if byte & 0xC0 != 0x80)
        return "line %d, column %d" % (self.line(), column)

    def line(self):
        """Number of the line, from 1."""
        return self.data[: self.at].count(b"\n") + 1

    def skip(self):
        """The next byte that is no space, -1 at the end."""
        data = self.data
        at = self.at
        while at < len(data) and data[at] in _SPACES:
            at += 1
        self.at = at
        return data[at] if at < len(data) else -1

    def value(self, depth):
        """The value that begins here. One call for each level: the stack of a thread on a chip is small."""
        first = self.skip()
        if first == _QUOTE:
            return self.text()
        if first not in (_LIST, _OBJECT):
            return self.scalar()
        if not depth:
            raise ValueError("nested too deeply to be settings at " + self.place())
        found = OrderedDict() if first == _OBJECT else []
        end = first + 2
        self.at += 1
        if self.skip() == end:
            self.at += 1
            return found
        while True:
            if first == _LIST:
                found.append(self.value(depth - 1))
            else:
                key = self.key(found)
                found[key] = self.value(depth - 1)
            following = self.skip()
            if following not in (end, _COMMA):
                self.fail("a comma or %s is missing" % chr(end))
            self.at += 1
            if following == end:
                return found

    def key(self, found):
        """A key and the colon after it."""
        if self.skip() != _QUOTE:
            self.fail("a key in double quotes is expected")
        key = self.text()
        if key in found:
            self.twice.append((key, self.line()))
        if self.skip() != _COLON:
            self.fail("a colon is missing")
        self.at += 1
        return key

    def scalar(self):
        """true, false, null or a number."""
        data = self.data
        at = self.at
        for word, value in _WORDS:
            if data[at : at + len(word)] == word:
                self.at += len(word)
                return value
        end = at
        while end < len(data) and data[end] in _NUMBER:
            end += 1
        text = str(data[at:end], "utf-8")
        if not _is_number(text):
            self.fail("a value is expected")
        self.at = end
        if text.lstrip("-").isdigit() and end - at <= _DIGITS:
            return int(text)
        return Real(text)

    def text(self):
        """The text whose opening quote is here."""
        data = self.data
        self.at += 1
        found = ""
        while True:
            end = data.find(b'"', self.at)
            if end < 0:
                self.fail("a text has no quote at its end")
            escape = data.find(b"\\", self.at, end)
            stop = end if escape < 0 else escape
            found += self.plain(data[self.at : stop])
            self.at = stop + 1
            if escape < 0:
                return found
            found += self.escape()

    def plain(self, piece):
        """A part of a text without escapes, decoded."""
        for byte in piece:
            if byte < 0x20:
                self.fail("a line break or control character within a text: write \\n or \\u%04x" % byte)
        try:
            text = str(piece, "utf-8")
        except UnicodeError:
            text = None
        # MicroPython's decoder lets longer forms than needed, surrogates and more than U+10FFFF pass (RFC 3629).
        if text is None or len(text) != len(piece) and len(piece) != sum(_size(ord(letter)) for letter in text):
            self.fail("a text is not UTF-8, save the file as UTF-8")
        return text

    def escape(self):
        """What stands behind a backslash."""
        letter = chr(self.data[self.at]) if self.at < len(self.data) else ""
        if letter == "u":
            code = self.code()
            if 0xD800 <= code < 0xDC00 and self.data[self.at : self.at + 2] == b"\\u":
                self.at += 1
                low = self.code()
                if 0xDC00 <= low < 0xE000:
                    return chr(0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF))
                code = low | 0xD800
            if 0xD800 <= code < 0xE000:
                self.fail("one half of a surrogate pair")
            return chr(code)
        if letter not in _ESCAPES:
            self.fail("no such escape: write \\\\ for a backslash")
        self.at += 1
        return _ESCAPES[letter]

    def code(self):
        """The number in uXXXX."""
        digits = self.data[self.at + 1 : self.at + 5]
        if len(digits) != 4 or not all(digit in _HEX for digit in digits):
            self.fail("four hexadecimal digits must follow \\u")
        self.at += 5
        return int(digits, 16)


def _size(code):
    """Bytes of a character in UTF-8, 0 for what is none."""
    if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
        return 0
    return 1 + (code > 0x7F) + (code > 0x7FF) + (code > 0xFFFF)


def _is_number(text):
    """Whether a text of the characters in _NUMBER is a number: no leading zero, digits around the point."""
    mantissa, e, exponent = text.lower().partition("e")
    before, point, behind = mantissa.partition(".")
    if before[:1] == "-":
        before = before[1:]
    if exponent[:1] in ("+", "-"):
        exponent = exponent[1:]
    return (
        before.isdigit()
        and (before[0] != "0" or before == "0")
        and (not point or behind.isdigit())
        and (not e or exponent.isdigit())
    )
