"""The networks that a board knows, and which of them is to be tried next."""

from micropython import const

_WEAK_DBM = const(-80)  # below that a network gives way to one that is _MUCH_DB stronger
_MUCH_DB = const(15)


class Candidate:
    """A network of boot.json, and what was learnt of it.

    problem   why the last attempt failed, in words, or ''
    tries     attempts that failed; only the difference to those of the others counts
    rssi      its signal in dBm in the last look at the air, or None
    """

    def __init__(self, ssid, password):
        self.ssid = ssid
        self.password = password
        self.problem = ""
        self.tries = 0
        self.rssi = None
        self.wrong = False  # its password was
        self.hidden = False  # it was there when a look at the air did not show its name


class Candidates:
    """`networks` is a list of {"ssid", "password"}, the one to prefer first."""

    def __init__(self, networks):
        self._row = [Candidate(entry["ssid"], entry["password"]) for entry in networks]
        self._nameless = False

    def __len__(self):
        return len(self._row)

    def __iter__(self):
        return iter(self._row)

    def look(self, air, nameless):
        """Take in what is in the air: {ssid: dBm} of the known networks; `nameless`: one that hides its name."""
        self._nameless = nameless
        least = min(candidate.tries for candidate in self._row)
        for candidate in self._row:
            rssi = air.get(candidate.ssid)
            if rssi is not None and candidate.rssi is None:
                # It has come just now, so it goes before all that failed.
                candidate.tries = least - 1
            candidate.rssi = rssi

    def first(self):
        """The one to try next: of those that failed least often what is in the air, by order and signal.

        One whose password was wrong comes after all others that were tried as often. Those that are not in the air
        take their turn: a look at the air may miss one.
        """
        best = None
        least = 0
        strongest = max((c.rssi for c in self._row if c.rssi is not None), default=0)
        for index, candidate in enumerate(self._row):
            seen = candidate.rssi is not None or candidate.hidden and self._nameless
            weak = candidate.rssi is not None and candidate.rssi < _WEAK_DBM
            gives_way = weak and candidate.rssi + _MUCH_DB <= strongest
            key = (candidate.tries, candidate.wrong, not seen, gives_way, index)
            if best is None or key < least:
                best, least = candidate, key
        return best

    def failed(self, candidate, problem, wrong):
        """Note an attempt: why it failed, and whether because the password was `wrong`. Whether that is news."""
        news = candidate.problem != problem
        candidate.problem = problem
        candidate.tries += 1
        candidate.wrong = wrong
        return news

    def connected(self, candidate):
        """`candidate` works; put it in front if it was none of the row, in the place of one of the same name."""
        if candidate not in self._row:
            self._row = [candidate] + [other for other in self._row if other.ssid != candidate.ssid]
        candidate.problem = ""
        candidate.wrong = False
        candidate.hidden = candidate.rssi is None and self._nameless
        for other in self._row:
            other.tries = 0
            other.rssi = None  # so that none is taken for one that has come just now when the connection is lost
