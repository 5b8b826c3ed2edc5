"""nn.RNN, nn.GRU and nn.LSTM that take every layout of a batch.

The classes add no parameter: same constructors, same ``state_dict``.
"""

from __future__ import annotations

from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn.utils import parametrize

from packtutor.recurrence import run_rnn

Module = TypeVar("Module", bound=nn.Module)


class RNN(nn.RNN):
    """``torch.nn.RNN`` that also takes ``Ragged`` and nested batches.

    Packed, ragged and nested input goes through ``run_rnn``; a dense tensor,
    padded or of one sequence, goes to PyTorch.

    Args:
        *args: As ``torch.nn.RNN``.
        **kwargs: As ``torch.nn.RNN``.

    Shapes:
        input: Dense as in ``torch.nn.RNN``, else as in ``run_rnn``.
        hx: (layers x directions, B, H).
        returns: As ``torch.nn.RNN``; the type that came in.

    Raises:
        TypeError: As ``run_rnn``, unless the input is dense.
        ValueError: As ``run_rnn``, unless the input is dense.

    Example:
        >>> import torch
        >>> from packtutor import Ragged
        >>> rnn = RNN(3, 5)
        >>> output, h_n = rnn(Ragged(torch.ones(4, 3), [3, 0, 1]))
        >>> output.values.shape, h_n.shape
        (torch.Size([4, 5]), torch.Size([1, 3, 5]))

    Cost:
        As ``run_rnn``.

    Source:
        The chapter "Keep empty sequences and nested tensors".

    Not for:
        A padded tensor with pads in it: PyTorch runs over them.
    """

    def forward(self, input: Any, hx: Tensor | None = None) -> Any:  # noqa: A002
        """Run over a batch in any layout."""
        if _is_dense(input):
            return super().forward(input, hx)
        return run_rnn(self, input, hx)


class GRU(nn.GRU):
    """``torch.nn.GRU`` that also takes ``Ragged`` and nested batches.

    Packed, ragged and nested input goes through ``run_rnn``; a dense tensor,
    padded or of one sequence, goes to PyTorch.

    Args:
        *args: As ``torch.nn.GRU``.
        **kwargs: As ``torch.nn.GRU``.

    Shapes:
        input: Dense as in ``torch.nn.GRU``, else as in ``run_rnn``.
        hx: (layers x directions, B, H).
        returns: As ``torch.nn.GRU``; the type that came in.

    Raises:
        TypeError: As ``run_rnn``, unless the input is dense.
        ValueError: As ``run_rnn``, unless the input is dense.

    Example:
        >>> import torch
        >>> from packtutor import Ragged
        >>> gru = GRU(3, 5, bidirectional=True)
        >>> output, h_n = gru(Ragged(torch.ones(4, 3), [3, 0, 1]))
        >>> output.values.shape, h_n.shape
        (torch.Size([4, 10]), torch.Size([2, 3, 5]))

    Cost:
        As ``run_rnn``.

    Source:
        The chapter "Keep empty sequences and nested tensors".

    Not for:
        A padded tensor with pads in it: PyTorch runs over them.
    """

    def forward(self, input: Any, hx: Tensor | None = None) -> Any:  # noqa: A002
        """Run over a batch in any layout."""
        if _is_dense(input):
            return super().forward(input, hx)
        return run_rnn(self, input, hx)


class LSTM(nn.LSTM):
    """``torch.nn.LSTM`` that also takes ``Ragged`` and nested batches.

    Packed, ragged and nested input goes through ``run_rnn``; a dense tensor,
    padded or of one sequence, goes to PyTorch.

    Args:
        *args: As ``torch.nn.LSTM``.
        **kwargs: As ``torch.nn.LSTM``.

    Shapes:
        input: Dense as in ``torch.nn.LSTM``, else as in ``run_rnn``.
        hx: (h_0, c_0), both (layers x directions, B, H); with a projection,
            h_0 has its size instead of H.
        returns: As ``torch.nn.LSTM``; the type that came in.

    Raises:
        TypeError: As ``run_rnn``, unless the input is dense.
        ValueError: As ``run_rnn``, unless the input is dense.

    Example:
        >>> import torch
        >>> from packtutor import Ragged
        >>> lstm = LSTM(3, 5)
        >>> output, (h_n, c_n) = lstm(Ragged(torch.ones(4, 3), [3, 0, 1]))
        >>> output.values.shape, c_n.shape
        (torch.Size([4, 5]), torch.Size([1, 3, 5]))

    Cost:
        As ``run_rnn``.

    Source:
        The chapter "Keep empty sequences and nested tensors".

    Not for:
        A padded tensor with pads in it: PyTorch runs over them.
    """

    def forward(
        self,
        input: Any,  # noqa: A002
        hx: tuple[Tensor, Tensor] | None = None,
    ) -> Any:
        """Run over a batch in any layout."""
        if _is_dense(input):
            return super().forward(input, hx)
        return run_rnn(self, input, hx)


_OURS: dict[type[nn.Module], type[nn.Module]] = {
    nn.RNN: RNN,
    nn.GRU: GRU,
    nn.LSTM: LSTM,
}


def convert(module: Module) -> Module:
    """Turn the RNNs inside a model into those of this module, in place.

    Only the class of each ``nn.RNN``, ``nn.GRU`` and ``nn.LSTM`` changes. The
    objects stay the same, and so do their parameters, names, hooks and
    parametrisations, what an optimiser refers to, and ``state_dict``. A
    subclass of yours stays as it is: its ``forward`` is its own. Code that
    packs a batch before it calls the network still packs, and still refuses
    an empty sequence: hand over ``Ragged.from_padded`` there instead. The
    first nested output makes PyTorch log a line: see ``Ragged.to_nested``.

    Args:
        module: A model, or an RNN itself.

    Shapes:
        returns: The same object.

    Raises:
        TypeError: If ``module`` is no ``nn.Module``.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.LSTM(3, 4))
        >>> convert(model)[1].__class__ is LSTM
        True

    Cost:
        O(modules).

    Source:
        The chapter "Keep empty sequences and nested tensors".

    Not for:
        ``torch.jit.script``: it cannot read this ``forward``, and in a model
        that is scripted already nothing is converted. ``torch.compile`` takes
        a converted model, with breaks in its graph. A model saved whole, not
        as a ``state_dict``, needs ``packtutor`` to be loaded. Code that looks
        for the exact type ``nn.LSTM``, as dynamic quantization does, passes
        over these: quantize first, which ``convert`` then leaves alone. For
        forward-mode derivatives see ``run_rnn``.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module is of type {type(module).__name__}; it must be a "
            f"torch.nn.Module"
        )
    for inner in module.modules():
        kind = type(inner)
        if kind in _OURS:
            inner.__class__ = _OURS[kind]
        elif parametrize.is_parametrized(inner) and kind.__base__ in _OURS:
            inner.__class__ = _rebase(kind, _OURS[kind.__base__])
    return module


def _is_dense(batch: object) -> bool:
    return isinstance(batch, Tensor) and not batch.is_nested


def _rebase(kind: type[nn.Module], base: type[nn.Module]) -> type[nn.Module]:
    """Return a class like ``kind``, but derived from ``base``.

    ``parametrize`` gives a module a class of its own, which holds the
    parametrised weights as properties.
    """
    own = {
        name: value
        for name, value in vars(kind).items()
        if name not in ("__dict__", "__weakref__")
    }
    return type(kind.__name__, (base,), own)
