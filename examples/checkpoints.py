"""Checkpoints: written whole or not at all, and refused where they differ."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from packtutor._files import write_whole

# What zipfile and torch.load raise on a file that is not what it should be.
_DAMAGED = (
    zipfile.BadZipFile,
    pickle.UnpicklingError,
    RuntimeError,
    KeyError,
    TypeError,
    EOFError,
    ValueError,
    NotImplementedError,
)


class CheckpointError(Exception):
    """A checkpoint that cannot be gone on from; the text says why."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a file beside the old one, then put it in its place.

    A process that is killed leaves the old file or the new one, and a disk
    that is full leaves the old one. What it may leave beside it, the next
    call overwrites. One process may write it at a time: see ``locks``.

    Raises:
        OSError: If it cannot be written; the old file then stands.
    """
    content = io.BytesIO()
    torch.save(state, content)
    write_whole(path, content.getvalue(), alone=True)


def load_checkpoint(path: Path, arguments: Mapping[str, Any]) -> Any:
    """Return the state that a run with these arguments has saved.

    Raises:
        CheckpointError: If the file cannot be read, is damaged, or comes from
            other arguments.
    """
    try:
        content = path.read_bytes()
        # PyTorch does not look at the checksums in its files; zipfile does.
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            damaged = archive.testzip()
        state = torch.load(
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
        saved = None if damaged else state["arguments"]
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror}"
        ) from None
    except _DAMAGED:
        saved = None
    if not isinstance(saved, dict):
        raise CheckpointError(
            f"{path} is damaged or no checkpoint of this program; remove it "
            f"to start anew"
        )
    for name, value in arguments.items():
        if saved.get(name) != value:
            raise CheckpointError(
                f"{path} was saved with {name} = {saved.get(name)}; this run "
                f"has {value}"
            )
    return state
