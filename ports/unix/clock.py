"""The board's time: the computer's, which can be made to run ahead while the device has nothing to do.

Time is skipped only by the device itself, in its waits (modules/_chip/clock.py). It gets it in small pieces, none of
which goes beyond an alarm, and every call tells how far it is: so all that goes by this clock, the radio, the watchdog,
the device's own time-outs, sees one and the same order of things.
"""

import asyncio
import contextlib
import math
import time

# What the device gets at a time, of the wait that it is in: servers on this loop can answer before a time-out.
_PIECE_MS = 100
_PIECES = 4
_PATIENCE = 10.0  # seconds without a step after which the device is taken for one that never waits


class Clock:
    """Seconds by `now()`, alarms, and `skip`.

    `on_skip()` is called when there is something to skip: the device has to be told.
    """

    def __init__(self, on_skip=lambda: None):
        self._on_skip = on_skip
        self._alarms = []
        self._skipped_ms = 0
        self._started_ms = 0  # skipped when the device started
        self._goal_ms = 0  # what is to be skipped in all
        self._held_until = 0.0
        self._waiting = []  # (goal in ms, future) of each skip()

    @property
    def skipped_us(self):
        """What was skipped so far, in µs."""
        return self._skipped_ms * 1000

    @property
    def skipping(self):
        """Whether there is something left to skip."""
        return self._skipped_ms < self._goal_ms

    def now(self):
        """Seconds; only differences mean something."""
        return time.monotonic() + self._skipped_ms / 1000

    def call_later(self, seconds, function):
        """Call `function()` in so many seconds of the board's time. Returns an object with cancel()."""
        alarm = _Alarm(self, self.now() + seconds, function)
        self._alarms.append(alarm)
        alarm.arm()
        return alarm

    def register(self, bus):
        """Bus operation clock.skip {ms} -> {ms, left}: a device that waits for so much longer asks how much it may skip
        before it asks again, and how much there is in all.
        """
        bus.register("clock.skip", self._allow)

    def follow(self, skipped_ms):
        """The device has skipped so much since its start."""
        self._move(self._started_ms + skipped_ms - self._skipped_ms)

    def start(self):
        """A device starts: its clock begins anew."""
        self._started_ms = self._skipped_ms
        if self.skipping:
            self._on_skip()

    def hold(self, seconds):
        """Skip nothing for `seconds` of the computer's time: the device has just asked another program something."""
        self._held_until = time.monotonic() + seconds

    async def skip(self, seconds):
        """Let the board's time run ahead by `seconds`; returns when it has.

        Raises ValueError when the board is switched off, or does not wait for anything for a long time.
        """
        goal = self._skipped_ms + math.ceil(seconds * 1000)
        if goal <= self._skipped_ms:
            return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((goal, done))
        self._goal_ms = max(self._goal_ms, goal)
        self._on_skip()
        before = -1
        while not done.done():
            if before == self._skipped_ms:
                self.stop("the device does not come to wait for anything: time goes by as usual")
            before = self._skipped_ms
            await asyncio.wait((done,), timeout=_PATIENCE)
        done.result()

    def stop(self, problem):
        """Skip no more; who waits for it gets ValueError(problem)."""
        self._goal_ms = self._skipped_ms
        waiting, self._waiting = self._waiting, []
        for _, done in waiting:
            if not done.done():
                done.set_exception(ValueError(problem))

    def run_ahead(self):
        """Nothing runs that could wait: skip as far as to the next alarm, or all there is."""
        self._move(self._room())

    def _allow(self, args, blob):
        piece = 0 if time.monotonic() < self._held_until else max(int(args["ms"]) // _PIECES, _PIECE_MS)
        return {"ms": min(self._room(), piece), "left": max(self._goal_ms - self._skipped_ms, 0)}

    def _room(self):
        """Milliseconds that can be skipped before an alarm rings."""
        now = self.now()
        room = self._goal_ms - self._skipped_ms
        for alarm in self._alarms:
            room = min(room, math.ceil((alarm.due - now) * 1000))
        return max(room, 0)

    def _move(self, ms):
        if ms <= 0:
            return
        self._skipped_ms += ms
        for alarm in tuple(self._alarms):
            alarm.arm()
        for goal, done in tuple(self._waiting):
            if goal <= self._skipped_ms:
                self._waiting.remove((goal, done))
                if not done.done():
                    done.set_result(None)

    def _forget(self, alarm):
        with contextlib.suppress(ValueError):
            self._alarms.remove(alarm)


class _Alarm:
    def __init__(self, clock, due, function):
        self.due = due
        self._clock = clock
        self._function = function
        self._timer = None

    def arm(self):
        """Ring now, or as soon as it is time if nothing is skipped from now on."""
        if self._timer is not None:
            self._timer.cancel()
        left = self.due - self._clock.now()
        if left > 0:
            self._timer = asyncio.get_running_loop().call_later(left, self.arm)
        else:
            self.cancel()
            self._function()

    def cancel(self):
        """Never ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._clock._forget(self)
