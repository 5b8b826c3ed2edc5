"""What a language model reads, and what it has to say, without padding.

B sequences, T the longest length, L_i the length of sequence i, N the sum of
all lengths.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from torch.nn.utils.rnn import PackedSequence

from packtutor import _places
from packtutor._sending import send
from packtutor._storage import take_rows
from packtutor.packed import check_fields, check_order
from packtutor.ragged import Ragged

Batch = TypeVar("Batch", PackedSequence, Ragged)


class NextTokens(NamedTuple, Generic[Batch]):
    """What a language model reads, and the token that follows each.

    Args:
        inputs: Each sequence without its last token.
        targets: Each sequence without its first token.

    Example:
        >>> import torch
        >>> pairs = next_tokens(Ragged(torch.tensor([2, 3, 4]), [3]))
        >>> pairs.inputs.values, pairs.targets.values
        (tensor([2, 3]), tensor([3, 4]))

    Not for:
        Classes of words or of sequences, which come with the data.
    """

    inputs: Batch
    targets: Batch


def next_tokens(batch: Batch) -> NextTokens[Batch]:
    """Return the tokens that have a next one, and those next ones.

    Row k of the inputs belongs to row k of the targets, so the loss of a
    language model is ``cross_entropy(logits, targets.data)``, where the
    logits are those of ``inputs``. Shifting ``packed.data`` by one row would
    pair words of different sequences.

    Args:
        batch: The sequences, ids as a rule. In a ``Ragged`` a sequence of one
            token has no pair and becomes empty; an empty one stays so.

    Shapes:
        batch: a ``PackedSequence`` with data ``(N, *)`` or a ``Ragged`` with
            values ``(N, *)``, any dtype, any device.
        inputs, targets: the same type, sequence i with L_i - 1 tokens, in the
            caller's order.

    Raises:
        TypeError: If ``batch`` is neither.
        ValueError: If a ``PackedSequence`` is malformed or has a sequence of
            one token: it cannot hold the empty sequence that is left.

    Example:
        >>> import torch
        >>> docs = Ragged(torch.tensor([2, 3, 4, 5, 6, 7]), [3, 2, 1])
        >>> inputs, targets = next_tokens(docs)
        >>> inputs.values, targets.values
        (tensor([2, 3, 5]), tensor([3, 4, 6]))
        >>> inputs.lengths
        tensor([2, 1, 0])
        >>> packed = docs.index_select([1, 0]).to_packed()
        >>> packed.data
        tensor([2, 5, 3, 6, 4])
        >>> inputs, targets = next_tokens(packed)
        >>> inputs.data, targets.data
        (tensor([2, 5, 3]), tensor([3, 6, 4]))

    Cost:
        O(N), a gather each; the targets of a ``PackedSequence`` are a view of
        its data. No device is waited for.

    Source:
        The chapter "Train on packed text"; ``torch.nn.CrossEntropyLoss``.

    Not for:
        Text cut into pieces of equal length, where the target of a piece's
        last token is the first one of the next piece: shift before you cut.
    """
    if isinstance(batch, PackedSequence):
        return _of_packed(batch)
    if isinstance(batch, Ragged):
        return _of_ragged(batch)
    raise TypeError(
        f"batch is of type {type(batch).__name__}; it must be a "
        f"PackedSequence or a Ragged"
    )


def _of_packed(batch: PackedSequence) -> NextTokens[PackedSequence]:
    check_fields(batch, "batch")
    data, sizes, to_sorted, to_caller = batch
    # Elsewhere this would wait for the device: check_packed does it.
    if to_sorted is not None and to_caller is not None and data.is_cpu:
        check_order(to_sorted, to_caller, "batch")
    rows = int(sizes[0])
    following = sizes[1:]
    going_on = int(following[0]) if following.numel() else 0
    if going_on < rows:
        # The longest stand first, so these have a single token.
        row = going_on
        if to_sorted is not None:
            row = int(to_sorted[going_on:].min())
        raise ValueError(
            f"sequence {row} has one token, so no next one, and a "
            f"PackedSequence cannot hold the empty sequence that is left; "
            f"put a start token in front of each sequence, or give a Ragged"
        )
    # A token has a next one if its row reaches the step after its own.
    begins, there = send(data.device, _places.starts(sizes)[:-2], following)
    tokens = data.shape[0] - rows
    places = _places.progressions(begins, there, 1, tokens)
    return NextTokens(
        PackedSequence(
            take_rows(data, places), following, to_sorted, to_caller
        ),
        PackedSequence(data[rows:], following, to_sorted, to_caller),
    )


def _of_ragged(batch: Ragged) -> NextTokens[Ragged]:
    lengths = (batch.lengths - 1).clamp(min=0)
    begins, there = send(batch.values.device, batch.offsets[:-1], lengths)
    places = _places.progressions(begins, there, 1, int(lengths.sum()))
    return NextTokens(
        Ragged(take_rows(batch.values, places), lengths),
        Ragged(take_rows(batch.values, places + 1), lengths),
    )
