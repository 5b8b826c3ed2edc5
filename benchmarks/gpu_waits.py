"""Count how often a call waits for the GPU, ours and PyTorch's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import (
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
)

from packtutor import Ragged, pooling, run_rnn

LENGTHS = (3, 9, 1, 7, 7, 2)


def pairs(
    device: torch.device,
) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Return, by name, our call and PyTorch's for the same."""
    lengths = torch.tensor(LENGTHS)
    values = torch.randn(sum(LENGTHS), 8, device=device)
    batch = Ragged(values, lengths)
    seqs, padded = batch.to_list(), batch.to_padded()
    packed, lstm = batch.to_packed(), nn.LSTM(8, 8).to(device)

    def pack() -> Any:
        return pack_padded_sequence(
            padded, lengths, batch_first=True, enforce_sorted=False
        )

    def run_through() -> Any:
        given = Ragged.from_padded(padded, lengths)
        return run_rnn(lstm, given)[0].to_padded()

    return {
        "list to packed": (
            lambda: Ragged.from_list(seqs).to_packed(),
            lambda: pack_sequence(seqs, enforce_sorted=False),
        ),
        "padded to packed": (
            lambda: Ragged.from_padded(padded, lengths).to_packed(),
            pack,
        ),
        "packed to padded": (
            lambda: Ragged.from_packed(packed).to_padded(),
            lambda: pad_packed_sequence(packed, batch_first=True),
        ),
        "list to padded": (
            lambda: Ragged.from_list(seqs).to_padded(),
            lambda: pad_sequence(seqs, batch_first=True),
        ),
        "run of a packed batch": (
            lambda: run_rnn(lstm, packed),
            lambda: lstm(packed),
        ),
        "run from padded to padded": (
            run_through,
            lambda: pad_packed_sequence(lstm(pack())[0], batch_first=True),
        ),
        "mean of each sequence": (
            lambda: pooling.mean(batch),
            lambda: torch.stack([seq.mean(0) for seq in seqs]),
        ),
    }


def measure_waits(device: torch.device) -> dict[str, Any]:
    """Return how often each call waits; None where nothing counts it."""
    return {
        "waits": {
            name: {"ours": count(device, ours), "torch": count(device, other)}
            for name, (ours, other) in pairs(device).items()
        }
    }


def count(device: torch.device, call: Callable[[], Any]) -> int | None:
    """Return the number of waits that PyTorch's own debug mode sees."""
    call()
    if device.type != "cuda":
        return None
    torch.cuda.synchronize(device)
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            call()
        finally:
            torch.cuda.set_sync_debug_mode(before)
    return sum("synchroniz" in str(one.message) for one in caught)
