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
# AVX-512: fitted to least times of calls with 2 to 128 rows, 2 to 150 steps
# and E, H from 16, 16 to 128, 256, nine in ten of them within a third. What
# counts is their ratios, which choose the route.
_FUSED = {
    False: _Constants(Rates(60, 2.2, 0.015), Rates(0.61, 0.025, 0.014)),
    True: _Constants(Rates(280, 4.1, 0.13), Rates(2.8, 0.051, 0.048)),
}
_LOOP = {
    ("LSTM", False): _Constants(
        Rates(16, 13, 0.27), Rates(0.04, 0.085, 0.028)
    ),
    ("LSTM", True): _Constants(
        Rates(150, 96, 0.28, 0.16), Rates(0.04, 0.46, 0.068)
    ),
    ("GRU", False): _Constants(Rates(14, 14, 0.19), Rates(0, 0.12, 0.018)),
    ("GRU", True): _Constants(
        Rates(170, 99, 0.21, 0.24), Rates(0.05, 0.43, 0.05)
    ),
    ("RNN", False): _Constants(Rates(11, 5.3, 0.17), Rates(0.05, 0.1, 0.018)),
    ("RNN", True): _Constants(
        Rates(120, 40, 0.45, 0.17), Rates(0.02, 0.41, 0.04)
    ),
}
# What a run over slabs costs besides its kernels, for one cell.
SET_UP = {False: 300.0, True: 450.0}


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
