"""Say beforehand how long it takes to time a batch, and how much memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from packtutor._costs import find_rates

_FLOAT = 4


def expect(lstm: nn.LSTM, lengths: Tensor, device: torch.device) -> float:
    """Return about how many seconds one round takes for a batch.

    The constants are those of a CPU; a GPU is faster.
    """
    steps, tokens = int(lengths.max()), int(lengths.sum())
    total_us = 0.0
    for training in (False, True):
        fused = find_rates(lstm, fused=True, training=training)
        loop = find_rates(lstm, fused=False, training=training)
        drag = loop.drag * steps if device.type == "cpu" else 0.0
        padded = fused.call + fused.step * steps
        padded += fused.token * steps * lengths.numel()
        packed = loop.call + loop.step * steps + (loop.token + drag) * tokens
        # run_rnn is about as fast as the faster of both, or faster.
        total_us += padded + packed + min(padded, packed)
    return total_us / 1e6


def count_bytes(lstm: nn.LSTM, lengths: Tensor) -> int:
    """Return about how much memory a training step takes."""
    cells = lengths.numel() * int(lengths.max())
    features, state = lstm.input_size, lstm.hidden_size
    weights = 4 * state * (features + state + 2)
    # Weights, their gradients and a copy in the kernel's own layout; inputs
    # in three layouts and a gradient, outputs, four gates and their gradient.
    return _FLOAT * (4 * weights + cells * (4 * features + 12 * state))
