"""Factory reset: the board forgets its settings. By the console, by the administrator's page, or by its button.

What stays is the firmware, the password of the board's own access point, which may be printed on its label, and the
files, unless they are to go as well.
"""

import time
from asyncio import sleep_ms

import machine
from micropython import const

from . import log, recovery, storage

_WORD = "RESET"
_WINDOW_MS = const(30000)  # after power-on, in which the button has to be pressed
_HOLD_MS = const(10000)
_LOOK_MS = const(100)


def reset(files=False):
    """Erase the settings, with `files` everything in the filesystem as well, and start anew. Does not return."""
    erase(files)
    recovery.intended()
    machine.reset()


def erase(files=False):
    """What reset() does before it starts anew. Returns lines about what could not be erased."""
    from . import bootjson, rescue

    log.warning("factory reset%s", ", the files go as well" if files else "")
    problems = [] if storage.state in ("damaged", "missing") else bootjson.erase()
    rescue.erase()
    if files:
        try:
            storage.format()
            problems = []
        except OSError as error:
            problems.append("the filesystem cannot be formatted: %s" % error)
    for problem in problems:
        log.error("factory reset: %s", problem)
    return problems


async def answer(request):
    """POST /api/factory-reset, a form or JSON: `confirm` must be RESET, `files` tells whether they go as well."""
    from . import admin

    refused = await admin.check(request)
    if refused:
        return refused
    kind = request.header.get("content-type", "")
    fields = await request.json() if kind.startswith("application/json") else await request.form()
    if not isinstance(fields, dict) or fields.get("confirm") != _WORD:
        return "nothing has been changed: send confirm=%s\n" % _WORD, 400
    problems = erase(fields.get("files") in (True, "1", "on", "true"))
    if problems:
        return "\n".join(problems) + "\n", 507
    from . import restart

    restart.soon(request)
    return "the settings are erased, the board restarts\n"


async def watch():
    """A service for a start by power-on: factory reset when the button is held down for 10 s, within the first 30 s.

    When the user's programs begin it is over: they may use the pin for something else. A button that is down by then
    keeps them from running. A chip that finds the button of its GPIO0 held down at the very reset does not start,
    but waits for a firmware by the serial port: on such a board the button is pressed a moment later.
    """
    began = time.ticks_ms()
    pressed = None
    while not recovery.programs_run and (pressed is not None or time.ticks_diff(time.ticks_ms(), began) < _WINDOW_MS):
        now = time.ticks_ms()
        if not recovery.button():
            pressed = None
        elif pressed is None:
            pressed = now
            log.warning("the button is held down: in 10 s this is a factory reset")
        elif time.ticks_diff(now, pressed) >= _HOLD_MS:
            reset()
        await sleep_ms(_LOOK_MS)
