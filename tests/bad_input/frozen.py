"""Say all that a value holds, bit by bit, in something that can be compared.

Two values are the same for a caller if what they hold is equal. Identities
stand for what has no contents that we know of.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import singledispatch
from types import NoneType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import packtutor
from bad_input.hostile import DeepList


def freeze(value: Any) -> Any:
    """Return the contents of a value, as nested tuples."""
    return _freeze(value)


@singledispatch
def _freeze(value: Any) -> Any:
    return type(value), id(value)


@_freeze.register(str)
@_freeze.register(bytes)
@_freeze.register(bool)
@_freeze.register(int)
@_freeze.register(NoneType)
def _(value: Any) -> Any:
    return type(value), value


@_freeze.register(float)
@_freeze.register(complex)
def _(value: Any) -> Any:
    return type(value), repr(value)  # NaN is not equal to itself


@_freeze.register
def _(value: np.ndarray) -> Any:
    return value.dtype.str, value.shape, value.tobytes()


@_freeze.register
def _(value: np.generic) -> Any:
    return value.dtype.str, value.tobytes()


@_freeze.register
def _(value: io.BytesIO) -> Any:
    return "closed" if value.closed else value.getvalue()


# Not by methods of the value's own class, which may lie.
@_freeze.register
def _(value: tuple) -> Any:
    return type(value), tuple(map(_freeze, tuple.__iter__(value)))


@_freeze.register
def _(value: list) -> Any:
    return type(value), tuple(map(_freeze, list.__iter__(value)))


@_freeze.register
def _(value: DeepList) -> Any:
    return type(value), id(value), id(value[0])


@_freeze.register
def _(value: dict) -> Any:
    items = dict.items(value)
    return type(value), tuple((_freeze(k), _freeze(v)) for k, v in items)


@_freeze.register
def _(value: packtutor.Ragged) -> Any:
    return type(value), _freeze(value.values), _freeze(value.lengths)


@_freeze.register
def _(value: packtutor.BucketBatchSampler) -> Any:
    return type(value), _freeze(value.state_dict(value._done))


@_freeze.register
def _(value: packtutor.Vocabulary) -> Any:
    return type(value), tuple(value), _freeze(value._ids)


@_freeze.register
def _(value: packtutor.Violation) -> Any:
    return type(value), _freeze(vars(value))


@_freeze.register
def _(value: Tensor) -> Any:
    about = (
        type(value),
        value.dtype,
        value.layout,
        str(value.device),
        value.requires_grad,
        _freeze(value.grad) if value.is_leaf else None,
    )
    if value.is_nested and value.layout == torch.jagged:
        parts = value.values(), value.offsets(), value.lengths()
        return *about, tuple(map(_freeze, parts))
    if value.is_nested:
        return *about, tuple(map(_freeze, value.unbind()))
    about = *about, tuple(value.shape)
    return about if value.is_meta else (*about, _bits(value.detach()))


def _bits(tensor: Tensor) -> bytes:
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    return bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist())


@_freeze.register
def _(value: nn.Module) -> Any:
    """Weights, buffers, modes, hooks, and plain attributes such as sizes."""
    return tuple(
        (name, type(inner), tuple(_attribute(v) for v in vars(inner).items()))
        for name, inner in value.named_modules()
    )


def _attribute(item: tuple[str, Any]) -> Any:
    name, value = item
    if isinstance(value, Mapping):
        return name, tuple((key, _freeze(part)) for key, part in value.items())
    return name, _freeze(value)
