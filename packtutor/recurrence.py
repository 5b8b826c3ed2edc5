"""Run nn.RNN, nn.GRU and nn.LSTM over a ragged batch: exact, and fast.

B sequences, T the longest length, N the sum of all lengths, E the input size,
H the hidden size.
"""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from packtutor import _plans
from packtutor._checks import (
    Lengths,
    add_up,
    as_device,
    as_flag,
    as_lengths,
)
from packtutor._kernels import Cell, name_weights, read_cells, records
from packtutor._layers import run_by_layers, run_in_one_call
from packtutor._networks import (
    State,
    as_rnn,
    casts,
    check_features,
    computing_type,
    first_weight,
    initial_state,
)
from packtutor._opened import (
    Packing,
    open_batch,
    put_back,
    restore_states,
    sort_states,
)
from packtutor._plans import Extent, Plan
from packtutor._slabs import find_stretches, find_stretches_of
from packtutor.ragged import Ragged

Batch = TypeVar("Batch", PackedSequence, Ragged, Tensor)

_FORWARDS = (nn.RNN.forward, nn.GRU.forward, nn.LSTM.forward)


def run_rnn(
    rnn: nn.RNNBase,
    batch: Batch,
    hx: State | None = None,
    *,
    plan: Plan | None = None,
) -> tuple[Batch, State]:
    """Run a recurrent network over a ragged batch.

    The results are those of PyTorch's packed run. Unlike it, this takes empty
    sequences and nested tensors, says what is wrong with its input, and on a
    CPU trains faster on most batches: PyTorch runs a packed batch step by
    step, with a backward pass that is quadratic in the number of steps.

    The weights are read from ``rnn`` at each call, so that training,
    ``state_dict`` and parametrisations work as ever. Dropout between layers
    draws what PyTorch's packed run draws for the same seed, of a ``Ragged``
    what it draws for ``batch.to_packed()``. Hooks of ``rnn`` are not called,
    nor is the ``forward`` of a subclass: the modules of ``packtutor.nn`` call
    theirs. The first nested output makes PyTorch log a line: see
    ``Ragged.to_nested``.

    Args:
        rnn: An ``nn.RNN``, ``nn.GRU`` or ``nn.LSTM`` with any options;
            ``batch_first`` means nothing to a batch without pads.
        batch: A ``PackedSequence``, a ``Ragged`` or a jagged nested tensor.
        hx: Initial states in the batch's order; zeros if None.
        plan: What ``plan_run`` returned for these lengths; chosen if None.

    Shapes:
        batch: values ``(N, E)``, dtype and device of the weights.
        hx: (layers x directions, B, H), for an LSTM a tuple of two: h_0, and
            c_0; with a projection, h_0 has its size instead of H.
        returns: a batch of the type that came in, with values
            ``(N, directions x H)``, and h_n or (h_n, c_n) of the shapes of
            ``hx``, in the caller's order. An empty sequence has no output
            rows, and its initial state is its final one.

    Raises:
        TypeError: If ``rnn``, ``batch`` or ``plan`` is of another type, the
            dtype does not fit, or ``hx`` does not have the form that ``rnn``
            wants.
        ValueError: If the batch has no sequence or is malformed, a shape or
            device does not fit, the weights are not of one type on one device,
            or are computed by a hook (as ``torch.nn.utils.prune`` does), or
            ``plan`` is not one for this batch.

    Example:
        >>> lstm = nn.LSTM(3, 5, bidirectional=True)
        >>> batch = Ragged(torch.ones(4, 3), [3, 0, 1])
        >>> output, (h_n, c_n) = run_rnn(lstm, batch)
        >>> output.values.shape, h_n.shape
        (torch.Size([4, 10]), torch.Size([2, 3, 5]))

    Cost:
        O(N) cells and a few pads. On a CPU, bfloat16 and float16 are computed
        in float32, with a copy of the weights for the run, and rounded once:
        faster there, and closer to a float32 run. On a GPU, and under
        autocast, it is PyTorch's packed run. It waits for a GPU only to read
        the lengths of a nested tensor. Under ``torch.compile`` it does
        without the fused kernel.

    Source:
        pytorch/pytorch issues 149194, 82534 and 11514.

    Not for:
        A padded tensor without pads: call ``rnn`` itself. Forward-mode
        derivatives, which PyTorch's fused kernel lacks, unless ``plan`` has
        the route "torch".
    """
    rnn = as_rnn(rnn)
    opened = open_batch(batch)
    if not opened.sequences:
        raise ValueError("batch has no sequence; it must have at least one")
    cells = read_cells(rnn)
    _check_weights(rnn, cells)
    weight = cells[0].weights[0]
    check_features(rnn, weight, opened.values, opened.name)
    starts = initial_state(rnn, weight, opened.values, opened.sequences, hx)
    packing = opened.pack()
    if plan is None:
        plan = _choose(rnn, cells, packing, starts)
    else:
        plan = _plans.check_plan(plan, rnn, packing.batch_sizes, packing.data)
    if packing.batch_sizes.numel():
        first = starts  # zeros need not be sorted
        if hx is not None or packing.rows is not None:
            first = sort_states(starts, packing)
        output, finals = _run(rnn, cells, packing, first, plan)
        finals = restore_states(finals, starts, packing)
    else:
        output, finals = _run_nothing(rnn, cells, packing, starts)
    closed: Any = opened.close(output)
    return closed, finals[0] if len(finals) == 1 else (finals[0], finals[1])


def plan_run(
    rnn: nn.RNNBase,
    lengths: Lengths,
    *,
    training: bool = False,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Plan:
    """Choose how ``run_rnn`` runs a network over sequences of these lengths.

    ``run_rnn`` plans by itself. A plan made here can be looked at, drawn
    (``packtutor.figures.draw_plan``) and given to it.

    Args:
        rnn: As in ``run_rnn``.
        lengths: One length a sequence, in any order.
        training: Whether gradients will be wanted.
        device: Where the run will be; where the weights are if None.
        dtype: In which type; that of the weights if None.

    Shapes:
        lengths: (B,), any integer dtype, CPU.

    Raises:
        TypeError: If ``rnn`` or ``training`` has another type, or a length is
            no integer.
        ValueError: If a length is negative or there is none.

    Example:
        >>> plan = plan_run(nn.LSTM(64, 128), [90, 70, 3], training=True)
        >>> plan.route, plan.tokens
        ('slabs', 163)

    Cost:
        O(B log B), and linear in the number of distinct lengths: the best
        slabs are found without trying all.

    Source:
        pytorch/pytorch issue 149194.

    Not for:
        Predicting times on another machine: its expected time compares
        routes.
    """
    rnn = as_rnn(rnn)
    lengths = as_lengths(lengths)
    training = as_flag(training, "training")
    if not lengths.numel():
        raise ValueError("lengths is empty; it must have at least one")
    weight = first_weight(rnn)
    kept = lengths[lengths > 0]
    longest = int(kept.max()) if kept.numel() else 0
    return _plans.choose(
        rnn,
        partial(find_stretches_of, kept),
        Extent(longest, kept.numel(), add_up(lengths)),
        training=training,
        device=weight.device if device is None else as_device(device),
        dtype=weight.dtype if dtype is None else _as_dtype(dtype),
    )


def _choose(
    rnn: nn.RNNBase,
    cells: list[Cell],
    packing: Packing,
    starts: tuple[Tensor, ...],
) -> Plan:
    """Return the plan for a batch, and for gradients if they are recorded."""
    data, sizes = packing.data, packing.batch_sizes
    steps = sizes.numel()
    training = any(records(cell, data, starts) for cell in cells)
    return _plans.choose(
        rnn,
        partial(find_stretches, sizes),
        Extent(steps, int(sizes[0]) if steps else 0, data.shape[0]),
        training=training,
        device=data.device,
        dtype=data.dtype,
    )


def _run(
    rnn: nn.RNNBase,
    cells: list[Cell],
    packing: Packing,
    first: tuple[Tensor, ...],
    plan: Plan,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a batch with tokens; states go in and come out longest first."""
    data, sizes = packing.data, packing.batch_sizes
    kind = data.dtype
    wide = computing_type(kind, data.device)
    if wide != kind:
        data = data.to(wide)
        first = tuple(state.to(wide) for state in first)
        cells = [
            cell._replace(weights=[weight.to(wide) for weight in cell.weights])
            for cell in cells
        ]
    if plan.route == "torch":
        output, finals = run_in_one_call(rnn, cells, data, sizes, first)
    else:
        output, finals = run_by_layers(
            rnn,
            cells,
            data,
            sizes,
            first,
            slabs=plan.slabs if plan.route == "slabs" else None,
        )
    if wide != kind:
        output = output.to(kind)
        finals = tuple(state.to(kind) for state in finals)
    if packing.rows is not None:
        output = put_back(output, 0, packing.rows)
    return output, finals


def _run_nothing(
    rnn: nn.RNNBase,
    cells: list[Cell],
    packing: Packing,
    starts: tuple[Tensor, ...],
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return no row, and each initial state as the final one.

    The sums of nothing keep the graph whole: a step of training finds zeros
    for gradients, as it does for the rows of an empty sequence.
    """
    directions = 2 if rnn.bidirectional else 1
    rows = packing.data.new_zeros(0, starts[0].shape[2] * directions)
    rows = rows + packing.data.sum(1, keepdim=True)
    for cell in cells:
        for weight in cell.weights:
            rows = rows + weight.sum()
    if casts(rows.device.type):
        like, finals = _run_one_token(rnn, cells, packing.data, starts)
        rows = rows.to(like.dtype)
        starts = tuple(
            start.to(final.dtype)
            for start, final in zip(starts, finals, strict=True)
        )
    return rows, tuple(state.clone() for state in starts)


@torch.no_grad()
def _run_one_token(
    rnn: nn.RNNBase,
    cells: list[Cell],
    data: Tensor,
    starts: tuple[Tensor, ...],
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a token of zeros: autocast picks the types by the kernel."""
    return run_in_one_call(
        rnn,
        # Dropout would draw from the generator.
        [cell._replace(train=False) for cell in cells],
        data.new_zeros(1, data.shape[1]),
        torch.ones(1, dtype=torch.int64, device="cpu"),
        tuple(start[:, :1] for start in starts),
    )


def _check_weights(rnn: nn.RNNBase, cells: list[Cell]) -> None:
    """Raise if a weight is unlike the first one, or not up to date.

    Pruning and the older weight_norm and spectral_norm keep a weight as a
    plain attribute, which a hook computes before ``forward`` runs. A fused
    kernel reads a weight of the wrong shape beyond its end.
    """
    first = cells[0].weights[0]
    plain = type(rnn).forward in _FORWARDS and bool(rnn._forward_pre_hooks)  # noqa: SLF001
    for names, cell in zip(name_weights(rnn), cells, strict=True):
        for (name, shape), weight in zip(names, cell.weights, strict=True):
            if plain and name in vars(rnn):
                raise ValueError(
                    f"rnn.{name} is computed by a hook, which only a call of "
                    f"the network runs; make it permanent, or use "
                    f"packtutor.nn.convert"
                )
            if weight.dtype != first.dtype or weight.device != first.device:
                raise ValueError(
                    f"rnn.{name} is {weight.dtype} on {weight.device}; "
                    f"rnn.weight_ih_l0 is {first.dtype} on {first.device}"
                )
            if weight.shape != shape:
                raise ValueError(
                    f"rnn.{name} has shape {tuple(weight.shape)}; it must be "
                    f"{shape}"
                )


def _as_dtype(dtype: object) -> torch.dtype:
    if not isinstance(dtype, torch.dtype):
        raise TypeError(
            f"dtype is of type {type(dtype).__name__}; it must be a "
            f"torch.dtype"
        )
    if not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(
            f"dtype is {dtype}; an RNN computes with floating-point numbers"
        )
    return dtype
