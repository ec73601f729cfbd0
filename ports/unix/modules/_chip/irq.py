"""Interrupts: the hardware thread, which waits for the host's events (file descriptor 4) and for timers.

The thread starts when something first needs it. It waits without the turn, takes it for an event, and hands
callbacks of the user to the main thread, as interrupt handlers on a chip do with mp_sched_schedule().
"""

from json import loads
from select import POLLIN, poll
from time import sleep_ms, ticks_add, ticks_diff, ticks_ms

from _chip import bus, clock, turn

_handlers = {}  # name of an event -> function(args, blob)
_alarms = []  # objects with `deadline` (ticks_ms) and `expired()`
_deferred = []  # callbacks held back by disable()
_running = False
_disabled = False
_waiting = 0  # callbacks that the main thread has not begun
_head = bytearray(6)  # of the event that is being read

_WAKE_AGAIN_MS = 20
_START_MS = 5000  # for a new thread to get the turn: a bound, never reached while there is memory


def on(name, handler):
    """Have the hardware thread call `handler(args: dict, blob: bytes)` with the turn for each event `name`."""
    _handlers[name] = handler
    _start()


def set_alarm(alarm):
    """Have `alarm.expired()` called, with the turn, at `alarm.deadline` (ticks_ms).

    `expired` returns the next deadline, or None when that was the last.
    """
    if alarm not in _alarms:
        _alarms.append(alarm)
    _start()
    bus.call("irq.wake")  # the thread may be waiting for a later deadline


def clear_alarm(alarm):
    """Forget `alarm`, whether it was set or not."""
    if alarm in _alarms:
        _alarms.remove(alarm)


def schedule(function, argument):
    """Call `function(argument)` on the main thread.

    Returns False when its queue is full: the event is lost.
    """
    global _waiting
    if _disabled:
        _deferred.append((function, argument))
        return True
    try:
        turn.run_scheduled(_begin, (function, argument))
    except RuntimeError:
        return False
    _waiting += 1
    _wake_main()
    return True


def disable(state):
    """Hold callbacks back (True) or let them go (False). Returns the state before."""
    global _disabled
    before, _disabled = _disabled, state
    while not _disabled and _deferred and schedule(*_deferred[0]):
        _deferred.pop(0)
    return before


def _begin(call):
    global _waiting
    _waiting -= 1
    call[0](call[1])


def _wake_main():
    """Let a main thread that waits for input or time look for callbacks."""
    if turn.main_is_away():
        bus.call("irq.main")


def _start():
    """Start the hardware thread, and wait until it runs: the caller may fill the heap next, and a thread that has no
    room for its first frame ends. MemoryError if that is so already."""
    if _running:
        return
    file = open(4, "rb")
    poller = poll()
    poller.register(file, POLLIN)
    turn.start_thread(_run, (file, poller))
    deadline = ticks_add(ticks_ms(), _START_MS)
    while not _running:
        if ticks_diff(deadline, ticks_ms()) <= 0:
            raise MemoryError
        sleep_ms(1)


def _run(file, poller):
    """The hardware thread."""
    global _running
    if _running:
        return  # there is one since: this one was late
    _running = True
    while True:
        try:
            for _, events in poller.ipoll(_next_timeout()):
                if not events & POLLIN:
                    return  # the host has gone
                _dispatch(file)
            _expire()
            if _waiting > 0:
                _wake_main()
        except MemoryError:
            # The user's code has filled the heap: what was due now is lost, but not what comes after.
            sleep_ms(_WAKE_AGAIN_MS)


def _next_timeout():
    """Milliseconds to the next deadline, -1 without one."""
    now = ticks_ms()
    # A main thread that was just about to wait has missed the signal: it is sent again.
    timeout = _WAKE_AGAIN_MS if _waiting > 0 else clock.IDLE_MS if clock.skipping else -1
    for alarm in _alarms:
        left = max(0, ticks_diff(alarm.deadline, now))
        if timeout < 0 or left < timeout:
            timeout = left
    return timeout


def _dispatch(file):
    """Read one event and call its handler. A handler's exception is shown as that of a callback on a chip."""
    file.readinto(_head)
    left = (_head[0] | _head[1] << 8) + (_head[2] | _head[3] << 8 | _head[4] << 16)
    try:
        frame = bytearray(left)
    except MemoryError:
        # Read it all the same: the next frame begins behind it.
        while left > 0:
            left -= file.readinto(_head, min(left, len(_head)))
        raise
    file.readinto(frame)
    json_len = _head[0] | _head[1] << 8
    args = loads(frame[:json_len])
    blob = bytes(frame[json_len:])
    handler = _handlers.get(args["irq"])
    if handler:
        try:
            handler(args, blob)
        except Exception as e:
            _report(e)


def _expire():
    now = ticks_ms()
    for alarm in tuple(_alarms):
        if alarm in _alarms and ticks_diff(alarm.deadline, now) <= 0:
            deadline = alarm.expired()
            if deadline is None:
                clear_alarm(alarm)
            else:
                alarm.deadline = deadline


def _report(exception):
    import sys

    sys.print_exception(exception)


def periodic(deadline, period):
    """The deadline `period` ms after `deadline`; beats that have passed already are left out."""
    deadline = ticks_add(deadline, period)
    late = ticks_diff(ticks_ms(), deadline)
    return ticks_add(deadline, (late // period + 1) * period) if late > 0 else deadline
