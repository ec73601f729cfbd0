"""The bus: how the device calls the hardware, which is the supervisor on the host, over file descriptor 3.

A frame is `<HI` (length of the JSON, length of the blob), JSON, blob; one request, one reply, in that
order. A call must not be cut in two, neither by another thread that gets the turn nor by Ctrl-C: the VM
looks for both only at jumps, so from the request's first byte to the reply's last there is no `if`, no
loop, no `try`, and nothing that allocates either.
"""

from json import dumps, loads
from struct import pack

flash = None  # the flash chip as a read-only memoryview; set at start-up
skipped_ms = 0  # how far the board's clock has run ahead since this start, see clock.py: told with each call

_BUFFER = 4096  # the longest reply, JSON and blob together

_file = open(3, "r+b")
_write = _file.write
_readinto = _file.readinto
_head = bytearray(6)
_buffer = bytearray(_BUFFER)
_view = memoryview(_buffer)


def _nothing(args):
    pass


def _add_time(args):
    args["at"] = skipped_ms


_tell_time = (_nothing, _add_time)


def _transfer(op, blob, args):
    """Send the request, receive the reply. Returns (reply, length of its JSON, length of its blob)."""
    args["op"] = op
    _tell_time[skipped_ms > 0](args)
    data = dumps(args).encode()
    data = pack("<HI", len(data), len(blob)) + data
    _write(data)
    _write(blob)
    _readinto(_head)
    _readinto(_buffer, (_head[0] | _head[1] << 8) + (_head[2] | _head[3] << 8))
    return loads(_view[: _head[0] | _head[1] << 8]), _head[0] | _head[1] << 8, _head[2] | _head[3] << 8


def _reply(reply):
    return reply


def _raise(reply):
    errno, text = reply["error"]
    if errno and text:
        raise OSError(errno, text)
    raise OSError(errno or text)


_result = (_reply, _raise)


def call(op, blob=b"", **args):
    """Call `op` of the hardware with JSON-able arguments and a bytes-like `blob`. Returns the reply, a dict.

    Raises OSError(errno, text) for the hardware's error, OSError(text) when it has no number.
    """
    reply, _, _ = _transfer(op, blob, args)
    return _result["error" in reply](reply)


def call_blob(op, blob=b"", **args):
    """As `call`, but returns the blob of the reply as bytes."""
    return exchange(op, blob, **args)[1]


def exchange(op, blob=b"", **args):
    """As `call`, but returns both, the dict and the blob."""
    reply, start, size = _transfer(op, blob, args)
    blob = bytes(_view[start : start + size])
    return _result["error" in reply](reply), blob


def prepare(op, **args):
    """The frame of a call without a blob, for `repeat`."""
    args["op"] = op
    data = dumps(args).encode()
    return pack("<HI", len(data), 0) + data


def repeat(frame):
    """Make the call that `prepare` packed, which can't fail, and drop the reply. Allocates nothing."""
    _write(frame)
    _readinto(_head)
    _readinto(_buffer, (_head[0] | _head[1] << 8) + (_head[2] | _head[3] << 8))


def repeat_into(frame, buffer):
    """As `repeat`, but puts the reply's blob, which is not longer than that, into `buffer`. Returns its length."""
    repeat(frame)
    start = _head[0] | _head[1] << 8
    size = _head[2] | _head[3] << 8
    for i in range(size):
        buffer[i] = _buffer[start + i]
    return size
