"""The boot counter: what counts as a failed start, which step follows, and what a step leaves out."""

import pytest

from unit.device import vm

HEAD = """
import json, os, sys
try:
    with open("chip.json") as file:
        chip = json.load(file)
except OSError:
    chip = {"cause": 1, "memory": "00" * 1024, "slot": 0, "pending": False, "moves": 0, "other": True}

class machine:
    PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
    class Pin:
        IN = PULL_UP = 1
        level = 1
        made = 0
        def __init__(self, *args):
            machine.Pin.made += 1
        def value(self):
            return self.level
    class Timer:
        ONE_SHOT = 0
        def __init__(self, id):
            pass
        def init(self, mode, period, callback):
            self.going = period
            self.callback = callback
        def deinit(self):
            self.going = 0
    @staticmethod
    def reset_cause():
        return chip["cause"]
    @staticmethod
    def reset():
        raise SystemExit("reset")
class retained:
    SIZE = 1024
    @staticmethod
    def read(offset, length):
        return bytes.fromhex(chip["memory"])[offset : offset + length]
    @staticmethod
    def write(offset, data):
        memory = bytearray(bytes.fromhex(chip["memory"]))
        memory[offset : offset + len(data)] = data
        chip["memory"] = memory.hex()
class Slot:
    def __init__(self, number):
        self.number = number
    def info(self):
        return (0, 16 + self.number, 0, 0, "ota_%d" % self.number, False)
    def set_boot(self):
        chip["moves"] += 1
        chip["next"] = self.number
class slots:
    @staticmethod
    def running():
        return Slot(chip["slot"])
    @staticmethod
    def other():
        return Slot(1 - chip["slot"])
    @staticmethod
    def head(slot):
        return slot
    @staticmethod
    def version(head):
        return "1.0" if chip["other"] else None
    @staticmethod
    def pending():
        return chip["pending"]
class _board:
    BUTTON = 0
sys.modules.update({"machine": machine, "retained": retained, "device.slots": slots, "_board": _board})
import device
device.slots = slots
from device import log, recovery

def save():
    with open("chip.json", "w") as file:
        json.dump(chip, file)
def start():
    try:
        recovery.begin()
        return True
    except SystemExit:
        # The boot loader starts what it was told to.
        chip["slot"] = chip.pop("next")
        chip["cause"] = 2
        return False
    finally:
        save()
def end(cause, **changes):
    chip.update(changes)
    chip["cause"] = cause
    save()
"""


class Chip:
    """Starts in a row, each on a VM of its own; `end` is what each does after recovery.begin()."""

    def __init__(self, folder):
        self.folder = folder

    def start(self, end="", cause=2, **changes):
        """The step and the reason of the next start, which `end` and a reset of this `cause` end."""
        program = f"""
if not start():
    print("moved")
else:
    print(recovery.step, recovery.reason)
    {end or "pass"}
    end({cause}, **{changes!r})
"""
        said = vm.run(HEAD + program, self.folder).splitlines()
        return self.start(end, cause, **changes) if said[-1] == "moved" else said[-1]


STARTING = "recovery.at('app.py')"
WAITING = "recovery.booted()"
GOOD = "recovery.booted(); recovery.succeeded()"
# With a boot.py or main.py, which may be what ends it.
PROGRAM = "recovery.storage.exists = lambda path: True; recovery.booted()"
POWER, HARD, WATCHDOG, SLEEP, SOFT, OTHER = 1, 2, 3, 4, 5, 0


@pytest.fixture
def chip(tmp_path):
    return Chip(tmp_path)


def test_each_failed_start_leads_a_step_further(chip):
    reason = "a reset or a crash ended the start before in app.py"
    assert [chip.start(STARTING) for _ in range(3)] == ["0 ", "1 " + reason, "2 " + reason]
    assert (
        chip.start("", cause=HARD, slot=0) == "3 " + reason
    )  # ran from the other slot, was given up by the boot loader
    assert chip.start() == "4 the firmware in the other slot does not start either"
    assert chip.start(cause=POWER).startswith("4 ")
    assert chip.start() == "0 "


def test_without_an_application_in_the_other_slot(chip):
    chip.start(STARTING, other=False)
    for step in "124":
        assert chip.start(STARTING, other=False)[0] == step


LACKS_AN_ADDRESS = """
    seconds = %d
    recovery.booted()
    recovery.time = type("t", (), {"ticks_ms": lambda: 0, "ticks_diff": lambda a, b: seconds * 1000})
    recovery.settled()
    recovery.alone(lambda: %r)
"""


@pytest.mark.parametrize("cause", [HARD, WATCHDOG])
@pytest.mark.parametrize("failed", [0, 1, 2])
def test_resets_of_a_start_that_lacks_only_an_address_are_no_failures(chip, cause, failed):
    """A program that restarts the board when there is no network, all through a long outage."""
    for _ in range(failed):
        chip.start(STARTING)
    for _ in range(20):
        assert chip.start(LACKS_AN_ADDRESS % (61, ""), cause)[0] == str(failed)
    chip.start(GOOD)
    assert chip.start() == "0 "


@pytest.mark.parametrize(("seconds", "lack"), [(50, ""), (61, "memory")])
def test_resets_of_a_start_that_may_lack_more_count(chip, seconds, lack):
    for _ in range(8):
        chip.start(LACKS_AN_ADDRESS % (seconds, lack))
    assert chip.start()[0] == "2"


def test_other_slot_that_works_stays(chip):
    for _ in range(3):
        chip.start(STARTING)
    assert chip.start(GOOD)[0] == "3"
    assert chip.start() == "0 "


@pytest.mark.parametrize("end", [STARTING, WAITING])
def test_watchdog_in_any_part_of_the_start(chip, end):
    chip.start("recovery.at('app.py'); " + end, WATCHDOG)
    assert chip.start() == "1 the watchdog ended the start before in app.py"


@pytest.mark.parametrize("cause", [POWER, SLEEP])
@pytest.mark.parametrize("end", [STARTING, WAITING])
def test_power_and_deep_sleep_begin_anew(chip, cause, end):
    chip.start(STARTING)
    assert chip.start(end, cause)[0] == "1"
    assert chip.start() == "0 "


def test_good_start_leads_back(chip):
    chip.start(STARTING)
    assert chip.start(GOOD)[0] == "1"
    assert chip.start() == "0 "


def test_intended_reset_does_not_count(chip):
    chip.start("recovery.intended()")
    assert chip.start() == "0 "


def test_server_that_did_not_answer(chip):
    chip.start(WAITING + "; recovery.failed()")
    assert chip.start() == "1 the server of the start before did not answer"


@pytest.mark.parametrize("end", [STARTING, WAITING, GOOD])
def test_soft_reset_stays_at_its_step(chip, end):
    chip.start(STARTING)
    chip.start(STARTING)
    before = chip.start(end, SOFT)
    assert before[0] == "2"
    assert chip.start(GOOD) == before
    assert chip.start() == "0 "


def test_somebody_in_a_hurry(chip):
    """Resets at the prompt are no failures at once; a main.py that resets the board comes to its end all the same."""
    steps = [chip.start(WAITING)[0] for _ in range(9)]
    assert "".join(steps) == "000000112"


def test_program_that_ends_in_a_soft_reset(chip):
    """sys.exit() in boot.py: main.c begins anew, for ever."""
    assert "".join(chip.start(PROGRAM, SOFT)[0] for _ in range(18)) == "0" * 13 + "1" * 3 + "2" * 2


def test_commands_of_mpremote_in_a_row(chip):
    """Each begins with a soft reset. Without boot.py and main.py nothing else can make one."""
    for _ in range(40):
        assert chip.start(WAITING, SOFT) == "0 "


def test_soft_resets_by_hand_do_not_count(chip):
    later = PROGRAM + "; recovery.time = type('t', (), {'ticks_ms': lambda: 1, 'ticks_diff': lambda a, b: 300})"
    for _ in range(15):
        assert chip.start(later + "; recovery.settled()", SOFT) == "0 "
    for _ in range(15):
        assert chip.start(STARTING, SOFT) == "0 "
    assert chip.start(WAITING, HARD) == "0 "
    assert chip.start(WAITING, HARD) == "0 "


def test_somebody_at_the_prompt_ends_the_count_of_hasty_resets(chip):
    for _ in range(3):
        for _ in range(5):
            assert chip.start(WAITING) == "0 "
        assert chip.start(STARTING, SOFT) == "0 "


def test_good_start_ends_the_count_of_hasty_resets(chip):
    for _ in range(4):
        for _ in range(5):
            assert chip.start(WAITING) == "0 "
        assert chip.start(GOOD) == "0 "


def test_reset_of_an_unknown_kind_is_that_of_a_computer(chip):
    for _ in range(5):
        assert chip.start(STARTING, OTHER) == "0 "
    chip.start(STARTING, OTHER)
    assert chip.start()[0] == "1"


def test_update_that_fails_is_no_fault_of_the_firmware_before_it(chip):
    chip.start("recovery.intended()", slot=1, pending=True)
    # The new one crashes; the boot loader goes back.
    assert chip.start(STARTING, slot=0, pending=False) == "0 "
    assert chip.start(GOOD) == "0 "


def test_first_start_of_an_update_begins_anew(chip):
    chip.start(STARTING)
    chip.start(STARTING, slot=0, pending=True)
    assert chip.start() == "0 "


@pytest.mark.parametrize("spoil", [0, 4, 12])
def test_memory_that_is_not_whole_counts_as_empty(chip, spoil):
    chip.start(f"{STARTING}; retained.write({spoil}, b'?')")
    assert chip.start() == "0 "


def test_without_memory_every_start_is_an_ordinary_one(tmp_path):
    program = (
        HEAD.replace("import device\n", "del sys.modules['retained']\nimport device\n")
        + """
chip["cause"] = 2
recovery.begin()
recovery.at("app.py")
recovery.booted()
recovery.succeeded()
print(recovery.step, recovery.kept)
"""
    )
    assert vm.run(program, tmp_path) == "0 False\n"


def test_filesystem_that_ended_a_start_is_not_mounted(chip):
    chip.start("recovery.at('the filesystem')", WATCHDOG)
    assert chip.start("print(recovery.mountable())") == "False"
    chip.start(STARTING)
    assert chip.start("print(recovery.mountable())") == "True"


def test_programs_run_up_to_step_1_and_not_while_the_button_is_down(chip):
    ask = STARTING + "; print(recovery.allows_user_code())"
    assert [chip.start(ask) for _ in range(3)] == ["True", "True", "False"]
    assert chip.start("machine.Pin.level = 0; print(recovery.allows_user_code())") == "False"


def test_pin_of_the_button_is_left_to_the_programs(chip):
    look = "recovery.button(); recovery.button(); print(recovery.allows_user_code(), machine.Pin.made)"
    assert chip.start(look) == "True 1"
    # app.py runs, and pulls the pin down.
    low = "; machine.Pin.level = 0; print(recovery.button(), recovery.allows_user_code(), machine.Pin.made)"
    assert chip.start(look + low) == "False True 1"
    # Without programs it stays a button.
    down = "recovery.button(); recovery.hide_programs(); machine.Pin.level = 0; print(recovery.button())"
    assert chip.start(down) == "True"


def test_settled_ten_seconds_after_the_boot_script(chip, tmp_path):
    program = """
now = 0
recovery.time = type("time", (), {"ticks_ms": lambda: now, "ticks_diff": lambda a, b: a - b})
recovery.begin()
def seconds(place, booted):
    global now
    recovery.at(place)
    if booted:
        recovery.booted()
    for second in range(60):
        if recovery.settled():
            return second
        now += 1000
print(seconds("the server", False), seconds("app.py", False), recovery._phase)
recovery._phase = 1
recovery._settled = False
print(seconds("app.py", True))
# Ticks wrap after twelve days.
now -= 1 << 29
print(recovery.settled())
"""
    # An app.py that never returns is given as long before it counts as started.
    assert vm.run(HEAD + program, tmp_path).splitlines() == ["None 20 7", "10", "True"]


def test_repl_only_starts_anew_unless_somebody_stays(tmp_path):
    program = """
recovery.begin()
recovery.step = 4
recovery.repl_only()
timer = recovery._timer
print(timer.going)
try:
    timer.callback(timer)
except SystemExit as error:
    print(error)
recovery.stay()
print(timer.going)
"""
    said = vm.run(HEAD + program, tmp_path).splitlines()
    assert said[-4:] == ["900000", "recovery: starting as usual", "reset", "0"]
    assert any("device.recovery.stay()" in line for line in said)


def test_programs_are_hidden_from_main_c_only(tmp_path):
    """What main.c does: look for boot.py and main.py in the current folder."""
    (tmp_path / "boot.py").write_text("")
    (tmp_path / "data.txt").write_text("content")
    program = """
import vfs
vfs.umount("/")
vfs.mount(vfs.VfsPosix(HERE), "/")
recovery.step = 2
recovery.hide_programs()
for name in ("boot.py", "main.py"):
    try:
        os.stat(name)
        print("found")
    except OSError as error:
        print(error.errno)
print(open("data.txt").read(), os.stat("data.txt")[6], sorted(os.listdir()), sorted(os.listdir("/"))[-2:])
os.mkdir("new")
print("new" in os.listdir("/"))
os.rmdir("new")
recovery.show_files()
print(os.getcwd(), os.stat("boot.py")[6], sorted(os.listdir("/")))
"""
    said = vm.run(f"HERE = {str(tmp_path)!r}\n" + HEAD + program, tmp_path).splitlines()
    assert said[:2] == ["2", "2"]
    assert said[2].startswith("content 7 [")
    assert said[3] == "True"
    assert said[4] == "/ 0 ['boot.py', 'data.txt']"
