"""Move rows of any dtype, and fill pads without a silent cast."""

from __future__ import annotations

import contextlib
import math
import numbers
from typing import Any

import torch
from torch import Tensor

from packtutor._checks import as_int, short
from packtutor._places import invert

# The others have no kernel for a gather or a write, at least in one dimension;
# their bits move just as well.
_WITH_KERNELS = {
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex64,
    torch.complex128,
}
_WIDE = 32  # bytes
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def take_rows(values: Tensor, places: Tensor) -> Tensor:
    """Return rows (M, *) of values (N, *), any number of times each."""
    bits = _as_bits(values)
    if bits is None:
        return values.index_select(0, places)
    return values.view(bits).index_select(0, places).view(values.dtype)


def write_rows(target: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """Write values (N, *) into distinct rows of a fresh target (M, *)."""
    bits = _as_bits(values)
    if bits is None:
        return target.index_copy_(0, places, values)
    target.view(bits).index_copy_(0, places, values.view(bits))
    return target


def put_rows(values: Tensor, places: Tensor) -> Tensor:
    """Return rows (N, *) with values[i] at places[i], a permutation.

    Wide rows are gathered by the inverse permutation, which takes less time
    than to write them; the gradient of a write is the gather.
    """
    recorded = values.requires_grad and torch.is_grad_enabled()
    width = values.element_size() * math.prod(values.shape[1:])
    if recorded or width < _WIDE:
        return write_rows(torch.empty_like(values), places, values)
    return take_rows(values, invert(places))


def _as_bits(values: Tensor) -> torch.dtype | None:
    """Return the type that stands in, or None: bits carry no gradient."""
    if values.dtype in _WITH_KERNELS:
        return None
    if values.requires_grad and torch.is_grad_enabled():
        return None
    return _BITS[values.dtype.itemsize]


def as_fill(value: object, dtype: torch.dtype) -> complex:
    """Return ``value`` as a number that a tensor of ``dtype`` can hold.

    A float may be rounded, as everywhere in PyTorch. It may not overflow, and
    0.5 may not become the integer 0.
    """
    if not isinstance(value, (int, float, complex)):
        value = _as_number(value)
    if not _can_hold(dtype, value):
        raise ValueError(
            f"padding_value is {short(value)}; a tensor of dtype {dtype} "
            f"cannot hold it"
        )
    if isinstance(value, int) and (
        dtype.is_floating_point or dtype.is_complex
    ):
        return float(value)  # an integer of PyTorch ends at 64 bits
    return value


def _as_number(value: object) -> complex:
    """Return an integer, or a float of NumPy, as one of Python."""
    with contextlib.suppress(TypeError):
        return as_int(value)
    if isinstance(value, numbers.Complex):
        if not isinstance(value, numbers.Real):
            return complex(value)
        if not isinstance(value, numbers.Rational):  # a fraction is rounded
            return float(value)
    raise TypeError(f"padding_value is {short(value)}; it must be a number")


def _can_hold(dtype: torch.dtype, value: Any) -> bool:
    if dtype.is_complex:
        part = dtype.to_real()
        return _can_hold(part, value.real) and _can_hold(part, value.imag)
    if isinstance(value, complex):
        return False
    least, most = _limits(dtype)
    if isinstance(value, float) and not math.isfinite(value):
        real = dtype.is_floating_point and least < most
        return real and _can_hold_special(dtype, value)
    whole = dtype.is_floating_point or value == int(value)
    return whole and bool(least <= value <= most)


def _can_hold_special(dtype: torch.dtype, value: float) -> bool:
    """Tell whether an infinity or NaN survives: not in every 8-bit type."""
    held = torch.tensor(value, device="cpu").to(dtype).float().item()
    return math.isnan(held) if math.isnan(value) else held == value


def _limits(dtype: torch.dtype) -> tuple[float, float]:
    """Return the least and the largest number; (1, 0) where none is known.

    Nothing can fill the quantized types and those packed below a byte.
    """
    if dtype == torch.bool:
        return 0, 1
    info = torch.finfo if dtype.is_floating_point else torch.iinfo
    try:
        limits = info(dtype)
        least, most = limits.min, limits.max
    except (TypeError, NotImplementedError):
        return 1, 0
    return least, most
