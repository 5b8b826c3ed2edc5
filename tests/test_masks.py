"""Masks and lengths: which cells of a rectangle are real."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import SHAPES_OF_BATCHES, lengths
from tolerances import assert_same
from torch.nn.utils.rnn import pad_sequence

from packtutor import Ragged, lengths_from_mask, mask_from_lengths


def test_the_three_documents(device):
    mask = mask_from_lengths([3, 2, 1], device=device)
    assert mask.dtype == torch.bool
    assert mask.device == device
    assert mask.int().tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]
    assert_same(lengths_from_mask(mask), torch.tensor([3, 2, 1]))


def test_pads_can_stand_on_the_left_and_be_more():
    mask = mask_from_lengths([2, 0], 3, padding_side="left")
    assert mask.int().tolist() == [[0, 1, 1], [0, 0, 0]]
    mask = mask_from_lengths([2, 0], 3)
    assert mask.int().tolist() == [[1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    "sizes", SHAPES_OF_BATCHES.values(), ids=SHAPES_OF_BATCHES
)
def test_pytorch_pads_where_the_mask_is_false(sizes, side, device):
    ones = [torch.ones(n, dtype=torch.bool, device=device) for n in sizes]
    padded = pad_sequence(ones, batch_first=True, padding_side=side)
    mask = mask_from_lengths(sizes, padding_side=side, device=device)
    assert_same(mask, padded)


@given(sizes=lengths(), more=st.integers(0, 3))
def test_a_mask_and_lengths_are_inverse(sizes, more):
    longest = max(sizes, default=0)
    mask = mask_from_lengths(sizes, longest + more)
    assert mask.shape == (len(sizes), longest + more)
    assert lengths_from_mask(mask).tolist() == sizes
    left = mask_from_lengths(sizes, longest + more, padding_side="left")
    assert_same(left, mask.flip(1))


@given(sizes=lengths())
def test_a_mask_selects_what_a_batch_holds(sizes):
    batch = Ragged(torch.arange(sum(sizes)), sizes)
    for side in ("left", "right"):
        mask = mask_from_lengths(batch.lengths, padding_side=side)
        padded = batch.to_padded(padding_side=side, padding_value=-1)
        assert_same(padded[mask], batch.values)
        assert (padded[~mask] == -1).all()


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)])
def test_a_mask_without_cells_has_lengths(shape):
    mask = torch.ones(shape, dtype=torch.bool)
    assert lengths_from_mask(mask).tolist() == [0] * shape[0]
    assert_same(mask_from_lengths([0] * shape[0], shape[1]), ~mask)


def test_the_arguments_are_left_alone(device):
    given_lengths = torch.tensor([2, 1], dtype=torch.int32)
    mask = mask_from_lengths(given_lengths, device=device)
    before = mask.clone()
    counted = lengths_from_mask(mask)
    counted += 1
    assert_same(mask, before)
    assert given_lengths.tolist() == [2, 1]


def test_a_mask_need_not_be_contiguous():
    mask = mask_from_lengths([3, 1, 2]).T.contiguous().T
    assert not mask.is_contiguous()
    assert lengths_from_mask(mask).tolist() == [3, 1, 2]


def test_a_mask_may_have_a_shape_alone():
    mask = mask_from_lengths([3, 1], device="meta")
    assert mask.shape == (2, 3)
    assert mask.device.type == "meta"


def test_the_default_device_is_not_asked():
    torch.set_default_device("meta")
    try:
        mask = mask_from_lengths([2, 1])
        assert mask.int().tolist() == [[1, 1], [1, 0]]
        assert lengths_from_mask(mask).tolist() == [2, 1]
    finally:
        torch.set_default_device(None)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (([2, -1],), ValueError, r"lengths\[1\] is -1; a length cannot be"),
        (([2.5],), TypeError, r"lengths\[0\] is 2.5; its elements must be"),
        (
            (np.ones((2, 2), dtype=bool),),
            TypeError,
            "lengths has dtype bool; its elements must be integers",
        ),
        (
            ([1, 4, 3], 3),
            ValueError,
            r"lengths\[1\] is 4; it must be at most total_length, which is 3",
        ),
        (([1], 2.0), TypeError, "total_length is 2.0; it must be an integer"),
        (([1], True), TypeError, "total_length is True; it must be an int"),
        (([], -1), ValueError, "total_length is -1; it must be at least 0"),
        (([], 2**80), ValueError, f"total_length is {2**80}; .* at most"),
    ],
)
def test_a_mask_comes_from_lengths(arguments, error, text):
    with pytest.raises(error, match=text):
        mask_from_lengths(*arguments)


def test_a_mask_has_two_sides():
    with pytest.raises(
        ValueError, match="padding_side is 'up'; it must be 'l"
    ):
        mask_from_lengths([1], padding_side="up")


@pytest.mark.parametrize(
    ("mask", "error", "text"),
    [
        (
            [[1, 1, 1], [1, 0, 1]],
            ValueError,
            r"mask\[1\] has a real token after a pad; the real tokens must",
        ),
        ([[0, 1]], ValueError, r"mask\[0\] has a real token after a pad"),
        ([1, 0], ValueError, r"mask has shape \(2,\); it must have at least"),
        ([[[1]]], ValueError, r"mask has shape \(1, 1, 1\); it must be \(B"),
    ],
)
def test_lengths_come_from_a_mask(mask, error, text, device):
    with pytest.raises(error, match=text):
        lengths_from_mask(torch.tensor(mask, device=device).bool())


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (torch.ones(2, 2), r"mask has dtype torch.float32; .*mask.bool\(\)"),
        (torch.ones(2, 2).long(), "mask has dtype torch.int64; it must be"),
        ([[True]], "mask is of type list; it must be a torch.Tensor"),
        (np.ones((1, 1), dtype=bool), "mask is of type ndarray; it must be"),
    ],
)
def test_a_mask_is_a_bool_tensor(mask, text):
    with pytest.raises(TypeError, match=text):
        lengths_from_mask(mask)


def test_a_mask_may_have_as_many_columns_as_pytorch_counts():
    mask = mask_from_lengths([3, 1], 2**60 - 1, device="meta")
    assert mask.shape == (2, 2**60 - 1)
