"""Runs of pytest in a process of its own, with the options that a test is about."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import pytest

from tests.boards import ROOT


@dataclass
class Run:
    """What a run of pytest ended with. `names` are the tests that ran, as 'test_file::test_name'."""

    status: int
    output: str
    names: list[str]
    bad: int  # failed, broken or skipped

    @property
    def deselected(self) -> dict[str, str]:
        """What was left out: test name -> the capabilities that it needs."""
        lines = [line.partition(" needs ") for line in self.output.splitlines() if " needs " in line]
        return {name.rpartition("/")[2].replace(".py", ""): needs for name, _, needs in lines}


@pytest.fixture
def run_pytest(tmp_path):
    """`run_pytest("tests/hil", "--board", …)` gives a Run."""

    def run(*arguments):
        report = tmp_path / "report.xml"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junit-xml={report}", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
        names = [f"{case.get('classname').rpartition('.')[2]}::{case.get('name')}" for case in cases]
        bad = sum(child.tag in ("failure", "error", "skipped") for case in cases for child in case)
        return Run(done.returncode, done.stdout + done.stderr, names, bad)

    return run
