"""The boot counter and the recovery ladder: a start that fails makes the next one do with less.

    step 0   as usual
    step 1   with the last good boot.json
    step 2   and without the user's programs: app.py, boot.py, main.py
    step 3   and with the firmware of the other slot
    step 4   no services at all, only the REPL; after 15 minutes step 0 once more

Memory that keeps its content over a reset (module `retained`) says how far the start before came; where there is none
every start is at step 0. docs/recovery.md says what counts as a failed start. A start that succeeded leads to step 0
again, and so do power-on, a deep sleep and a reset that intended() has announced; a soft reset stays at its step.
"""

import os
import time
from binascii import crc32
from struct import pack, unpack_from

import machine
from micropython import const

from . import log, slots, storage

try:
    import retained
except ImportError:
    retained = None

REPL_ONLY = const(4)
_OTHER_SLOT = const(3)
NO_PROGRAMS = const(2)

# Magic, then step, phase, early, soft, slot, place, cause and where of `reason`; the CRC-32 of these follows.
_FORMAT = "<4s8B"
_MAGIC = b"MAWB"
_SIZE = const(12)

# How far a start has come
_STARTING = const(1)  # _boot runs: any reset is a failure
_WAITING = const(2)  # _boot is through, the self-test is not: only the watchdog's reset is one at once
_GOOD = const(3)
_INTENDED = const(4)  # the firmware itself resets the board
_FAILED = const(5)  # and resets it because the self-test failed
_MOVING = const(6)  # and resets it to start from the other slot
_LATER = const(7)  # _WAITING, but a moment later
_ALONE = const(8)  # for a minute nothing but an address has been missing: as good as a start gets without a network

# How many resets while _WAITING, one start after the other, are taken for somebody's who is in a hurry, by step.
_TOLERATED = (5, 1, 5, 5)
# And how many soft resets while _WAITING, which boot.py and main.py cause by sys.exit(): main.c begins anew.
_TOLERATED_SOFT = (12, 2)
_AT_ONCE_MS = const(250)  # a command of mpremote takes longer to start, and begins with a soft reset
_SETTLE_MS = const(10000)  # for a main.py to show whether it resets the board
_ALONE_MS = const(60000)  # by then the access point is open, if there is to be one
_AGAIN_MS = const(15 * 60 * 1000)
_USER_FILES = ("boot.py", "main.py")

_PLACES = ("the boot script", "the filesystem", "the settings", "the network", "the server", "app.py")
_MOUNTING = const(1)
# Why a start is at its step; the words are in this order.
_BY_WATCHDOG, _BY_RESET, _BY_RESETS, _BY_SILENCE, _BY_FIRMWARE = 1, 2, 3, 4, 5
_CAUSES = (
    "",
    "the watchdog ended the start before in %s",
    "a reset or a crash ended the start before in %s",
    "several starts in a row were ended by a reset soon after they began",
    "the server of the start before did not answer",
    "the firmware in the other slot does not start either",
)
_STEPS = (
    "",
    "using the last good boot.json",
    "using the last good boot.json, without the user's programs",
    "using the firmware of the other slot, without the user's programs",
    "only the REPL runs",
)

step = 0
reason = ""  # why `step` is not 0, in words
kept = False  # whether the next start can know of this one
good = False  # whether this start has succeeded
_early = _soft = 0  # starts in a row
_phase = _STARTING
_slot = _place = _cause = _where = 0
_since = 0  # time.ticks_ms() when _place or _phase changed
_settled = False
_programs = True
_button = None
_timer = None
programs_run = False  # the user's programs have begun, and the pins are theirs
stays = False  # stay() was called


def begin():
    """What a start begins with: find out how the one before ended, set and return `step`.

    Does not return when the other slot is to start instead.
    """
    global step, reason, kept, _slot, _since
    _slot = slots.running().info()[1]
    _since = time.ticks_ms()
    before = _load()
    if before is None:
        _go_on(0, 0, 0)
    else:
        _judge(before, machine.reset_cause())
    if step == _OTHER_SLOT and before[0] < _OTHER_SLOT:
        _move()
    kept = _save(_STARTING)
    if _cause:
        reason = _CAUSES[_cause]
        if "%" in reason:
            reason = reason % _PLACES[_where]
        words = "recovery, step %d of %d: %s; %s" % (step, REPL_ONLY, reason, _STEPS[step])
        log.warning(words)
        # At once: this start may not come to the boot script's summary.
        print(words)
    return step


def _judge(before, cause):
    """Set step and reason by the record of the start before and by the reset cause that ended it.

    Of that start: its step `was`, how far it came, resets and soft resets in a row, slot, place, and why and in which
    place the one before had failed.
    """
    was, phase, early, soft, slot, place, why, where = before
    if cause == machine.SOFT_RESET:
        soft = soft + 1 if phase == _WAITING else 0
        if was < NO_PROGRAMS and soft > _TOLERATED_SOFT[was]:
            return _go_on(was + 1, _BY_RESETS, 0)
        # One that comes later is somebody's at the prompt, and so will be the resets before it.
        return _go_on(was, why, where, early if soft else 0, soft)
    if cause in (machine.PWRON_RESET, machine.DEEPSLEEP_RESET) or phase in (_GOOD, _INTENDED):
        return _go_on(0, 0, 0)
    moved = slot != _slot
    if phase == _MOVING and moved:
        return _go_on(_OTHER_SLOT, why, where)
    if phase == _MOVING or (moved and was == _OTHER_SLOT):
        return _go_on(REPL_ONLY, _BY_FIRMWARE, 0)
    if moved or slots.pending():
        # The boot loader has gone back to this slot, or this is the first start of an update.
        return _go_on(0, 0, 0)
    if phase == _FAILED:
        return _go_on(was + 1, _BY_SILENCE, 0)
    if phase == _ALONE:
        return _go_on(was, why, where)
    if cause == machine.WDT_RESET:
        return _go_on(was + 1, _BY_WATCHDOG, place)
    if phase == _STARTING and cause == machine.HARD_RESET:
        return _go_on(was + 1, _BY_RESET, place)
    # On a chip with USB the computer that opens the port may reset it, with none of the known causes.
    if was >= REPL_ONLY or early < _TOLERATED[was]:
        return _go_on(was, why, where, early + 1)
    return _go_on(was + 1, _BY_RESETS, 0)


def _go_on(to, why, where, early=0, soft=0):
    global step, _cause, _where, _early, _soft
    step = min(to, REPL_ONLY)
    _cause, _where = why, where
    _early, _soft = min(early, 255), min(soft, 255)


def _move():
    """Start from the other slot; returns, at step 4, when it holds nothing that could start."""
    global step
    other = slots.other()
    try:
        if other is None or slots.version(slots.head(other)) is None:
            raise OSError("it is empty")
        _save(_MOVING)
        other.set_boot()
    except OSError as error:
        log.warning("the other slot cannot be started: %s", error)
        step = REPL_ONLY
        return
    print("recovery: this firmware does not start, trying the one in %s" % other.info()[4])
    machine.reset()


def at(place):
    """Note what the boot script does now, one of _PLACES; a failed start is told by it."""
    if _phase == _STARTING:
        _note(_STARTING, _PLACES.index(place))


def booted():
    """_boot is through: from now on a reset may well be the user's."""
    if _phase == _STARTING:
        _note(_WAITING if _are_programs(_USER_FILES) else _LATER, _place)


def settled():
    """Whether the boot script ended so long ago that the user's main.py has shown what it does. To be asked often."""
    global _phase, _settled
    if _settled:
        return True  # for good: the difference of two ticks is negative after six days
    ms = time.ticks_diff(time.ticks_ms(), _since)
    if _phase == _WAITING and ms >= _AT_ONCE_MS:
        _phase = _LATER
        _save(_LATER)
    waited = ms >= _SETTLE_MS
    if waited and _phase == _STARTING and _PLACES[_place] == "app.py":
        # An app.py may run for ever.
        _note(_LATER, _place)
        return False
    _settled = waited and _phase != _STARTING
    return _settled


def alone(lack):
    """Nothing but an address is missing, and what lack() finds. After a minute of it a reset is no failure any more."""
    if _phase == _LATER and time.ticks_diff(time.ticks_ms(), _since) >= _ALONE_MS and not lack():
        _note(_ALONE, _place)


def succeeded():
    """The self-test has passed: the next start is at step 0."""
    global good
    good = True
    _note(_GOOD, _place)


def intended():
    """A reset of the firmware's own follows, which does not count."""
    _note(_INTENDED, _place)


def failed():
    """A reset follows because the self-test failed: the next start is one step on."""
    _note(_FAILED, _place)


def _note(phase, place):
    global _phase, _place, _since
    _phase = phase
    _place = place
    _since = time.ticks_ms()
    _save(phase)


def mountable():
    """Whether the filesystem may be mounted: not if the start before ended in doing that."""
    return not (step and _cause in (_BY_WATCHDOG, _BY_RESET) and _where == _MOUNTING)


def allows_user_code():
    """Whether app.py, boot.py and main.py run: not from step 2 on, and not if the button is held down.

    To be asked when the first of them is about to run: the answer stays the same.
    """
    global _programs, programs_run
    if programs_run:
        return True
    if _programs and (step >= NO_PROGRAMS or button()):
        _programs = False
        if step < NO_PROGRAMS:
            log.warning("the button is held down: the user's programs are not run")
    programs_run = _programs
    return _programs


def button():
    """Whether the board's button is held down; False where it has none, and when a program may use its pin."""
    global _button
    if programs_run:
        return False
    if _button is None:
        import _board

        number = getattr(_board, "BUTTON", None)
        # Once: each Pin() with a mode takes the pin from whatever it does (machine_pin.c:155 of v1.28.0).
        _button = number is not None and machine.Pin(number, machine.Pin.IN, machine.Pin.PULL_UP)
    return bool(_button and not _button.value())


def _are_programs(names):
    return any(storage.exists("/" + name) for name in names)


def hide_programs():
    """Unless they are allowed, keep MicroPython's main.c from finding boot.py and main.py. show_files() ends it.

    It looks for them in the current folder (main.c:173 of v1.28.0, mp_vfs_import_stat() in extmod/vfs.c:131).
    """
    if not _are_programs(_USER_FILES) or allows_user_code():
        return
    import vfs

    vfs.mount(_Aside(), ASIDE)
    os.chdir(ASIDE)


def show_files():
    """End hide_programs(), when main.c is through with it."""
    if os.getcwd().startswith(ASIDE):
        import vfs

        os.chdir("/")
        vfs.umount(ASIDE)


ASIDE = "/.recovery"  # whoever lets others read files by their names must leave it out


class _Aside:
    """A filesystem in front of the one at '/', which shows all of it but the user's programs."""

    def mount(self, readonly, mkfs):
        """Asked by vfs.mount()."""

    def umount(self):
        """Asked by vfs.umount()."""

    def chdir(self, path):
        """There is one folder."""

    def getcwd(self):
        """That one."""
        return "/"

    def stat(self, path):
        """As os.stat(); OSError(ENOENT) for the programs."""
        if path in _USER_FILES:
            raise OSError(2)
        return os.stat("/" + path)

    def open(self, path, mode):
        """As open()."""
        return open("/" + path, mode)

    def __getattr__(self, name):
        function = getattr(os, name)
        return lambda *paths: function(*("/" + path for path in paths))


def repl_only():
    """Step 4: tell the user, and start anew in 15 minutes unless stay() is called."""
    global _timer
    print("recovery: %s." % reason)
    print("Only the REPL runs: neither network nor server. The board tries a start as usual in 15 minutes.")
    print("  import device; device.recovery.stay()   it does not, there is time to mend things")
    print("  device.log.show()                       what happened, if the log still has it")
    print("  import machine; machine.reset()         start as usual now")
    _timer = machine.Timer(0)
    _timer.init(mode=machine.Timer.ONE_SHOT, period=_AGAIN_MS, callback=_again)
    # Whatever ends this, the user or the timer, the next start is one as usual.
    _note(_INTENDED, _place)


def _again(timer):
    print("recovery: starting as usual")
    machine.reset()


def stay():
    """Stay as the board is: no start anew by itself from steps 2 to 4, and no reset by the watchdog."""
    global _timer, stays
    from . import watchdog

    stays = True
    if _timer is not None:
        _timer.deinit()
        _timer = None
    watchdog.hand_over()


def _load():
    """The eight values of the record, None without a whole one."""
    if retained is None:
        return None
    data = retained.read(0, _SIZE + 4)
    if data[:4] != _MAGIC or unpack_from("<I", data, _SIZE)[0] != crc32(data[:_SIZE]):
        return None
    return unpack_from(_FORMAT, data)[1:]


def _save(phase):
    """Write the record; False where nothing can be kept."""
    if retained is None:
        return False
    data = pack(_FORMAT, _MAGIC, step, phase, _early, _soft, _slot, _place, _cause, _where)
    retained.write(0, data + pack("<I", crc32(data)))
    return True
