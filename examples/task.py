"""The task: tell from a paragraph of Python's help what it documents.

The four kinds are a topic of ``help()``, a module, a class, and a function or
method. Python itself says which text documents what, so nobody has judged the
labels; but a paragraph need not show its kind. "Return self." is a function's,
and an example can be anyone's: no model gets all of them right.

L is the number of words of a paragraph, V the size of the vocabulary.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from examples.splitting import Split, split_by_source
from packtutor import (
    Paragraph,
    Ragged,
    Vocabulary,
    collate,
    python_help_paragraphs,
)

Sample = tuple[Tensor, int]


@dataclass(frozen=True)
class Task:
    """Two data sets of (ids, label), and what the numbers stand for.

    ``ids`` is (L,), int64, and L is at least 1. ``train_lengths`` and
    ``valid_lengths`` are (n,), int64. A label is a place in ``kinds``.
    """

    train: list[Sample]
    valid: list[Sample]
    train_lengths: Tensor
    valid_lengths: Tensor
    vocabulary: Vocabulary
    kinds: tuple[str, ...]


def load_task(
    *,
    min_count: int = 2,
    seed: int = 0,
    shuffle_labels: bool = False,
    limit: int | None = None,
) -> Task:
    """Return the paragraphs of ``python_help_paragraphs``, split and in ids.

    A fifth of each kind, or a little less, is kept for the validation: whole
    sources, with their near-copies. The vocabulary is that of the training.

    Args:
        min_count: How often a word must occur in the training to have an id.
        seed: Of the split, of the control's order and of the choice below.
        shuffle_labels: Whether to put the training's labels in random order,
            as a control: what is then right in the validation is luck, or the
            most frequent kind.
        limit: Take so many of the paragraphs, at random, for a quick run.

    Raises:
        ValueError: If a kind is missing on one side, which takes a ``limit``.
    """
    split = _split(seed)
    generator = torch.Generator().manual_seed(seed)
    if limit is not None:
        split = _choose(split, limit, generator)
    train, valid = split
    kinds = tuple(sorted({paragraph.kind for paragraph in _split(seed).train}))
    for name, side in zip(split._fields, split, strict=True):
        missing = set(kinds) - {paragraph.kind for paragraph in side}
        if missing:
            raise ValueError(
                f"limit is {limit}; with it the {name} set has no paragraph "
                f"of the kind {min(missing)!r}"
            )
    labels = [kinds.index(paragraph.kind) for paragraph in train]
    if shuffle_labels:
        order = torch.randperm(len(labels), generator=generator).tolist()
        labels = [labels[place] for place in order]
    vocabulary = Vocabulary.from_texts(
        [paragraph.text for paragraph in train], min_count=min_count
    )
    train_ids = [vocabulary.encode(paragraph.text) for paragraph in train]
    valid_ids = [vocabulary.encode(paragraph.text) for paragraph in valid]
    return Task(
        list(zip(train_ids, labels, strict=True)),
        [
            (ids, kinds.index(paragraph.kind))
            for ids, paragraph in zip(valid_ids, valid, strict=True)
        ],
        torch.tensor([len(ids) for ids in train_ids]),
        torch.tensor([len(ids) for ids in valid_ids]),
        vocabulary,
        kinds,
    )


def majority_accuracy(task: Task) -> float:
    """Return how often the training's most frequent kind is right."""
    counts = Counter(label for _, label in task.train)
    (most, _), *_ = counts.most_common(1)
    return sum(label == most for _, label in task.valid) / len(task.valid)


def bag_of_words_accuracy(
    task: Task,
    *,
    learning_rate: float = 3e-3,
    epochs: int = 40,
    patience: int = 5,
    seed: int = 0,
) -> float:
    """Return the best accuracy of a linear model on the counts of words.

    It gets what the network gets: the same words, Adam, shuffled batches, and
    the epoch at which the validation is best.
    """
    generator = torch.Generator().manual_seed(seed)
    # A sum of rows, one a word: the product of the counts with a matrix.
    zeros = torch.zeros(len(task.vocabulary), len(task.kinds))
    weights = nn.EmbeddingBag.from_pretrained(zeros, freeze=False, mode="sum")
    bias = nn.Parameter(torch.zeros(len(task.kinds)))

    def score(batch: Ragged) -> Tensor:
        logits: Tensor = weights(batch.values, batch.offsets[:-1]) + bias
        return logits

    adam = torch.optim.Adam([weights.weight, bias], learning_rate)
    best, since = 0.0, 0
    for _ in range(epochs):
        order = torch.randperm(len(task.train), generator=generator)
        for batch, labels in _batches(task.train, order):
            adam.zero_grad()
            cross_entropy(score(batch), labels).backward()  # type: ignore[no-untyped-call]
            adam.step()
        with torch.no_grad():
            right = sum(
                int((score(batch).argmax(1) == labels).sum())
                for batch, labels in _batches(
                    task.valid, torch.arange(len(task.valid))
                )
            )
        since += 1
        if right / len(task.valid) > best:
            best, since = right / len(task.valid), 0
        if since == patience:
            break
    return best


def digest_task(task: Task) -> str:
    """Return what tells whether two runs learn from the same texts."""
    digest = hashlib.sha256(" ".join(task.vocabulary).encode())
    for samples in (task.train, task.valid):
        for ids, label in samples:
            digest.update(f"{ids.tolist()} {label};".encode())
    return digest.hexdigest()


@cache
def _split(seed: int) -> Split:
    # Parsing the standard library takes a second.
    return split_by_source(python_help_paragraphs(), seed=seed)


def _choose(split: Split, limit: int, generator: torch.Generator) -> Split:
    total = sum(map(len, split))
    chosen = torch.zeros(total, dtype=torch.bool)
    chosen[torch.randperm(total, generator=generator)[:limit]] = True

    def keep(side: list[Paragraph], flags: Tensor) -> list[Paragraph]:
        return [side[place] for place in flags.nonzero().flatten().tolist()]

    cut = len(split.train)
    return Split(
        keep(split.train, chosen[:cut]), keep(split.valid, chosen[cut:])
    )


def _batches(
    samples: list[Sample], order: Tensor
) -> Iterator[tuple[Ragged, Tensor]]:
    for places in torch.split(order, 32):
        yield collate([samples[place] for place in places.tolist()])
