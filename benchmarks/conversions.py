"""Measure the conversions of Ragged against the moves they cannot do without.

The floors are what any conversion of that kind has to do: from a list one
``cat``, between sequence order and packed order one ``index_select``, from
padded one ``index_select``, to padded one fill and one write of N rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import (
    pack_sequence,
    pad_sequence,
    unpack_sequence,
)

from benchmarks.cases import log_normal, uniform
from benchmarks.layouts import Batch
from benchmarks.timing import Samples, measure, ratio
from packtutor import Ragged

Ways = dict[str, Callable[[], Any]]
# Of each row: what is measured, and what it is held against.
FLOORS = {
    "from_list": "cat",
    "to_packed": "gather to packed",
    "from_packed": "gather from packed",
    "from_padded": "gather from padded",
    "to_padded": "fill and write",
}
TORCH = {
    "to_packed": "pack_sequence",
    "from_packed": "unpack_sequence",
    "from_list, to_packed": "pack_sequence",
    "from_packed, to_list": "unpack_sequence",
}


def settings(*, full: bool) -> Iterator[tuple[str, tuple[int, ...], int]]:
    """Return names, lengths and numbers of features."""
    count = 10_000 if full else 1000
    for features in (1, 64):
        yield f"{count} uniform", uniform(count), features
    # Heavy-tailed: of 10,000 lengths the longest is about a thousand steps.
    # PyTorch's detour over a padded tensor takes gigabytes.
    yield f"{count} heavy-tailed", log_normal(count, 3.0, 1.1), 32


def measure_conversions(
    name: str, lengths: tuple[int, ...], features: int, *, budget_s: float
) -> dict[str, Any]:
    """Time all conversions of one batch in turns."""
    batch = Batch(lengths)
    generator = torch.Generator().manual_seed(2)
    values = torch.randn(sum(lengths), features, generator=generator)
    ways = _ways(batch, values, padded="heavy" not in name)
    _compare(ways)
    samples = measure(ways, budget_s=budget_s)
    return {
        "case": name,
        "B": len(lengths),
        "T": batch.steps,
        "N": len(values),
        "features": features,
        "rounds": len(samples["cat"].ms),
        "ways": {way: times.describe() for way, times in samples.items()},
        "to_floor": _ratios(samples, FLOORS),
        "times_faster_than_torch": {
            pair: 1 / share for pair, share in _ratios(samples, TORCH).items()
        },
    }


def _ways(batch: Batch, values: Tensor, *, padded: bool) -> Ways:
    seqs = list(torch.split(values, batch.lengths))
    lengths = torch.tensor(batch.lengths)
    ragged = Ragged(values, lengths)
    # PyTorch leaves the order of ties open, so that the places are ours.
    there = Ragged(torch.arange(len(values)), lengths).to_packed().data
    back = there.argsort()
    packed = ragged.to_packed()
    ways: Ways = {
        "from_list": lambda: Ragged.from_list(seqs),
        "cat": lambda: torch.cat(seqs),
        "to_packed": ragged.to_packed,
        "gather to packed": lambda: values.index_select(0, there),
        "from_packed": lambda: Ragged.from_packed(packed),
        "gather from packed": lambda: packed.data.index_select(0, back),
        "from_list, to_packed": lambda: Ragged.from_list(seqs).to_packed(),
        "pack_sequence": lambda: pack_sequence(seqs, enforce_sorted=False),
        "from_packed, to_list": lambda: Ragged.from_packed(packed).to_list(),
        "unpack_sequence": lambda: unpack_sequence(packed),
    }
    if not padded:
        return ways
    rows, places = batch.batch_first
    table = ragged.to_padded()
    flat = table.flatten(0, 1)

    def fill_and_write() -> Tensor:
        empty = values.new_full((rows, values.shape[1]), 0)
        return empty.index_copy_(0, places, values)

    return ways | {
        "from_padded": lambda: Ragged.from_padded(table, lengths),
        "gather from padded": lambda: flat.index_select(0, places),
        "to_padded": ragged.to_padded,
        "fill and write": fill_and_write,
        "pad_sequence": lambda: pad_sequence(seqs, batch_first=True),
    }


def _compare(ways: Ways) -> None:
    """Raise unless both sides of each comparison move the same rows."""
    for pairs, read in ((FLOORS, _rows), (TORCH, _tokens)):
        for ours, other in pairs.items():
            if ours in ways and not torch.equal(
                read(ways[ours]()), read(ways[other]())
            ):
                raise RuntimeError(f"{ours} and {other} differ")


def _rows(found: Any) -> Tensor:
    """Return the rows that a conversion wrote, whatever holds them."""
    if isinstance(found, Ragged):
        return found.values
    rows: Tensor = found if isinstance(found, Tensor) else found.data
    return rows.flatten(0, 1) if rows.dim() == 3 else rows


def _tokens(found: Any) -> Tensor:
    """Return the tokens of a batch in sequence order."""
    if isinstance(found, Ragged):
        return found.values
    return torch.cat(
        found if isinstance(found, list) else unpack_sequence(found)
    )


def _ratios(
    samples: dict[str, Samples], pairs: dict[str, str]
) -> dict[str, float]:
    return {
        one: ratio(samples[one], samples[other])
        for one, other in pairs.items()
        if one in samples
    }
