"""Fixtures that more than one folder of tests uses; the processes they start are in support.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))
