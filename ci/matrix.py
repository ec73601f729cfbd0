"""Prints the boards that a release has, as the matrix of the build job: boards=[{"board": …, "variant": …}, …]."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from firmware.boards import boards

print("boards=" + json.dumps([{"board": it.name, "variant": it.variant} for it in boards() if it.release]))
