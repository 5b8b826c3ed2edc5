"""Make a batch of what a data set returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, overload

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import default_collate

from packtutor._checks import as_list, as_tensor, check_alike, short
from packtutor.ragged import Ragged

# A float64 holds each whole number up to it.
_EXACT = 1 << 53


class LabelledBatch(NamedTuple):
    """A batch and the labels of its sequences."""

    batch: Ragged
    labels: Any


@overload
def collate(samples: Iterable[Tensor]) -> Ragged: ...
@overload
def collate(samples: Iterable[tuple[Tensor, Any]]) -> LabelledBatch: ...
def collate(samples: Iterable[Any]) -> Ragged | LabelledBatch:
    """Make a batch of what a data set returns, with its labels if it has any.

    For ``DataLoader(dataset, collate_fn=collate)``, with or without workers
    and pinned memory.

    Args:
        samples: At least one tensor, or pair of a tensor and a label. A label
            is a tensor, or what ``torch.utils.data.default_collate`` takes:
            numbers become a tensor beside the sequences, of int64 or float64.

    Shapes:
        samples[i]: ``(L_i, *)``, one dtype and device and the same * for all.
        returns: A ``Ragged`` with values ``(N, *)``; for pairs a named tuple
            (batch, labels), with labels (B, ...) if they are tensors or
            numbers.

    Raises:
        TypeError: If a sample is neither, if only some are pairs, if dtypes
            or types of labels differ, also within tuples and dictionaries, or
            if there is no batch of such labels.
        ValueError: If there is none, if shapes or devices differ, or if a
            whole number beside others is beyond 2**53, which float64 rounds.

    Example:
        >>> docs = [torch.tensor([2, 3, 4]), torch.tensor([5, 6])]
        >>> collate(docs)
        Ragged(B=2, N=5, values=(5,), dtype=torch.int64, device='cpu')
        >>> batch, labels = collate([(docs[0], 1), (docs[1], 0)])
        >>> labels
        tensor([1, 0])

    Cost:
        O(N), one ``torch.cat``.

    Source:
        ``torch.utils.data.default_collate``, which refuses unequal lengths.

    Not for:
        A label for each token: call it once for the tokens and once for the
        labels, which are sequences too.
    """
    samples = _as_samples(samples)
    paired = _is_pair(samples[0])
    for index, sample in enumerate(samples):
        if not isinstance(sample, Tensor) and not _is_pair(sample):
            raise TypeError(
                f"samples[{index}] is of type {type(sample).__name__}; it "
                f"must be a tensor or a pair (tensor, label)"
            )
        if _is_pair(sample) != paired:
            kinds = (
                ("a pair", "a tensor") if paired else ("a tensor", "a pair")
            )
            raise TypeError(
                f"samples[{index}] is {kinds[1]}; samples[0] is {kinds[0]}"
            )
    if not paired:
        return _join(samples, "samples")
    batch = _join([sequence for sequence, _ in samples], "sequences")
    labels = [label for _, label in samples]
    if not any(isinstance(label, Tensor) for label in labels):
        # Numbers follow the sequences, not the default device.
        with batch.values.device:
            return LabelledBatch(batch, _join_labels(labels))
    for index, label in enumerate(labels):
        as_tensor(label, f"labels[{index}]", 0)
    check_alike(labels, "labels")
    shape = labels[0].shape
    for index, label in enumerate(labels):
        if label.shape != shape:
            raise ValueError(
                f"labels[{index}] has shape {tuple(label.shape)}; labels[0] "
                f"has {tuple(shape)} (a label for each token is a sequence: "
                f"collate the labels alone)"
            )
    return LabelledBatch(batch, torch.stack(labels))


def _as_samples(samples: object) -> list[Any]:
    """Return the samples, at least one, of any type."""
    if isinstance(samples, (Tensor, PackedSequence)):
        # Their parts are tensors too, but no samples.
        raise TypeError(
            f"samples is a {type(samples).__name__}; it must be a list of "
            f"tensors or pairs (tensor, label)"
        )
    found = as_list(samples, "samples", "tensors or pairs (tensor, label)")
    if not found:
        raise ValueError("samples is empty; it must have at least one")
    return found


def _join_labels(labels: list[Any]) -> Any:
    """Return what PyTorch makes of labels of one type, none a tensor.

    It looks at the first one alone: of 1 and 2.5 it would make float32, of
    2.5 and 1 float64, and of True and 2 integers.
    """
    mixed = set(map(type, labels)) == {int, float}
    if mixed:
        for index, label in enumerate(labels):
            if type(label) is int and abs(label) > _EXACT:
                raise ValueError(
                    f"labels[{index}] is {short(label)}; a whole number "
                    f"beside others must be from -2**53 to 2**53"
                )
    else:
        # Where labels hold themselves, PyTorch says so.
        with suppress(RecursionError):
            _check_kinds(labels, "")
    try:
        return default_collate(list(map(float, labels)) if mixed else labels)
    except (
        KeyError,
        OverflowError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise TypeError(
            f"labels are of type {type(labels[0]).__name__}, of which PyTorch "
            f"makes no batch: {error}"
        ) from error


def _check_kinds(labels: list[Any], place: str) -> None:
    """Refuse what PyTorch would cast or leave out, at every depth."""
    first = labels[0]
    for index, label in enumerate(labels):
        found, wanted = _kind(label), _kind(first)
        if found == wanted and isinstance(first, Mapping):
            odd = sorted(label.keys() ^ first.keys(), key=repr)
            if odd:
                has, lacks = f"has {odd[0]!r}", f"lacks {odd[0]!r}"
                more = odd[0] in label
                found, wanted = (has, lacks) if more else (lacks, has)
        elif found == wanted and isinstance(first, (tuple, list)):
            found, wanted = (
                f"has length {len(each)}" for each in (label, first)
            )
        if found != wanted:
            raise TypeError(
                f"labels[{index}]{place} {found}; labels[0]{place} {wanted}"
            )
    if isinstance(first, Mapping):
        for key in first:
            _check_kinds([each[key] for each in labels], f"{place}[{key!r}]")
    elif isinstance(first, (tuple, list)):
        for step in range(len(first)):
            _check_kinds([each[step] for each in labels], f"{place}[{step}]")


def _kind(label: Any) -> str:
    """Say what labels must share to be joined as they are."""
    kind = f"is of type {type(label).__name__}"
    if isinstance(label, Tensor) or type(label).__module__ == "numpy":
        return f"{kind} and dtype {label.dtype}"
    return kind


def _is_pair(sample: object) -> bool:
    return isinstance(sample, (tuple, list)) and len(sample) == 2


def _join(sequences: list[Any], name: str) -> Ragged:
    """Check the sequences by the name that the caller knows; join them."""
    for index, sequence in enumerate(sequences):
        as_tensor(sequence, f"{name}[{index}]")
    check_alike(sequences, name)
    return Ragged.from_list(sequences)
