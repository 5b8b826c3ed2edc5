"""The slow, obviously right run that everything else is compared with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from packtutor._networks import (
    State,
    as_rnn,
    check_features,
    first_weight,
    initial_state,
)
from packtutor.ragged import Ragged


def one_by_one(
    rnn: nn.RNNBase, batch: Ragged, hx: State | None = None
) -> tuple[Ragged, State]:
    """Run a recurrent network over each sequence alone.

    Nothing is packed, padded or batched, so there is nothing to get wrong.

    Args:
        rnn: An ``nn.RNN``, ``nn.GRU`` or ``nn.LSTM``. Dropout between layers
            in training draws anew for each sequence: call ``eval()``.
        batch: The sequences; an empty one returns its initial state.
        hx: Initial states in the batch's order; zeros if None.

    Shapes:
        batch.values: (N, E), dtype and device of the weights.
        hx: (layers x directions, B, H), for an LSTM a tuple of two: h_0, and
            c_0; with a projection, h_0 has its size instead of H.
        returns: a Ragged with values (N, directions x H), and h_n or
            (h_n, c_n) of the shapes of ``hx``.

    Raises:
        TypeError: If ``rnn`` or ``batch`` is of another type, or ``hx`` does
            not have the form that ``rnn`` wants.
        ValueError: If the batch has no sequence, or a shape does not fit.

    Example:
        >>> lstm = torch.nn.LSTM(3, 5)
        >>> batch = Ragged(torch.ones(6, 3), [3, 2, 1])
        >>> output, (h_n, c_n) = one_by_one(lstm, batch)
        >>> output.values.shape, h_n.shape
        (torch.Size([6, 5]), torch.Size([1, 3, 5]))

    Cost:
        B separate runs, O(N) steps in all: slow, for checking.

    Source:
        Chapter 4.

    Not for:
        Production: it is as slow as a batch size of 1.
    """
    rnn = as_rnn(rnn)
    if not isinstance(batch, Ragged):
        raise TypeError(
            f"batch is of type {type(batch).__name__}; it must be a Ragged"
        )
    if not len(batch):
        raise ValueError("batch has no sequence; it must have at least one")
    weight = first_weight(rnn)
    check_features(rnn, weight, batch.values, "batch.values")
    start = initial_state(rnn, weight, batch.values, len(batch), hx)

    outputs, states = [], []
    for i, values in enumerate(batch):
        state = tuple(part[:, i] for part in start)
        if len(values):
            if len(state) == 2:
                output, state = rnn(values, state)
            else:
                output, *state = rnn(values, *state)
            outputs.append(output)
        states.append(state)

    if not outputs:
        outputs.append(_no_rows(rnn, batch.values, start[0].shape[2]))
    final = [torch.stack(parts, 1) for parts in zip(*states, strict=True)]
    return Ragged(torch.cat(outputs), batch.lengths), (
        (final[0], final[1]) if len(final) == 2 else final[0]
    )


def _no_rows(rnn: nn.RNNBase, values: Tensor, size: int) -> Tensor:
    """Return the output of no token, from which a loss finds zero gradients.

    Without the sums, which add nothing, ``backward`` would find no graph.
    """
    rows = values.new_zeros(0, size * (2 if rnn.bidirectional else 1))
    for source in (values, *rnn.parameters()):
        rows = rows + source.sum()
    return rows
