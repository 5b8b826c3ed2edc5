"""What the commands share: refusals of one line, and figures."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, TextIO

from packtutor._files import write_whole


class InputError(Exception):
    """Something that the user can put right: one line, no traceback."""


def standard_input() -> BinaryIO:
    """Return standard input, which is None where it was closed before."""
    if sys.stdin is None:
        raise InputError("cannot read standard input: it is closed")
    return sys.stdin.buffer


def complain(text: str) -> None:
    """Print a line to standard error, where there is one."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"packtutor: {text}\n")
        sys.stderr.flush()
    except OSError:
        leave(sys.stderr)


def leave(stream: TextIO) -> None:
    """Give an output up: what it still holds goes nowhere.

    Python flushes it again at its end; that must not fail a second time.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def load_figures(name: str) -> ModuleType:
    """Return the module that draws, for a file of this name."""
    if Path(name).suffix.lower() != ".png":
        raise InputError(f"--figure is {name!r}; its name must end in .png")
    try:
        # Not at the top: it is slow, and not everyone has matplotlib.
        from packtutor import figures  # noqa: PLC0415
    except ImportError as error:
        raise InputError(str(error)) from None
    return figures


def write_figure(image: bytes, name: str) -> None:
    """Write the PNG whole, or leave what is there as it is."""
    try:
        write_whole(Path(name), image)
    except OSError as error:
        raise InputError(f"cannot write {name!r}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"cannot write {name!r}: {error}") from None
