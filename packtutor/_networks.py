"""Check what a recurrent network is given: network, features, states."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn

State: TypeAlias = Tensor | tuple[Tensor, Tensor]

# What autocast casts; the wider types it leaves as they are.
_CAST = {torch.float16, torch.bfloat16, torch.float32}
# What PyTorch's recurrent kernels compute with.
_TYPES = {*_CAST, torch.float64, torch.complex64, torch.complex128}


def as_rnn(rnn: object) -> nn.RNNBase:
    """Return ``rnn`` if it is an nn.RNN, nn.GRU or nn.LSTM."""
    if not isinstance(rnn, (nn.RNN, nn.GRU, nn.LSTM)):
        raise TypeError(
            f"rnn is of type {type(rnn).__name__}; it must be a "
            f"torch.nn.RNN, GRU or LSTM"
        )
    return rnn


def first_weight(rnn: nn.RNNBase) -> Tensor:
    """Return the weight whose type and device stand for all."""
    return read_weight(rnn, "weight_ih_l0")


def read_weight(rnn: nn.RNNBase, name: str) -> Tensor:
    """Return a weight by its name; a parametrised one is computed here."""
    try:
        weight = getattr(rnn, name)
    except AttributeError as error:
        raise ValueError(
            f"rnn has no {name}, which a network of its sizes has"
        ) from error
    if not isinstance(weight, Tensor):
        raise TypeError(
            f"rnn.{name} is of type {type(weight).__name__}; it must be a "
            f"tensor"
        )
    return weight


def check_features(
    rnn: nn.RNNBase, weight: Tensor, values: Tensor, name: str
) -> None:
    """Raise unless ``values`` (N, E) suits the network and its weight."""
    if not (values.is_floating_point() or values.is_complex()):
        raise TypeError(
            f"{name} has dtype {values.dtype}; an RNN reads floating-point "
            f"features: embed the ids first"
        )
    if weight.dtype not in _TYPES:
        raise TypeError(
            f"rnn has weights of dtype {weight.dtype}, with which PyTorch "
            f"runs no network; it must be one of 16 bits or more, or complex "
            f"of 64 or more"
        )
    if values.dim() != 2 or values.shape[1] != rnn.input_size:
        raise ValueError(
            f"{name} has shape {tuple(values.shape)}; it must be "
            f"(N, {rnn.input_size}), the network's input size"
        )
    _check_match(weight, values, name)


def initial_state(
    rnn: nn.RNNBase,
    weight: Tensor,
    values: Tensor,
    sequences: int,
    hx: object,
) -> tuple[Tensor, ...]:
    """Return (h_0,), or (h_0, c_0) for an LSTM: zeros where hx is None."""
    parts = {"h_0": rnn.proj_size or rnn.hidden_size}
    if rnn.mode == "LSTM":
        parts["c_0"] = rnn.hidden_size
    layers = rnn.num_layers * (2 if rnn.bidirectional else 1)
    shapes = [(layers, sequences, size) for size in parts.values()]
    if hx is None:
        return tuple(values.new_zeros(shape) for shape in shapes)
    given = (hx,) if rnn.mode != "LSTM" else hx
    wanted = "a tuple (h_0, c_0)" if rnn.mode == "LSTM" else "a tensor h_0"
    if not isinstance(given, (tuple, list)):
        raise TypeError(
            f"hx is of type {type(hx).__name__}; it must be {wanted}"
        )
    if len(given) != len(parts):
        raise TypeError(f"hx has {len(given)} parts; it must be {wanted}")
    for state, name, shape in zip(given, parts, shapes, strict=True):
        if not isinstance(state, Tensor):
            raise TypeError(
                f"hx: {name} is of type {type(state).__name__}; "
                f"hx must be {wanted}"
            )
        if state.layout != torch.strided or state.is_nested:
            raise TypeError(
                f"hx: {name} is sparse or nested; it must be a dense tensor"
            )
        if tuple(state.shape) != shape:
            raise ValueError(
                f"hx: {name} has shape {tuple(state.shape)}; "
                f"it must be (layers x directions, B, size) = {shape}"
            )
        _check_match(weight, state, f"hx: {name}")
    return tuple(given)


def computing_type(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """Return the type in which a run computes: on a CPU, no half type.

    PyTorch's loop on a CPU rounds to the half type after each operation,
    which costs digits and, in float16, most of the time. Autocast picks its
    types itself.
    """
    half = dtype in (torch.float16, torch.bfloat16)
    if half and device.type == "cpu" and not casts(device.type):
        return torch.float32
    return dtype


def _check_match(weight: Tensor, tensor: Tensor, name: str) -> None:
    if tensor.device != weight.device:
        raise ValueError(
            f"{name} is on device {tensor.device}; the weights are on "
            f"{weight.device}"
        )
    kinds = {tensor.dtype, weight.dtype}
    cast = kinds <= _CAST and casts(tensor.device.type)
    if len(kinds) > 1 and not cast:
        raise TypeError(
            f"{name} has dtype {tensor.dtype}; the weights have {weight.dtype}"
        )


def casts(device: str) -> bool:
    """Tell whether autocast is on; asking about some devices would raise."""
    available = torch.amp.is_autocast_available(device)
    return available and torch.is_autocast_enabled(device)
