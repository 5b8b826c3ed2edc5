"""Recurrent cells over packed steps, forwards and back, without autograd.

What does not depend on the step before is done for all N tokens at once: the
input's share of the gates, all slopes of the gates, all gradients of weights.
A step forwards is one product with the hidden weights and what closes the
gates; a step back is one product and few operations on its rows.

The tokens stand in packed order. ``sizes`` are the rows of each step. Slopes
have the layout of the gates, (N, gates x H), and become their gradients.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, split
from torch.nn.functional import linear

States = tuple[Tensor, ...]
_RELU_BACK = torch.ops.aten.threshold_backward.grad_input


class Weights(NamedTuple):
    """The weights of a cell, with None where it has none.

    Args:
        inputs: (gates x H, E).
        hidden: (gates x H, H), with a projection (gates x H, P).
        input_bias: (gates x H,).
        hidden_bias: (gates x H,).
        projection: (P, H).
    """

    inputs: Tensor
    hidden: Tensor
    input_bias: Tensor | None = None
    hidden_bias: Tensor | None = None
    projection: Tensor | None = None


class Record(NamedTuple):
    """What a forward run found, and what its way back needs.

    Args:
        results: (N, H), h of each token, and for an LSTM c.
        kept: What the way back needs besides.
    """

    results: States
    kept: States


class Shares(NamedTuple):
    """The gradients (N, gates x H) of what enters the gates.

    Args:
        inputs: Of what the input's weights and bias give.
        hidden: Of what the hidden weights and bias give.
    """

    inputs: Tensor
    hidden: Tensor


def rnn(
    data: Tensor, starts: States, weights: Weights, sizes: list[int], mode: str
) -> Record:
    """Run h' = tanh(gate), or relu(gate)."""
    hidden = weights.hidden.t()
    output = linear(data, weights.inputs, _sum_of_biases(weights))
    close = torch.tanh_ if mode == "RNN_TANH" else torch.relu_
    rows = split(output, sizes)
    earlier = _leading(starts[0], rows, sizes)
    for row, before in zip(rows, earlier, strict=True):
        close(row.addmm_(before, hidden))
    return Record((output,), ())


def rnn_back(
    record: Record,
    weights: Weights,
    sizes: list[int],
    grown: States,
    mode: str,
) -> Shares:
    """Carry the gradients ``grown`` (B + N, H) of h back; see ``_Walk``."""
    (output,) = record.results
    gradient = _Walk(grown[0], sizes)
    if mode == "RNN_TANH":
        gates = 1 - output.square()  # the slopes
    else:
        gates = torch.empty_like(output)
    rows, h = split(gates, sizes), split(output, sizes)
    for t in gradient.steps:
        if mode == "RNN_TANH":
            rows[t].mul_(gradient.own[t])
        else:  # a product with 0 would make a NaN of an infinite gradient
            _RELU_BACK(gradient.own[t], h[t], 0, grad_input=rows[t])
        gradient.before[t].addmm_(rows[t], weights.hidden)
    return Shares(gates, gates)


def gru(
    data: Tensor, starts: States, weights: Weights, sizes: list[int]
) -> Record:
    """Run h' = n + z (h - n), with gates r, z and n = tanh(.. + r (..))."""
    hidden = weights.hidden.t()
    size = hidden.shape[0]
    shift = weights.hidden_bias
    if shift is None:
        shift = hidden.new_zeros(3 * size)
    gates = linear(data, weights.inputs, weights.input_bias)
    theirs = torch.empty_like(gates)  # what the hidden weights give
    output = gates.new_empty(gates.shape[0], size)
    r, z, n = (split(part, sizes) for part in split(gates, size, 1))
    r_and_z, added = (
        split(table[:, : 2 * size], sizes) for table in (gates, theirs)
    )
    fresh = split(theirs[:, 2 * size :], sizes)
    rows, product = split(output, sizes), split(theirs, sizes)
    earlier = _leading(starts[0], rows, sizes)
    for t, before in enumerate(earlier):
        torch.addmm(shift, before, hidden, out=product[t])
        r_and_z[t].add_(added[t]).sigmoid_()
        n[t].addcmul_(r[t], fresh[t]).tanh_()
        # Not lerp, which makes a NaN of an infinite h.
        torch.sub(before, n[t], out=rows[t])
        torch.addcmul(n[t], z[t], rows[t], out=rows[t])
    return Record((output,), (gates, theirs))


def gru_back(
    record: Record,
    weights: Weights,
    sizes: list[int],
    grown: States,
    earlier: Tensor,
) -> Shares:
    """Carry the gradients of h back; ``earlier`` (N, H) is h before."""
    gates, theirs = record.kept
    size = earlier.shape[1]
    r, z, n = split(gates, size, 1)
    slopes = gates.new_empty(gates.shape[0], 3, size)
    direct = (1 - z).mul_(1 - n.square())  # of h to what enters n
    torch.mul(direct, r, out=slopes[:, 2])
    fresh = theirs[:, 2 * size :]
    torch.mul(slopes[:, 2], (1 - r).mul_(fresh), out=slopes[:, 0])
    torch.mul((earlier - n).mul_(z), 1 - z, out=slopes[:, 1])
    gradient = _Walk(grown[0], sizes)
    stay, parts = split(z, sizes), split(slopes, sizes)
    rows = split(slopes.flatten(1), sizes)
    for t in gradient.steps:
        parts[t].mul_(gradient.wide[t])
        before = gradient.before[t]
        before.addcmul_(gradient.own[t], stay[t])
        before.addmm_(rows[t], weights.hidden)
    given = slopes.clone()
    torch.mul(gradient.tokens, direct, out=given[:, 2])
    return Shares(given.flatten(1), slopes.flatten(1))


def lstm(
    data: Tensor, starts: States, weights: Weights, sizes: list[int]
) -> Record:
    """Run c' = f c + i g and h' = o tanh(c'), perhaps projected."""
    hidden = weights.hidden.t()
    size = hidden.shape[1] // 4
    gates = linear(data, weights.inputs, _sum_of_biases(weights))
    cells = gates.new_empty(gates.shape[0], size)
    bounded, inner = torch.empty_like(cells), torch.empty_like(cells)
    output, turned = inner, None
    if weights.projection is not None:
        turned = weights.projection.t()
        output = gates.new_empty(gates.shape[0], turned.shape[1])
    i, f, g, o = (split(part, sizes) for part in split(gates, size, 1))
    i_and_f = split(gates[:, : 2 * size], sizes)
    rows, product = split(output, sizes), split(gates, sizes)
    c, tanh_c, h = (split(table, sizes) for table in (cells, bounded, inner))
    earlier = _leading(starts[0], rows, sizes)
    memory = _leading(starts[1], c, sizes)
    for t, before in enumerate(earlier):
        product[t].addmm_(before, hidden)
        i_and_f[t].sigmoid_()
        g[t].tanh_()
        o[t].sigmoid_()
        torch.mul(i[t], g[t], out=c[t]).addcmul_(f[t], memory[t])
        torch.mul(o[t], torch.tanh(c[t], out=tanh_c[t]), out=h[t])
        if turned is not None:
            torch.mm(h[t], turned, out=rows[t])
    return Record((output, cells), (gates, bounded))


def lstm_back(
    record: Record,
    weights: Weights,
    sizes: list[int],
    grown: States,
    earlier: Tensor,
) -> Shares:
    """Carry the gradients of h and c back; ``earlier`` (N, H) is c before."""
    gates, bounded = record.kept
    size = bounded.shape[1]
    i, f, g, o = split(gates, size, 1)
    slopes = gates.new_empty(gates.shape[0], 4, size)
    torch.mul((1 - i).mul_(i), g, out=slopes[:, 0])
    torch.mul((1 - f).mul_(f), earlier, out=slopes[:, 1])
    torch.mul(1 - g.square(), i, out=slopes[:, 2])
    torch.mul((1 - o).mul_(o), bounded, out=slopes[:, 3])
    through = split((1 - bounded.square()).mul_(o), sizes)  # of h to c
    gradient, of_memory = (_Walk(each, sizes) for each in grown)
    from_c, from_h = split(slopes[:, :3], sizes), split(slopes[:, 3], sizes)
    keep, rows = split(f, sizes), split(slopes.flatten(1), sizes)
    for t in gradient.steps:
        inner = gradient.own[t]
        if weights.projection is not None:
            inner = inner @ weights.projection
        memory = of_memory.own[t].addcmul_(inner, through[t])
        from_c[t].mul_(of_memory.wide[t])
        from_h[t].mul_(inner)
        of_memory.before[t].addcmul_(memory, keep[t])
        gradient.before[t].addmm_(rows[t], weights.hidden)
    return Shares(slopes.flatten(1), slopes.flatten(1))


class _Walk:
    """The gradients of a result at each step, to be walked back through.

    The table (B + N, H) has the initial states' gradients in front. ``wide``
    are the rows as (n, 1, H), to spread over gates; ``before`` are those of
    the step before, of the sequences that go on.
    """

    def __init__(self, table: Tensor, sizes: list[int]) -> None:
        self.tokens = table[sizes[0] :]
        self.own = split(self.tokens, sizes)
        self.wide = split(self.tokens[:, None], sizes)
        self.before = _leading(table[: sizes[0]], self.own, sizes)
        self.steps = range(len(sizes) - 1, -1, -1)


def _leading(
    first: Tensor, rows: tuple[Tensor, ...], sizes: list[int]
) -> list[Tensor]:
    """Return, for each step, the rows of the step before that go on."""
    return [first] + [
        row if size == wanted else row[:wanted]
        for row, size, wanted in zip(
            rows[:-1], sizes[:-1], sizes[1:], strict=True
        )
    ]


def _sum_of_biases(weights: Weights) -> Tensor | None:
    """Return both biases as one, which is all that an RNN or LSTM sees."""
    if weights.input_bias is None or weights.hidden_bias is None:
        return None
    return weights.input_bias + weights.hidden_bias
