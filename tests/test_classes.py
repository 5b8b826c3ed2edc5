"""Classes of nearly equal lengths."""

import pytest
import torch

from packtutor import _classes
from packtutor._classes import find_classes


@pytest.mark.parametrize("block", [1, 3, 4, 6, 100])
def test_classes_by_hand(block, monkeypatch):
    # 300 and 301 share their first 8 bits, 150; 302 does not.
    monkeypatch.setattr(_classes, "_BLOCK", block)
    lengths = torch.tensor([3, 301, 0, 300, 3, 302])
    classes = find_classes(lengths)
    assert classes.ranks.tolist() == [2, 1, 3, 1, 2, 0]
    assert classes.tops == [302, 301, 3, 0]
    assert classes.stops == [1, 3, 5, 6]
    assert all(type(n) is int for n in classes.tops + classes.stops)
    assert find_classes(lengths[:1])[1:] == ([3], [1])


def test_classes_are_of_nearly_equal_lengths():
    lengths = [0, 1, 255, 256, 257, 511, 512, 515, 516, 2**40 + 1, 2**63 - 1]
    lengths += [2**53 - 1, 2**53, 2**60 - 1, 2**60, 2**62 - 2**55]
    classes = find_classes(torch.tensor(lengths))
    assert classes.ranks.dtype == torch.int16
    grouped = {}
    for length, rank in zip(lengths, classes.ranks.tolist(), strict=True):
        grouped.setdefault(rank, []).append(length)
    ordered = [grouped[rank] for rank in sorted(grouped)]
    assert classes.tops == [max(group) for group in ordered]
    assert (
        classes.stops == torch.tensor([*map(len, ordered)]).cumsum(0).tolist()
    )
    assert [n for group in ordered for n in sorted(group)[::-1]] == sorted(
        lengths, reverse=True
    )
    for group in ordered:
        assert max(group) - min(group) <= max(group) >> 7
    assert [256, 257] in ordered
    assert [512, 515] in ordered
    assert [516] in ordered


def test_many_lengths_are_read_in_blocks():
    # Two blocks of 2**20, and a part of a third.
    lengths = torch.arange(2**21 + 5) % 700
    classes = find_classes(lengths)
    counts = lengths.bincount().flip(0)
    assert classes.tops[-256:] == list(range(255, -1, -1))
    assert classes.stops[-256:] == counts.cumsum(0)[-256:].tolist()
    assert torch.all(
        torch.tensor(classes.tops)[classes.ranks.long()] >= lengths
    )
