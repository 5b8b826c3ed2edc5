"""Bring small vectors from the CPU to where the values are."""

from __future__ import annotations

import torch
from torch import Tensor


def send(
    device: torch.device, vector: Tensor, *others: Tensor
) -> tuple[Tensor, ...]:
    """Return int64 vectors from the CPU on ``device``, by one copy.

    A copy from pinned memory is queued behind the work that a GPU has; from
    any other memory, PyTorch would wait until the GPU has done that work.
    """
    vectors = (vector, *others)
    if device.type == "cpu":
        return vectors
    joined = torch.cat(vectors)
    pinned = joined.pin_memory() if device.type == "cuda" else joined
    sent = pinned.to(device, non_blocking=True)
    return torch.split(sent, [vector.numel() for vector in vectors])
