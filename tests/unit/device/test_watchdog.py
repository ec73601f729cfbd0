"""The watchdog: armed, fed by the loop alone, handed over when the services are stopped."""

from unit.device import vm

HEAD = """
import sys
class machine:
    log = []
    class WDT:
        def __init__(self, timeout):
            machine.log.append(timeout)
        def feed(self):
            machine.log.append("fed")
class recovery:
    step = 0
    REPL_ONLY = 4
    good = True
sys.modules["machine"] = machine
sys.modules["device.recovery"] = recovery
import device
device.recovery = recovery
from device import log, watchdog
"""


def run(program, folder):
    return vm.run(HEAD + program + "print(machine.log)\n", folder).splitlines()


def test_armed_and_fed(tmp_path):
    assert run("watchdog.feed()\nwatchdog.arm(30)\nwatchdog.feed()\nprint(watchdog.seconds)\n", tmp_path) == [
        "30",
        "[30000, 'fed']",
    ]


def test_off_from_the_beginning(tmp_path):
    program = "watchdog.arm(0)\nwatchdog.feed()\nwatchdog.hand_over()\nprint(watchdog.seconds)\n"
    assert run(program, tmp_path) == ["0", "[]"]


def test_off_after_the_start(tmp_path):
    """It cannot be stopped, but the loop goes on feeding what needs it once a week."""
    assert run("watchdog.begin()\nwatchdog.arm(0)\nwatchdog.feed()\n", tmp_path) == ["[60000, 604800000, 'fed']"]


def test_handed_over_and_taken_back(tmp_path):
    program = "watchdog.arm(30)\nwatchdog.hand_over()\nwatchdog.arm(30)\n"
    assert run(program, tmp_path) == ["[30000, 604800000, 30000]"]


def test_program_that_stops_the_services_at_the_start_is_given_an_hour(tmp_path):
    program = "recovery.good = False\nwatchdog.arm(30)\nwatchdog.hand_over()\n"
    assert run(program, tmp_path) == ["[30000, 3600000]"]


def test_switched_off_in_boot_json_stays_off(tmp_path):
    program = "recovery.good = False\nwatchdog.begin()\nwatchdog.arm(0)\nwatchdog.hand_over()\n"
    assert run(program, tmp_path) == ["[60000, 604800000, 604800000]"]


def test_longest_time_fits_the_chips_counter():
    """task_wdt_impl_timergroup.c of ESP-IDF v5.5.1 multiplies by four, in 32 bits."""
    assert 604800000 * 4 < 1 << 32
    assert 604800000 < 1 << 30  # a small integer of a 32-bit MicroPython


def test_chip_that_refuses_is_told_of(tmp_path):
    program = """
def refuse(timeout):
    raise OSError(259)
machine.WDT = refuse
watchdog.arm(30)
watchdog.feed()
print([text for _, _, text in log.records()])
"""
    assert run(program, tmp_path) == ["['the watchdog cannot be set to 30 s: 259']", "[]"]
