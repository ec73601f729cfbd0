"""The log's ring, its levels, and what it makes of an exception."""

from unit.device import vm


def test_ring_keeps_the_last_lines_in_order(tmp_path):
    program = """
from device import log
for number in range(100):
    log.info("line %d", number)
lines = [text for _time, _severity, text in log.records()]
print(len(lines), lines[0], lines[-1], log.count)
print([text for _, _, text in log.records(since=98)])
"""
    assert vm.run(program, tmp_path) == "48 line 52 line 99 100\n['line 98', 'line 99']\n"


def test_levels(tmp_path):
    program = """
from device import log
log.debug("never %s", "seen")
log.info("50 % is no format")
log.warning("careful")
log.level = log.ERROR
log.warning("too low")
log.error("bad")
print([(log.name(severity), text) for _, severity, text in log.records()])
print([text for _, _, text in log.records(log.WARNING)])
"""
    assert vm.run(program, tmp_path) == (
        "[('info', '50 % is no format'), ('warning', 'careful'), ('error', 'bad')]\n['careful', 'bad']\n"
    )


def test_exception_has_place_and_reason(tmp_path):
    program = """
from device import log
try:
    {}["x"]
except Exception as error:
    log.exception("looking up", error)
print(list(log.records())[0][2])
"""
    assert vm.run(program, tmp_path) == 'looking up: File "<stdin>", line 8, in <module>: KeyError: x\n'


def test_long_lines_are_cut(tmp_path):
    program = "from device import log\nlog.info('x' * 500)\nprint(len(list(log.records())[0][2]))\n"
    assert vm.run(program, tmp_path) == "160\n"
