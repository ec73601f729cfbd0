"""What the REPL knows about Python: when a line needs another one, Tab completion, the statements of a paste.

After py/repl.c of MicroPython.
"""

from micropython import const

# C modules of an ESP32 build. A board doesn't offer those that are Python either (asyncio, ssl, webrepl ...).
_MODULES = (
    "__main__ _asyncio _thread array binascii builtins cmath collections cryptolib deflate errno esp32 "
    "framebuf gc hashlib heapq io json machine math micropython network os platform random re select socket "
    "struct sys time tls uctypes vfs websocket"
)
_SLOT = const(16)
_LINE = const(64)
_COMPOUND = (b"if", b"while", b"for", b"try", b"with", b"def", b"class", b"async")
_CONTINUES = (b"else", b"elif", b"except", b"finally")


def _is_word(c):
    """Whether byte `c` can be part of an identifier."""
    return 48 <= c <= 57 or 65 <= c <= 90 or c == 95 or 97 <= c <= 122


def _starts_with(source, start, words):
    for word in words:
        n = start + len(word)
        if source[start:n] == word and (n == len(source) or not _is_word(source[n])):
            return True
    return False


class Scanner:
    """Follows brackets and quotes through source code that grows, so that each byte is looked at once."""

    def __init__(self, comments):
        """`comments`: know what a comment is. mp_repl_continue_with_input() doesn't."""
        self._comments = comments
        self.reset()

    def reset(self):
        """Begin with new source code."""
        self._position = 0
        self._depth = [0, 0, 0]  # of (), [], {}
        self._quote = 0  # the byte that closes a string
        self._triple = False
        self.joined = False  # the last line ends with a backslash

    def scan(self, source, end):
        """Look at `source` up to `end`, the end of a line."""
        i = self._position
        quote = self._quote
        triple = self._triple
        depth = self._depth
        self.joined = False
        while i < end:
            c = source[i]
            if c == 0x22 or c == 0x27:
                three = i + 2 < end and source[i + 1] == c and source[i + 2] == c
                if three and (not quote or (triple and quote == c)):
                    i += 2
                    quote = 0 if quote else c
                    triple = quote != 0
                elif not quote:
                    quote = c
                elif quote == c and not triple:
                    quote = 0
            elif c == 0x5C:
                if not quote:
                    self.joined = True  # a syntax error if it is not the line's last character
                elif i + 1 < end:
                    c = source[i + 1]
                    if c == 0x22 or c == 0x27 or c == 0x5C:
                        i += 1
            elif quote:
                pass
            elif c == 0x23:
                if self._comments:
                    break
            elif c == 0x28:
                depth[0] += 1
            elif c == 0x29:
                depth[0] -= 1
            elif c == 0x5B:
                depth[1] += 1
            elif c == 0x5D:
                depth[1] -= 1
            elif c == 0x7B:
                depth[2] += 1
            elif c == 0x7D:
                depth[2] -= 1
            i += 1
        self._position = end if i < end else i
        self._quote = quote
        self._triple = triple

    def inside(self):
        """Whether a bracket or a string over several lines is open."""
        if self._quote:
            return self._triple
        return any(n > 0 for n in self._depth)


class Continuation(Scanner):
    """Tells whether what was typed needs another line, as mp_repl_continue_with_input()."""

    def __init__(self):
        super().__init__(False)

    def needed(self, source):
        """`source`: all that was typed since `reset`, without the last newline."""
        if not source:
            return False
        self.scan(source, len(source))
        last = source[-1]
        if self.inside() or last == 0x5C:
            return True
        return last != 10 and (source[0] == 0x40 or _starts_with(source, 0, _COMPOUND))


def statements(source):
    """The top-level statements of `source` (bytes, no syntax error): yields (lines before it, start, end)."""
    scanner = Scanner(True)
    number = i = start = line = 0
    begun = decorated = False
    while i < len(source):
        end = i
        while end < len(source) and source[end] != 10 and source[end] != 13:
            end += 1
        inside = begun and (scanner.inside() or scanner.joined)
        if not inside and end > i and source[i] not in b" \t\x0c#":
            follows = decorated or _starts_with(source, i, _CONTINUES)
            if begun and not follows:
                yield line, start, i
            if not begun or not follows:
                start, line, begun = i, number, True
            decorated = source[i] == 0x40
        scanner.scan(source, end)
        i = end + (2 if source[end : end + 2] == b"\r\n" else 1)
        number += 1
    if begun:
        yield line, start, len(source)


def _names(owner, prefix):
    """The attributes of `owner` that begin with `prefix`; those with an underscore only if it does too."""
    names = _MODULES.split() if owner is None else dir(owner)
    return [n for n in names if n.startswith(prefix) and (prefix or n[0] != "_")]


def complete(line, namespace, out):
    """Complete the last word of `line` (bytes) in `namespace` (a module), as mp_repl_autocomplete().

    Returns the bytes to insert, or None after printing several matches by `out(bytes)`.
    """
    start = len(line)
    while start and (_is_word(line[start - 1]) or line[start - 1] == 0x2E):
        start -= 1
    words = line[start:].decode().split(".")
    prefix = words.pop()
    owner = namespace
    try:
        for word in words:
            owner = getattr(owner, word)
        names = _names(None if line.startswith(b"import ") else owner, prefix)
    except Exception:
        return b""
    if not names:
        if start == 0 and prefix and not words and "import ".startswith(prefix):
            return "import "[len(prefix) :].encode()
        return b""
    common = names[0]
    for name in names:
        n = len(prefix)
        while n < len(common) and n < len(name) and common[n] == name[n]:
            n += 1
        common = common[:n]
    if len(names) == 1 or len(common) > len(prefix):
        return common[len(prefix) :].encode()
    column = _LINE
    for name in names:
        gap = (column + _SLOT - 1) // _SLOT * _SLOT - column
        if gap < 2:
            gap += _SLOT
        if column + gap + len(name) <= _LINE:
            out(b" " * gap)
            column += gap
        else:
            out(b"\n")
            column = 0
        out(name.encode())
        column += len(name)
    out(b"\n")
    return None
