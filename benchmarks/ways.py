"""The ways to run a recurrent network with torch, packed, padded and ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.layouts import Batch, Layout
from packtutor import Ragged, run_rnn

# "outputs only" where h_n is wrong, False where outputs are as well.
Right = bool | str
Answer = dict[str, Tensor]
# Takes the batch in its layout; returns its output rows and the states.
Run = Callable[[Tensor], tuple[Tensor, Any]]


class Way(NamedTuple):
    """One way to compute a case.

    Args:
        step: What is timed.
        answer: Turns what a step returned into tensors to compare: outputs
            and gradients of the tokens in the order of the sequences, h_n.
        right: Whether the answer is; the states h_n need not be.
    """

    step: Callable[[], Any]
    answer: Callable[[Any], Answer]
    right: Right = True


class Task(NamedTuple):
    """What all ways of a case are given."""

    network: nn.RNNBase
    batch: Batch
    values: Tensor  # (N, E)
    weighting: Tensor  # (N, directions x H), of the outputs in the loss
    training: bool


def make_task(
    network: nn.RNNBase, lengths: tuple[int, ...], *, training: bool
) -> Task:
    """Draw the seeded inputs, and the weights of the outputs in the loss."""
    batch = Batch(lengths)
    generator = torch.Generator().manual_seed(1)
    tokens = sum(lengths)
    dtype = next(network.parameters()).dtype
    width = network.hidden_size * (2 if network.bidirectional else 1)
    values = torch.randn(tokens, network.input_size, generator=generator)
    weighting = torch.randn(tokens, width, generator=generator)
    return Task(
        network, batch, values.to(dtype), weighting.to(dtype), training
    )


def torch_ways(task: Task) -> dict[str, Way]:
    """Return our two ways and PyTorch's two."""
    network, batch = task.network, task.batch

    def ours_packed(data: Tensor) -> tuple[Tensor, Any]:
        output, states = run_rnn(network, batch.pack(data))
        return output.data, states

    def ours_ragged(values: Tensor) -> tuple[Tensor, Any]:
        output, states = run_rnn(network, Ragged(values, batch.lengths))
        return output.values, states

    def packed(data: Tensor) -> tuple[Tensor, Any]:
        output, states = network(batch.pack(data))
        return output.data, states

    def padded(rows: Tensor) -> tuple[Tensor, Any]:
        output, states = network(rows.view(batch.steps, batch.sequences, -1))
        return output.flatten(0, 1), states

    right: Right = len(set(batch.lengths)) == 1
    if not right and network.num_layers == 1 and not network.bidirectional:
        right = "outputs only"
    return {
        "run_rnn packed": make_way(task, ours_packed, batch.packed),
        "run_rnn ragged": make_way(task, ours_ragged, batch.in_sequence),
        "torch packed": make_way(task, packed, batch.packed),
        "torch padded": make_way(task, padded, batch.time_first, right=right),
    }


def make_way(
    task: Task, run: Run, layout: Layout, *, right: Right = True
) -> Way:
    """Make a way out of a run over the rows of a layout."""
    rows = layout.write(task.values)
    if task.training:
        weighting = layout.write(task.weighting)
        rows.requires_grad_()
        leaves = [rows, *task.network.parameters()]

        def step() -> Any:
            output, states = run(rows)
            loss = (output * weighting).sum()
            return output, states, torch.autograd.grad(loss, leaves)
    else:

        def step() -> Any:
            with torch.no_grad():
                return *run(rows), ()

    def answer(returned: Any) -> Answer:
        output, states, gradients = returned
        found = {"outputs": layout.read(output.detach())}
        if right is True:
            h_n = states[0] if isinstance(states, tuple) else states
            found["h_n"] = h_n.detach()
        if gradients:
            found["input_gradients"] = layout.read(gradients[0])
            flat = [gradient.flatten() for gradient in gradients[1:]]
            found["weight_gradients"] = torch.cat(flat)
        return found

    return Way(step, answer, right)
