"""Backpropagation through time, written out, for one cell over a packed batch.

Autograd records each operation of each step, and a cut into the inputs of all
steps gets a gradient of full size at each. One node for the whole run has
neither cost.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from packtutor import _cells, _places
from packtutor._cells import Record, States, Weights
from packtutor._kernels import Cell, run_packed


def run_through_time(
    cell: Cell, data: Tensor, batch_sizes: Tensor, states: States
) -> tuple[Tensor, States]:
    """Run packed tokens (N, E); results as ``run_packed``, and gradients.

    On a CPU, in real numbers, outside of autocast.
    """
    if torch.compiler.is_compiling():
        # The compiler would unroll the steps.
        return run_packed([cell], data, batch_sizes, states)
    count = len(states)
    results = _ThroughTime.apply(  # type: ignore[no-untyped-call]
        cell, batch_sizes, count, data, *states, *cell.weights
    )
    return results[0], tuple(results[1:])


class _ThroughTime(torch.autograd.Function):
    """The node; its tensors are the tokens, the states and the weights."""

    # Without setup_context, the transforms of torch.func say that they cannot
    # be applied; PyTorch's packed run cannot take them either.
    @staticmethod
    def forward(
        ctx: Any,
        cell: Cell,
        batch_sizes: Tensor,
        count: int,
        *tensors: Tensor,
    ) -> States:
        """Return the outputs and the final states; keep what the way needs."""
        data, starts, weights = _take_apart(cell, count, tensors)
        sizes = batch_sizes.tolist()
        if cell.mode == "LSTM":
            record = _cells.lstm(data, starts, weights, sizes)
        elif cell.mode == "GRU":
            record = _cells.gru(data, starts, weights, sizes)
        else:
            record = _cells.rnn(data, starts, weights, sizes, cell.mode)
        ctx.cell, ctx.batch_sizes, ctx.count = cell, batch_sizes, count
        ctx.given = len(tensors)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *record.results, *record.kept)
        lasts = _places.lasts(batch_sizes)
        return record.results[0], *(
            table.index_select(0, lasts)[None] for table in record.results
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        """Return the gradients of the tensors."""
        tensors = ctx.saved_tensors[: ctx.given]
        results = ctx.saved_tensors[ctx.given :]
        if torch.is_grad_enabled():
            # For a derivative of this one, autograd has to see the steps.
            found = _differentiate(ctx, tensors, gradients)
        else:
            record = Record(results[: ctx.count], results[ctx.count :])
            with torch.autocast("cpu", enabled=False):
                found = _go_back(ctx, tensors, record, gradients)
        return None, None, None, *found


def _go_back(
    ctx: Any,
    tensors: tuple[Tensor, ...],
    record: Record,
    gradients: tuple[Tensor | None, ...],
) -> list[Tensor | None]:
    """Return the gradients of the tensors, those of the tokens if wanted."""
    cell, batch_sizes = ctx.cell, ctx.batch_sizes
    data, starts, weights = _take_apart(cell, ctx.count, tensors)
    sizes = batch_sizes.tolist()
    rows = sizes[0]
    # Each token's predecessor, where the initial states stand before them.
    earlier = torch.arange(rows, rows + data.shape[0])
    earlier -= torch.repeat_interleave(
        torch.cat([batch_sizes[:1], batch_sizes[:-1]]), batch_sizes
    )
    lasts = _places.lasts(batch_sizes) + rows
    grown, before = [], []
    for start, result, given, final in zip(
        starts,
        record.results,
        (gradients[0], None),
        gradients[1:],
        strict=False,
    ):
        table = result.new_zeros(rows + result.shape[0], result.shape[1])
        if given is not None:
            table[rows:] = given
        if final is not None:
            table.index_add_(0, lasts, final[0])
        grown.append(table)
        before.append(torch.cat([start, result]).index_select(0, earlier))
    tables = tuple(grown)
    if cell.mode == "LSTM":
        shares = _cells.lstm_back(record, weights, sizes, tables, before[1])
    elif cell.mode == "GRU":
        shares = _cells.gru_back(record, weights, sizes, tables, before[0])
    else:
        shares = _cells.rnn_back(record, weights, sizes, tables, cell.mode)
    wanted = ctx.needs_input_grad[3]
    found = [shares.inputs @ weights.inputs if wanted else None]
    found += [table[None, :rows] for table in tables]
    found += [shares.inputs.t() @ data, shares.hidden.t() @ before[0]]
    if cell.bias:
        found += [shares.inputs.sum(0), shares.hidden.sum(0)]
    if weights.projection is not None:
        gates, bounded = record.kept
        inner = gates[:, 3 * bounded.shape[1] :] * bounded
        found.append(tables[0][rows:].t() @ inner)
    return found


def _differentiate(
    ctx: Any,
    tensors: tuple[Tensor, ...],
    gradients: tuple[Tensor | None, ...],
) -> list[Tensor | None]:
    """Return the same gradients with a graph, through PyTorch's own run."""
    wanted = ctx.needs_input_grad[3:]
    cell = ctx.cell._replace(weights=list(tensors[1 + ctx.count :]))
    states = tensors[1 : 1 + ctx.count]
    output, finals = run_packed([cell], tensors[0], ctx.batch_sizes, states)
    results = [
        (result, gradient)
        for result, gradient in zip((output, *finals), gradients, strict=True)
        if gradient is not None
    ]
    found = torch.autograd.grad(
        [result for result, _ in results],
        [tensor for tensor, want in zip(tensors, wanted, strict=True) if want],
        [gradient for _, gradient in results],
        create_graph=True,
        allow_unused=True,
    )
    rest = iter(found)
    return [next(rest) if want else None for want in wanted]


def _take_apart(
    cell: Cell, count: int, tensors: tuple[Tensor, ...]
) -> tuple[Tensor, States, Weights]:
    """Return the tokens, the initial states (B, H), and the named weights."""
    data, starts, weights = (
        tensors[0],
        tensors[1 : 1 + count],
        tensors[1 + count :],
    )
    biases = weights[2:4] if cell.bias else (None, None)
    rest = weights[4 if cell.bias else 2 :]
    return (
        data,
        tuple(state[0] for state in starts),
        Weights(*weights[:2], *biases, *rest),
    )
