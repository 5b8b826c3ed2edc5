"""Ragged.from_nested and .to_nested."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import TRAILING, lengths, make_floats, make_values
from tolerances import assert_same

from packtutor import Ragged


def make_nested(sizes, *trailing, dtype=torch.float64):
    seqs = [make_floats(n, *trailing, seed=n).to(dtype) for n in sizes]
    return torch.nested.as_nested_tensor(seqs, layout=torch.jagged), seqs


def test_both_ways_by_hand(device):
    seqs = [torch.tensor([[2, 3, 4]]).T, torch.zeros(0, 1), torch.ones(1, 1)]
    seqs = [seq.to(torch.int64).to(device) for seq in seqs]
    nested = torch.nested.as_nested_tensor(seqs, layout=torch.jagged)
    batch = Ragged.from_nested(nested)
    assert batch.values.tolist() == [[2], [3], [4], [1]]
    assert batch.lengths.tolist() == [3, 0, 1]
    assert batch.lengths.device.type == "cpu"
    assert batch.values.device == device
    again = batch.to_nested()
    assert again.layout == torch.jagged
    assert again.device == device
    assert again.offsets().tolist() == [0, 3, 3, 4]
    assert_same(again.values(), batch.values)
    for own, seq in zip(again.unbind(), seqs, strict=True):
        assert_same(own, seq)


@given(
    sizes=lengths(min_size=1),
    trailing=st.sampled_from(TRAILING),
    dtype=st.sampled_from([torch.float64, torch.int32, torch.bool]),
)
def test_round_trips(sizes, trailing, dtype):
    values = make_values(sum(sizes), trailing, dtype)
    batch = Ragged(values, sizes)
    nested = batch.to_nested()
    assert nested.dim() == values.dim() + 1
    again = Ragged.from_nested(nested)
    assert_same(again.values, values)
    assert_same(again.lengths, batch.lengths)


def test_nothing_is_copied():
    nested, _ = make_nested([3, 0, 2], 4)
    batch = Ragged.from_nested(nested)
    assert batch.values.data_ptr() == nested.values().data_ptr()
    assert batch.to_nested().values().data_ptr() == batch.values.data_ptr()


def test_gradients_flow_both_ways(device):
    leaf = make_floats(5, 2, device=device).requires_grad_()
    nested = Ragged(leaf, [2, 0, 3]).to_nested()
    weights = make_floats(5, 2, device=device)
    (Ragged.from_nested(nested).values * weights).sum().backward()
    assert_same(leaf.grad, weights)


def test_int32_offsets_are_read(device):
    offsets = torch.tensor([0, 2, 5], dtype=torch.int32, device=device)
    nested = torch.nested.nested_tensor_from_jagged(
        make_floats(5, 2, device=device), offsets
    )
    assert Ragged.from_nested(nested).lengths.tolist() == [2, 3]


def from_jagged(*args, **kwargs):
    return torch.nested.nested_tensor_from_jagged(*args, **kwargs)


HOLES = torch.tensor([0, 3, 5]), torch.tensor([2, 1])


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: make_floats(3, 2),
            TypeError,
            "nested is of type Tensor; it must be a nested tensor with layout",
        ),
        (
            lambda: [1],
            TypeError,
            "nested is of type list; it must be a nested",
        ),
        (
            lambda: torch.nested.nested_tensor([make_floats(3, 2)]),
            TypeError,
            "nested has layout torch.strided; it must have layout=torch.jag",
        ),
        (
            lambda: make_nested([3, 2], 4)[0].transpose(1, 2),
            ValueError,
            r"nested is not ragged in dimension 1; it must be \(B, L_i, \*\)",
        ),
        (
            lambda: from_jagged(make_floats(5, 2), HOLES[0], HOLES[1]),
            ValueError,
            r"nested has holes between its sequences; call .contiguous\(\)",
        ),
        (
            lambda: from_jagged(make_floats(6, 2), torch.tensor([0, 3, 5])),
            ValueError,
            "nested has offsets from 0 to 5; its values have 6 rows, and all",
        ),
        (
            lambda: from_jagged(make_floats(5, 2), torch.tensor([1, 3, 5])),
            ValueError,
            "nested has offsets from 1 to 5; its values have 5 rows",
        ),
        (
            lambda: from_jagged(make_floats(5, 2), torch.tensor([0, 6, 5])),
            ValueError,
            "nested has offsets 6 and then 5; offsets cannot fall",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_what_cannot_be_read_is_named(make, error, text):
    with pytest.raises(error, match=text):
        Ragged.from_nested(make())


def test_lengths_without_holes_are_read():
    offsets = torch.tensor([0, 2, 5])
    nested = torch.nested.nested_tensor_from_jagged(
        make_floats(5, 3), offsets, offsets.diff()
    )
    assert Ragged.from_nested(nested).lengths.tolist() == [2, 3]


def test_offsets_that_are_no_integers_are_named():
    nested = torch.nested.nested_tensor_from_jagged(
        make_floats(5, 3), torch.tensor([0.0, 2.5, 5.0])
    )
    with pytest.raises(ValueError, match="has offsets of dtype torch.float32"):
        Ragged.from_nested(nested)


def test_holes_can_be_closed():
    nested = from_jagged(make_floats(5, 2), HOLES[0], HOLES[1])
    batch = Ragged.from_nested(nested.contiguous())
    assert batch.lengths.tolist() == [2, 1]
    assert_same(batch.values, make_floats(5, 2)[[0, 1, 3]])


def test_a_batch_without_sequences_has_no_nested_form():
    batch = Ragged(make_floats(0, 2), [])
    with pytest.raises(ValueError, match="no sequence; a nested tensor needs"):
        batch.to_nested()


@pytest.mark.parametrize("sizes", [[3, 2, 1], [3, 0, 1], [2, 2], [0, 0]])
def test_pytorch_pads_it_to_the_longest_sequence(sizes, device):
    values = make_floats(sum(sizes), 2, device=device)
    batch = Ragged(values, sizes)
    padded = torch.nested.to_padded_tensor(batch.to_nested(), 0.0)
    assert torch.equal(padded, batch.to_padded())


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_offsets_and_lengths_may_be_narrow(dtype):
    offsets = torch.tensor([0, 2, 5], dtype=dtype)
    narrow = offsets.diff().to(torch.int32)
    values = make_floats(5, 3)
    for given_lengths in (None, narrow):
        nested = from_jagged(values, offsets, given_lengths)
        batch = Ragged.from_nested(nested)
        assert_same(batch.lengths, torch.tensor([2, 3]))


def test_the_first_fall_of_the_offsets_is_named():
    nested = from_jagged(make_floats(5, 2), torch.tensor([0, 0, 6, 5]))
    with pytest.raises(ValueError, match="has offsets 6 and then 5; offsets"):
        Ragged.from_nested(nested)
