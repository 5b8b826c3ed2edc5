"""Run nn.RNN, nn.GRU and nn.LSTM over a ragged batch: exact, and fast.

B sequences, T the longest length, N the sum of all lengths, E the input size,
H the hidden size.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from packtutor import _places, _plans
from packtutor._checks import Lengths, add_up, as_flag, as_lengths
from packtutor._layers import run_by_layers, run_in_one_call
from packtutor._networks import State, as_rnn, check_features, initial_state
from packtutor._opened import open_batch, restore_states, sort_states
from packtutor._plans import Plan
from packtutor.ragged import Ragged

Batch = TypeVar("Batch", PackedSequence, Ragged, Tensor)


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
    CPU is faster for most batches: PyTorch runs a packed batch step by step,
    with a backward pass that is quadratic in the number of steps.

    The weights are read from ``rnn`` at each call, so that training,
    ``state_dict`` and parametrisations work as ever. Dropout between layers
    draws what PyTorch's packed run draws for the same seed. Hooks of ``rnn``
    are not called: the modules of ``packtutor.nn`` call theirs.

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
            device does not fit, or ``plan`` is not one for this batch.

    Example:
        >>> lstm = nn.LSTM(3, 5, bidirectional=True)
        >>> batch = Ragged(torch.ones(4, 3), [3, 0, 1])
        >>> output, (h_n, c_n) = run_rnn(lstm, batch)
        >>> output.values.shape, h_n.shape
        (torch.Size([4, 10]), torch.Size([2, 3, 5]))

    Cost:
        O(N) cells and a few pads. On a GPU, and under autocast, it is
        PyTorch's packed run. It waits for a GPU only to read the lengths of a
        nested tensor.

    Source:
        pytorch/pytorch issues 149194, 82534 and 11514.

    Not for:
        A padded tensor without pads: call ``rnn`` itself.
    """
    rnn = as_rnn(rnn)
    opened = open_batch(batch)
    if not opened.sequences:
        raise ValueError("batch has no sequence; it must have at least one")
    check_features(rnn, opened.values, opened.name)
    starts = initial_state(rnn, opened.values, opened.sequences, hx)
    packing = opened.pack()
    data, sizes = packing.data, packing.batch_sizes
    if plan is None:
        plan = _plans.choose(
            rnn,
            sizes,
            data.shape[0],
            training=_needs_gradients(rnn, data, starts),
            device=data.device,
            dtype=data.dtype,
        )
    else:
        plan = _plans.check_plan(plan, rnn, sizes, data.device)
    if not sizes.numel():
        directions = 2 if rnn.bidirectional else 1
        output = data.new_zeros(0, starts[0].shape[2] * directions)
        finals = tuple(state.clone() for state in starts)
    else:
        first = sort_states(starts, packing)
        if plan.route == "torch":
            output, finals = run_in_one_call(rnn, data, sizes, first)
        else:
            output, finals = run_by_layers(
                rnn,
                data,
                sizes,
                first,
                plan.slabs,
                padded=plan.route == "slabs",
            )
        if packing.places is not None:
            output = output.index_select(0, packing.places)
        finals = restore_states(finals, starts, packing)
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
    weight = next(rnn.parameters())
    return _plans.choose(
        rnn,
        _places.batch_sizes(lengths),
        add_up(lengths),
        training=training,
        device=torch.device(device or weight.device),
        dtype=dtype or weight.dtype,
    )


def _needs_gradients(
    rnn: nn.RNNBase, data: Tensor, states: tuple[Tensor, ...]
) -> bool:
    """Tell whether PyTorch will record this run."""
    return torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (data, *states, *rnn.parameters())
    )
