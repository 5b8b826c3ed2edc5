"""Slabs on a GPU, where run_rnn refuses them, to find out if it should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from benchmarks.layouts import Batch, Layout
from packtutor._kernels import read_cells, run_slabs
from packtutor._layout import Layout as SlabLayout
from packtutor._layout import lay_out
from packtutor._slabs import cut_into_rectangles, find_stretches

# A slab costs as much as this share of all tokens: few slabs, or more.
SHARES = (0.1, 0.01)


class Placed(NamedTuple):
    """A batch whose layouts, indices and values are on the device."""

    lengths: list[int]
    packing: PackedSequence
    layouts: dict[str, Layout]
    steps: int


def place(lengths: tuple[int, ...], device: torch.device) -> Placed:
    """Work out the layouts on the CPU, and move them."""
    batch = Batch(lengths)
    data, sizes, *order = batch.packing
    return Placed(
        batch.lengths,
        PackedSequence(data[:0], sizes, *(one.to(device) for one in order)),
        {
            name: Layout(layout.rows, layout.places.to(device))
            for name, layout in (
                ("sequence", batch.in_sequence),
                ("packed", batch.packed),
                ("padded", batch.time_first),
            )
        },
        batch.steps,
    )


def forced_slabs(
    network: nn.RNNBase, batch: Placed, share: float
) -> Callable[[Tensor], tuple[Tensor, Any]]:
    """Return a run over slabs, which ``run_rnn`` refuses on a GPU.

    It is here to find out whether it should: PyTorch hands a packed batch to
    cuDNN, and nobody has measured whether rectangles are faster there.
    """
    sizes = batch.packing.batch_sizes
    (cell,) = read_cells(network)
    device, tokens = cell.weights[0].device, int(sizes.sum())
    slabs = cut_into_rectangles(
        find_stretches(sizes), call=share * tokens, step=0, cell=1
    )
    parts, lasts = lay_out(tuple(map(tuple, slabs)), sizes)
    layout = SlabLayout(
        [
            part._replace(
                cells=part.cells
                if part.cells is None
                else part.cells.to(device)
            )
            for part in parts
        ],
        lasts.to(device),
    )
    states = 1, int(sizes[0]), network.hidden_size

    def run(rows: Tensor) -> tuple[Tensor, Any]:
        starts = (rows.new_zeros(states),) * 2
        output, finals = run_slabs(cell, rows, sizes, starts, layout)
        order = batch.packing.unsorted_indices
        return output, tuple(part.index_select(1, order) for part in finals)

    return run
