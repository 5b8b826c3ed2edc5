"""Run one layer in one direction over slabs.

PyTorch's own kernels do the arithmetic: ``torch.lstm``, ``torch.gru`` and
their kin, which ``nn.LSTM.forward`` calls as well. They take the weights as
arguments, so that nothing is copied into a second module, hooks do not run
twice, a subclass can call us from its ``forward``, and autograd, autocast and
parametrisations see what they always see.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from packtutor import _places
from packtutor._layout import Layout, Part
from packtutor._networks import read_weight

States = tuple[Tensor, ...]
Shape = tuple[int, ...]

_KERNELS: dict[str, Callable[..., Any]] = {
    "LSTM": torch.lstm,
    "GRU": torch.gru,
    "RNN_TANH": torch.rnn_tanh,
    "RNN_RELU": torch.rnn_relu,
}

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}
_LSTM = 2  # as the fused kernel counts the modes
# PyTorch's own, for models that it compiles and freezes; not in each build.
_LAY_OUT = getattr(torch.ops.mkldnn, "_reorder_mkldnn_rnn_layer_weight", None)
# What closes a gate: far above all that ordinary weights produce, and far
# enough below the largest float32.
_CLOSED = 1e30


class Cell(NamedTuple):
    """What one layer in one direction computes with.

    Args:
        mode: As ``nn.RNNBase.mode``.
        weights: Input and hidden weights, both biases if there are any, and
            the projection's weight if there is one; see ``name_weights``.
        bias: Whether there are biases.
        train: As ``nn.Module.training``; there is no dropout in here.
        ready: The weights of an LSTM as its fused kernel wants them, where
            nothing is recorded; else None.
    """

    mode: str
    weights: list[Tensor]
    bias: bool
    train: bool
    ready: list[Tensor] | None = None


def read_cells(rnn: nn.RNNBase) -> list[Cell]:
    """Return the cells in the order in which h_n counts them.

    The weights are read by name: a parametrised one is computed here.
    """
    return [
        Cell(
            rnn.mode,
            [read_weight(rnn, name) for name, _ in names],
            rnn.bias,
            rnn.training,
        )
        for names in name_weights(rnn)
    ]


def name_weights(rnn: nn.RNNBase) -> list[list[tuple[str, Shape]]]:
    """Return the names and shapes that the weights of each cell must have."""
    return _name_weights(
        rnn.mode,
        rnn.input_size,
        rnn.hidden_size,
        rnn.proj_size,
        rnn.num_layers,
        bidirectional=rnn.bidirectional,
        bias=rnn.bias,
    )


@functools.lru_cache(64)
def _name_weights(
    mode: str,
    features: int,
    size: int,
    projected: int,
    layers: int,
    *,
    bidirectional: bool,
    bias: bool,
) -> list[list[tuple[str, Shape]]]:
    ends = ["", "_reverse"] if bidirectional else [""]
    width, state = size * _GATES[mode], projected or size
    found = []
    for layer in range(layers):
        kinds: dict[str, Shape] = {
            "weight_ih": (width, len(ends) * state if layer else features),
            "weight_hh": (width, state),
        }
        if bias:
            kinds |= {"bias_ih": (width,), "bias_hh": (width,)}
        if projected:
            kinds["weight_hr"] = projected, size
        found += [
            [(f"{kind}_l{layer}{end}", kinds[kind]) for kind in kinds]
            for end in ends
        ]
    return found


def fuses(dtype: torch.dtype) -> bool:
    """Tell whether PyTorch has a fused kernel for an LSTM of this on a CPU."""
    one_dnn: Any = torch.backends.mkldnn  # its types lag behind
    return dtype == torch.float32 and bool(
        one_dnn.is_available() and one_dnn.enabled
    )


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


def records(cell: Cell, data: Tensor, states: States) -> bool:
    """Tell whether PyTorch records this run, for gradients."""
    return torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (data, *states, *cell.weights)
    )


def run_rectangle(
    cell: Cell, data: Tensor, states: States
) -> tuple[Tensor, States]:
    """Call PyTorch's kernel for a batch without pads (steps, rows, E)."""
    if torch.compiler.is_compiling():
        # The compiler cannot differentiate the fused kernel.
        sizes = torch.full((data.shape[0],), data.shape[1], device="cpu")
        output, states = run_packed([cell], data.flatten(0, 1), sizes, states)
        return output.view(*data.shape[:2], -1), states
    if cell.ready is not None:
        # This operation reads its tensors as if they were contiguous.
        output, *final, _ = torch.ops.aten.mkldnn_rnn_layer(
            data.contiguous(),
            *cell.ready,
            *(state.contiguous() for state in states),
            *(False, [], _LSTM),  # forwards
            states[1].shape[2],
            *(1, cell.bias),  # layer
            *(False, False, False),  # one direction, time first, no training
        )
        return output, tuple(final)
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
    open_parts = sum(part.cells is not None for part in plan.parts)
    closing = _with_closing_column(cell) if open_parts else cell
    if not records(cell, data, states):
        cell = _make_ready(cell, len(plan.parts) - open_parts)
        closing = _make_ready(closing, open_parts)
    output, finals = _carry(cell, closing, data, states, plan)
    if not open_parts:
        return output, finals
    memory = finals[1]
    final = output.index_select(0, plan.lasts)[None], memory
    return output, _repair(cell, data, batch_sizes, states, final)


def can_freeze(cell: Cell) -> bool:
    """Tell whether the weights leave the gates of a pad closed for certain.

    Of an LSTM without projection no |h| exceeds 1, which bounds what reaches
    a gate. The input's weights only have to be finite: they meet zeros.
    """
    inputs, hidden, *biases = map(_largest, cell.weights)
    reach = cell.weights[1].shape[1] * hidden + sum(biases)
    return math.isfinite(inputs) and reach < _CLOSED / 4


def _carry(
    cell: Cell, closing: Cell, data: Tensor, states: States, plan: Layout
) -> tuple[Tensor, States]:
    """Run slab after slab; drop the rows that have ended, keep their state."""
    outputs: list[Tensor] = []
    finals: list[States] = []
    whole: Tensor | None = None
    done = 0
    following = [part.slab.rows for part in plan.parts[1:]] + [0]
    tokens = torch.split(data, [part.tokens for part in plan.parts])
    for part, own, rows in zip(plan.parts, tokens, following, strict=True):
        output, states = _run_part(cell, closing, own, states, part)
        if output.requires_grad or len(plan.parts) == 1:
            outputs.append(output)
        else:
            # Written in place, the outputs are never held twice.
            if whole is None:
                whole = output.new_empty(data.shape[0], output.shape[1])
            whole[done : done + part.tokens] = output
            done += part.tokens
        if rows < part.slab.rows:
            finals.append(tuple(state[:, rows:] for state in states))
            states = tuple(state[:, :rows] for state in states)
    final = [torch.cat(parts[::-1], 1) for parts in zip(*finals, strict=True)]
    if whole is None:
        whole = torch.cat(outputs) if len(outputs) > 1 else outputs[0]
    return whole, tuple(final)


def _run_part(
    cell: Cell, closing: Cell, data: Tensor, states: States, part: Part
) -> tuple[Tensor, States]:
    """Run one slab over its packed tokens; return an output for each."""
    size = part.slab.stop - part.slab.start, part.slab.rows, -1
    if part.cells is None:
        output, states = run_rectangle(cell, data.view(size), states)
        return output.flatten(0, 1), states
    # Pads are rows of zeros; a column of ones marks them.
    block = data.new_zeros(size[0] * size[1], data.shape[1] + 1)
    block[:, -1] = 1
    block.index_copy_(0, part.cells, nn.functional.pad(data, (0, 1)))
    output, states = run_rectangle(closing, block.view(size), states)
    return output.flatten(0, 1).index_select(0, part.cells), states


def _make_ready(cell: Cell, calls: int) -> Cell:
    """Lay the weights out for the fused kernel once, not at each call."""
    weights = cell.weights
    if (
        calls < 2
        or _LAY_OUT is None
        or not fuses(weights[0].dtype)
        or not all(weight.numel() for weight in weights)
        or torch.compiler.is_compiling()
    ):
        return cell
    biases = weights[2:]
    if not cell.bias:
        biases = [weights[0].new_zeros(weights[0].shape[0])] * 2
    first, second = _LAY_OUT(
        weights[0].contiguous(),
        weights[1].contiguous(),
        weights[1].shape[1],
        *(False, cell.bias, False),  # forwards, time first
    )
    ready = [first, second, *(bias.contiguous() for bias in biases)]
    return cell._replace(ready=ready)


def _with_closing_column(cell: Cell) -> Cell:
    """Give the input one more column, which shuts the memory off on a pad.

    It closes the input gate and opens the forget gate, to the last bit, so
    that c stays as it was; the gradients of a closed gate are zero.
    """
    weight = cell.weights[0]
    column = weight.new_zeros(4, weight.shape[0] // 4, 1)
    column[0], column[1] = -_CLOSED, _CLOSED
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
    least, most = torch.aminmax(weight.detach())
    return float(torch.maximum(-least, most))
