"""threadcore on a whole board: it has the chip's face, and remembers what a program chooses."""

from tests.unix.scripted import check


def test_core_of_threads(tmp_path):
    check(
        tmp_path,
        """
import _thread, threadcore
assert threadcore.CORES == 2
assert (threadcore.get(), threadcore.current()) == (0, 1)
seen = {}
def note(name):
    seen[name] = threadcore.current()
_thread.start_new_thread(note, ("first",))
threadcore.set(1)
_thread.start_new_thread(note, ("second",))
threadcore.set(0)
_thread.start_new_thread(note, ("third",))
while len(seen) < 3:
    time.sleep_ms(5)
assert seen == {"first": 0, "second": 1, "third": 0}, seen
assert threadcore.current() == 1
""",
    )


def test_core_that_there_is_not(tmp_path):
    check(
        tmp_path,
        """
import threadcore
assert fails(ValueError, threadcore.set, 2) == ("no core 2: this chip has 2",)
assert fails(ValueError, threadcore.set, -1) == ("no core -1: this chip has 2",)
assert fails(TypeError, threadcore.set, "1") == ("can't convert str to int",)
assert threadcore.get() == 0
""",
    )
