"""One run at a time: a second one is refused, and told of the first."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# The byte that is locked. It lies behind the text: on Windows, what is locked
# cannot be read.
_BYTE = 1 << 20


class LockedError(Exception):
    """Another process holds the lock; the text says which."""


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold a lock, which is a file that is there meanwhile.

    The system gives the lock back when the process ends, however it ends: a
    file that a killed process has left behind locks nothing. The processes
    that this one starts do not hold it. Where a file system knows no locks,
    there is none.

    Raises:
        LockedError: If another process holds it.
        OSError: If the file cannot be made.
    """
    handle = _open_locked(path)
    try:
        with contextlib.suppress(OSError):  # on a full disk, without a name
            os.ftruncate(handle, 0)
            name = f"process {os.getpid()} on {platform.node()}"
            os.write(handle, name.encode())
        yield
    finally:
        if sys.platform == "win32":  # an open file cannot be removed there
            os.close(handle)
        with contextlib.suppress(OSError):
            path.unlink()
        if sys.platform != "win32":
            os.close(handle)


def _open_locked(path: Path) -> int:
    """Return the handle of the file at this path, locked."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle)
            # Who held it may have removed the file since it was opened here.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.stat()):
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int) -> None:
    try:
        os.lseek(handle, _BYTE, os.SEEK_SET)
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            # Not flock, which the workers of a loader would go on to hold
            # for some seconds after their parent was killed.
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
    except (BlockingIOError, PermissionError):
        os.lseek(handle, 0, os.SEEK_SET)
        holder = os.read(handle, 1000).decode(errors="replace")
        raise LockedError(holder or "another process") from None
    except OSError:
        pass  # locks are not known here
    finally:
        os.lseek(handle, 0, os.SEEK_SET)
