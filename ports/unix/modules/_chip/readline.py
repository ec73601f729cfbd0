"""The line editor of the prompt and of `input()`, as shared/readline/readline.c of MicroPython on an ESP32.

History, cursor keys, Emacs keys, auto-indent, Tab. Characters outside of ASCII are ignored, as on a board.
"""

from micropython import const

from _chip import console
from _chip.complete import complete

CTRL_A = const(1)
CTRL_B = const(2)
CTRL_C = const(3)
CTRL_D = const(4)
CTRL_E = const(5)
_CTRL_F = const(6)
_CTRL_K = const(11)
_CTRL_N = const(14)
_CTRL_P = const(16)
_CTRL_U = const(21)
_BACKSPACE = const(8)
_DELETE = const(127)
_TAB = const(9)
_ESC = const(27)
_SPACE = const(32)

_HISTORY_SIZE = const(8)  # MICROPY_READLINE_HISTORY_SIZE

# States of an escape sequence.
_NONE = const(0)
_ESCAPED = const(1)
_BRACKET = const(2)
_BRACKET_DIGIT = const(3)
_O = const(4)

# Keys that several sequences mean. Others are their own code.
_HOME = CTRL_A
_LEFT = CTRL_B
_DELETE_KEY = CTRL_D
_END = CTRL_E
_RIGHT = _CTRL_F
_DOWN = _CTRL_N
_UP = _CTRL_P

_put = console.put
_tx = console.tx
_main = __import__("__main__")


class LineEditor:
    """Reads lines from the console. `line` (bytearray) holds what was typed, all lines of a statement."""

    def __init__(self):
        self.line = bytearray()
        self._history = []
        self._last_newline = 0
        self._start(b"")

    def _start(self, prompt):
        self._prompt = prompt
        self._origin = self._cursor = len(self.line)  # this line's; what is before can't be edited
        self._escape = _NONE
        self._digit = 0
        self._recalled = -1
        self._indented = False  # the last thing that happened was an auto-indent

    def read(self, prompt):
        """Read a line after `prompt` (bytes) and append it to `line`, without the newline.

        Returns 0, or the control character A to E that ended it: on an empty line any of them, else Ctrl-C.
        Raises EOFError when the host has hung up.
        """
        line = self.line
        if not line:
            self._indent_on = True
        self._start(prompt)
        _tx(prompt)
        self._auto_indent()
        rx = console.rx
        while True:
            c = rx()
            if _SPACE <= c < _DELETE and self._cursor == len(line) and not (self._escape or self._indented):
                # What _process() would do, sooner.
                self._last_newline = 0
                line.append(c)
                self._cursor += 1
                _put(c)
                continue
            result = self._process(c)
            if result is not None:
                return result

    def take(self):
        """What was typed, as bytes; `line` is empty then."""
        line, self.line = self.line, bytearray()
        return bytes(line)

    def _process(self, c):
        """Take one byte. Returns what `read` is to return, or None to go on."""
        if self._escape:
            return self._edit(self._sequence(c))
        line = self.line
        if CTRL_A <= c <= CTRL_E and (len(line) == self._origin or c == CTRL_C):
            return c
        if c <= _CTRL_U and c in b"\x01\x02\x04\x05\x06\x0b\x0e\x10\x15":
            return self._edit(c)
        if (c == 13 or c == 10) and (self._last_newline == 0 or self._last_newline == c):
            self._last_newline = c
            _put(10)
            self._remember()
            return 0
        self._last_newline = 0
        if c == _ESC:
            self._escape = _ESCAPED
            return self._edit(0)
        if c == _BACKSPACE or c == _DELETE:
            return self._backspace()
        if self._indented and (c == _TAB or c == _SPACE):
            # Tab: leave the indent. Space: turn it into a single one.
            self._indent_on = self._indented = False
            if c == _SPACE:
                _back(3)
                line[-3:] = b""
                self._cursor -= 3
        elif c == _TAB:
            self._tab()
        elif _SPACE <= c < _DELETE:
            self._replace(self._cursor, 0, bytes((c,)))
        self._indented = False

    def _sequence(self, c):
        """Take a byte of an escape sequence. Returns the key that it makes, 0 for none (yet)."""
        state = self._escape
        self._escape = _NONE
        if state == _ESCAPED:
            if c == 0x5B:
                self._escape = _BRACKET
            elif c == 0x4F:
                self._escape = _O
        elif state == _BRACKET:
            if 0x30 <= c <= 0x39:
                self._escape = _BRACKET_DIGIT
                self._digit = c - 0x30
            elif c == 0x41:
                return _UP
            elif c == 0x42:
                return _DOWN
            elif c == 0x43:
                return _RIGHT
            elif c == 0x44:
                return _LEFT
            elif c == 0x48:
                return _HOME
            elif c == 0x46:
                return _END
        elif state == _BRACKET_DIGIT:
            if c == 0x7E:
                if self._digit == 1 or self._digit == 7:
                    return _HOME
                if self._digit == 4 or self._digit == 8:
                    return _END
                if self._digit == 3:
                    return _DELETE_KEY
        elif c == 0x48:
            return _HOME
        elif c == 0x46:
            return _END
        return 0

    def _edit(self, key):
        """Do what an editing key says; 0 does nothing."""
        line = self.line
        end = len(line)
        cursor = self._cursor
        if key == _HOME:
            self._move(self._origin)
        elif key == _END:
            self._move(end)
        elif key == _LEFT:
            self._move(max(cursor - 1, self._origin))
        elif key == _RIGHT:
            self._move(min(cursor + 1, end))
        elif key == _DELETE_KEY:
            if cursor < end:
                self._replace(cursor, 1, b"")
        elif key == _CTRL_K:
            self._replace(cursor, end - cursor, b"")
        elif key == _CTRL_U:
            self._replace(self._origin, cursor - self._origin, b"")
        elif key == _UP:
            if self._recalled + 1 < len(self._history):
                self._recall(self._recalled + 1)
        elif key == _DOWN and self._recalled >= 0:
            self._recall(self._recalled - 1)
        self._indented = False

    def _recall(self, index):
        """Put an entry of the history into the line; -1 empties it."""
        self._recalled = index
        entry = self._history[index] if index >= 0 else b""
        self._move(self._origin)
        self._replace(self._origin, len(self.line) - self._origin, entry)

    def _remember(self):
        history = self._history
        try:
            entry = bytes(self.line[self._origin :])
            if entry and (not history or history[0] != entry):
                history.insert(0, entry)
        except MemoryError:
            return  # the line counts, its entry in the history does not
        if len(history) > _HISTORY_SIZE:
            history.pop()

    def _backspace(self):
        if self._cursor > self._origin:
            # Four at once where there are only spaces before the cursor.
            n = 1
            if self._cursor - self._origin >= 4:
                n = 4
                for i in range(self._origin, self._cursor):
                    if self.line[i] != _SPACE:
                        n = 1
                        break
            self._replace(self._cursor - n, n, b"")
        self._indented = False

    def _tab(self):
        line = self.line
        cursor = self._cursor
        # The character before, which at the beginning of a further line is the newline.
        if line and cursor and line[cursor - 1] in b" \n\t":
            self._replace(cursor, 0, b"    ")
            return
        text = complete(bytes(line[self._origin : cursor]), _main, _tx)
        if text:
            self._replace(cursor, 0, text)
        elif text is None:
            _tx(self._prompt)
            _tx(line, self._origin, cursor)
            self._redraw(cursor, cursor)

    def _move(self, position):
        """Move the cursor."""
        if position < self._cursor:
            _back(self._cursor - position)
        else:
            _tx(self.line, self._cursor, position)
        self._cursor = position

    def _replace(self, position, size, text):
        """Replace `size` bytes at `position` by `text`, with the cursor behind it, on the screen as well."""
        line = self.line
        _back(self._cursor - position)
        line[position : position + size] = text
        if size > len(text):
            _tx(b"\x1b[K")
        self._redraw(position, position + len(text))

    def _redraw(self, start, cursor):
        """Draw the line from `start`, where the cursor is, and put the cursor at `cursor`."""
        _tx(self.line, start)
        _back(len(self.line) - cursor)
        self._cursor = cursor

    def _auto_indent(self):
        """Begin a line as the one before, four spaces deeper after a colon; not after two blank ones."""
        line = self.line
        end = len(line)
        if not self._indent_on or end <= 1 or line[end - 1] != 10:
            return
        start = end - 1
        while start > 0 and line[start - 1] != 10:
            start -= 1
        text = start
        while text < end and line[text] == _SPACE:
            text += 1
        if start > 0 and text + 1 == end:
            i = start - 1
            while i > 0 and line[i - 1] == _SPACE:
                i -= 1
            if i > 0 and line[i - 1] == 10:
                return
        n = (text - start) // 4 + (line[end - 2] == 0x3A)
        while n > 0:
            line.extend(b"    ")
            _tx(b"    ")
            self._cursor += 4
            self._indented = True
            n -= 1


def _back(n):
    """Move the terminal's cursor `n` columns to the left."""
    if n <= 4:
        _tx(b"\b\b\b\b", 0, n)
    else:
        _tx(b"\x1b[%dD" % n)


editor = LineEditor()


def read_input(prompt=""):
    """The builtin `input`: a line from the editor. Raises EOFError at Ctrl-D, KeyboardInterrupt at Ctrl-C."""
    print(prompt, end="")
    editor.line = bytearray()
    result = editor.read(b"")
    console.flush()
    if result == CTRL_C:
        raise KeyboardInterrupt
    line = editor.take()
    if result == CTRL_D and not line:
        raise EOFError
    return line.decode()
