"""next_tokens: pairs of a token and its next one, without padding."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from strategies import (
    DTYPES,
    SHAPES_OF_BATCHES,
    WITHOUT_EMPTY,
    lengths,
    make_floats,
    make_values,
)
from tolerances import assert_same
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from packtutor import (
    DOCS,
    NextTokens,
    Ragged,
    Vocabulary,
    check_packed,
    next_tokens,
)


def ints(*numbers):
    return torch.tensor(numbers)


def assert_pairs(pairs, seqs):
    """Hold both halves, sequence by sequence, against slices of a list."""
    for half, part in zip(pairs, (slice(-1), slice(1, None)), strict=True):
        found = half
        if isinstance(half, PackedSequence):
            check_packed(half)
            found = Ragged.from_packed(half)
        assert len(found) == len(seqs)
        for row, seq in zip(found, seqs, strict=True):
            assert_same(row, seq[part])


# By hand, on the documents.


def documents():
    vocabulary = Vocabulary.from_texts(DOCS)
    return vocabulary, [vocabulary.encode(doc) for doc in DOCS]


def test_the_documents_ragged():
    vocabulary, ids = documents()
    inputs, targets = next_tokens(Ragged.from_list(ids))
    assert vocabulary.decode(inputs.values) == ["on", "your", "get"]
    assert vocabulary.decode(targets.values) == ["your", "mark", "set"]
    # "go" has no next word.
    assert inputs.lengths.tolist() == targets.lengths.tolist() == [2, 1, 0]


def test_the_documents_packed():
    vocabulary, ids = documents()
    # "get set" in front: the caller's order is not the sorted one.
    packed = pack_sequence([ids[1], ids[0]], enforce_sorted=False)
    words = vocabulary.decode(packed.data)
    assert " ".join(words) == "on get your set mark"
    pairs = next_tokens(packed)
    assert isinstance(pairs, NextTokens)
    assert vocabulary.decode(pairs.inputs.data) == ["on", "get", "your"]
    assert vocabulary.decode(pairs.targets.data) == ["your", "set", "mark"]
    for half in pairs:
        assert half.batch_sizes.tolist() == [2, 1]
        assert half.sorted_indices.tolist() == [1, 0]
        assert half.unsorted_indices.tolist() == [1, 0]


def test_a_shift_of_the_packed_data_pairs_other_sequences():
    _, ids = documents()
    packed = pack_sequence(ids[:2])
    wrong = list(pairwise(packed.data.tolist()))
    inputs, targets = next_tokens(packed)
    pairs = zip(inputs.data.tolist(), targets.data.tolist(), strict=True)
    right = list(pairs)
    assert right == [(2, 3), (5, 6), (3, 4)]
    # on -> get, get -> your, your -> set, set -> mark: no pair is a pair.
    assert not set(wrong) & set(right)


def test_a_sorted_batch_keeps_that_it_is_sorted(device):
    packed = pack_sequence([make_values(n, device=device) for n in (4, 4, 2)])
    for half in next_tokens(packed):
        assert half.sorted_indices is None
        assert half.unsorted_indices is None
        assert half.batch_sizes.tolist() == [3, 2, 2]


# Against a loop over the sequences.


@pytest.mark.parametrize("kind", SHAPES_OF_BATCHES)
@pytest.mark.parametrize("trailing", [(), (3,), (0,), (2, 3)])
def test_every_kind_of_ragged_batch(kind, trailing, device):
    sizes = SHAPES_OF_BATCHES[kind]
    values = make_values(sum(sizes), trailing, device=device)
    batch = Ragged(values, sizes)
    pairs = next_tokens(batch)
    assert_pairs(pairs, batch.to_list())
    assert pairs.inputs.values.device == values.device
    assert pairs.inputs.lengths.device.type == "cpu"


@pytest.mark.parametrize("kind", WITHOUT_EMPTY)
@pytest.mark.parametrize("trailing", [(), (3,), (0,), (2, 3)])
def test_every_kind_of_packed_batch(kind, trailing, device):
    sizes = [1 + size for size in SHAPES_OF_BATCHES[kind]]
    seqs = [make_values(size, trailing, device=device) for size in sizes]
    # pack_sequence takes no features of width 0.
    packed = Ragged.from_list(seqs).to_packed()
    pairs = next_tokens(packed)
    assert_pairs(pairs, seqs)
    assert pairs.inputs.data.device == packed.data.device


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(dtype, device):
    batch = Ragged(make_values(9, (2,), dtype, device), [4, 2, 3])
    assert_pairs(next_tokens(batch), batch.to_list())
    assert_pairs(next_tokens(batch.to_packed()), batch.to_list())


@given(sizes=lengths())
def test_all_ragged_lengths(sizes):
    batch = Ragged(make_values(sum(sizes)), sizes)
    assert_pairs(next_tokens(batch), batch.to_list())


@given(sizes=lengths(least=2, min_size=1))
def test_all_packed_lengths(sizes):
    batch = Ragged(make_values(sum(sizes)), sizes)
    pairs = next_tokens(batch.to_packed())
    assert_pairs(pairs, batch.to_list())
    ragged = next_tokens(batch)
    assert_same(Ragged.from_packed(pairs.inputs).values, ragged.inputs.values)


def test_permuting_the_batch_permutes_the_result(device):
    batch = Ragged(make_values(12, (2,), device=device), [3, 0, 2, 7])
    order = [3, 1, 0, 2]
    permuted = next_tokens(batch.index_select(order))
    for found, half in zip(permuted, next_tokens(batch), strict=True):
        expected = half.index_select(order)
        assert_same(found.values, expected.values)
        assert_same(found.lengths, expected.lengths)


# What becomes of the values and of their gradients.


@pytest.mark.parametrize("form", ["ragged", "packed"])
def test_gradients_go_where_the_tokens_came_from(form, device):
    values = make_floats(7, 2, device=device).requires_grad_()
    batch = Ragged(values, [2, 3, 2])
    inputs, targets = next_tokens(
        batch.to_packed() if form == "packed" else batch
    )
    read = (
        (inputs.data, targets.data)
        if form == "packed"
        else (
            inputs.values,
            targets.values,
        )
    )
    read[0].sum().backward(retain_graph=True)
    # Not the last token of a sequence.
    assert values.grad[:, 0].tolist() == [1, 0, 1, 1, 0, 1, 0]
    values.grad = None
    read[1].sum().backward()
    assert values.grad[:, 0].tolist() == [0, 1, 0, 1, 1, 0, 1]


def test_gradients_are_right_twice():
    def square(values):
        pairs = next_tokens(Ragged(values, [3, 0, 1, 2]).reverse())
        return pairs.inputs.values * pairs.targets.values

    values = make_floats(6, 2).requires_grad_()
    assert torch.autograd.gradcheck(square, values)
    assert torch.autograd.gradgradcheck(square, values)


def test_the_callers_batch_is_not_changed():
    packed = Ragged(make_values(7), [2, 3, 2]).to_packed()
    before = [field.clone() for field in packed]
    next_tokens(packed).inputs.data.add_(1)
    for field, old in zip(packed, before, strict=True):
        assert_same(field, old)


def test_the_targets_of_a_packed_batch_are_a_view():
    packed = Ragged(make_values(7), [2, 3, 2]).to_packed()
    targets = next_tokens(packed).targets
    assert targets.data.data_ptr() == packed.data[3:].data_ptr()


def test_no_value_is_read():
    # Nothing can be: the device holds shapes alone.
    values = torch.empty(7, 2, device="meta")
    inputs, targets = next_tokens(Ragged(values, [4, 1, 2]))
    assert inputs.values.shape == targets.values.shape == (4, 2)
    indices = torch.empty(2, dtype=torch.int64, device="meta")
    packed = PackedSequence(values, ints(2, 2, 2, 1), indices, indices)
    inputs, targets = next_tokens(packed)
    assert inputs.data.shape == targets.data.shape == (5, 2)
    assert inputs.data.device.type == "meta"


def test_the_default_device_is_not_asked():
    batch = Ragged(make_values(5), [3, 2])
    packed = batch.to_packed()
    torch.set_default_device("meta")
    try:
        pairs = [*next_tokens(batch), *next_tokens(packed)]
    finally:
        torch.set_default_device(None)
    for half in pairs:
        values = half.data if isinstance(half, PackedSequence) else half.values
        assert values.device.type == "cpu"


# Sequences of one token, and of none.


def test_one_token_makes_an_empty_row():
    pairs = next_tokens(Ragged(ints(7, 2, 3, 9), [1, 0, 2, 1]))
    for half in pairs:
        assert half.lengths.tolist() == [0, 0, 1, 0]
    assert pairs.targets.values.tolist() == [3]


@pytest.mark.parametrize("sizes", [[], [0], [1], [1, 0, 1]])
def test_a_batch_without_a_pair(sizes, device):
    values = make_floats(sum(sizes), 2, device=device).requires_grad_()
    for half in next_tokens(Ragged(values, sizes)):
        assert half.values.shape == (0, 2)
        assert half.lengths.tolist() == [0] * len(sizes)
        half.values.sum().backward()
    assert not values.grad.any()


def packed_ids(*sizes):
    return Ragged(make_values(sum(sizes)), sizes).to_packed()


ONE = "has one token, so no next one, and a PackedSequence cannot hold the e"
ERRORS = [
    (ints(2, 3), TypeError, "batch is of type Tensor; it must be a PackedSeq"),
    ([ints(2)], TypeError, "batch is of type list; it must be a PackedSequen"),
    # The caller's first such row is named, not the sorted place.
    (
        Ragged(make_values(5), [1, 3, 1]).to_packed(),
        ValueError,
        f"sequence 0 {ONE}",
    ),
    (
        Ragged(make_values(5), [3, 1, 1]).to_packed(),
        ValueError,
        f"sequence 1 {ONE}",
    ),
    (
        Ragged(make_values(2), [1, 1]).to_packed(),
        ValueError,
        f"sequence 0 {ONE}",
    ),
    (pack_sequence([ints(2, 3), ints(4)]), ValueError, f"sequence 1 {ONE}"),
    (
        PackedSequence(torch.zeros(6), ints(3, 2)),
        ValueError,
        "batch.batch_sizes adds up to 5; batch.data has 6 rows",
    ),
    (
        PackedSequence(torch.zeros(4), ints(2, 2), ints(0, 1), ints(1, 0)),
        ValueError,
        "batch.unsorted_indices is not the inverse of batch.sorted_indices",
    ),
]


@pytest.mark.parametrize(("batch", "error", "text"), ERRORS)
def test_bad_batches_are_named(batch, error, text):
    with pytest.raises(error, match=f"^{text}"):
        next_tokens(batch)


def test_the_error_says_what_to_do():
    text = "a start token in front of each sequence, or give a Ragged$"
    with pytest.raises(ValueError, match=text):
        next_tokens(pack_sequence([ints(7)]))
