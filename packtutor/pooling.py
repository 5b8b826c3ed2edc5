"""One vector a sequence: the last state, the mean or the maximum.

``from packtutor import pooling``, then ``pooling.max(batch)``: the names are
those of Python's own functions.

B sequences, N the sum of their lengths, H the hidden size. All three give
zeros for an empty sequence, as ``nn.EmbeddingBag`` does for an empty bag: a
NaN or an infinity there would reach the loss of the whole batch. Ask
``batch.lengths`` which sequences are empty.
"""

from __future__ import annotations

import torch
from torch import Tensor

from packtutor._checks import as_tensor
from packtutor._sending import send
from packtutor.ragged import Ragged

# So many rows are added up one after the other.
_BLOCK = 256


def last(batch: Ragged, h_n: Tensor) -> Tensor:
    """Return the final state of the last layer, of both directions if two.

    What a recurrent network knows once it has read a sequence: forward, the
    state at the last token; backward, the state at the first. That is not the
    last token's output, whose backward half has read a single token.

    Args:
        batch: What the network returned. Its number of features says how many
            directions there are, H or 2 H; its values are not read.
        h_n: The final states that the network returned with it; of an LSTM
            ``h_n`` alone.

    Shapes:
        batch: values ``(N, directions x H)``.
        h_n: (layers x directions, B, H), any floating dtype, any device.
        returns: (B, directions x H), forward first. For an empty sequence its
            initial state: zeros, unless the network was given another.

    Raises:
        TypeError: If ``batch`` is no ``Ragged`` or ``h_n`` no tensor of
            floats.
        ValueError: If the shapes do not fit together.

    Example:
        >>> from packtutor import run_rnn
        >>> gru = torch.nn.GRU(3, 5, num_layers=2, bidirectional=True)
        >>> output, h_n = run_rnn(gru, Ragged(torch.ones(4, 3), [3, 1]))
        >>> last(output, h_n).shape
        torch.Size([2, 10])

    Cost:
        O(B H); of one direction a view.

    Source:
        Chapter 5; ``torch.nn.LSTM`` for the order of the states.

    Not for:
        The batch that went into the network: its features say nothing about
        the directions.
    """
    batch = _as_batch(batch)
    h_n = _as_states(h_n)
    shape = tuple(h_n.shape)
    if h_n.dim() != 3 or not h_n.numel():
        raise ValueError(
            f"h_n has shape {shape}; it must be (layers x directions, B, H), "
            f"none of them 0"
        )
    if shape[1] != len(batch):
        raise ValueError(
            f"h_n has shape {shape}, with B = {shape[1]}; the batch has "
            f"{len(batch)} sequences"
        )
    features = tuple(batch.values.shape[1:])
    if features == (shape[2],):
        return h_n[-1]
    if features != (2 * shape[2],):
        raise ValueError(
            f"batch has values of shape {tuple(batch.values.shape)}; they "
            f"must be the network's output, (N, {shape[2]}) of one direction "
            f"or (N, {2 * shape[2]}) of two, for h_n has H = {shape[2]}"
        )
    if shape[0] % 2:
        raise ValueError(
            f"h_n has shape {shape}, an odd number of states; batch has "
            f"{features[0]} features, those of two directions"
        )
    return torch.cat([h_n[-2], h_n[-1]], 1)


def mean(batch: Ragged) -> Tensor:
    """Return the mean of each sequence's tokens.

    The pads of a padded tensor would count as tokens; here there are none.
    What one sequence holds, NaN included, does not touch another.

    Args:
        batch: The batch.

    Shapes:
        batch: values ``(N, *)``, any floating dtype, any device.
        returns: ``(B, *)``, dtype and device of the values; zeros for an empty
            sequence. Types of less than 32 bits are added up in float32, and
            long sequences block by block: one token after the other, the sum
            of ones would stand still at 2**24.

    Raises:
        TypeError: If ``batch`` is no ``Ragged`` or its values are not
            floating.

    Example:
        >>> mean(Ragged(torch.tensor([1.0, 2.0, 6.0, 5.0]), [3, 0, 1]))
        tensor([3., 0., 5.])

    Cost:
        O(N), one addition into the rows, and for sequences of more than 256
        tokens one more of what their blocks give. On a GPU the order of the
        additions, and with it the last bits, varies from run to run, unless
        ``make_repeatable`` or ``torch.use_deterministic_algorithms`` forbids.

    Source:
        Chapter 5.

    Not for:
        A mean over all tokens of the batch: ``batch.values.mean(0)``.
    """
    values = _floating(_as_batch(batch))
    wide = values.float() if values.dtype.itemsize < 4 else values
    lengths, longest = batch.lengths, batch.max_length
    while longest > _BLOCK:
        sizes, lengths = _cut(lengths)
        (sizes,) = send(values.device, sizes)
        wide = _add_up(wide, sizes)
        longest = -(-longest // _BLOCK)
    lengths, counts = send(values.device, lengths, batch.lengths.clamp(min=1))
    sums = _add_up(wide, lengths)
    shape = -1, *[1] * (values.dim() - 1)
    means = sums / counts.to(wide.dtype).view(shape)
    return means.to(values.dtype)


def max(batch: Ragged) -> Tensor:  # noqa: A001
    """Return the largest value of each feature among a sequence's tokens.

    The gradient goes to the token that had it, the first of equal ones, as
    with ``torch.max(values, 0)`` (``torch.amax`` would share it out). A NaN
    is larger than any number and stays within its sequence and feature.

    Args:
        batch: The batch.

    Shapes:
        batch: values ``(N, *)``, any floating dtype, any device.
        returns: ``(B, *)``, dtype and device of the values; zeros for an empty
            sequence.

    Raises:
        TypeError: If ``batch`` is no ``Ragged`` or its values are not
            floating.

    Example:
        >>> max(Ragged(torch.tensor([-1.0, -2.0, -6.0, 5.0]), [3, 0, 1]))
        tensor([-1.,  0.,  5.])

    Cost:
        O(N), and the memory of the values about twice on the way.

    Source:
        Chapter 5.

    Not for:
        A padded tensor, in which a pad of 0 beats negative values.
    """
    values = _floating(_as_batch(batch))
    # PyTorch compares and gathers no type of 8 bits.
    wide = values.float() if values.dtype.itemsize < 2 else values
    shape = (len(batch), *values.shape[1:])
    if not values.shape[0]:
        # A sum over no token: zeros that keep the graph whole.
        nothing = wide.sum(0, keepdim=True).expand(shape).clone()
        return nothing.to(values.dtype)
    (lengths,) = send(values.device, batch.lengths)
    rows = _rows(lengths, values.shape[0])
    first = _first_largest(wide.detach(), rows, shape)
    empty = (lengths == 0).view(-1, *[1] * (values.dim() - 1))
    found = wide.gather(0, first.masked_fill(empty, 0))
    return found.masked_fill(empty, 0).to(values.dtype)


def _add_up(values: Tensor, lengths: Tensor) -> Tensor:
    """Return the sum (B, *) of each run of so many rows."""
    sums = values.new_zeros(len(lengths), *values.shape[1:])
    return sums.index_add(0, _rows(lengths, values.shape[0]), values)


def _cut(lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sizes of all blocks, and each sequence's number of them."""
    counts = (lengths + (_BLOCK - 1)) // _BLOCK
    sizes = torch.repeat_interleave(torch.full_like(lengths, _BLOCK), counts)
    some = counts > 0
    lasts = counts.cumsum(0)[some] - 1
    sizes[lasts] -= (counts * _BLOCK - lengths)[some]
    return sizes, counts


def _first_largest(
    values: Tensor, rows: Tensor, shape: tuple[int, ...]
) -> Tensor:
    """Return which token (B, *) has the largest value; N for an empty one.

    ``scatter_reduce`` alone gives the values, but its gradient counts the
    zeros that it starts from among the largest.
    """
    tokens = values.shape[0]
    columns = [1] * (values.dim() - 1)
    index = rows.view(-1, *columns).expand_as(values)
    largest = values.new_zeros(shape).scatter_reduce_(
        0, index, values, "amax", include_self=False
    )
    hits = (values == largest[rows]) | values.isnan()
    small = torch.int32 if tokens < 2**31 else torch.int64
    places = torch.arange(tokens, dtype=small, device=values.device)
    places = places.view(-1, *columns).where(hits, tokens)
    first = places.new_full(shape, tokens)
    return first.scatter_reduce_(0, index, places, "amin").long()


def _rows(lengths: Tensor, tokens: int) -> Tensor:
    """Return each token's sequence (N,), where the lengths (B,) are."""
    return torch.repeat_interleave(lengths, output_size=tokens)


def _as_batch(batch: object) -> Ragged:
    if not isinstance(batch, Ragged):
        raise TypeError(
            f"batch is of type {type(batch).__name__}; it must be a Ragged "
            f"(Ragged.from_packed and Ragged.from_padded make one)"
        )
    return batch


def _as_states(h_n: object) -> Tensor:
    if isinstance(h_n, (tuple, list)):
        raise TypeError(
            f"h_n is a {type(h_n).__name__}; it must be a tensor: of an "
            f"LSTM's (h_n, c_n) the first"
        )
    states = as_tensor(h_n, "h_n", 0)
    if not (states.is_floating_point() or states.is_complex()):
        raise TypeError(
            f"h_n has dtype {states.dtype}; final states are floating"
        )
    return states


def _floating(batch: Ragged) -> Tensor:
    if not batch.values.is_floating_point():
        raise TypeError(
            f"batch has values of dtype {batch.values.dtype}; they must be "
            f"floating: embed the ids first"
        )
    return batch.values
