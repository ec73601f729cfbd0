"""`machine.Timer`: the four hardware timers of the ESP32 (machine_timer.c)."""

from time import ticks_add, ticks_diff, ticks_ms

from _chip import irq

_COUNT = 4
_LONGEST = 1 << 28  # what ticks_diff() can tell apart

_timers = {}


class Timer:
    """`Timer(id, *, mode=PERIODIC, callback=None, period, tick_hz=1000, freq, hard=False)`, id 0 to 3.

    The same id is the same object. The callback is called as `callback(timer)` on the main thread.
    """

    ONE_SHOT = 0
    PERIODIC = 1

    def __new__(cls, id, **kwargs):
        if not 0 <= id < _COUNT:
            raise ValueError("invalid Timer number")
        if id not in _timers:
            timer = _timers[id] = super().__new__(cls)
            timer._id = id
            timer._mode = timer._period = 0
            timer._started = None
            timer._pending = False
        return _timers[id]

    def __init__(self, id, **kwargs):
        if kwargs:
            self.init(**kwargs)

    def __repr__(self):
        return "Timer(%d, mode=%s, period=%d)" % (
            self._id,
            "PERIODIC" if self._mode else "ONE_SHOT",
            self._period,
        )

    def init(self, *, mode=PERIODIC, callback=None, period=0xFFFFFFFF, tick_hz=1000, freq=None, hard=False):
        """Start, or start anew: `period` in ticks of 1/`tick_hz` s, or `freq` in Hz."""
        irq.clear_alarm(self)
        if hard:
            raise ValueError("hard Timers are not implemented")
        period = 1000 / freq if freq is not None else period * 1000 // tick_hz
        self._period = min(max(int(period), 1), _LONGEST)
        self._mode = mode
        self._callback = callback
        self._started = ticks_ms()
        self.deadline = ticks_add(self._started, self._period)
        irq.set_alarm(self)

    def deinit(self):
        """Stop."""
        irq.clear_alarm(self)
        self._started = None

    def value(self):
        """Milliseconds since the start or since the last beat."""
        if self._started is None:
            raise ValueError("timer not set")
        return ticks_diff(ticks_ms(), self._started)

    def expired(self):
        """Called by the hardware thread. A beat whose predecessor still waits to be served is left out."""
        if not self._pending:
            self._pending = irq.schedule(_run, self)
        if self._mode:
            self._started = self.deadline
            return irq.periodic(self.deadline, self._period)


def _run(timer):
    timer._pending = False
    if timer._started is not None:
        timer._callback(timer)
