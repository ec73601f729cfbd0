"""What MicroPython runs first on the chip: the filesystem, then the services. Whatever fails, the REPL comes.

Stands for the _boot.py and inisetup.py of MicroPython's ESP32 port. When it ends, the port runs
boot.py and main.py from the filesystem.
"""

import gc
import sys

# Modules that are loaded when they are first needed stay for good, so they must not come to lie behind garbage: with
# large holes left, a page or a program still finds room. Bytes allocated from one collection to the next.
_GARBAGE_MAX = 32 * 1024


def _attempt(title, function):
    """Call `function`; what it raises is printed. Returns whether it raised nothing."""
    try:
        function()
        return True
    except Exception as error:
        print(title + ":")
        sys.print_exception(error)
    finally:
        gc.collect()
    return False


def _arm():
    from device import watchdog

    watchdog.begin()


def _begin():
    from device import recovery

    recovery.begin()


def _mount():
    from device import recovery, storage

    recovery.at("the filesystem")
    storage.mount(recovery.mountable())
    recovery.at("the boot script")


def _start():
    import device
    from device import recovery, watchdog

    if recovery.step == recovery.REPL_ONLY:
        watchdog.hand_over()
        recovery.repl_only()
    else:
        device.start()


def _give_up():
    from device import slots

    # An update that cannot even start its services is not worth waiting for.
    slots.give_up()
    print("Without services the watchdog starts the board anew in a minute: device.recovery.stay() keeps it as it is.")


def _end():
    from device import recovery

    recovery.hide_programs()
    recovery.booted()


gc.threshold(_GARBAGE_MAX)
_attempt("watchdog", _arm)
_attempt("recovery", _begin)
_attempt("filesystem", _mount)
if not _attempt("device.start", _start):
    _attempt("update", _give_up)
_attempt("boot", _end)
