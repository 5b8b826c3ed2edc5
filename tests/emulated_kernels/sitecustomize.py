"""Add the emulated device to every Python that finds this file first.

The kernel that runs a chapter cannot be told to: see ``make emulated``.
"""

import os
import sys
from pathlib import Path

if os.environ.get("PACKTUTOR_DEVICE") == "emulated":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import emulated

    emulated.install()
    sys.path.pop(0)
