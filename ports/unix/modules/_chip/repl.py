"""The REPL: friendly, paste, raw and raw-paste mode, as shared/runtime/pyexec.c of MicroPython has them.

The VM's own REPL waits for input inside C and would keep the turn. This one waits without it.

Ctrl-C raises KeyboardInterrupt between `console.kbd_intr` 3 and -1 on the bus, at any jump of the main
thread's byte code. `_run` is where it is caught: what follows user code there has no jump until the host has
confirmed that no further one will come.
"""

import builtins
import io
import os
import sys as _sys

from micropython import const, heap_lock, heap_unlock

from _chip import bus, console, sysmodule
from _chip.complete import Continuation, statements
from _chip.readline import CTRL_A, CTRL_B, CTRL_C, CTRL_D, CTRL_E, editor

_WINDOW = const(128)  # bytes that a host may send ahead in raw-paste mode; MICROPY_REPL_STDIN_BUFFER_MAX / 2
_RESERVE = const(4096)
_S_IFREG = const(0x8000)
_PART = const(1024)

_globals = __import__("__main__").__dict__
_STDIN = "<stdin>"
_interrupt_on = bus.prepare("console.kbd_intr", c=CTRL_C)
_interrupt_off = bus.prepare("console.kbd_intr", c=-1)
_put = console.put
_tx = console.tx
_flush = console.flush
_rx = console.rx

_mode = "friendly"
_reserve = bytearray(_RESERVE)  # given up when user code has filled the heap, so that the REPL can go on


class _Printer(io.IOBase):
    """Takes an exception from sys.print_exception() and leaves out the REPL's own frames. Allocates nothing.

    The VM writes piece by piece: header, then for each frame '  File "', name, '", line ', number, ', in ',
    name, newline. Frames come outermost first, so ours are at the beginning.
    """

    _OURS = (
        b"_stop_interrupts",
        b"_run",
        b"_paste",
        b"_execute",
        b"run_file",
        b"take",
        b"add",
        b"_raw_paste",
        b"_read_windows",
    )

    def __init__(self):
        self._frame = bytearray(200)
        self._first = self._ours = self._header = False
        self._size = 0

    def show(self, e):
        """Print the exception `e`."""
        self._first = True  # no frame of the user's so far
        self._size = 0  # of the frame that is being held back
        self._ours = self._header = False
        _sys.print_exception(e, self)

    def write(self, piece):
        if not self._first:
            _tx(piece)
        elif piece == b"Traceback (most recent call last):\n":
            self._header = True
        elif self._size or piece == b'  File "':
            self._hold(piece)
        else:
            # The exception itself: there was no frame of the user's, or none that could be stored.
            self._first = False
            _tx(piece)
        return len(piece)

    def _hold(self, piece):
        n = self._size
        room = len(self._frame) - n
        for i in range(min(len(piece), room)):
            self._frame[n] = piece[i]
            n += 1
        self._size = n
        if piece != b"\n":
            self._ours = piece in self._OURS
        elif self._ours:
            self._size = 0
        else:
            self._first = False
            if self._header:
                _tx(b"Traceback (most recent call last):\n")
            _tx(self._frame, 0, n)
            if len(piece) > room:
                _put(10)


_printer = _Printer()


def _stop_interrupts(late=False):
    """Let Ctrl-C be an ordinary character again. Returns whether it was pressed on the way."""
    try:
        bus.repeat(_interrupt_off)
        for _ in b"x":  # a jump: what is pending strikes here
            pass
        return late
    except:  # noqa: E722 - only KeyboardInterrupt can come, and asking for it would be a jump
        return _stop_interrupts(True)


def _run(function, *args):
    """Call user code with Ctrl-C on."""
    try:
        bus.repeat(_interrupt_on)
        function(*args)
    finally:
        late = _stop_interrupts()
    if late:
        raise KeyboardInterrupt


def _paste(source):
    """Run a paste statement by statement, each as at the prompt: the values of expressions are printed."""
    for line, start, end in statements(source):
        # Joined lines in the place of those before keep the line numbers right.
        exec(compile(b"\\\n" * line + source[start:end], _STDIN, "single"), _globals)


class _Script:
    """Source code that comes byte by byte. It is kept in parts, for which a heap with holes has room."""

    def __init__(self):
        self._parts = []
        self.part = bytearray(_PART)
        self.used = 0  # bytes of `part`

    def add(self, c):
        """Append a byte."""
        if self.used == _PART:
            self._parts.append(bytes(self.part))
            self.used = 0
        self.part[self.used] = c
        self.used += 1

    def take(self):
        """All of it as bytes; leaves nothing."""
        parts, self._parts = self._parts, None
        parts.append(bytes(memoryview(self.part)[: self.used]))
        return b"".join(parts)


def _execute(mode, take, eof=False):
    """Compile and run what `take()` returns (bytes). `mode` is as for compile(), or "paste".

    `eof`: say with 0x04 where output ends and where the exception ends, as in raw mode. An exception is
    printed, SystemExit starts the board anew.
    """
    failure = None
    try:
        if mode != "single":
            _globals["__file__"] = _STDIN
        source = take()
        code = compile(source, _STDIN, "single" if mode == "single" else "exec")
        _flush()
        if mode == "paste":
            code = None  # it was to find any error before the first statement runs
            _run(_paste, source)
        else:
            source = None
            _run(exec, code, _globals)
    except BaseException as e:
        failure = e
    source = code = None
    _finish(failure, eof)


def _finish(failure, eof=False):
    """Report how user code ended: `failure` is its exception or None. Returns whether there was none."""
    global _reserve
    if eof:
        _put(CTRL_D)
    if isinstance(failure, SystemExit):
        if eof:
            _put(CTRL_D)
        _soft_reset()
    if failure is not None:
        if isinstance(failure, MemoryError):
            _reserve = None
        _printer.show(failure)
    if eof:
        _put(CTRL_D)
    # User code may have left the heap locked; heap_unlock() tells how often.
    heap_lock()
    for _ in range(heap_unlock()):
        heap_unlock()
    if _reserve is None:
        _keep_reserve()
    return failure is None


def _keep_reserve():
    """Set memory aside again, if that leaves some to work with."""
    global _reserve
    try:
        bytearray(2 * _RESERVE)
        _reserve = bytearray(_RESERVE)
    except MemoryError:
        pass


def _soft_reset():
    """Start the board anew, in the REPL's present mode. Never returns."""
    _tx(b"MPY: soft reboot\n")
    _flush()
    while True:
        bus.call("reset", kind="soft", mode=_mode)


def _friendly():
    """The friendly REPL, until another mode is asked for."""
    global _mode
    _tx(sysmodule.banner().encode())
    _tx(b'\nType "help()" for more information.\n')
    continuation = Continuation()
    while True:
        editor.line = bytearray()
        end = editor.read(_prompt("ps1"))
        if end:
            _put(10)
        if end == CTRL_A:
            _mode = "raw"
            return
        if end == CTRL_B:
            return
        if end == CTRL_D:
            _soft_reset()
        if end == CTRL_E:
            _paste_mode()
        elif not end and editor.line:
            continuation.reset()
            while end != CTRL_D and continuation.needed(editor.line):
                editor.line.append(10)
                end = editor.read(_prompt("ps2"))
                if end == CTRL_C:
                    _put(10)
                    break
            if end != CTRL_C:
                _execute("single", editor.take)


def _prompt(name):
    value = getattr(_sys, name)
    return value.encode() if isinstance(value, str) else b""


def _paste_mode():
    """Take a script up to Ctrl-D, echo it, run it."""
    _tx(b"paste mode; Ctrl-C to cancel, Ctrl-D to finish\n=== ")
    script = _Script()
    while True:
        c = _rx()
        if c == CTRL_C or c == CTRL_D:
            break
        script.add(c)
        if c == 13:
            _tx(b"\n=== ")
        else:
            console.put_raw(c)
    _put(10)
    if c == CTRL_D:
        _execute("paste", script.take)


def _raw():
    """The raw REPL, until the friendly one is asked for."""
    global _mode
    while True:
        _tx(b"raw REPL; CTRL-B to exit\n")
        c = CTRL_D
        while c != CTRL_A:
            _put(0x3E)
            script = _Script()
            c = _read_raw(script)
            if c == CTRL_B:
                _put(10)
                _mode = "friendly"
                return
            if c == CTRL_D:
                _tx(b"OK")
                if not script.used:
                    _put(10)
                    _soft_reset()
                _execute("exec", script.take, True)
            elif c == CTRL_E:
                _raw_paste()


def _read_raw(script):
    """Read up to Ctrl-A, B or D into `script`, return which; Ctrl-E: raw-paste, Ctrl-C: no such mode."""
    while True:
        c = _rx()
        if c == CTRL_A and script.used == 2 and script.part[0] == CTRL_E:
            if script.part[1] == 0x41:
                return CTRL_E
            _tx(b"R\0")
            return CTRL_C
        if c == CTRL_A or c == CTRL_B or c == CTRL_D:
            return c
        if c == CTRL_C:
            script.__init__()
        else:
            script.add(c)


def _raw_paste():
    """Take a script with flow control and run it: 0x01 lets the host send another window, 0x04 stops it."""
    _tx(b"R\x01")
    _put(_WINDOW & 0xFF)
    _put(_WINDOW >> 8)
    _put(1)
    script = _Script()
    try:
        end = _read_windows(script)
    except MemoryError as e:
        # Stop the host and wait until it has seen that.
        script = None
        _put(CTRL_D)
        while True:
            end = _rx()
            if end == CTRL_C or end == CTRL_D:
                break
        _finish(e, True)
        return
    _put(CTRL_D)
    if end == CTRL_C:
        _finish(KeyboardInterrupt(), True)
    else:
        _execute("exec", script.take, True)


def _read_windows(script):
    """Read up to Ctrl-C or D into `script`, return which; say whenever a window's worth has been taken."""
    add = script.add
    left = _WINDOW
    while True:
        c = _rx()
        if c == CTRL_D or c == CTRL_C:
            return c
        add(c)
        left -= 1
        if left == 0:
            left = _WINDOW
            _put(1)
            _flush()


def run(mode):
    """Be the REPL, "friendly" or "raw" to begin with. Never returns; SystemExit when the host has hung up."""
    global _mode, _reserve
    _mode = mode
    while True:
        try:
            if _mode == "raw":
                _raw()
            else:
                _friendly()
        except EOFError:
            raise SystemExit
        except KeyboardInterrupt:
            # User code that still runs, a timer's say, has switched Ctrl-C on.
            _put(10)
        except MemoryError as e:
            _reserve = None
            _printer.show(e)


def _is_file(path):
    """Whether mp_import_stat() finds a file."""
    try:
        return os.stat(path)[0] & _S_IFREG != 0
    except OSError:
        return False


def run_file(path, frozen=False):
    """Run the file `path` in the globals of the REPL, as pyexec_file_if_exists().

    `path` is relative to the current directory, which _boot may have changed. `frozen`: import the module `path`
    instead, with Ctrl-C off. An exception is printed; SystemExit starts the board anew, but only ends a frozen module.
    Returns False after an exception; a file that doesn't exist is as good as an empty one.
    """
    failure = None
    try:
        if frozen:
            try:
                __import__(path)
            except SystemExit:
                pass
        else:
            if not _is_file(path):
                return True
            _globals["__file__"] = path
            _run(builtins.execfile, path, _globals)
    except BaseException as e:
        failure = e
    result = _finish(failure)
    _flush()
    return result
