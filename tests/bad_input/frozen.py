"""Say all that a value holds, bit by bit, in something that can be compared.

Two values are the same for a caller if what they hold is equal. Identities
stand for what has no contents that we know of.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import packtutor

_PLAIN = (str, bytes, bool, int, type(None))


def freeze(value: Any) -> Any:
    """Return the contents of a value, as nested tuples."""
    try:
        return _freeze(value)
    except RecursionError:
        return type(value), id(value)


def _freeze(value: Any) -> Any:
    if isinstance(value, nn.Module):
        return _module(value)
    if isinstance(value, Tensor):
        return _tensor(value)
    if type(value) in _PLAIN:
        return type(value), value
    if type(value) in (float, complex):
        return type(value), repr(value)  # NaN is not equal to itself
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, np.generic):
        return value.dtype.str, value.tobytes()
    if isinstance(value, io.BytesIO):
        return "closed" if value.closed else value.getvalue()
    if isinstance(value, tuple):
        # Not by methods of its own, which may lie.
        return type(value), tuple(map(_freeze, tuple.__iter__(value)))
    if isinstance(value, list):
        return type(value), tuple(map(_freeze, list.__iter__(value)))
    if type(value) is dict:
        items = value.items()
        return dict, tuple((_freeze(k), _freeze(v)) for k, v in items)
    if is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, field.name) for field in fields(value)]
        return type(value), tuple(map(_freeze, parts))
    if isinstance(value, packtutor.BucketBatchSampler):
        return type(value), freeze(value.state_dict(0)), value._done
    if isinstance(value, packtutor.Vocabulary):
        return type(value), tuple(value), freeze(value._ids)
    return type(value), id(value)


def _tensor(tensor: Tensor) -> Any:
    about = (
        type(tensor),
        tensor.dtype,
        tensor.layout,
        str(tensor.device),
        tensor.requires_grad,
        tensor.grad is None,
    )
    if tensor.is_nested and tensor.layout == torch.jagged:
        parts = tensor.values(), tensor.offsets(), tensor.lengths()
        return *about, tuple(map(freeze, parts))
    if tensor.is_nested:
        return *about, tuple(map(freeze, tensor.unbind()))
    about = *about, tuple(tensor.shape)
    if tensor.is_meta:
        return about
    tensor = tensor.detach()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    bits = tensor.contiguous().reshape(-1).view(torch.uint8)
    return *about, bytes(bits.tolist())


def _module(module: nn.Module) -> Any:
    """Weights, buffers, modes, hooks, and plain attributes such as sizes."""
    return tuple(
        (name, type(inner), tuple(_attribute(v) for v in vars(inner).items()))
        for name, inner in module.named_modules()
    )


def _attribute(item: tuple[str, Any]) -> Any:
    name, value = item
    if isinstance(value, Mapping):
        return name, tuple((key, freeze(part)) for key, part in value.items())
    return name, freeze(value)
