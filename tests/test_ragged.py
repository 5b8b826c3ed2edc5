"""Ragged: the batch, and its ways to the other layouts and back."""

import copy
import copyreg
import dataclasses
import io
import itertools
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import (
    DTYPES,
    SHAPES_OF_BATCHES,
    TRAILING,
    WITHOUT_EMPTY,
    lengths,
    make_floats,
    make_values,
)
from tolerances import assert_same, take
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpad_sequence,
)

from packtutor import DOCS, Ragged, Vocabulary, _places, check_packed

every_kind = pytest.mark.parametrize("kind", SHAPES_OF_BATCHES)
every_full_kind = pytest.mark.parametrize("kind", WITHOUT_EMPTY)
both_layouts = pytest.mark.parametrize("batch_first", [True, False])
both_sides = pytest.mark.parametrize("side", ["right", "left"])

# What Hypothesis draws for the values: trailing shape and dtype.
kinds_of_values = {
    "trailing": st.sampled_from(TRAILING),
    "dtype": st.sampled_from(DTYPES),
}


def make_seqs(sizes, trailing=(), dtype=torch.int64, device="cpu"):
    values = make_values(sum(sizes), trailing, dtype, device)
    return list(values.split(sizes))


def assert_same_batch(batch, values, sizes):
    assert type(batch) is Ragged
    assert_same(batch.values, values)
    assert_same(batch.lengths, torch.tensor(sizes, dtype=torch.int64))


# The worked example.


def test_the_three_documents(device):
    vocabulary = Vocabulary.from_texts(DOCS)
    ids = [vocabulary.encode(text).to(device) for text in DOCS]
    batch = Ragged.from_list(ids)
    assert batch.values.tolist() == [2, 3, 4, 5, 6, 7]
    assert batch.lengths.tolist() == [3, 2, 1]
    assert batch.offsets.tolist() == [0, 3, 5, 6]
    assert batch.max_length == 3
    assert len(batch) == 3
    assert [seq.tolist() for seq in batch] == [[2, 3, 4], [5, 6], [7]]

    padded = [[2, 3, 4], [5, 6, 0], [7, 0, 0]]
    assert batch.to_padded().tolist() == padded
    assert batch.to_padded(batch_first=False).tolist() == [
        [2, 5, 7],
        [3, 6, 0],
        [4, 0, 0],
    ]
    assert batch.to_padded(padding_side="left", padding_value=42).tolist() == [
        [2, 3, 4],
        [42, 5, 6],
        [42, 42, 7],
    ]
    assert batch.to_padded(total_length=4)[1].tolist() == [5, 6, 0, 0]

    packed = batch.to_packed()
    assert packed.data.tolist() == [2, 5, 7, 3, 6, 4]
    assert packed.batch_sizes.tolist() == [3, 2, 1]
    assert packed.sorted_indices.tolist() == [0, 1, 2]
    assert packed.unsorted_indices.tolist() == [0, 1, 2]

    assert batch.reverse().values.tolist() == [4, 3, 2, 6, 5, 7]
    chosen = batch.index_select([2, 0, 2])
    assert chosen.values.tolist() == [7, 2, 3, 4, 7]
    assert chosen.lengths.tolist() == [1, 3, 1]


def test_an_unsorted_batch_with_ties_by_hand(device):
    batch = Ragged(torch.arange(8, device=device), [1, 3, 1, 3])
    packed = batch.to_packed()
    assert packed.sorted_indices.tolist() == [1, 3, 0, 2]
    assert packed.unsorted_indices.tolist() == [2, 0, 3, 1]
    assert packed.batch_sizes.tolist() == [4, 2, 2]
    assert packed.data.tolist() == [1, 5, 0, 4, 2, 6, 3, 7]


# PyTorch as the oracle.


@every_kind
@both_layouts
@both_sides
def test_padding_is_that_of_pad_sequence(kind, batch_first, side, device):
    sizes = SHAPES_OF_BATCHES[kind]
    seqs = make_seqs(sizes, (2,), torch.float64, device)
    padded = Ragged.from_list(seqs).to_padded(
        batch_first=batch_first, padding_side=side, padding_value=-1.5
    )
    expected = pad_sequence(seqs, batch_first, -1.5, side)
    assert_same(padded, expected)
    assert padded.is_contiguous()


@every_full_kind
def test_packing_is_that_of_pack_sequence(kind, device):
    sizes = SHAPES_OF_BATCHES[kind]
    seqs = make_seqs(sizes, (2,), torch.float64, device)
    packed = Ragged.from_list(seqs).to_packed()
    # PyTorch's own order of ties is not stable; that of Python is.
    order = sorted(range(len(sizes)), key=lambda i: -sizes[i])
    expected = pack_sequence([seqs[i] for i in order])
    assert_same(packed.data, expected.data)
    assert_same(packed.batch_sizes, expected.batch_sizes)
    assert packed.sorted_indices.tolist() == order
    assert packed.unsorted_indices[order].tolist() == [*range(len(sizes))]
    assert packed.sorted_indices.device == device
    assert packed.unsorted_indices.device == device
    check_packed(packed)


@both_layouts
def test_packing_is_that_of_pack_padded_sequence(batch_first, device):
    # No ties, so all four fields are the same.
    sizes = [2, 5, 1, 4, 3]
    batch = Ragged(make_values(15, (3,), torch.float32, device), sizes)
    expected = pack_padded_sequence(
        batch.to_padded(batch_first=batch_first),
        batch.lengths,
        batch_first=batch_first,
        enforce_sorted=False,
    )
    for field, value in zip(expected, batch.to_packed(), strict=True):
        assert_same(value, field)


@every_full_kind
@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_what_pytorch_packed_is_unpacked(kind, enforce_sorted, device):
    sizes = SHAPES_OF_BATCHES[kind]
    if enforce_sorted:
        sizes = sorted(sizes, reverse=True)
    seqs = make_seqs(sizes, (2,), torch.float64, device)
    packed = pack_sequence(seqs, enforce_sorted=enforce_sorted)
    assert (packed.sorted_indices is None) == enforce_sorted
    batch = Ragged.from_packed(packed)
    assert_same_batch(batch, torch.cat(seqs), sizes)


@every_full_kind
@both_layouts
def test_what_is_packed_is_unpacked_by_pytorch(kind, batch_first, device):
    sizes = SHAPES_OF_BATCHES[kind]
    batch = Ragged(make_values(sum(sizes), (2,), device=device), sizes)
    more = max(sizes) + 2
    padded, their_sizes = pad_packed_sequence(
        batch.to_packed(), batch_first, 7, more
    )
    assert_same(
        padded,
        batch.to_padded(
            batch_first=batch_first, padding_value=7, total_length=more
        ),
    )
    assert_same(their_sizes, batch.lengths)


@every_full_kind
def test_unpadding_is_that_of_unpad_sequence(kind, device):
    sizes = SHAPES_OF_BATCHES[kind]
    padded = make_floats(len(sizes), max(sizes), 2, device=device)
    expected = unpad_sequence(padded, torch.tensor(sizes), batch_first=True)
    batch = Ragged.from_padded(padded, sizes)
    for own, theirs in zip(batch, expected, strict=True):
        assert_same(own, theirs)


# The same, for gradients.

CONVERSIONS = {
    "padded": (
        lambda x, sizes: Ragged(x, sizes).to_padded(padding_value=1),
        lambda x, sizes: pad_sequence(x.split(sizes), True, 1),
    ),
    "padded left, time first": (
        lambda x, sizes: Ragged(x, sizes).to_padded(
            batch_first=False, padding_side="left"
        ),
        lambda x, sizes: pad_sequence(x.split(sizes), False, 0, "left"),
    ),
    "packed": (
        lambda x, sizes: Ragged(x, sizes).to_packed().data,
        lambda x, sizes: pack_sequence(x.split(sizes)).data,
    ),
    "there and back": (
        lambda x, sizes: (
            Ragged.from_packed(Ragged(x, sizes).to_packed()).values
        ),
        lambda x, sizes: x * 1,
    ),
    "unpadded": (
        lambda x, sizes: (
            Ragged.from_padded(
                pad_sequence(x.split(sizes), True), sizes
            ).values
        ),
        lambda x, sizes: x * 1,
    ),
    "list": (
        lambda x, sizes: torch.cat(Ragged(x, sizes).to_list()[::-1]),
        lambda x, sizes: torch.cat(x.split(sizes)[::-1]),
    ),
    "one sequence": (
        lambda x, sizes: Ragged(x, sizes)[1],
        lambda x, sizes: x.split(sizes)[1],
    ),
    "reversed": (
        lambda x, sizes: Ragged(x, sizes).reverse().values,
        lambda x, sizes: torch.cat([s.flip(0) for s in x.split(sizes)]),
    ),
    "chosen": (
        lambda x, sizes: Ragged(x, sizes).index_select([2, 0, 2]).values,
        lambda x, sizes: torch.cat([x.split(sizes)[i] for i in (2, 0, 2)]),
    ),
    "joined": (
        lambda x, sizes: Ragged.cat([Ragged(x, sizes)] * 2).values,
        lambda x, sizes: torch.cat([x, x]),
    ),
    "cast": (
        lambda x, sizes: Ragged(x, sizes).to(torch.float32).values,
        lambda x, sizes: x.to(torch.float32),
    ),
}


@pytest.mark.parametrize("name", CONVERSIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_gradients_are_those_of_pytorch(name, dtype, device):
    sizes = [4, 2, 1]
    results = []
    for convert in CONVERSIONS[name]:
        x = make_floats(7, 2, device=device, dtype=dtype).requires_grad_()
        y = convert(x, sizes)
        weights = make_floats(*y.shape, seed=1, device=device, dtype=y.dtype)
        y.backward(weights)
        results.append((y, x.grad))
    assert_same(results[0][0], results[1][0])
    assert_same(results[0][1], results[1][1])


@pytest.mark.parametrize(
    "name", [name for name in CONVERSIONS if name != "cast"]
)
def test_gradients_are_right_twice(name, device):
    x = make_floats(5, 2, device=device).requires_grad_()

    def convert(x):
        return CONVERSIONS[name][0](x, [2, 2, 1]) ** 2

    assert torch.autograd.gradcheck(convert, x)
    assert torch.autograd.gradgradcheck(convert, x)


def test_a_pad_gets_no_gradient(device):
    padded = make_floats(3, 4, device=device).requires_grad_()
    Ragged.from_padded(padded, [3, 0, 1]).values.sum().backward()
    assert padded.grad.tolist() == [[1, 1, 1, 0], [0] * 4, [1, 0, 0, 0]]


# Round trips.


@given(
    sizes=lengths(),
    batch_first=st.booleans(),
    side=st.sampled_from(["left", "right"]),
    more=st.integers(0, 2),
    **kinds_of_values,
)
@settings(max_examples=100)
def test_padded_and_back(*, sizes, trailing, dtype, batch_first, side, more):
    values = make_values(sum(sizes), trailing, dtype)
    total = max(sizes, default=0) + more
    padded = Ragged(values, sizes).to_padded(
        batch_first=batch_first,
        padding_value=1,
        padding_side=side,
        total_length=total,
    )
    outer = (len(sizes), total) if batch_first else (total, len(sizes))
    assert padded.shape == (*outer, *trailing)
    assert padded.dtype == dtype
    back = Ragged.from_padded(
        padded, sizes, batch_first=batch_first, padding_side=side
    )
    assert_same_batch(back, values, sizes)
    # What is no token is a pad.
    rows = padded if batch_first else padded.transpose(0, 1)
    for row, n in zip(rows, sizes, strict=True):
        pads = row[: total - n] if side == "left" else row[n:]
        assert_same(pads, torch.ones_like(pads))


@given(sizes=lengths(least=1, min_size=1), **kinds_of_values)
@settings(max_examples=100)
def test_packed_and_back(sizes, trailing, dtype):
    values = make_values(sum(sizes), trailing, dtype)
    packed = Ragged(values, sizes).to_packed()
    check_packed(packed)
    assert packed.data.shape == values.shape
    assert_same_batch(Ragged.from_packed(packed), values, sizes)
    # Packing moves whole tokens, so each type moves as the numbers do.
    places = Ragged(torch.arange(sum(sizes)), sizes).to_packed().data
    assert_same(packed.data, take(values, places))


@given(sizes=lengths(min_size=1), **kinds_of_values)
def test_list_and_back(sizes, trailing, dtype):
    seqs = make_seqs(sizes, trailing, dtype)
    batch = Ragged.from_list(iter(seqs))
    assert_same_batch(batch, torch.cat(seqs), sizes)
    for given_seq, seq, item in zip(seqs, batch.to_list(), batch, strict=True):
        assert_same(seq, given_seq)
        assert_same(item, given_seq)
    for i in range(-len(sizes), len(sizes)):
        assert_same(batch[i], seqs[i])


@given(sizes=lengths(), **kinds_of_values)
def test_reversed_twice(sizes, trailing, dtype):
    batch = Ragged(make_values(sum(sizes), trailing, dtype), sizes)
    turned = batch.reverse()
    places = [
        place
        for i, n in enumerate(sizes)
        for place in reversed(range(sum(sizes[:i]), sum(sizes[:i]) + n))
    ]
    assert_same(turned.values, take(batch.values, torch.tensor(places).long()))
    assert_same_batch(turned.reverse(), batch.values, sizes)


@given(sizes=lengths(min_size=1), data=st.data(), **kinds_of_values)
def test_sequences_are_chosen(sizes, data, trailing, dtype):
    batch = Ragged(make_values(sum(sizes), trailing, dtype), sizes)
    rows = data.draw(st.lists(st.integers(0, len(sizes) - 1), max_size=9))
    chosen = batch.index_select(rows)
    assert chosen.values.shape[1:] == trailing
    assert chosen.lengths.tolist() == [sizes[i] for i in rows]
    for i, seq in zip(rows, chosen, strict=True):
        assert_same(seq, batch[i])


@given(batches=st.lists(lengths(), min_size=1, max_size=4), **kinds_of_values)
def test_batches_are_joined(batches, trailing, dtype):
    parts = [
        Ragged(make_values(sum(sizes), trailing, dtype), sizes)
        for sizes in batches
    ]
    joined = Ragged.cat(iter(parts))
    assert joined.values.dtype == dtype
    assert joined.lengths.tolist() == [*itertools.chain(*batches)]
    seqs = [seq for part in parts for seq in part]
    for own, seq in zip(joined, seqs, strict=True):
        assert_same(own, seq)


@given(sizes=lengths())
def test_offsets_say_where_sequences_start(sizes):
    batch = Ragged(torch.arange(sum(sizes)), sizes)
    offsets = batch.offsets
    assert offsets.dtype == torch.int64
    assert offsets.device.type == "cpu"
    assert offsets.tolist() == [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    assert batch.max_length == max(sizes, default=0)
    assert type(batch.max_length) is int


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_type_on_every_device(dtype, device):
    values = make_values(6, (2,), dtype, device)
    batch = Ragged(values, [1, 3, 2])
    padded = batch.to_padded(padding_value=1, padding_side="left")
    back = Ragged.from_padded(padded, [1, 3, 2], padding_side="left")
    assert_same(back.values, values)
    assert_same(Ragged.from_packed(batch.to_packed()).values, values)
    assert_same(Ragged.from_list(batch.to_list()).values, values)
    assert_same(batch.reverse().reverse().values, values)
    assert_same(batch.index_select([0, 1, 2]).values, values)
    assert_same(Ragged.cat([batch]).values, values)


@pytest.mark.parametrize("sizes", [[], [0], [0, 0]], ids=str)
@pytest.mark.parametrize("trailing", TRAILING, ids=str)
def test_there_may_be_no_token(sizes, trailing, device):
    values = make_values(0, trailing, torch.float32, device)
    batch = Ragged(values, sizes)
    assert len(batch) == len(sizes)
    assert batch.max_length == 0
    assert [tuple(seq.shape) for seq in batch] == [(0, *trailing)] * len(sizes)
    assert batch.to_padded().shape == (len(sizes), 0, *trailing)
    padded = batch.to_padded(total_length=2, batch_first=False)
    assert padded.shape == (2, len(sizes), *trailing)
    back = Ragged.from_padded(padded, sizes, batch_first=False)
    assert_same_batch(back, values, sizes)
    assert_same_batch(batch.reverse(), values, sizes)
    assert_same_batch(Ragged.cat([batch, batch]), values, sizes * 2)
    assert_same_batch(batch.index_select([]), values, [])
    assert not batch.apply(torch.exp).values.numel()


# Memory: views where they are promised, no surprise elsewhere.


def test_views_are_views_and_copies_are_copies(batch):
    assert batch.values is Ragged(batch.values, [6]).values
    batch[0][0] = 10
    batch.to_list()[1][0] = 11
    next(iter(batch))[1] = 12
    assert batch.values.tolist() == [10, 12, 2, 11, 4, 5]
    before = batch.values.clone()
    for made in (
        Ragged.from_list([batch.values]).values,
        Ragged.from_padded(batch.values[None], [6]).values,
        Ragged.from_packed(batch.to_packed()).values,
        Ragged.cat([batch]).values,
        batch.to_padded(),
        batch.to_packed().data,
        batch.reverse().values,
        batch.index_select([0, 1, 2]).values,
    ):
        made.fill_(99)
        assert_same(batch.values, before)


@pytest.mark.parametrize("make", [list, torch.tensor, np.array])
def test_the_callers_lengths_are_their_own(make, device):
    sizes = make([2, 1])
    padded = torch.arange(6, device=device).reshape(2, 3)
    batches = [
        Ragged(padded[0], sizes),
        Ragged.from_padded(padded, sizes),
    ]
    sizes[0] = 0
    for batch in batches:
        assert batch.lengths.tolist() == [2, 1]


def test_the_arguments_are_left_alone(device):
    padded = torch.arange(12, device=device).reshape(3, 4)
    seqs = make_seqs([2, 1], device=device)
    packed = pack_sequence(seqs)
    before = [x.clone() for x in (padded, *seqs, *packed[:2])]
    Ragged.from_padded(padded, [4, 0, 2], batch_first=True)
    Ragged.from_padded(padded.T, [4, 0, 2], batch_first=False)
    Ragged.from_list(seqs)
    Ragged.from_packed(packed)
    after = [padded, *seqs, *packed[:2]]
    for tensor, copied in zip(after, before, strict=True):
        assert_same(tensor, copied)
    assert padded.shape == (3, 4)


@both_layouts
@both_sides
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
        lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
        lambda x: torch.stack([x, x], -1)[..., 0],
        lambda x: torch.cat([x, x])[: len(x)],
        lambda x: x.flip(0).contiguous().flip(0),
        lambda x: x[:, :1].expand(x.shape),
    ],
    ids=["swapped", "trailing", "strided", "cut", "flipped", "expanded"],
)
def test_a_padded_batch_need_not_be_contiguous(
    change, batch_first, side, device
):
    x = change(make_floats(3, 4, 2, device=device))
    options = {"batch_first": batch_first, "padding_side": side}
    sizes = [1, 3, 2] if batch_first else [1, 3, 2, 0]
    batch = Ragged.from_padded(x, sizes, **options)
    expected = Ragged.from_padded(x.clone().contiguous(), sizes, **options)
    assert_same_batch(batch, expected.values, sizes)


def test_values_need_not_be_contiguous(device):
    sizes = [1, 3, 2]
    plain = make_floats(6, 2, device=device)
    for values in (
        plain.T.contiguous().T,
        torch.stack([plain, plain], 1)[:, 0],
        plain[:, :1].expand(6, 2),
    ):
        batch = Ragged(values, sizes)
        solid = Ragged(values.clone().contiguous(), sizes)
        assert_same(batch.to_padded(), solid.to_padded())
        assert_same(batch.to_packed().data, solid.to_packed().data)
        assert_same(batch.reverse().values, solid.reverse().values)
        assert_same(batch[1], solid[1])
        packed = batch.to_packed()._replace(data=values)
        assert_same(
            Ragged.from_packed(packed).values,
            Ragged.from_packed(packed._replace(data=solid.values)).values,
        )


# What must not matter.


@both_layouts
@both_sides
@pytest.mark.parametrize("pad", [float("nan"), float("inf"), 1e300, 0.0])
def test_the_value_of_a_pad_changes_nothing(pad, batch_first, side, device):
    sizes = [2, 0, 4, 1]
    values = make_floats(7, 3, device=device)
    options = {"batch_first": batch_first, "padding_side": side}
    padded = Ragged(values, sizes).to_padded(padding_value=pad, **options)
    padded.requires_grad_()
    batch = Ragged.from_padded(padded, sizes, **options)
    assert_same(batch.values, values)
    batch.values.pow(2).sum().backward()
    assert padded.grad.isfinite().all()
    assert_same(
        batch.from_padded(padded.grad, sizes, **options).values, 2 * values
    )


@given(sizes=lengths(least=1, min_size=1), data=st.data())
def test_permuting_the_batch_permutes_the_result(sizes, data):
    rows = data.draw(st.permutations(range(len(sizes))))
    batch = Ragged(torch.arange(sum(sizes)), sizes)
    other = batch.index_select(rows)
    assert_same(other.to_padded(), batch.to_padded()[rows])
    assert_same(
        Ragged.from_packed(other.to_packed()).values,
        torch.cat([batch[i] for i in rows]),
    )
    sizes_of_steps = [p.to_packed().batch_sizes for p in (batch, other)]
    assert_same(*sizes_of_steps)


def test_the_default_device_is_not_asked():
    values = torch.arange(6)
    packed = pack_sequence([values[:3], values[3:5], values[5:]])
    torch.set_default_device("meta")
    try:
        batch = Ragged(values, [3, 2, 1])
        made = [
            Ragged.from_list(batch.to_list()),
            Ragged.from_padded(batch.to_padded(), [3, 2, 1]),
            Ragged.from_packed(packed),
            Ragged.from_packed(batch.to_packed()),
            batch.reverse().reverse(),
            batch.index_select([0, 1, 2]),
        ]
        fill = batch.to(torch.float32).to_padded(padding_value=float("inf"))
        assert fill.device.type == "cpu"
    finally:
        torch.set_default_device(None)
    for other in made:
        assert_same_batch(other, values, [3, 2, 1])


def test_deterministic_mode_is_no_obstacle(device):
    torch.use_deterministic_algorithms(True)
    x = make_floats(6, 2, device=device).requires_grad_()
    batch = Ragged(x, [1, 3, 2])
    back = Ragged.from_padded(batch.to_padded(), [1, 3, 2])
    back = Ragged.from_packed(back.to_packed()).reverse()
    back.values.sum().backward()
    assert_same(x.grad, torch.ones_like(x))


def test_a_batch_may_have_a_shape_alone():
    batch = Ragged(torch.empty(6, 2, device="meta"), [1, 3, 2])
    assert repr(batch).endswith("device='meta')")
    assert batch.to_padded(total_length=5).shape == (3, 5, 2)
    assert batch.to_padded(batch_first=False).shape == (3, 3, 2)
    padded = batch.to_padded(padding_side="left")
    assert Ragged.from_padded(padded, [1, 3, 2]).values.shape == (6, 2)
    packed = batch.to_packed()
    assert packed.data.shape == (6, 2)
    assert packed.batch_sizes.tolist() == [3, 2, 1]
    assert batch.reverse().values.shape == (6, 2)
    assert batch.index_select([1, 1]).values.shape == (6, 2)
    assert Ragged.cat([batch, batch]).values.shape == (12, 2)
    assert [tuple(seq.shape) for seq in batch] == [(1, 2), (3, 2), (2, 2)]
    in_order = PackedSequence(packed.data, packed.batch_sizes)
    assert Ragged.from_packed(in_order).lengths.tolist() == [3, 2, 1]


# The other methods.


def test_a_function_sees_all_tokens_at_once(device):
    calls = []

    def embed(ids):
        calls.append(ids)
        return ids[:, None].expand(-1, 3).double()

    batch = Ragged(torch.arange(6, device=device), [3, 2, 1])
    result = batch.apply(embed)
    assert len(calls) == 1
    assert calls[0] is batch.values
    assert result.values.shape == (6, 3)
    assert result.lengths.tolist() == [3, 2, 1]


def test_values_move_and_lengths_stay(device):
    batch = Ragged(torch.arange(3), [2, 1])
    moved = batch.to(device, torch.float32)
    assert moved.values.device == device
    assert moved.values.dtype == torch.float32
    assert moved.lengths.device.type == "cpu"
    assert moved.lengths.dtype == torch.int64
    assert batch.to(torch.int64).values is batch.values
    assert batch.to(torch.int64, copy=True).values is not batch.values
    assert batch.to(moved.values).values.dtype == torch.float32
    assert moved.to(device="cpu", non_blocking=False).values.tolist() == [
        0,
        1,
        2,
    ]


def test_memory_is_pinned_for_an_accelerator(device):
    if device.type != "cuda":
        pytest.skip("pinned memory needs an accelerator")
    batch = Ragged(torch.arange(3), [2, 1]).pin_memory()
    assert batch.values.is_pinned()
    assert batch.to(device, non_blocking=True).values.tolist() == [0, 1, 2]


def test_pinning_asks_the_values(monkeypatch):
    pinned = torch.arange(3)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda values: pinned)
    batch = Ragged(torch.zeros(3), [2, 1]).pin_memory()
    assert batch.values is pinned
    assert batch.lengths.tolist() == [2, 1]


@pytest.mark.parametrize("index", [1, -2, np.int64(1), torch.tensor(1)])
def test_an_index_is_an_integer(batch, index):
    assert batch[index].tolist() == [3, 4]


def test_a_batch_is_frozen(batch):
    with pytest.raises(dataclasses.FrozenInstanceError):
        batch.values = batch.values
    with pytest.raises(dataclasses.FrozenInstanceError):
        del batch.lengths
    # Before Python 3.14 a frozen class with slots raises TypeError here.
    with pytest.raises((AttributeError, TypeError)):
        batch.other = 1
    assert not hasattr(batch, "__dict__")


def test_a_batch_is_itself_alone(batch):
    twin = Ragged(batch.values, batch.lengths)
    assert batch in [batch]
    assert batch != twin
    assert len({batch, twin}) == 2


def test_a_batch_shows_sizes_alone(device):
    batch = Ragged(torch.zeros(6, 2, device=device), [3, 0, 2, 1])
    text = (
        f"Ragged(B=4, N=6, values=(6, 2), dtype=torch.float32, "
        f"device='{device}')"
    )
    assert repr(batch) == str(batch) == text


# Storing and sending.


def assert_twins(twin, batch):
    assert twin is not batch
    assert_same_batch(twin, batch.values, batch.lengths.tolist())
    assert twin.values.requires_grad == batch.values.requires_grad


@pytest.mark.parametrize("sizes", [[3, 2, 1], [0, 6], []], ids=str)
def test_a_batch_can_be_stored(sizes, device):
    values = make_floats(sum(sizes), 2, device=device).requires_grad_()
    batch = Ragged(values, sizes)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert_twins(pickle.loads(pickle.dumps(batch, protocol)), batch)
    deep = copy.deepcopy(batch)
    assert_twins(deep, batch)
    assert deep.values is not batch.values
    assert copy.copy(batch).values is batch.values
    file = io.BytesIO()
    torch.save({"batch": batch}, file)
    file.seek(0)
    assert_twins(torch.load(file, weights_only=True)["batch"], batch)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ([torch.zeros(2), torch.tensor([5, -3])], "lengths"),
        ([torch.zeros(2), [5]], "add up to 5"),
        ([torch.zeros(2), [2.0]], "lengths"),
        (["zeros", [2]], "values"),
        ({"values": torch.zeros(2), "lengths": [5]}, "values"),
    ],
)
def test_a_forged_file_goes_through_the_checks(state, text):
    """Pickle can make an object without calling its class."""

    class Forged:
        __class__ = Ragged  # as pickle demands of what it makes by __newobj__

        def __reduce_ex__(self, protocol):
            return copyreg.__newobj__, (Ragged,), state

    file = io.BytesIO()
    torch.save(Forged(), file)
    file.seek(0)
    with pytest.raises((TypeError, ValueError), match=text):
        torch.load(file, weights_only=True)


def test_a_file_that_sets_a_good_state_makes_the_batch():
    """As some version of pickle may write it."""
    state = (torch.arange(3.0), [2, 1])
    batch = object.__new__(Ragged)
    batch.__setstate__(state)
    assert_twins(batch, Ragged(*state))


def test_a_stored_batch_can_come_back_elsewhere(batch, device):
    for place in ("cpu", str(device), "meta"):
        file = io.BytesIO()
        torch.save(batch, file)
        file.seek(0)
        twin = torch.load(file, map_location=place)
        assert twin.values.device.type == torch.device(place).type
        assert twin.lengths.tolist() == [3, 2, 1]


def test_a_spoilt_file_is_refused(batch):
    rebuild, (values, _) = batch.__reduce__()
    with pytest.raises(ValueError, match="lengths add up to 7; values has 6"):
        rebuild(values, [7])


def test_a_field_can_be_replaced(batch):
    # What mixed precision and sharding do to the inputs of a module.
    half = dataclasses.replace(batch, values=batch.values.half())
    assert half.values.dtype == torch.float16
    assert half.lengths.tolist() == [3, 2, 1]
    with pytest.raises(ValueError, match="lengths add up to 5; values has 6"):
        dataclasses.replace(batch, lengths=[5])


class Batches(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return Ragged(torch.arange(i + 1) + 10 * i, [i, 1])


# Python 3.12 warns where a process with threads is forked.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_workers_send_batches():
    loader = torch.utils.data.DataLoader(
        Batches(), batch_size=2, num_workers=2, collate_fn=Ragged.cat
    )
    received = [
        (batch.values.tolist(), batch.lengths.tolist()) for batch in loader
    ]
    assert received == [
        ([0, 10, 11], [0, 1, 1, 1]),
        ([20, 21, 22, 30, 31, 32, 33], [2, 1, 3, 1]),
    ]


# Errors, by their text.

V = torch.arange(6)
P = torch.arange(12).reshape(3, 4)
R = Ragged(V, [3, 2, 1])
JAGGED = torch.nested.nested_tensor([V], layout=torch.jagged)

ERRORS = [
    # The constructor.
    (lambda: Ragged([1], [1]), TypeError, "values is of type list; it must"),
    (lambda: Ragged(None, [1]), TypeError, "values is of type NoneType; it "),
    (lambda: Ragged(V[0], []), ValueError, r"values has shape \(\); it must"),
    (lambda: Ragged(JAGGED, [6]), TypeError, "values has layout torch.jagged"),
    (
        lambda: Ragged(V.to_sparse(), [6]),
        TypeError,
        "values has layout torch.sparse_coo; it must be a dense tensor",
    ),
    (
        lambda: Ragged(V, [3, 2]),
        ValueError,
        "lengths add up to 5; values has ",
    ),
    (lambda: Ragged(V, [7]), ValueError, "lengths add up to 7; values has 6"),
    (lambda: Ragged(V, [7, -1]), ValueError, r"lengths\[1\] is -1; a length"),
    (lambda: Ragged(V, [6.0]), TypeError, r"lengths\[0\] is 6.0; its elemen"),
    (lambda: Ragged(V, V > 0), TypeError, "lengths has dtype torch.bool; its"),
    (lambda: Ragged(V, 6), TypeError, "lengths is 6; it must be a tensor, an"),
    # A sum that would wrap around to 6.
    (
        lambda: Ragged(V, [2**63 - 1, 2**63 - 1, 8]),
        ValueError,
        f"lengths add up to {2**64 + 6}; values has 6 rows",
    ),
    # Lists.
    (lambda: Ragged.from_list([]), ValueError, "seqs is empty; it must have"),
    (lambda: Ragged.from_list(V), TypeError, "seqs is a tensor; it must be a"),
    (lambda: Ragged.from_list(5), TypeError, "seqs is 5; it must be a list o"),
    (lambda: Ragged.from_list("a"), TypeError, "seqs is 'a'; it must be a li"),
    (lambda: Ragged.from_list([V, 1]), TypeError, r"seqs\[1\] is of type int"),
    (lambda: Ragged.from_list([V[0]]), ValueError, r"seqs\[0\] has shape \("),
    # PyTorch would make the second one integer, and 1.7 into 1.
    (
        lambda: Ragged.from_list([V, V + 0.7]),
        TypeError,
        r"seqs\[1\] has dtype torch.float32; seqs\[0\] has torch.int64",
    ),
    (
        lambda: Ragged.from_list([V, V[:, None]]),
        ValueError,
        r"seqs\[1\] has trailing shape \(1,\); seqs\[0\] has \(\)",
    ),
    # torch.cat would skip the empty one.
    (
        lambda: Ragged.from_list([P, V[:0]]),
        ValueError,
        r"seqs\[1\] has trailing shape \(\); seqs\[0\] has \(4,\)",
    ),
    (
        lambda: Ragged.from_list([V, V.to("meta")]),
        ValueError,
        r"seqs\[1\] is on device meta; seqs\[0\] is on cpu",
    ),
    # Padded batches.
    (
        lambda: Ragged.from_padded(V, [3]),
        ValueError,
        r"padded has shape \(6,\); it must have at least 2 dimensions",
    ),
    (
        lambda: Ragged.from_padded([[1]], [1]),
        TypeError,
        "padded is of type list; it must be a torch.Tensor",
    ),
    (
        lambda: Ragged.from_padded(P, [4, 3]),
        ValueError,
        r"lengths has 2 entries; padded \(3, 4\) read as \(B, T, \*\) has 3",
    ),
    (
        lambda: Ragged.from_padded(P, [3, 2, 1], batch_first=False),
        ValueError,
        r"lengths has 3 entries; padded \(3, 4\) read as \(T, B, \*\) has 4",
    ),
    (
        lambda: Ragged.from_padded(P, [4, 6, 5]),
        ValueError,
        r"lengths\[1\] is 6; padded has only 4 steps",
    ),
    (
        lambda: Ragged.from_padded(P, [0, 0, 0, 4], batch_first=False),
        ValueError,
        r"lengths\[3\] is 4; padded has only 3 steps",
    ),
    (
        lambda: Ragged.from_padded(P, [2, -1, 1]),
        ValueError,
        r"lengths\[1\] is -1; a length cannot be negative",
    ),
    # An all-True mask would be lengths of 1.
    (
        lambda: Ragged.from_padded(P, P[0] >= 0),
        TypeError,
        "lengths has dtype torch.bool; its elements must be integers",
    ),
    (
        lambda: Ragged.from_padded(P, [2.9, 1.9, 1.0]),
        TypeError,
        r"lengths\[0\] is 2.9; its elements must be integers",
    ),
    (
        lambda: Ragged.from_padded(P, [1, 1, 1], padding_side="top"),
        ValueError,
        "padding_side is 'top'; it must be 'left' or 'right'",
    ),
    (
        lambda: Ragged.from_padded(P, [1, 1, 1], batch_first="no"),
        TypeError,
        "batch_first is 'no'; it must be True or False",
    ),
    (
        lambda: R.to_padded(batch_first=1),
        TypeError,
        "batch_first is 1; it must be True or False",
    ),
    (
        lambda: R.to_padded(padding_side=None),
        ValueError,
        "padding_side is None; it must be 'left' or 'right'",
    ),
    (
        lambda: R.to_padded(total_length=2),
        ValueError,
        "total_length is 2; it must be at least 3, the longest length",
    ),
    (
        lambda: R.to_padded(total_length=4.0),
        TypeError,
        "total_length is 4.0; it must be an integer of at least 0",
    ),
    (
        lambda: R.to_padded(total_length=2**64),
        ValueError,
        f"total_length is {2**64}; it must be at most",
    ),
    # Packed batches: what is malformed stands in test_packed.py.
    (
        lambda: R.index_select([]).to_packed(),
        ValueError,
        "the batch has no sequence; a PackedSequence needs one",
    ),
    (
        lambda: Ragged(V, [4, 0, 2, 0]).to_packed(),
        ValueError,
        r"lengths\[1\] is 0; a PackedSequence cannot hold an empty sequence",
    ),
    # Sequences.
    (lambda: R[True], TypeError, r"index is True; it must be an integer \(in"),
    (lambda: R[1.0], TypeError, "index is 1.0; it must be an integer"),
    (lambda: R["1"], TypeError, "index is '1'; it must be an integer"),
    (lambda: R[:2], TypeError, r"index is slice\(None, 2, None\); it must be"),
    (lambda: R[[0]], TypeError, r"index is \[0\]; it must be an integer"),
    (lambda: R[None], TypeError, "index is None; it must be an integer"),
    (lambda: R[V], TypeError, r"index is tensor\(\[0, 1, 2.*; it must be an"),
    (lambda: R[V[0] == 0], TypeError, r"index is tensor\(True\); it must be"),
    (lambda: R[np.arange(2)], TypeError, r"index is array\(\[0, 1\]\); it mu"),
    (lambda: R[3], IndexError, "index is 3; the batch has 3 sequences"),
    (lambda: R[-4], IndexError, "index is -4; the batch has 3 sequences"),
    (lambda: R[10**30], IndexError, f"index is {10**30}; the batch has 3 seq"),
    (
        lambda: R.index_select([0, 3]),
        ValueError,
        r"rows\[1\] is 3; the batch has 3 sequences, numbered from 0",
    ),
    (
        lambda: R.index_select([-1]),
        ValueError,
        r"rows\[0\] is -1; the batch has 3 sequences, numbered from 0",
    ),
    # A mask would be read as rows 1, 0, 1.
    (
        lambda: R.index_select([True, False, True]),
        TypeError,
        r"rows\[0\] is True; its elements must be integers",
    ),
    (
        lambda: R.index_select(R.lengths > 1),
        TypeError,
        "rows has dtype torch.bool; its elements must be integers",
    ),
    (lambda: R.index_select(1), TypeError, "rows is 1; it must be a tensor, "),
    # Batches.
    (lambda: Ragged.cat([]), ValueError, "batches is empty; it must have at"),
    (lambda: Ragged.cat(5), TypeError, "batches is 5; it must be a list of R"),
    (
        lambda: Ragged.cat(V[0]),
        TypeError,
        r"batches is tensor\(0\); it must be",
    ),
    (
        lambda: Ragged.from_list(np.array(5)),
        TypeError,
        r"seqs is array\(5\); it must be a list of tensors",
    ),
    (lambda: Ragged.cat(R), TypeError, r"batches\[0\] is of type Tensor; it "),
    (lambda: Ragged.cat([R, V]), TypeError, r"batches\[1\] is of type Tensor"),
    (
        lambda: Ragged.cat([R, R.to(torch.float64)]),
        TypeError,
        r"batches\[1\] has dtype torch.float64; batches\[0\] has torch.int64",
    ),
    (
        lambda: Ragged.cat([R, Ragged(V[:0, None], [])]),
        ValueError,
        r"batches\[1\] has trailing shape \(1,\); batches\[0\] has \(\)",
    ),
    (
        lambda: Ragged.cat([R, R.to("meta")]),
        ValueError,
        r"batches\[1\] is on device meta; batches\[0\] is on cpu",
    ),
    # Functions.
    (lambda: R.apply(None), TypeError, "fn is None; it must be a function"),
    (
        lambda: R.apply(lambda x: None),
        TypeError,
        "the result of fn is of type NoneType; it must be a torch.Tensor",
    ),
    (
        lambda: R.apply(lambda x: x.sum()),
        ValueError,
        r"the result of fn has shape \(\); it must have at least 1 dimension",
    ),
    (
        lambda: R.apply(lambda x: x[:4]),
        ValueError,
        "fn returned 4 rows for 6 tokens; it must keep each token",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS)
def test_bad_arguments_are_named(call, error, text):
    with pytest.raises(error, match=f"^{text}"):
        call()


# What the pads may hold.


@pytest.mark.parametrize(
    ("dtype", "value", "held"),
    [
        (torch.int64, True, 1),
        (torch.int64, 5.0, 5),
        (torch.int64, -(2**63), -(2**63)),
        (torch.int8, -128, -128),
        (torch.uint8, 255, 255),
        (torch.uint16, 65535, 65535),
        (torch.uint64, 2**64 - 1, 2**64 - 1),
        (torch.int32, np.int8(-3), -3),
        (torch.int32, torch.tensor(4), 4),
        (torch.bool, 1, True),
        (torch.bool, False, False),
        (torch.float32, 2**64, 2.0**64),
        (torch.float64, 10**300, 1e300),
        (torch.float64, np.float64(0.5), 0.5),
        (torch.float16, 65504, 65504.0),
        (torch.float16, 0.1, 0.0999755859375),
        (torch.float32, float("-inf"), float("-inf")),
        (torch.bfloat16, float("inf"), float("inf")),
        (torch.float8_e5m2, float("inf"), float("inf")),
        (torch.float8_e4m3fn, 448, 448.0),
        (torch.float8_e8m0fnu, 2, 2.0),
        (torch.complex64, 1 - 2j, 1 - 2j),
        (torch.complex64, 2**64, 2.0**64 + 0j),
        (torch.complex128, complex("inf"), complex("inf")),
    ],
)
def test_a_pad_holds_what_the_type_can(dtype, value, held, device):
    values = make_values(1, (), dtype, device)
    padded = Ragged(values, [1, 0]).to_padded(padding_value=value)
    assert padded.dtype == dtype
    assert padded[1, 0].item() == held


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.float8_e4m3fn,
        torch.complex64,
    ],
    ids=str,
)
def test_a_pad_may_be_no_number(dtype, device):
    values = make_values(1, (), dtype, device)
    padded = Ragged(values, [1, 0]).to_padded(padding_value=float("nan"))
    assert torch.isnan(padded[1, 0].to(torch.complex128))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        # PyTorch makes this 0.
        (torch.int64, 0.5),
        (torch.int64, float("nan")),
        (torch.int64, float("inf")),
        (torch.int64, 2**63),
        (torch.int64, 1e30),
        (torch.int32, 2**31),
        (torch.int8, 128),
        (torch.uint8, -1),
        (torch.uint8, 256),
        (torch.uint64, 2**64),
        (torch.uint64, -1),
        (torch.int64, 1 + 0j),
        (torch.bool, 2),
        (torch.bool, -1),
        (torch.bool, 0.5),
        (torch.bool, float("nan")),
        (torch.float16, 65520),
        (torch.float32, 1e39),
        (torch.float64, 10**400),
        (torch.float64, 1j),
        (torch.float8_e4m3fn, 449),
        (torch.float8_e4m3fn, float("inf")),
        # This type has neither a sign nor a zero.
        (torch.float8_e8m0fnu, 0),
        (torch.float8_e8m0fnu, -1),
        (torch.complex64, 1e39),
        (torch.complex64, complex(0, 1e39)),
        # Nothing fills a type that is packed below a byte.
        (torch.bits8, 0),
        (torch.float4_e2m1fn_x2, 0.5),
        (torch.float4_e2m1fn_x2, float("nan")),
    ],
)
def test_a_pad_is_never_changed_in_silence(dtype, value):
    batch = Ragged(torch.empty(1, dtype=dtype), [1, 0])
    with pytest.raises(ValueError, match=r"padding_value is .*; a tensor of "):
        batch.to_padded(padding_value=value)


@pytest.mark.parametrize(
    ("value", "held"),
    [
        (np.float16(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.int8(-3), -3.0),
    ],
)
def test_a_pad_may_be_a_number_of_numpy(value, held):
    padded = Ragged(torch.ones(1), [1, 0]).to_padded(padding_value=value)
    assert padded.tolist() == [[1.0], [held]]
    # Nor is it rounded on the way to an integer.
    with pytest.raises(ValueError, match="cannot hold it"):
        Ragged(torch.tensor([1]), [1, 0]).to_padded(padding_value=value / 2)


def test_a_pad_may_be_a_complex_number_of_numpy():
    batch = Ragged(torch.ones(1, dtype=torch.complex64), [1, 0])
    padded = batch.to_padded(padding_value=np.complex64(1 - 2j))
    assert padded[1, 0].item() == 1 - 2j


@pytest.mark.parametrize(
    "value",
    [
        None,
        "0",
        [0],
        Fraction(1, 3),
        Decimal("0.5"),
        torch.tensor(0.5),
        torch.tensor([1]),
        np.True_,
    ],
)
def test_a_pad_is_a_number(value):
    with pytest.raises(
        TypeError, match="padding_value is .*; it must be a num"
    ):
        R.to_padded(padding_value=value)


@pytest.mark.parametrize(
    "dtype", [torch.bits8, torch.float4_e2m1fn_x2], ids=str
)
def test_types_without_arithmetic_move_too(dtype):
    numbers = Ragged(torch.arange(6, dtype=torch.uint8), [1, 3, 2])
    batch = Ragged(numbers.values.view(dtype), [1, 3, 2])
    packed = batch.to_packed()
    assert_same(packed.data.view(torch.uint8), numbers.to_packed().data)
    assert_same(Ragged.from_packed(packed).values, batch.values)
    assert_same(Ragged.from_list(batch.to_list()).values, batch.values)
    padded = numbers.to_padded().view(dtype)
    assert_same(Ragged.from_padded(padded, [1, 3, 2]).values, batch.values)


def test_bits_never_cut_a_gradient():
    # PyTorch has no kernel for this; an error is better than no gradient.
    values = torch.ones(3, 2, dtype=torch.float8_e5m2, requires_grad=True)
    batch = Ragged(values, [1, 2])
    assert batch.reverse().values.requires_grad
    assert batch.to_packed().data.requires_grad
    with pytest.raises(NotImplementedError, match="index_copy"):
        batch.to_padded()
    with torch.no_grad():
        assert batch.to_padded().shape == (2, 2, 2)


def test_a_list_may_hold_parameters():
    seqs = [torch.nn.Parameter(torch.ones(n, 2)) for n in (2, 1)]
    batch = Ragged.from_list(seqs)
    assert batch.lengths.tolist() == [2, 1]
    batch.values.sum().backward()
    assert seqs[0].grad.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    "sizes",
    [[3, 0, 2, 2], [1] * 300, [2, 0, 1] * 200, [400, 1, 0], [500] * 3 + [0]],
    ids=["few", "flat", "many rows", "long", "long and equal"],
)
def test_packing_is_the_same_by_every_way(sizes, device):
    """Lists, a call for each step, and whole tensors: one order."""
    values = torch.arange(sum(sizes), device=device)
    begins = [sum(sizes[:row]) for row in range(len(sizes))]
    order = sorted(range(len(sizes)), key=lambda row: -sizes[row])
    places = [
        begins[row] + step
        for step in range(max(sizes))
        for row in order
        if sizes[row] > step
    ]
    found = _places.pack(torch.tensor(sizes), len(values), values.device)
    assert found.order.tolist() == order
    assert found.places.tolist() == places
    alive = [sum(n > t for n in sizes) for t in range(max(sizes))]
    assert found.batch_sizes.tolist() == alive
    if 0 not in sizes:
        packed = Ragged(values, sizes).to_packed()
        assert packed.data.tolist() == places
        assert_same(Ragged.from_packed(packed).values, values)


@pytest.mark.parametrize("width", [0, 1, 7, 8, 64])
@pytest.mark.parametrize("recorded", [False, True])
def test_rows_of_any_width_come_back_from_packed(width, recorded, device):
    """Narrow rows are written, wide ones gathered, unless recorded."""
    sizes = [1, 4, 2, 5, 3]
    values = make_floats(sum(sizes), width, device=device).float()
    packed = Ragged(values.requires_grad_(recorded), sizes).to_packed()
    back = Ragged.from_packed(packed).values
    assert_same(back.detach(), values.detach())
    if recorded:
        weights = torch.arange(1.0, 16, device=device)[:, None]
        (grown,) = torch.autograd.grad((back * weights).sum(), values)
        assert_same(grown, weights.expand_as(values).contiguous())


@pytest.mark.parametrize("value", [0, 1, 2, 0.0, 1.0])
def test_nothing_fills_a_type_below_a_byte(value):
    batch = Ragged(torch.empty(1, dtype=torch.bits8), [1, 0])
    text = f"padding_value is {value}; a tensor of dtype torch.bits8 cannot"
    with pytest.raises(ValueError, match=text):
        batch.to_padded(padding_value=value)


@pytest.mark.parametrize("features", [8, 1, 0])
def test_more_bytes_than_pytorch_counts(features):
    batch = Ragged(torch.zeros(3, features), [2, 0, 1])
    most = (2**63 - 1) // (3 * max(4 * features, 1))
    text = f"total_length is {most + 1}; it must be at most {most}"
    with pytest.raises(ValueError, match=text):
        batch.to_padded(total_length=most + 1)


@pytest.mark.parametrize("value", ["0", [0]])
def test_a_wrong_pad_is_shown(value):
    with pytest.raises(TypeError) as caught:
        R.to_padded(padding_value=value)
    assert (
        str(caught.value) == f"padding_value is {value!r}; it must be a number"
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: Ragged.from_list(torch.zeros(2, 3)),
            TypeError,
            (
                "seqs is a tensor; it must be a list of tensors "
                "(Ragged.from_padded takes a padded tensor and lengths)"
            ),
        ),
        (
            lambda: Ragged.from_list(pack_sequence([torch.zeros(2)])),
            TypeError,
            (
                "seqs is a PackedSequence; it must be a list of tensors "
                "(Ragged.from_packed takes a PackedSequence)"
            ),
        ),
        (
            lambda: Ragged.from_list([]),
            ValueError,
            (
                "seqs is empty; it must have at least one sequence, which "
                "gives the batch its dtype and shape"
            ),
        ),
        (
            lambda: Ragged.cat(3),
            TypeError,
            "batches is 3; it must be a list of Ragged",
        ),
        (
            lambda: Ragged.from_nested(torch.zeros(2, 3)),
            TypeError,
            (
                "nested is of type Tensor; it must be a nested tensor with "
                "layout=torch.jagged"
            ),
        ),
        (
            lambda: Ragged(torch.zeros(0), []).to_nested(),
            ValueError,
            "the batch has no sequence; a nested tensor needs one",
        ),
        (
            lambda: Ragged(torch.zeros(2), [2]).apply("relu"),
            TypeError,
            "fn is 'relu'; it must be a function",
        ),
        (
            lambda: Ragged(torch.zeros(2), [1, 1]).to_padded(
                total_length=2**62
            ),
            ValueError,
            (
                "total_length is 4611686018427387904; it must be at most "
                "1152921504606846975"
            ),
        ),
    ],
)
def test_refusals_in_words(call, error, message):
    with pytest.raises(error, match=".") as caught:
        call()
    assert str(caught.value) == message
