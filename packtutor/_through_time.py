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
        # A list: the caller's tensor may be another when the way back starts.
        ctx.cell, ctx.sizes, ctx.count = cell, sizes, count
        ctx.given = len(tensors)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *record.results, *record.kept)
        lasts = _places.lasts(batch_sizes)
        # A copy: the caller may write into the outputs, the way back reads.
        return record.results[0].clone(), *(
            table.index_select(0, lasts)[None] for table in record.results
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        """Return the gradients of the tensors."""
        saved = ctx.saved_tensors  # once: hooks count how often
        tensors, results = saved[: ctx.given], saved[ctx.given :]
        with torch.autocast("cpu", enabled=False):
            if torch.is_grad_enabled() or any(map(_is_batched, gradients)):
                # For a derivative of this one, autograd has to see the steps.
                found = _differentiate(ctx, tensors, gradients)
            else:
                record = Record(results[: ctx.count], results[ctx.count :])
                found = _go_back(ctx, tensors, record, gradients)
        return None, None, None, *found


def _go_back(
    ctx: Any,
    tensors: tuple[Tensor, ...],
    record: Record,
    gradients: tuple[Tensor | None, ...],
) -> list[Tensor | None]:
    """Return the gradients of the tensors, those of the tokens if wanted."""
    cell, sizes, rows = ctx.cell, ctx.sizes, ctx.sizes[0]
    batch_sizes = torch.tensor(sizes, device="cpu")
    data, starts, weights = _take_apart(cell, ctx.count, tensors)
    # Each token's predecessor, where the initial states stand before them.
    earlier = torch.arange(rows, rows + data.shape[0], device="cpu")
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
    """Return the same gradients with a graph, through PyTorch's own run.

    The run starts from views of the tensors, where its gradients stop: else
    they would go on to what the tensors were made of, and a tensor that is
    given twice would get its whole gradient twice.
    """
    wanted, create = ctx.needs_input_grad[3:], torch.is_grad_enabled()
    with torch.enable_grad():
        views = [
            _as_source(tensor) if want else tensor
            for tensor, want in zip(tensors, wanted, strict=True)
        ]
        cell = ctx.cell._replace(weights=views[1 + ctx.count :])
        output, finals = run_packed(
            [cell],
            views[0],
            torch.tensor(ctx.sizes, device="cpu"),
            tuple(views[1 : 1 + ctx.count]),
        )
    results = [
        (result, gradient)
        for result, gradient in zip((output, *finals), gradients, strict=True)
        if gradient is not None
    ]
    found = torch.autograd.grad(
        [result for result, _ in results],
        [view for view, want in zip(views, wanted, strict=True) if want],
        [gradient for _, gradient in results],
        create_graph=create,
        allow_unused=True,
    )
    rest = iter(found)
    return [next(rest) if want else None for want in wanted]


def _as_source(tensor: Tensor) -> Tensor:
    """Return a view that gradients can be asked for."""
    if not tensor.requires_grad:  # it did when the run was recorded
        tensor = tensor.detach().requires_grad_()
    return tensor.view_as(tensor)


def _is_batched(gradient: Tensor | None) -> bool:
    """Tell whether many gradients come at once, which cannot be written to."""
    asked: Any = torch._C._functorch  # noqa: SLF001
    return gradient is not None and bool(
        asked.is_batchedtensor(gradient)
        or asked.is_legacy_batchedtensor(gradient)
    )


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
