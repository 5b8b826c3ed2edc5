"""Where tokens stand, by hand; the layouts themselves are in test_ragged."""

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

from packtutor import _places

CPU = torch.device("cpu")


def as_lists(tensors):
    return [tensor.tolist() for tensor in tensors]


def test_the_last_token_of_each_sequence():
    # Columns of 3, 2 and 1: the last tokens of "mark", "set" and "go".
    assert _places.lasts(torch.tensor([3, 2, 1])).tolist() == [5, 4, 2]
    assert _places.lasts(torch.tensor([2, 2])).tolist() == [2, 3]
    assert _places.lasts(torch.tensor([1])).tolist() == [0]


@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize("many", [1, 1000])
@pytest.mark.parametrize(
    "lengths", [[3, 2, 1], [1, 0, 4, 4, 2], [5], [2] * 12, [0, 7, 0]]
)
def test_each_way_packs_as_pytorch_does(lengths, few, many, monkeypatch):
    monkeypatch.setattr(_places, "_FEW", few)
    monkeypatch.setattr(_places, "_MANY", many)
    numbers = torch.arange(sum(lengths)).split(lengths)
    filled = [part for part in numbers if part.numel()]
    packed = pack_sequence(filled, enforce_sorted=False)
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    found = _places.pack(torch.tensor(lengths), sum(lengths), CPU)
    assert as_lists(found) == [
        order,
        packed.batch_sizes.tolist(),
        packed.data.tolist(),
    ]
    assert {tensor.dtype for tensor in found} == {torch.int64}


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
@pytest.mark.parametrize("few", [0, 1000])
def test_nothing_is_packed_into_no_step(lengths, few, monkeypatch):
    monkeypatch.setattr(_places, "_FEW", few)
    lengths = torch.tensor(lengths, dtype=torch.int64)
    found = _places.pack(lengths, 0, CPU)
    assert as_lists(found) == [list(range(len(lengths))), [], []]
    assert {tensor.dtype for tensor in found} == {torch.int64}
