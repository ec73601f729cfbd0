"""Sends files that are larger than the buffer: what is left when the first part has left with the head."""

from asyncio import core

from micropython import const

_TURN = const(0x7FFF)  # at each multiple of 32 KB of what is left, others have their turn


def send_file(conn, file, view, left):
    """Send what is left of a file, in parts as large as view."""
    while left:
        count = file.readinto(view[:left])
        if not count:
            # The file has become shorter: only a closed connection can tell the client.
            return conn.close()
        left -= count
        yield from conn.send(view[:count])
        if (left & _TURN) + count > _TURN:
            # A client that takes all at once must not keep others from it.
            yield from core.sleep_ms(0)
