"""How far two lists of tensors lie apart, beside what rounding explains."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

# By how much rounding alone may move a result, relative to its size.
_ROUNDING = {
    torch.float64: 1e-8,
    torch.complex128: 1e-8,
    torch.float32: 1e-4,
    torch.complex64: 1e-4,
    torch.float16: 1e-2,
    torch.bfloat16: 5e-2,
}
# An entry is allowed what the typical entry beside it would be, a tenth of
# that at least: it may have come about by cancellation.
_BESIDE = 0.1


class Moved(NamedTuple):
    """The place in the list, the difference, and what was allowed there."""

    place: int
    difference: float
    allowed: float


def coarsest(
    tensors: Iterable[Tensor], lowered: Iterable[torch.dtype] = ()
) -> float:
    """Return the rounding of the coarsest type; 0 if all hold integers.

    ``lowered`` are the types in which float32 is computed too.
    """
    types = {tensor.dtype for tensor in tensors}
    if torch.float32 in types:
        types.update(lowered)
    return max((_ROUNDING.get(dtype, 0.0) for dtype in types), default=0.0)


def result_allowances(results: list[Tensor], rounding: float) -> list[Tensor]:
    """Return what each sequence's result may move by, column by column.

    One huge column, such as a masked class, or one huge sequence must not
    hide what the others do. So a column is measured by the median sequence,
    or by the sequence itself where that is larger.
    """
    widths = {result.shape[-1] if result.dim() else 1 for result in results}
    sizes = [
        _columns(result, by_column=len(widths) == 1) for result in results
    ]
    filled = [s for s, r in zip(sizes, results, strict=True) if r.numel()]
    if not filled:
        return sizes
    typical = _median(torch.stack(filled), upper=True)
    least = _BESIDE * _median(typical, upper=False)
    return [
        rounding * size.maximum(typical).clamp(min=least) for size in sizes
    ]


def typical_size(results: list[Tensor]) -> float:
    """Return the size of the median column of the median sequence."""
    sizes = [allowed.flatten() for allowed in result_allowances(results, 1.0)]
    sizes = [size for size in sizes if size.numel()]
    return float(_median(torch.cat(sizes), upper=False)) if sizes else 0.0


def largest(tensors: Iterable[Tensor]) -> float:
    """Return the largest entry that is a finite number."""
    sizes = [_columns(tensor, by_column=False) for tensor in tensors]
    return max((float(size) for size in sizes), default=0.0)


def find_moved(
    base: list[Tensor], new: list[Tensor], allowances: list[Tensor]
) -> Moved | None:
    """Return what moved most of all that moved by more than is allowed."""
    found: Moved | None = None
    for place, (one, other, allowed) in enumerate(
        zip(base, new, allowances, strict=True)
    ):
        moved = _difference(one, other, allowed)
        if moved and (found is None or moved[0] > found.difference):
            found = Moved(place, *moved)
    return found


def _difference(
    one: Tensor, other: Tensor, allowed: Tensor
) -> tuple[float, float] | None:
    """Return the largest gap that is not allowed; inf for a new NaN."""
    if one.shape != other.shape:
        return math.inf, float(allowed.max()) if allowed.numel() else 0.0
    if not one.numel():
        return None
    wide = torch.complex128 if one.is_complex() else torch.float64
    gap = (one.to(wide) - other.to(wide)).abs()
    same = (one == other) | (one.isnan() & other.isnan())
    gap = gap.masked_fill(same, 0.0).nan_to_num(math.inf, math.inf)
    allowed = allowed.expand(gap.shape) if gap.dim() else allowed[0]
    over = gap.masked_fill(gap <= allowed, 0.0).flatten()
    worst = int(over.argmax())
    if not float(over[worst]):
        return None
    return float(over[worst]), float(allowed.flatten()[worst])


def _columns(tensor: Tensor, *, by_column: bool) -> Tensor:
    """Return the largest finite sizes, float64, one or one a column."""
    sizes = tensor.detach().abs() if tensor.is_complex() else tensor.detach()
    sizes = sizes.double().abs().nan_to_num(0.0, 0.0, 0.0)
    width = tensor.shape[-1] if by_column and tensor.dim() else 1
    if not tensor.numel():
        return sizes.new_zeros(width)
    return sizes.reshape(-1, width).amax(0)


def _median(table: Tensor, *, upper: bool) -> Tensor:
    """Return a middle row of a table sorted column by column."""
    rows = len(table)
    return table.sort(0).values[rows // 2 if upper else (rows - 1) // 2]
