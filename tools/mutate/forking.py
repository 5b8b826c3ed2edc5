"""A plugin of pytest for runs in processes that are forked from another."""

import gc
import threading

from tqdm import tqdm


def pytest_configure() -> None:
    """Let no process wait for a lock that another one holds.

    A bar's lock is one for all processes. One that is killed while it holds
    the lock would leave the others waiting: each mutant then ran into its
    time limit, and counted as killed.
    """
    tqdm.monitor_interval = 0  # its thread would not be forked, but its lock
    tqdm.set_lock(threading.RLock())


def pytest_unconfigure() -> None:
    """Set aside all objects that there are when a run has ended.

    What the first run leaves behind, torch and the tests above all, no later
    run in a child looks through: else each would copy all of that memory.
    """
    gc.freeze()
