"""Run one layer in one direction over slabs.

PyTorch's own kernels do the arithmetic: ``torch.lstm``, ``torch.gru`` and
their kin, which ``nn.LSTM.forward`` calls as well. They take the weights as
arguments, so that nothing is copied into a second module, hooks do not run
twice, a subclass can call us from its ``forward``, and autograd, autocast and
parametrisations see what they always see.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from packtutor import _places
from packtutor._layout import Layout

States = tuple[Tensor, ...]

_KERNELS: dict[str, Callable[..., Any]] = {
    "LSTM": torch.lstm,
    "GRU": torch.gru,
    "RNN_TANH": torch.rnn_tanh,
    "RNN_RELU": torch.rnn_relu,
}

# What closes a gate: far above all that ordinary weights produce, and far
# enough below the largest number of its type.
_CLOSED = {torch.float16: 6e4}
_CLOSED_ELSEWHERE = 1e30


class Cell(NamedTuple):
    """What one layer in one direction computes with.

    Args:
        mode: As ``nn.RNNBase.mode``.
        weights: Input and hidden weights, both biases if there are any, and
            the projection's weight if there is one.
        bias: Whether there are biases.
        train: As ``nn.Module.training``; there is no dropout in here.
    """

    mode: str
    weights: list[Tensor]
    bias: bool
    train: bool


def read_cell(rnn: nn.RNNBase, layer: int, direction: int) -> Cell:
    """Read the weights by name: a parametrised one is computed here."""
    kinds = ["weight_ih", "weight_hh"]
    kinds += ["bias_ih", "bias_hh"] if rnn.bias else []
    kinds += ["weight_hr"] if rnn.proj_size else []
    suffix = f"_l{layer}{'_reverse' if direction else ''}"
    weights = [getattr(rnn, kind + suffix) for kind in kinds]
    return Cell(rnn.mode, weights, rnn.bias, rnn.training)


def run_packed(
    cells: list[Cell],
    data: Tensor,
    batch_sizes: Tensor,
    states: States,
    *,
    layers: int = 1,
    dropout: float = 0.0,
    bidirectional: bool = False,
) -> tuple[Tensor, States]:
    """Call PyTorch's kernel for a packed batch (N, E)."""
    first = cells[0]
    output, *final = _KERNELS[first.mode](
        data,
        batch_sizes,
        states if first.mode == "LSTM" else states[0],
        [weight for cell in cells for weight in cell.weights],
        first.bias,
        layers,
        dropout,
        first.train,
        bidirectional,
    )
    return output, tuple(final)


def run_rectangle(
    cell: Cell, data: Tensor, states: States
) -> tuple[Tensor, States]:
    """Call PyTorch's kernel for a batch without pads (steps, rows, E)."""
    output, *final = _KERNELS[cell.mode](
        data,
        states if cell.mode == "LSTM" else states[0],
        cell.weights,
        cell.bias,
        1,
        0.0,
        *(cell.train, False, False),  # one direction, time first
    )
    return output, tuple(final)


def run_slabs(
    cell: Cell, data: Tensor, batch_sizes: Tensor, states: States, plan: Layout
) -> tuple[Tensor, States]:
    """Run packed tokens (N, E) slab by slab; results as ``run_packed``."""
    if plan.tokens is None or plan.cells is None:
        return _carry(cell, data, states, plan)
    # A row of zeros stands for all pads, a column of ones marks them.
    table = nn.functional.pad(data, (0, 1, 0, 1))
    table[-1, -1] = 1
    closing = _with_closing_column(cell, data.dtype)
    output, final = _carry(
        closing, table.index_select(0, plan.tokens), states, plan
    )
    output = output.index_select(0, plan.cells)
    final = output.index_select(0, plan.lasts)[None], final[1]
    return output, _repair(cell, data, batch_sizes, states, final)


def can_freeze(cell: Cell, dtype: torch.dtype) -> bool:
    """Tell whether the weights leave the gates of a pad closed for certain.

    Of an LSTM without projection no |h| exceeds 1, which bounds what reaches
    a gate. The input's weights only have to be finite: they meet zeros.
    """
    inputs, hidden, *biases = map(_largest, cell.weights)
    reach = cell.weights[1].shape[1] * hidden + sum(biases)
    closed = _CLOSED.get(dtype, _CLOSED_ELSEWHERE)
    return math.isfinite(inputs) and reach < closed / 4


def _carry(
    cell: Cell, data: Tensor, states: States, plan: Layout
) -> tuple[Tensor, States]:
    """Run slab after slab; drop the rows that have ended, keep their state."""
    outputs: list[Tensor] = []
    finals: list[States] = []
    following = [slab.rows for slab in plan.slabs[1:]] + [0]
    # PyTorch warns when it runs a projection as a rectangle in float32.
    projected = len(cell.weights) == (5 if cell.bias else 3)
    for part, slab, steps, rectangular, rows in zip(
        torch.split(data, plan.sizes),
        plan.slabs,
        plan.steps,
        plan.rectangular,
        following,
        strict=True,
    ):
        if rectangular and not projected:
            block = part.view(slab.stop - slab.start, slab.rows, -1)
            output, states = run_rectangle(cell, block, states)
            output = output.flatten(0, 1)
        else:
            output, states = run_packed([cell], part, steps, states)
        outputs.append(output)
        if rows < slab.rows:
            finals.append(tuple(state[:, rows:] for state in states))
            states = tuple(state[:, :rows] for state in states)
    final = [torch.cat(parts[::-1], 1) for parts in zip(*finals, strict=True)]
    return torch.cat(outputs), tuple(final)


def _with_closing_column(cell: Cell, dtype: torch.dtype) -> Cell:
    """Give the input one more column, which shuts the memory off on a pad.

    It closes the input gate and opens the forget gate, to the last bit, so
    that c stays as it was; the gradients of a closed gate are zero.
    """
    weight = cell.weights[0]
    closed = _CLOSED.get(dtype, _CLOSED_ELSEWHERE)
    column = weight.new_zeros(4, weight.shape[0] // 4, 1)
    column[0], column[1] = -closed, closed
    weight = torch.cat([weight, column.flatten(0, 1)], 1)
    return cell._replace(weights=[weight, *cell.weights[1:]])


def _repair(
    cell: Cell,
    data: Tensor,
    batch_sizes: Tensor,
    states: States,
    final: States,
) -> States:
    """Run sequences anew, for their c_n, that ended in NaN or infinity.

    A NaN in the last h spreads to c on the next pad. These sequences are run
    again without pads. Nothing else of theirs is taken, and nothing of the
    others, so that a NaN in one sequence changes no bit of another.
    """
    last, memory = final
    finite = torch.isfinite(last) & torch.isfinite(memory)
    if bool(finite.all()):
        return final
    rows = (~finite.all(2)[0]).nonzero()[:, 0]
    lengths = _places.sorted_lengths(batch_sizes)[rows]
    sizes = _places.batch_sizes(lengths)
    steps, ranks = _places.rows_and_steps(sizes, int(lengths.sum()))
    places = _places.starts(batch_sizes)[steps] + rows[ranks]
    chosen = tuple(state.index_select(1, rows) for state in states)
    data = data.index_select(0, places)
    _, (_, repaired) = run_packed([cell], data, sizes, chosen)
    return last, memory.index_copy(1, rows, repaired)


def _largest(weight: Tensor) -> float:
    """Return the largest size of a weight; a NaN if there is one."""
    if not weight.numel():
        return 0.0
    return float(torch.linalg.vector_norm(weight.detach(), math.inf))
