"""Where each token of a batch stands in a layout.

The tokens of the sequences, one behind the other, are numbered 0..N-1. A
layout is a table of rows, some of them pads; places (N,) says in which row
each token stands. PyTorch's own functions say so, not what is measured.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_sequence


class Layout(NamedTuple):
    """A table of rows, and the row of each token."""

    rows: int
    places: Tensor

    def write(self, values: Tensor) -> Tensor:
        """Put the tokens (N, *) into their rows, zeros into the rest."""
        table = values.new_zeros(self.rows, *values.shape[1:])
        return table.index_copy(0, self.places, values)

    def read(self, table: Tensor) -> Tensor:
        """Take the tokens (N, *) out again."""
        return table.index_select(0, self.places)


class Batch:
    """One batch of lengths, and its layouts."""

    def __init__(self, lengths: tuple[int, ...]) -> None:
        self.lengths = list(lengths)
        tokens = torch.arange(sum(lengths))
        numbered = torch.split(tokens, self.lengths)
        self.packing = pack_sequence(list(numbered), enforce_sorted=False)
        padded = pad_sequence(list(numbered), padding_value=-1)  # (T, B)
        self.steps, self.sequences = padded.shape
        self.in_sequence = Layout(len(tokens), tokens)
        self.packed = _layout(self.packing.data)
        self.time_first = _layout(padded.flatten())
        self.batch_first = _layout(padded.T.flatten())

    def pack(self, data: Tensor) -> PackedSequence:
        """Return packed rows as PyTorch wants them."""
        return PackedSequence(data, *self.packing[1:])


def _layout(numbers: Tensor) -> Layout:
    """Read the layout off a table of tokens' numbers, -1 for a pad."""
    real = (numbers >= 0).nonzero()[:, 0]
    places = torch.empty_like(real)
    places[numbers[real]] = real
    return Layout(len(numbers), places)
