"""Fill and write a padded tensor of any dtype, without a silent cast."""

from __future__ import annotations

import math
import operator
from typing import Any

import torch
from torch import Tensor

from packtutor._checks import short

# index_copy_ has no kernel for these; the bits move just as well as integers.
_SAME_SIZE = {
    torch.float8_e4m3fn: torch.uint8,
    torch.float8_e4m3fnuz: torch.uint8,
    torch.float8_e5m2: torch.uint8,
    torch.float8_e5m2fnuz: torch.uint8,
    torch.float8_e8m0fnu: torch.uint8,
    torch.uint16: torch.int16,
    torch.uint32: torch.int32,
    torch.uint64: torch.int64,
}


def write_rows(target: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """Write values (N, *) into distinct rows of a fresh target (M, *)."""
    stand_in = _SAME_SIZE.get(values.dtype)
    if stand_in is None:
        return target.index_copy_(0, places, values)
    target.view(stand_in).index_copy_(0, places, values.view(stand_in))
    return target


def as_fill(value: object, dtype: torch.dtype) -> complex:
    """Return ``value`` as a number that a tensor of ``dtype`` can hold.

    A float may be rounded, as everywhere in PyTorch. It may not overflow, and
    0.5 may not become the integer 0.
    """
    if not isinstance(value, (int, float, complex)):
        try:
            value = operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            raise TypeError(
                f"padding_value is {short(value)}; it must be a number"
            ) from None
    if not _can_hold(dtype, value):
        raise ValueError(
            f"padding_value is {value!r}; a tensor of dtype {dtype} "
            f"cannot hold it"
        )
    return value


def _can_hold(dtype: torch.dtype, value: Any) -> bool:
    if dtype.is_complex:
        return True
    if isinstance(value, complex):
        return False
    if not dtype.is_floating_point:
        limits = (0, 1) if dtype == torch.bool else _limits(dtype)
        # A NaN fails both comparisons; an infinity fails one.
        inside = limits[0] <= value <= limits[1]
        return bool(inside and value == int(value))
    if not math.isfinite(value):
        held = torch.tensor(float(value)).to(dtype).float()
        return math.isnan(held) if math.isnan(value) else bool(held == value)
    return bool(abs(value) <= torch.finfo(dtype).max)


def _limits(dtype: torch.dtype) -> tuple[int, int]:
    limits = torch.iinfo(dtype)
    return limits.min, limits.max
