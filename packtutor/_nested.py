"""Read and make jagged nested tensors, which hold a Ragged's two parts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from packtutor._checks import INTEGERS, to_cpu


def read_nested(nested: object, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return values (N, *), lengths (B,) on the CPU, and offsets (B + 1,).

    The offsets are the caller's own: PyTorch holds two nested tensors to have
    the same lengths only where they share them.
    """
    if not isinstance(nested, Tensor) or not nested.is_nested:
        raise TypeError(
            f"{name} is of type {type(nested).__name__}; it must be a nested "
            f"tensor with layout=torch.jagged"
        )
    if nested.layout != torch.jagged:
        raise TypeError(
            f"{name} has layout {nested.layout}; it must have "
            f"layout=torch.jagged"
        )
    jagged: Any = nested  # its methods are no part of Tensor's types
    ragged = [isinstance(size, torch.SymInt) for size in jagged.shape]
    if not ragged[1]:
        raise ValueError(
            f"{name} is not ragged in dimension 1; it must be (B, L_i, *)"
        )
    values: Tensor = jagged.values()
    offsets: Tensor = jagged.offsets()
    if offsets.dtype not in INTEGERS or not offsets.numel():
        raise ValueError(
            f"{name} has offsets of dtype {offsets.dtype} and shape "
            f"{tuple(offsets.shape)}; it must have B + 1 integers"
        )
    bounds = to_cpu(offsets, name).to(torch.int64)
    given = jagged.lengths()
    if given is not None and not torch.equal(
        given.to("cpu", torch.int64), bounds.diff()
    ):
        raise ValueError(
            f"{name} has holes between its sequences; call .contiguous() to "
            f"close them"
        )
    if int(bounds[0]) != 0 or int(bounds[-1]) != values.shape[0]:
        raise ValueError(
            f"{name} has offsets from {int(bounds[0])} to {int(bounds[-1])}; "
            f"its values have {values.shape[0]} rows, and all must belong to "
            f"a sequence"
        )
    lengths = bounds.diff()
    if bool((lengths < 0).any()):
        index = int((lengths < 0).nonzero()[0])
        raise ValueError(
            f"{name} has offsets {int(bounds[index])} and then "
            f"{int(bounds[index + 1])}; offsets cannot fall"
        )
    return values, lengths, offsets


def make_nested(values: Tensor, offsets: Tensor, lengths: Tensor) -> Tensor:
    """Return the nested tensor (B, L_i, *) of values (N, *).

    Without the shortest and the longest length PyTorch would later pad it to
    N columns (pytorch/pytorch #159380).
    """
    known: dict[str, Any] = {}
    if lengths.numel() and int(lengths.max()):
        known["min_seqlen"] = int(lengths.min())
        known["max_seqlen"] = int(lengths.max())
    nested: Tensor = torch.nested.nested_tensor_from_jagged(
        values, offsets.to(values.device), **known
    )
    return nested
