"""What of the log outlives a reset: everything that was written whole, in order, and nothing else."""

import random
import re

import pytest

from unit.device import vm

# The memory is a file of the test's folder, so that several starts share it.
RETAINED = """
SIZE = 1024
try:
    with open("memory", "rb") as file:
        memory = bytearray(file.read())
except OSError:
    memory = bytearray(SIZE)
left = [-1]  # bytes until a crash, -1: none comes

def read(offset, length):
    return bytes(memory[offset:offset + length])

def write(offset, data):
    assert 64 <= offset <= offset + len(data) <= SIZE, (offset, len(data))
    for number, byte in enumerate(data):
        if left[0] == 0:
            save()
            raise SystemExit
        left[0] -= 1
        memory[offset + number] = byte

def save():
    with open("memory", "wb") as file:
        file.write(memory)
"""
MACHINE = "PWRON_RESET, HARD_RESET, WDT_RESET, SOFT_RESET = 1, 2, 3, 5\ndef reset_cause():\n    return {cause}\n"
# `machine` is built into the VM; the one of the folder goes before it.
FIRST = """
with open("machine.py") as file:
    names = {}
    exec(file.read(), names)
class Machine:
    pass
for name, value in names.items():
    setattr(Machine, name, value)
sys.modules["machine"] = Machine
"""
SHOW = "print([text for _, _, text in log.before])"


@pytest.fixture
def start(tmp_path):
    """start(program, cause): what it prints in a start that came by `cause`; log and retained are imported."""
    (tmp_path / "retained.py").write_text(RETAINED)

    def start(program="", cause=2):
        (tmp_path / "machine.py").write_text(MACHINE.format(cause=cause))
        program = "from device import log\nimport retained\n" + program + "\nretained.save()\n"
        return vm.run(FIRST + program, tmp_path)

    return start


def test_lines_and_levels_outlive_a_reset_in_order(start):
    start("log.info('one')\nlog.debug('too low')\nlog.error('two %d', 2)\nlog.warning('drei ä')", cause=1)
    assert eval(start("print([(severity, text) for _, severity, text in log.before])")) == [
        (20, "started: power on"),
        (20, "one"),
        (40, "two 2"),
        (30, "drei ä"),
    ]


@pytest.mark.parametrize(("cause", "words"), [(2, "reset"), (3, "watchdog"), (5, "soft reset")])
def test_it_says_what_the_start_came_by(start, cause, words):
    start("log.info('one')", cause=1)
    start("", cause=cause)
    assert eval(start(SHOW)) == ["started: power on", "one", f"started: {words}"]


def test_nothing_outlives_power_off(start):
    start("log.info('one')", cause=2)
    assert start(SHOW, cause=1) == "[]\n"
    assert eval(start(SHOW)) == ["started: power on"]


def test_the_newest_lines_are_kept_when_there_are_many(start):
    for first in (0, 300):
        start(f"for n in range({first}, {first} + 300):\n    log.info('line %d ' + 'x' * (n % 50), n)")
        lines = eval(start(SHOW))
        numbers = [int(line.split()[1]) for line in lines if line.startswith("line")]
        assert len(numbers) > 10
        assert numbers == list(range(first + 300 - len(numbers), first + 300))


def test_long_and_wide_lines_are_cut_between_characters(start):
    start("log.info('a' + 'ä' * 100)\nlog.info('€' * 150)\nlog.info('last')")
    lines = eval(start(SHOW))
    assert lines[1] == "a" + "ä" * 59
    assert lines[2:] == ["€" * 40, "last"]


def test_numbers_begin_again(start):
    start("retained.memory[80:] = bytes(944)\nlog._number = 65530\nfor n in range(12):\n    log.info('%d', n)")
    assert eval(start(SHOW))[-12:] == [str(n) for n in range(12)]


def test_a_crash_at_any_byte_spoils_one_line_at_most(start, tmp_path):
    """A record is some 20 bytes: so each of its bytes is the last one once."""
    start("for n in range(200):\n    log.info('line %d', n)")
    full = (tmp_path / "memory").read_bytes()
    for left in range(60):
        (tmp_path / "memory").write_bytes(full)
        start(f"retained.left[0] = {left}\nfor n in range(200, 205):\n    log.info('line %d', n)")
        lines = eval(start(SHOW))
        numbers = [int(line.split()[1]) for line in lines if line.startswith("line")]
        whole = left // len("line 200" + "x" * 11)
        assert numbers == list(range(numbers[0], 200 + whole))
        assert len(numbers) > 30


def test_noise_in_the_memory_is_no_line(start, tmp_path):
    for seed in range(20):
        data = bytearray(random.Random(seed).randbytes(1024))
        for place in range(0, 1024, 3):
            data[place] = 0xA5
        (tmp_path / "memory").write_bytes(data)
        assert start(SHOW + "\nlog.info('goes on')") == "[]\n"
        assert eval(start(SHOW)) == ["started: reset", "goes on"]


def test_show_tells_them_apart(start):
    start("log.warning('one')")
    lines = start("log.info('two')\nlog.show()").splitlines()
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert [re.sub(stamp, "STAMP", line) for line in lines] == [
        "before  STAMP info    started: reset",
        "before  STAMP warning one",
        "STAMP info    started: reset",
        "STAMP info    two",
    ]
