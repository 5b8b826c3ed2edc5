"""Split paragraphs by source, so that near-copies stay on one side.

Python's manuals repeat themselves with a word or two changed: most of the
topic of ``help("debugger")`` stands in the docstring of ``pdb``. A split by
paragraph would ask in the validation what was read in the training.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import torch

from packtutor import Paragraph, tokenize

# Words in a run, and the share of common runs above which two paragraphs are
# near-copies.
_RUN = 5
_SHARE = 0.5


class Split(NamedTuple):
    """The two sides, each in the order of the paragraphs."""

    train: list[Paragraph]
    valid: list[Paragraph]


def split_by_source(
    paragraphs: Sequence[Paragraph], *, seed: int = 0, share: float = 0.2
) -> Split:
    """Keep whole sources for the validation, a share of each kind at most.

    Sources with a near-copy in common are one group, and so are those that
    are linked by others. The groups come in random order; one goes to the
    validation if no kind there exceeds its share with it. The seed and the
    texts alone decide.
    """
    kinds = Counter(paragraph.kind for paragraph in paragraphs)
    room = {kind: share * number for kind, number in kinds.items()}
    groups = group_sources(paragraphs)
    contents: dict[str, Counter[str]] = defaultdict(Counter)
    for paragraph in paragraphs:
        contents[groups[paragraph.source]][paragraph.kind] += 1
    names = list(contents)
    generator = torch.Generator().manual_seed(seed)
    held: Counter[str] = Counter()
    chosen = set()
    for place in torch.randperm(len(names), generator=generator).tolist():
        wanted = held + contents[names[place]]
        if all(number <= room[kind] for kind, number in wanted.items()):
            held = wanted
            chosen.add(names[place])
    split = Split([], [])
    for paragraph in paragraphs:
        split[groups[paragraph.source] in chosen].append(paragraph)
    return split


def group_sources(paragraphs: Sequence[Paragraph]) -> dict[str, str]:
    """Return for each source the first source of its group."""
    first = {paragraph.source: paragraph.source for paragraph in paragraphs}
    order = {source: place for place, source in enumerate(first)}

    def find(source: str) -> str:
        while first[source] != source:
            source = first[source]
        return source

    for one, other in find_near_copies(paragraphs):
        ends = find(paragraphs[one].source), find(paragraphs[other].source)
        early, late = sorted(ends, key=order.__getitem__)
        first[late] = early
    return {source: find(source) for source in first}


def find_near_copies(
    paragraphs: Sequence[Paragraph],
) -> list[tuple[int, int]]:
    """Return the pairs of paragraphs of two sources that are near-copies.

    Each paragraph is the set of its runs of five words, in lower case. Two
    are near-copies if more than half of the runs that either has are in both.
    """
    sets = [_runs(paragraph.text) for paragraph in paragraphs]
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, runs in enumerate(sets):
        for run in runs:
            holders[run].append(index)
    common = Counter(
        (one, other)
        for indices in holders.values()
        for place, other in enumerate(indices)
        for one in indices[:place]
        if paragraphs[one].source != paragraphs[other].source
    )
    return sorted(
        (one, other)
        for (one, other), both in common.items()
        if both > _SHARE * (len(sets[one]) + len(sets[other]) - both)
    )


def _runs(text: str) -> set[tuple[str, ...]]:
    words = tokenize(text.lower())
    starts = range(max(1, len(words) - _RUN + 1))
    return {tuple(words[start : start + _RUN]) for start in starts}
