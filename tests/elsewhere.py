"""A second device without hardware: it counts what would wait for a GPU.

Its tensors say that they are on ``meta``, hold their numbers on the CPU, and
compute there. As on a GPU, tensors of two devices do not mix. What reads a
number, or moves one between the devices, is written down.
"""

from __future__ import annotations

from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

PLACE = torch.device("meta")
_aten = torch.ops.aten
# Their results have sizes, or are numbers, that only the device knows.
_READS = {
    _aten._local_scalar_dense.default: "item",
    _aten.nonzero.default: "nonzero",
    _aten.masked_select.default: "masked_select",
    _aten.equal.default: "equal",
    _aten.bincount.default: "bincount",
    _aten._unique2.default: "unique",
    _aten.unique_dim.default: "unique",
}
_INDEXING = {
    _aten.index.Tensor,
    _aten.index_put.default,
    _aten.index_put_.default,
}


class Elsewhere(torch.Tensor):
    """A tensor of that device, around one on the CPU."""

    @staticmethod
    def __new__(cls, real):
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            real.shape,
            strides=real.stride(),
            storage_offset=real.storage_offset(),
            dtype=real.dtype,
            device=PLACE,
            requires_grad=real.requires_grad,
        )
        made.held = real
        return made

    def __repr__(self):
        return f"Elsewhere({self.held!r})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError(f"{func} ran outside of elsewhere()")


class _Device(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.waits = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [
            leaf
            for leaf in tree_flatten((args, kwargs))[0]
            if isinstance(leaf, torch.Tensor)
        ]
        away = [isinstance(tensor, Elsewhere) for tensor in tensors]
        target = kwargs.get("device")
        there = target is not None and torch.device(target).type == "meta"
        if not there and not any(away):
            return func(*args, **kwargs)
        if there:
            kwargs = {**kwargs, "device": torch.device("cpu")}
        back = target is not None and not there
        self._note(func, tensors, away, there=there, back=back)
        result = func(*tree_map(_real, args), **tree_map(_real, kwargs))
        if func._schema.is_mutable:
            # What was written into is the caller's own tensor.
            return tree_map(
                lambda made: _own(made, tensors), result, is_leaf=_is_tensor
            )
        if back:
            return result
        return tree_map(_wrap, result, is_leaf=_is_tensor)

    def _note(self, func, tensors, away, *, there, back):
        """Write down a wait; refuse what a GPU would refuse."""
        if func in _READS:
            self.waits.append(_READS[func])
        elif func in _INDEXING and any(
            tensor.dtype == torch.bool for tensor in tensors[1:]
        ):
            self.waits.append("nonzero")  # a mask as an index
        elif func is _aten._to_copy.default:
            if there and not away[0]:
                self.waits.append("from the CPU")
            elif back:
                self.waits.append("to the CPU")
        elif func is _aten.copy_.default:
            if away[0] != away[1]:
                self.waits.append("from the CPU" if away[0] else "to the CPU")
        elif not there and any(
            tensor.dim() and not far
            for tensor, far in zip(tensors, away, strict=True)
        ):
            if func not in _INDEXING:
                raise RuntimeError(f"{func}: its tensors are on two devices")
            self.waits.append("from the CPU")


def _is_tensor(value):
    return isinstance(value, torch.Tensor)


def _real(value):
    return value.held if isinstance(value, Elsewhere) else value


def _wrap(value):
    return Elsewhere(value) if _is_tensor(value) else value


def _own(made, tensors):
    for tensor in tensors:
        if _real(tensor) is made:
            return tensor
    return _wrap(made)


@contextmanager
def elsewhere():
    """Give a function that moves tensors there, and the list of waits."""
    device = _Device()

    def put(tensor):
        with torch.utils._python_dispatch._disable_current_modes():
            return Elsewhere(tensor.detach().clone())

    with device:
        yield put, device.waits
