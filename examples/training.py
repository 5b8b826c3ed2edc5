"""An epoch of training and an evaluation, without any state of their own.

The loss is the mean over the sequences of the global batch, those of all
processes: each sequence has one label. Each process adds up the losses of its
own and multiplies the sum by the number of processes over the number of
sequences in all of them. ``DistributedDataParallel`` takes the mean of the
gradients over the processes, and so gives the gradient of that loss, however
the batch is cut. The mean of the processes' own means would not: it gives the
sequences of a smaller part more weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from examples.processes import Place, add_up
from packtutor import Ragged


class Step(NamedTuple):
    """What one step has seen, in all processes."""

    loss: float  # the mean over the sequences
    sequences: int
    tokens: int
    cells: int  # of each process's padded batch, whether it pads or not


class Score(NamedTuple):
    """The mean loss over the sequences, and the share that is right."""

    loss: float
    accuracy: float


def choose_amp(device: torch.device) -> torch.dtype:
    """Return the type of autocast: float16 only where bfloat16 is not."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        return torch.float16
    return torch.bfloat16


def train_epoch(
    model: nn.Module,
    batches: Iterable[tuple[Ragged, Tensor]],
    optimiser: torch.optim.Optimizer,
    *,
    place: Place = Place(),  # noqa: B008 (a tuple)
    amp: torch.dtype | None = None,
    scaler: torch.amp.GradScaler | None = None,
) -> Iterator[Step]:
    """Take a step for each batch, and yield what it saw."""
    scaler = scaler or torch.amp.GradScaler(place.device.type, enabled=False)
    for batch, labels in batches:
        # Anew each time: an evaluation may come between two steps.
        model.train()
        seen = len(batch), batch.values.shape[0], batch.max_length * len(batch)
        sequences, tokens, cells = map(int, add_up(*seen))
        optimiser.zero_grad()
        loss = _add_losses(model, batch, labels, place.device, amp)[0]
        scaled = loss * (place.world / sequences)
        scaler.scale(scaled).backward()  # type: ignore[no-untyped-call]
        scaler.step(optimiser)
        scaler.update()
        (total,) = add_up(float(loss.detach()))
        yield Step(total / sequences, sequences, tokens, cells)


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[Ragged, Tensor]],
    *,
    place: Place = Place(),  # noqa: B008 (a tuple)
    amp: torch.dtype | None = None,
) -> Score:
    """Return the score over the batches of all processes."""
    model.eval()
    loss, right, sequences = 0.0, 0, 0
    for batch, labels in batches:
        added, correct = _add_losses(model, batch, labels, place.device, amp)
        loss += float(added)
        right += int(correct)
        sequences += len(batch)
    loss, correct_all, total = add_up(loss, right, sequences)
    return Score(loss / total, correct_all / total)


def _add_losses(
    model: nn.Module,
    batch: Ragged,
    labels: Tensor,
    device: torch.device,
    amp: torch.dtype | None,
) -> tuple[Tensor, Tensor]:
    """Return the sum of the losses, and how many sequences are right."""
    labels = labels.to(device)
    context: AbstractContextManager[object] = nullcontext()
    if amp is not None:
        context = torch.autocast(device.type, amp)
    with context:
        logits = model(batch.to(device))
    if amp is not None:
        logits = logits.float()  # a sum of losses needs the digits
    losses = cross_entropy(logits, labels, reduction="sum")
    return losses, (logits.argmax(1) == labels).sum()
