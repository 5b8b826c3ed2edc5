"""Run all layers and directions of a network over a packed batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from packtutor._kernels import (
    Cell,
    States,
    can_freeze,
    records,
    run_packed,
    run_slabs,
)
from packtutor._layout import Layout, lay_out, mirror
from packtutor._through_time import run_through_time


def run_in_one_call(
    rnn: nn.RNNBase,
    cells: list[Cell],
    data: Tensor,
    batch_sizes: Tensor,
    states: States,
) -> tuple[Tensor, States]:
    """Hand the packed batch (N, E) to PyTorch, whole."""
    return run_packed(
        cells,
        data,
        batch_sizes,
        states,
        layers=rnn.num_layers,
        dropout=rnn.dropout,
        bidirectional=rnn.bidirectional,
    )


def run_by_layers(
    rnn: nn.RNNBase,
    cells: list[Cell],
    data: Tensor,
    batch_sizes: Tensor,
    states: States,
    *,
    slabs: tuple[tuple[int, int, int], ...] | None,
) -> tuple[Tensor, States]:
    """Run the packed batch (N, E) layer by layer: over slabs, if there are.

    Between two layers the tokens stand as PyTorch packs them, so that dropout
    draws the same mask for the same seed. A backward direction is a forward
    one over reversed sequences.
    """
    plan = None
    # Weights may be so large that no column can shut a pad off.
    if slabs is not None and all(can_freeze(cell) for cell in cells):
        plan = lay_out(slabs, batch_sizes)
    turned = mirror(batch_sizes) if rnn.bidirectional else None
    directions = 1 if turned is None else 2
    finals: list[States] = []
    for layer in range(rnn.num_layers):
        if layer and rnn.dropout and rnn.training:
            data = nn.functional.dropout(data, rnn.dropout)
        outputs = []
        for direction in range(directions):
            number = layer * directions + direction
            start = tuple(state[number : number + 1] for state in states)
            forth = data
            if turned is not None and direction:
                forth = data.index_select(0, turned)
            output, final = _run_cell(
                cells[number], forth, batch_sizes, start, plan
            )
            if turned is not None and direction:
                output = output.index_select(0, turned)
            outputs.append(output)
            finals.append(final)
        data = outputs[0] if directions == 1 else torch.cat(outputs, 1)
    return data, tuple(torch.cat(parts) for parts in zip(*finals, strict=True))


def _run_cell(
    cell: Cell,
    data: Tensor,
    batch_sizes: Tensor,
    states: States,
    plan: Layout | None,
) -> tuple[Tensor, States]:
    """Run one layer in one direction."""
    if plan is not None:
        return run_slabs(cell, data, batch_sizes, states, plan)
    if records(cell, data, states):
        return run_through_time(cell, data, batch_sizes, states)
    return run_packed([cell], data, batch_sizes, states)
