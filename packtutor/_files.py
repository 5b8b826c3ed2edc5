"""Write a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from functools import partial
from pathlib import Path

# Windows has one bit, read-only: it keeps a file from being replaced at all.
_HAS_MODES = os.name != "nt"


def write_whole(path: Path, content: bytes, *, alone: bool = False) -> None:
    """Write a new file beside the old one, then put it in its place.

    Whoever reads ``path`` finds the old content or the new one, also where
    two processes write it at once: the last one stands. A disk that is full,
    or an interrupt, leaves the old file and nothing beside it. What is there
    and no regular file, such as ``/dev/stdout``, is written into. The new
    file has the permissions of the old one, from before it has content; where
    there is no old one, those that the process gives to any new file.

    Args:
        path: The file; where it is a link, what the link leads to.
        content: All of it.
        alone: Whether no other process writes this file. What a process that
            was killed has left beside it is then written over by the next
            one; else it stays, under a name of its own.

    Raises:
        OSError: If it cannot be written, with ``path`` as its ``filename``.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(content)
            return
        target = _follow(path)
        own = target.name if alone else f".{secrets.token_hex(8)}"
        _put_in_place(target.with_name(f"{own}.partial"), target, content)
    except OSError as error:
        raise OSError(
            error.errno, error.strerror or str(error), str(path)
        ) from None


def check_writable(path: Path) -> None:
    """Raise early what ``write_whole`` would raise late, as far as is known.

    Raises:
        OSError: If no file can be made beside ``path``.
    """
    if path.exists() and not path.is_file():
        return
    try:
        with tempfile.TemporaryFile(dir=_follow(path).parent):
            pass
    except OSError as error:
        raise OSError(
            error.errno, error.strerror or str(error), str(path)
        ) from None


def _follow(path: Path) -> Path:
    """Return where a link leads, whether or not there is a file yet.

    Raises:
        OSError: If it leads round in a circle. ``resolve`` itself raises a
            RuntimeError before Python 3.13, and nothing later.
    """
    if not path.is_symlink():
        return path
    with contextlib.suppress(FileNotFoundError):
        path.stat()
    return path.resolve()


def _put_in_place(beside: Path, target: Path, content: bytes) -> None:
    mode = _find_mode(target)
    opener = partial(os.open, mode=0o666 if mode is None else mode)
    try:
        # What a killed process has left may be open to more, or to nobody.
        beside.unlink(missing_ok=True)
        with open(beside, "wb", opener=opener) as file:
            if mode is not None:
                _set_mode(file.fileno(), mode)
            file.write(content)
            file.flush()
            # Else, after a power cut, the new name may have an empty file.
            os.fsync(file.fileno())
        beside.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    _sync_folder(target.parent)


def _find_mode(path: Path) -> int | None:
    """Return who may do what with a file; None if it is new, or on Windows."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mode & 0o777 if _HAS_MODES else None
    return None


def _set_mode(handle: int, mode: int) -> None:
    """Give a file back what the process's umask took from its permissions."""
    # A file system without permissions refuses; none are lost there.
    with contextlib.suppress(OSError):
        os.fchmod(handle, mode)


def _sync_folder(folder: Path) -> None:
    """See to it that the new name survives a power cut, where that can be."""
    with contextlib.suppress(OSError):
        # Windows opens no folder, and some file systems do not sync one.
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
