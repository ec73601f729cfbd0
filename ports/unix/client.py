"""Client of the control socket, for tests and scripts."""

import json
import socket

_WAIT_DEFAULT = 30.0  # seconds that the board waits if not told otherwise
_REPLY_GRACE = 10.0  # seconds on top, for the answer to come


class ControlError(Exception):
    """The board refused a request, or does not run."""


class ControlClient:
    """A connection to the control socket at `path`; usable as a context manager.

    Every method returns the reply as a dict and raises ControlError, with the board's own words.
    """

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise ControlError(
                f"no board runs with the control socket {path}: {error.strerror or error}"
            ) from error
        self._replies = self._socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Hang up."""
        self._replies.close()
        self._socket.close()

    def request(self, verb, **args):
        """Send {"do": verb, **args}; for a verb without a method of its own, or by name."""
        timeout = args.get("timeout")
        own = timeout if isinstance(timeout, (int, float)) else max(_WAIT_DEFAULT, args.get("skip", 0))
        self._socket.settimeout(own + _REPLY_GRACE)
        try:
            self._socket.sendall(json.dumps({"do": verb, **args}).encode() + b"\n")
            line = self._replies.readline()
        except OSError as error:
            raise ControlError(f"{verb}: {error or 'no answer'}") from error
        if not line:
            raise ControlError(f"{verb}: the board hung up")
        reply = json.loads(line)
        if not reply.pop("ok"):
            raise ControlError(reply["error"])
        return reply

    def info(self):
        """State, process id, addresses, counters."""
        return self.request("info")

    def reset(self, kind="hard", mode="friendly"):
        """Reset "hard" or "soft"; after a soft one the REPL is in `mode` "friendly" or "raw"."""
        return self.request("reset", kind=kind, mode=mode)

    def power(self, on):
        """Switch the power on or off."""
        return self.request("power", on=on)

    def crash(self):
        """Let the VM crash."""
        return self.request("crash")

    def cut(self, after):
        """Let the power fail in the middle of the `after`-th flash operation from now; 0 takes that back."""
        return self.request("cut", after=after)

    def air(self, **request):
        """Change what is in the air, see radio.py."""
        return self.request("air", **request)

    def cable(self, **request):
        """Plug the Ethernet cable in or out, change what its DHCP server does, see ethernet.py."""
        return self.request("cable", **request)

    def net(self, **request):
        """Change names, DNS and time servers behind the access point or the cable, see gateway.py."""
        return self.request("net", **request)

    def pin(self, id, **value):
        """Read pin `id`, or apply value=0 or 1 from outside; value=None lets go."""
        return self.request("pin", id=id, **value)

    def clock(self, skip):
        """Let the board's time run ahead by `skip` seconds, see clock.py."""
        return self.request("clock", skip=skip)

    def wait(self, goal, timeout=_WAIT_DEFAULT, boots=0):
        """Wait for a state or "listening", after at least `boots` starts. Returns info()."""
        return self.request("wait", **{"for": goal, "boots": boots, "timeout": timeout})
