"""Choose how to run a batch, and check a plan that was chosen before."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from packtutor._checks import short
from packtutor._costs import SHORT, find_rates, set_up_us
from packtutor._kernels import fuses
from packtutor._networks import casts, computing_type
from packtutor._slabs import Slab, Stretches, cut_into_rectangles


class Plan(NamedTuple):
    """How ``run_rnn`` runs a batch of certain lengths.

    Three routes lead to the same result:

    - ``"torch"``: PyTorch's own packed run, in one call.
    - ``"bptt"``: backpropagation through time, written out. It takes the
      time steps one by one, as PyTorch's packed run, but what they have in
      common at once. A long backward pass is then no longer quadratic.
    - ``"slabs"``: for an LSTM without projection, PyTorch's padded kernel on
      rectangles. The few pads change nothing: a marker shuts them off.

    Args:
        route: One of the three.
        slabs: The runs of time steps, in order: (first step, the step after
            the last, sequences alive at the first). The first two routes
            have one.
        tokens: N, the number of tokens.
        cells: How many cells are computed, N and the pads.
        time_ms: What the run is expected to take where the constants were
            measured, forward on the mean of two processors. It serves to
            compare routes.

    Example:
        >>> from packtutor import plan_run
        >>> plan = plan_run(nn.LSTM(8, 16), [3, 2, 1])
        >>> plan.route, plan.tokens, plan.padding_fraction
        ('torch', 6, 0.0)

    Cost:
        Nothing: it only holds what ``plan_run`` found.

    Source:
        pytorch/pytorch issue 149194.

    Not for:
        Another batch, unless it has as many sequences alive at each slab.
    """

    route: str
    slabs: tuple[tuple[int, int, int], ...]
    tokens: int
    cells: int
    time_ms: float

    @property
    def padding_fraction(self) -> float:
        """The share of the cells that are pads, 0..1.

        Example:
            >>> Plan("slabs", ((0, 2, 2),), 3, 4, 0.1).padding_fraction
            0.25

        Cost:
            O(1).
        """
        return 1 - self.tokens / self.cells if self.cells else 0.0


class Extent(NamedTuple):
    """The size of a packed batch: T, the sequences with tokens, and N."""

    steps: int
    rows: int
    tokens: int


def choose(
    rnn: nn.RNNBase,
    find: Callable[[], Stretches],
    extent: Extent,
    *,
    training: bool,
    device: torch.device,
    dtype: torch.dtype,
) -> Plan:
    """Return the route with the least expected time for a packed batch.

    ``find`` returns its stretches; a small batch does without them.
    """
    steps, rows, tokens = extent
    if not steps:
        return Plan("torch", (), 0, 0, 0.0)
    loop = find_rates(rnn, fused=False, training=training)
    time_us = loop.call + loop.step * steps
    time_us += (loop.token + loop.drag * steps) * tokens
    whole = (Slab(0, steps, rows),)
    best = Plan("torch", whole, tokens, tokens, time_us / 1000)
    # A GPU has a packed kernel of its own. Autocast picks the type of a
    # result by the kernel, so that there the kernel has to stay the same.
    if device.type != "cpu" or casts(device.type) or time_us < SHORT[training]:
        return best
    fused = has_fused_kernel(rnn, computing_type(dtype, device))
    if fused and rows * steps == tokens:
        return best  # PyTorch finds out by itself that there is no pad
    if fused:
        other = _in_rectangles(rnn, find(), tokens, training=training)
    elif training and not dtype.is_complex:
        rates = find_rates(rnn, written_out=True)
        time_us = rates.call + rates.step * steps + rates.token * tokens
        other = Plan("bptt", whole, tokens, tokens, time_us / 1000)
    else:
        return best
    return min(best, other, key=lambda plan: plan.time_ms)


def has_fused_kernel(rnn: nn.RNNBase, dtype: torch.dtype) -> bool:
    """Tell whether PyTorch runs a rectangle of this on a CPU in one kernel."""
    return can_fill_up(rnn) and fuses(dtype)


def can_fill_up(rnn: nn.RNNBase) -> bool:
    """Tell whether pads can be shut off: in an LSTM, whose |h| is bounded."""
    return rnn.mode == "LSTM" and not rnn.proj_size


def as_plan(plan: object) -> Plan:
    """Return ``plan`` if it is a Plan that holds what its types say."""
    if not isinstance(plan, Plan):
        raise TypeError(
            f"plan is of type {type(plan).__name__}; it must be a Plan, as "
            f"plan_run returns it"
        )
    route: object = plan.route
    if not isinstance(route, str) or route not in ("torch", "bptt", "slabs"):
        raise ValueError(
            f"plan.route is {short(route)}; it must be 'torch', 'bptt' or "
            f"'slabs'"
        )
    for name in ("tokens", "cells"):
        number = getattr(plan, name)
        if type(number) is not int:
            raise TypeError(
                f"plan.{name} is {short(number)}; it must be an integer"
            )
    slabs: object = plan.slabs
    if not isinstance(slabs, tuple):
        raise TypeError(
            f"plan.slabs is of type {type(slabs).__name__}; it must be a "
            f"tuple of slabs"
        )
    for index, slab in enumerate(slabs):
        if (
            not isinstance(slab, tuple)
            or len(slab) != 3
            or any(type(number) is not int for number in slab)
        ):
            raise TypeError(
                f"plan.slabs[{index}] is {short(slab)}; it must be three "
                f"integers: first step, end, rows"
            )
    return plan


def check_plan(
    plan: object, rnn: nn.RNNBase, batch_sizes: Tensor, data: Tensor
) -> Plan:
    """Return the plan if it can run this network over these tokens."""
    plan = as_plan(plan)
    device = data.device
    if plan.route == "slabs" and (not can_fill_up(rnn) or data.is_complex()):
        raise ValueError(
            "plan.route is 'slabs'; only an LSTM of real numbers without "
            "proj_size can shut pads off: use 'bptt'"
        )
    if plan.route == "bptt" and data.is_complex():
        raise ValueError(
            "plan.route is 'bptt'; only real numbers are "
            "written out: use 'torch'"
        )
    if plan.route != "torch" and (device.type != "cpu" or casts(device.type)):
        where = "under autocast" if device.type == "cpu" else f"on {device}"
        raise ValueError(
            f"plan.route is {plan.route!r}; {where} it must be 'torch'"
        )
    check_fit(plan, batch_sizes)
    return plan


def check_tokens(plan: Plan, tokens: int) -> None:
    """Raise unless a plan is one for so many tokens."""
    if plan.tokens != tokens:
        raise ValueError(
            f"plan has {plan.tokens} tokens; the batch has {tokens}"
        )


def check_fit(plan: Plan, batch_sizes: Tensor) -> None:
    """Raise unless the slabs are those of a packed batch."""
    check_tokens(plan, int(batch_sizes.sum()))
    steps, done = batch_sizes.numel(), 0
    for index, (start, stop, rows) in enumerate(plan.slabs):
        name = f"plan.slabs[{index}]"
        if start != done or not start < stop <= steps:
            raise ValueError(
                f"{name} runs from step {start} to {stop}; it must start at "
                f"{done} and end by {steps}"
            )
        alive = int(batch_sizes[start])
        if rows != alive:
            raise ValueError(
                f"{name} has {rows} rows; {alive} sequences of the batch are "
                f"alive at step {start}"
            )
        done = stop
    if done != steps:
        raise ValueError(
            f"plan ends at step {done}; the longest sequence of the batch "
            f"has {steps}"
        )


def _in_rectangles(
    rnn: nn.RNNBase, stretches: Stretches, tokens: int, *, training: bool
) -> Plan:
    rates = find_rates(rnn, fused=True, training=training)
    slabs = cut_into_rectangles(stretches, rates.call, rates.step, rates.token)
    cells = sum((stop - start) * rows for start, stop, rows in slabs)
    time_us = rates.call * len(slabs) + rates.token * cells
    time_us += rates.step * stretches.ends[-1]
    time_us += set_up_us(rnn, training=training)
    return Plan("slabs", tuple(slabs), tokens, cells, time_us / 1000)
