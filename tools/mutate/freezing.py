"""A plugin of pytest that spares forked processes the collection of garbage.

What the first run leaves behind, torch and the tests above all, no later run
in a child looks through: else each one would copy all of that memory.
"""

import gc


def pytest_unconfigure() -> None:
    """Set aside all objects that there are when a run has ended."""
    gc.freeze()
