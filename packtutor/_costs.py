"""Expected times of PyTorch's kernels, from a few measured constants."""

from __future__ import annotations

import functools
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


# Measured on 2026-11-25 with torch 2.13 on two cores of an AMD EPYC with
# AVX-512: fitted to least times of calls with 2 to 128 rows, 2 to 150 steps
# and E, H from 16, 16 to 128, 256, nearly all of them within a third. What
# counts is their ratios, which choose the route.
# An LSTM forward: the mean of those constants and of others for an Intel
# Xeon, measured on 2026-11-29. There the fused kernel takes twice as long
# beside the loop, and either set alone would choose ways on the other
# processor that take up to 2.3 and 3.3 times as long as they could; the mean
# up to 1.5 and 1.7 times. Measured on the spot, the route, and with it the
# last bits of a result, would change from run to run.
_FUSED = {
    False: _Constants(Rates(240, 2.3, 0.08), Rates(0.054, 0.021, 0.0064)),
    True: _Constants(Rates(330, 2.8, 0.1), Rates(0.57, 0.013, 0.018)),
}
_LOOP = {
    ("LSTM", False): _Constants(
        Rates(68, 10.6, 0.36), Rates(0.15, 0.05, 0.013)
    ),
    ("LSTM", True): _Constants(
        Rates(97, 62, 0.2, 0.13), Rates(0.09, 0.19, 0.035)
    ),
    ("GRU", False): _Constants(Rates(10, 10, 0.11), Rates(0.1, 0.058, 0.012)),
    ("GRU", True): _Constants(
        Rates(86, 65, 0.16, 0.12), Rates(0.17, 0.22, 0.032)
    ),
    ("RNN", False): _Constants(
        Rates(10, 3.7, 0.05), Rates(0.088, 0.064, 0.013)
    ),
    ("RNN", True): _Constants(
        Rates(54, 25, 0.058, 0.095), Rates(0.13, 0.25, 0.034)
    ),
}
# Backpropagation through time, written out: always a training step.
_WRITTEN_OUT = {
    "LSTM": _Constants(Rates(370, 22, 0.22), Rates(0.17, 0.097, 0.038)),
    "GRU": _Constants(Rates(340, 16, 0.17), Rates(0.22, 0.092, 0.039)),
    "RNN": _Constants(Rates(220, 5.5, 0.066), Rates(0.25, 0.1, 0.035)),
}
# What a run over slabs costs besides its kernels, for one cell: fixed, and
# for 1,000 weights.
_SET_UP = {False: (180.0, 0.66), True: (200.0, 0.3)}
# A run that takes PyTorch no longer than this is left to it unlooked at.
SHORT = {False: 150.0, True: 300.0}


def find_rates(
    rnn: nn.RNNBase,
    *,
    fused: bool = False,
    written_out: bool = False,
    training: bool = True,
) -> Rates:
    """Return the rates of a whole network, all layers and directions."""
    kind = rnn.mode.partition("_")[0]
    if fused:
        constants = _FUSED[training]
    elif written_out:
        constants = _WRITTEN_OUT[kind]
    else:
        constants = _LOOP[kind, training]
    width = _GATES[rnn.mode] * rnn.hidden_size
    return _scale(constants, *_count(rnn), width)


@functools.lru_cache(64)
def _scale(
    constants: _Constants, cells: int, weights: int, width: int
) -> Rates:
    call, step, token, _ = (
        fixed * cells + each * weights / 1000
        for fixed, each in zip(*constants, strict=True)
    )
    drag = constants.fixed.drag * cells * width / 1000
    return Rates(call, step, token, drag)


def set_up_us(rnn: nn.RNNBase, *, training: bool) -> float:
    """Return what a run over slabs costs besides its kernels."""
    fixed, each = _SET_UP[training]
    cells, weights = _count(rnn)
    return fixed * cells + each * weights / 1000


def _count(rnn: nn.RNNBase) -> tuple[int, int]:
    """Return the number of cells, and that of all their weights."""
    directions = 2 if rnn.bidirectional else 1
    state = rnn.proj_size or rnn.hidden_size
    width = _GATES[rnn.mode] * rnn.hidden_size
    cells = rnn.num_layers * directions
    features = rnn.input_size + (rnn.num_layers - 1) * state * directions
    weights = width * (directions * features + cells * state)
    return cells, weights + cells * rnn.proj_size * rnn.hidden_size
