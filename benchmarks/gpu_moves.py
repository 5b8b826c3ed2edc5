"""Conversions on a GPU, against the bandwidth of a copy in the same run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import (
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
)

from benchmarks.cases import log_normal
from benchmarks.stopwatch import Numbered, measure_on
from packtutor import Ragged
from packtutor.device import make_fast

# Inputs take turns until they are more than a GPU's caches hold.
_CACHES = 2**28


def settings(*, full: bool) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield lengths, and numbers of float32 features: 4 to 4,096 bytes."""
    for features in (1, 64, 256, 1024) if full else (64,):
        yield log_normal(4096 if full else 512, 4.0), features


def bytes_needed(lengths: tuple[int, ...], features: int) -> int:
    """Return about what the inputs and one result hold."""
    tokens, cells = sum(lengths), len(lengths) * max(lengths)
    copies = _copies(tokens * features * 4)
    return 4 * features * (copies * (2 * tokens + cells) + 2 * cells)


def measure_moves(
    lengths: tuple[int, ...],
    features: int,
    *,
    device: torch.device,
    budget_s: float,
) -> dict[str, Any]:
    """Time all conversions of one batch in turns, and a plain copy."""
    make_fast()
    counted = torch.tensor(lengths)
    copies = _copies(sum(lengths) * features * 4)
    generator = torch.Generator(device).manual_seed(2)
    batches = [
        Ragged(
            torch.randn(
                sum(lengths), features, generator=generator, device=device
            ),
            counted,
        )
        for _ in range(copies)
    ]
    ways, moved = _ways(batches, counted)
    samples = measure_on(device, ways, budget_s=budget_s)
    bandwidth = moved["copy"] / samples["copy"].median_ms
    return {
        "ways": {name: found.describe() for name, found in samples.items()},
        "rounds": len(samples["copy"].ms),
        "copy_gb_per_s": bandwidth / 1e6,
        "share_of_copy": {
            name: count / samples[name].median_ms / bandwidth
            for name, count in moved.items()
        },
    }


def _ways(
    batches: list[Ragged], lengths: Tensor
) -> tuple[dict[str, Numbered], dict[str, int]]:
    """Return the ways, and the bytes that each has to read and write."""
    count = len(batches)
    padded = [batch.to_padded() for batch in batches]
    packed = [batch.to_packed() for batch in batches]
    lists = [batch.to_list() for batch in batches]
    nested = [batch.to_nested() for batch in batches]
    target = torch.empty_like(batches[0].values)
    size, cells = target.nbytes, padded[0].nbytes
    ways: dict[str, Numbered] = {
        "copy": lambda i: target.copy_(batches[i % count].values),
        "from_list": lambda i: Ragged.from_list(lists[i % count]),
        "to_packed": lambda i: batches[i % count].to_packed(),
        "from_packed": lambda i: Ragged.from_packed(packed[i % count]),
        "to_padded": lambda i: batches[i % count].to_padded(),
        "from_padded": lambda i: Ragged.from_padded(
            padded[i % count], lengths
        ),
        "to_nested": lambda i: batches[i % count].to_nested(),
        "from_nested": lambda i: Ragged.from_nested(nested[i % count]),
        "pack_sequence": lambda i: pack_sequence(
            lists[i % count], enforce_sorted=False
        ),
        "unpack_sequence": lambda i: unpack_sequence(packed[i % count]),
        "pad_sequence": lambda i: pad_sequence(
            lists[i % count], batch_first=True
        ),
        "pad_packed_sequence": lambda i: pad_packed_sequence(
            packed[i % count], batch_first=True
        ),
    }
    moved = dict.fromkeys(
        ["copy", "from_list", "to_packed", "from_packed", "from_padded"],
        2 * size,
    )
    # The values are read; each cell has to be written at least once.
    return ways, moved | {"to_padded": size + cells}


def _copies(size: int) -> int:
    return min(16, max(2, math.ceil(_CACHES / size)))
