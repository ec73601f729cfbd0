"""`machine.Pin`, `Signal` and the functions that work on a pin: machine_pin.c of the ESP32 port.

The levels are the supervisor's: a test sets inputs and reads outputs over its control socket.
"""

from umachine import PinBase
from umachine import Signal as _Signal
from umachine import time_pulse_us as time_pulse_us

from _chip import bus, irq

_ABSENT = (24, 28, 29, 30, 31)  # not bonded out on an ESP32
_COUNT = 40
_FIRST_NON_OUTPUT = 34
_OUTPUT = 2  # bit of a mode

_pins = {}
_handlers = {}
_triggers = {}
_pending = set()


class Pin(PinBase):
    """A GPIO of the ESP32: `Pin(id, mode=None, pull=-1, *, value, drive, hold)`. One object per pin."""

    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2
    WAKE_LOW = 4
    WAKE_HIGH = 5
    DRIVE_0 = 0
    DRIVE_1 = 1
    DRIVE_2 = 2
    DRIVE_3 = 3

    class board:
        """Names of pins: the generic board has none."""

    def __new__(cls, id, *args, **kwargs):
        if isinstance(id, Pin):
            return id
        if not isinstance(id, int) or not 0 <= id < _COUNT or id in _ABSENT:
            raise ValueError("invalid pin")
        if id not in _pins:
            _pins[id] = super().__new__(cls)
        return _pins[id]

    def __init__(self, id, *args, **kwargs):
        if not isinstance(id, Pin):
            self._id = id
        if args or kwargs:
            self.init(*args, **kwargs)

    def __repr__(self):
        return "Pin(%d)" % self._id

    def init(self, mode=None, pull=-1, *, value=None, drive=None, hold=None):
        """Set mode, pull and initial value.

        `drive` and `hold` are accepted; there is nothing that they could do.
        """
        if value is not None:
            bus.call("pin.set", id=self._id, value=int(bool(value)))
        if mode is not None:
            if self._id >= _FIRST_NON_OUTPUT and mode & _OUTPUT:
                raise ValueError("pin can only be input")
            bus.call("pin.mode", id=self._id, mode=mode)
        if pull != -1:
            bus.call("pin.mode", id=self._id, pull=pull or 0)

    def value(self, *value):
        """The level, 0 or 1; with an argument, set it."""
        return self(*value)

    def __call__(self, *value):
        if not value:
            return bus.call("pin.get", id=self._id)["value"]
        if len(value) != 1:
            raise TypeError("function expected at most 1 arguments, got %d" % len(value))
        bus.call("pin.set", id=self._id, value=int(bool(value[0])))

    def on(self):
        """Set the level to 1."""
        self(1)

    def off(self):
        """Set the level to 0."""
        self(0)

    def toggle(self):
        """Invert the output."""
        bus.call("pin.toggle", id=self._id)

    def irq(self, *args, **kwargs):
        """`irq(handler=None, trigger=IRQ_FALLING|IRQ_RISING, wake=None)`: call `handler(pin)` on an edge.

        Without arguments nothing changes. Returns the interrupt object: call it to run the handler.
        """
        if args or kwargs:
            self._configure_irq(*args, **kwargs)
        return IRQ(self)

    def _configure_irq(self, handler=None, trigger=IRQ_RISING | IRQ_FALLING, wake=None):
        if trigger in (self.WAKE_LOW, self.WAKE_HIGH) and wake is not None:
            from _chip import wake as sources

            if not isinstance(wake, int) or not 2 <= wake <= 7:
                raise ValueError("bad wake value")
            sources.wake_on_pin(self._id, trigger == self.WAKE_HIGH, wake)
            return
        if handler is None:
            trigger = 0
        _handlers[self._id] = handler
        self._set_trigger(trigger)

    def _set_trigger(self, trigger):
        irq.on("pin", _edge)
        _triggers[self._id] = trigger
        bus.call("pin.irq", id=self._id, trigger=trigger)


class IRQ:
    """What `Pin.irq` returns."""

    def __init__(self, pin):
        self._pin = pin

    def __call__(self):
        irq.schedule(_handlers.get(self._pin._id), self._pin)

    def trigger(self, *trigger):
        """The trigger so far; with an argument, set a new one."""
        before = _triggers.get(self._pin._id, 0)
        if trigger:
            self._pin._set_trigger(trigger[0])
        return before


def _edge(args, blob):
    # Edges that come before the handler has run are one call: the queue for callbacks is short.
    pin = _pins[args["id"]]
    if _handlers.get(pin._id) and pin not in _pending and irq.schedule(_run, pin):
        _pending.add(pin)


def _run(pin):
    _pending.discard(pin)
    handler = _handlers.get(pin._id)
    if handler:
        handler(pin)


def Signal(pin, *args, invert=False, **kwargs):
    """`machine.Signal`: a pin that may be active low. Takes a Pin, or what its constructor takes."""
    if args or kwargs or isinstance(pin, int):
        pin = Pin(pin, *args, **kwargs)
    return _Signal(pin, invert=invert)


def bitstream(pin, encoding, timing, data):
    """Send `data` to what is connected to `pin`: nothing is, so nobody sees it."""
    if encoding != 0:
        raise ValueError("encoding")
    if len(timing) != 4:
        raise ValueError("requested length 4 but object has length %d" % len(timing))
    Pin(pin)(0)


def dht_readinto(pin, buffer):
    """Read a DHT sensor: none answers, as on a board without one."""
    Pin(pin)
    raise OSError(116)  # ETIMEDOUT of the ESP32's newlib
