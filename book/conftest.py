"""How nbval talks to the kernels that run the chapters."""

import itertools
import tempfile
from pathlib import Path
from typing import Any

import nbval.kernel
import pytest
import zmq
from jupyter_client.manager import KernelManager


def pytest_configure(config: pytest.Config) -> None:
    """Let them talk by files, where the system can, and not by ports.

    A client asks for free ports, closes them, and tells the kernel, which
    opens them a moment later. Where several start side by side another may
    have taken one by then: of 1,000 kernels, four at a time, two never
    answered, and each cell of such a chapter fails. A file has its own name.
    """
    folder = tempfile.TemporaryDirectory(prefix="kernels-")
    config.add_cleanup(folder.cleanup)
    names = (Path(folder.name, f"{i}.json") for i in itertools.count())
    longest = len(folder.name) + len("/999-ipc-5")
    if not zmq.has("ipc") or longest > zmq.IPC_PATH_MAX_LEN:
        return

    def by_files(**options: Any) -> KernelManager:
        return KernelManager(
            transport="ipc", connection_file=str(next(names)), **options
        )

    nbval.kernel.KernelManager = by_files
