"""Expected times of PyTorch's kernels, from a few measured constants."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class Rates(NamedTuple):
    """What a call, a step and a token cost, in microseconds.

    Each is a fixed time and one for 1,000 weights. ``drag`` is what a step of
    a loop costs in its backward pass for 1,000 gates of the tokens around it.
    """

    call: float
    step: float
    token: float
    drag: float = 0.0


class _Constants(NamedTuple):
    fixed: Rates
    weights: Rates


# Measured on 2026-11-24 with torch 2.13 on two cores of an AMD EPYC with
# AVX-512: least times of calls with 1 to 128 rows, 1 to 100 steps, E and H
# from 32 and 64 to 128 and 256. Only their ratios decide the route.
_FUSED = {
    False: _Constants(Rates(60, 1.2, 0.05), Rates(0.3, 0.015, 0.012)),
    True: _Constants(Rates(350, 4, 0.2), Rates(1.6, 0.05, 0.04)),
}
_LOOP = {
    ("LSTM", False): _Constants(Rates(30, 30, 0.1), Rates(0, 0.02, 0.025)),
    ("LSTM", True): _Constants(
        Rates(150, 150, 0.5, 0.5), Rates(0.5, 0.1, 0.08)
    ),
    ("GRU", False): _Constants(Rates(30, 28, 0.1), Rates(0, 0.02, 0.025)),
    ("GRU", True): _Constants(
        Rates(150, 150, 0.5, 0.5), Rates(0.5, 0.1, 0.08)
    ),
    ("RNN", False): _Constants(Rates(30, 14, 0.1), Rates(0, 0.02, 0.025)),
    ("RNN", True): _Constants(Rates(100, 70, 0.5, 0.5), Rates(0.5, 0.1, 0.08)),
}
# What a run over slabs costs besides its kernels.
SET_UP = 200.0


def find_rates(rnn: nn.RNNBase, *, fused: bool, training: bool) -> Rates:
    """Return the rates of a whole network, all layers and directions."""
    if fused:
        constants = _FUSED[training]
    else:
        constants = _LOOP[rnn.mode.partition("_")[0], training]
    directions = 2 if rnn.bidirectional else 1
    state = rnn.proj_size or rnn.hidden_size
    width = _GATES[rnn.mode] * rnn.hidden_size
    cells = rnn.num_layers * directions
    features = rnn.input_size + (rnn.num_layers - 1) * state * directions
    weights = width * (directions * features + cells * state)
    weights += cells * rnn.proj_size * rnn.hidden_size
    call, step, token, _ = (
        fixed * cells + each * weights / 1000
        for fixed, each in zip(*constants, strict=True)
    )
    drag = constants.fixed.drag * cells * width / 1000
    return Rates(call, step, token, drag)
