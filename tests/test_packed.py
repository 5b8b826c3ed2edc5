"""check_packed: what a hand-made PackedSequence can get wrong."""

import pytest
import torch
from hypothesis import given
from strategies import SHAPES_OF_BATCHES, WITHOUT_EMPTY, lengths, make_values
from tolerances import assert_same
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
)

from packtutor import Ragged, check_packed
from packtutor.packed import order_from_packed

EMPTY = torch.tensor([], dtype=torch.int64)


def ints(*numbers):
    return torch.tensor(numbers)


@pytest.mark.parametrize("name", WITHOUT_EMPTY)
@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_what_pytorch_packs_is_accepted(name, enforce_sorted, device):
    sizes = SHAPES_OF_BATCHES[name]
    if enforce_sorted:
        sizes = sorted(sizes, reverse=True)
    seqs = [make_values(n, (2,), device=device) for n in sizes]
    packed = pack_sequence(seqs, enforce_sorted=enforce_sorted)
    assert check_packed(packed) is None
    assert check_packed(Ragged.from_list(seqs).to_packed()) is None


@given(sizes=lengths(least=1, min_size=1))
def test_the_order_is_the_callers(sizes):
    padded = torch.zeros(len(sizes), max(sizes))
    packed = pack_padded_sequence(
        padded, sizes, batch_first=True, enforce_sorted=False
    )
    assert_same(order_from_packed(packed), packed.unsorted_indices)


def test_sorted_batches_have_no_indices(device):
    packed = PackedSequence(torch.zeros(6, device=device), ints(3, 2, 1))
    check_packed(packed)
    assert order_from_packed(packed).tolist() == [0, 1, 2]
    assert order_from_packed(packed).device.type == "cpu"


def test_the_default_device_is_not_asked():
    sorted_batch = PackedSequence(torch.zeros(3), ints(2, 1))
    unsorted = Ragged(torch.zeros(3), [1, 2]).to_packed()
    torch.set_default_device("meta")
    try:
        check_packed(unsorted)
        assert order_from_packed(sorted_batch).device.type == "cpu"
    finally:
        torch.set_default_device(None)


def test_a_batch_is_only_read(batch):
    packed = batch.to_packed()
    before = [field.clone() for field in packed]
    check_packed(packed)
    for field, copy in zip(packed, before, strict=True):
        assert_same(field, copy)


@pytest.mark.parametrize(
    "value", [None, torch.zeros(3), (torch.zeros(3), ints(3), None, None)]
)
def test_it_is_a_packed_sequence(value):
    text = f"packed is of type {type(value).__name__}; it must be a torch.nn"
    with pytest.raises(TypeError, match=text):
        check_packed(value)
    with pytest.raises(TypeError, match=text):
        Ragged.from_packed(value)


# The batch that is spoilt has sequences of 2, 3 and 1 tokens.
MALFORMED = [
    # The data.
    ("data", None, TypeError, "data is of type NoneType; it must be a torch"),
    ("data", [0.0] * 6, TypeError, "data is of type list; it must be a torc"),
    ("data", torch.ones(()), ValueError, r"data has shape \(\); it must ha"),
    (
        "data",
        torch.ones(6).to_sparse(),
        TypeError,
        "data has layout torch.sparse_coo; it must be a dense tensor",
    ),
    # Too few and too many values; PyTorch drops rows, or reads past the end.
    ("data", torch.ones(5), ValueError, "adds up to 6; packed.data has 5 row"),
    ("data", torch.ones(7), ValueError, "adds up to 6; packed.data has 7 row"),
    # The batch sizes.
    ("batch_sizes", None, TypeError, "batch_sizes is of type NoneType; it"),
    ("batch_sizes", [3, 2, 1], TypeError, "batch_sizes is of type list; it"),
    (
        "batch_sizes",
        ints(3, 2, 1).int(),
        TypeError,
        "batch_sizes has dtype torch.int32; it must be torch.int64",
    ),
    (
        "batch_sizes",
        torch.tensor([3.0, 2.0, 1.0]),
        TypeError,
        "batch_sizes has dtype torch.float32; it must be torch.int64",
    ),
    ("batch_sizes", ints([3, 2, 1]), ValueError, r"shape \(1, 3\); it must"),
    ("batch_sizes", torch.tensor(6), ValueError, r"shape \(\); it must have"),
    (
        "batch_sizes",
        ints(3, 2, 1).to("meta"),
        ValueError,
        "batch_sizes is on device meta; it must be on the CPU",
    ),
    ("batch_sizes", EMPTY, ValueError, "batch_sizes is empty; it must have"),
    ("batch_sizes", ints(3, 3, 0), ValueError, r"\[2\] is 0; it must be at"),
    # A negative one makes pad_packed_sequence write outside its memory.
    ("batch_sizes", ints(4, 3, -1), ValueError, r"\[2\] is -1; it must be "),
    ("batch_sizes", ints(2, 3, 1), ValueError, r"\[1\] is 3 after 2; batch"),
    ("batch_sizes", ints(3, 1, 2), ValueError, r"\[2\] is 2 after 1; batch"),
    ("batch_sizes", ints(3, 2), ValueError, "adds up to 5; packed.data has 6"),
    (
        "batch_sizes",
        ints(2**62, 2**62, 2**62, 2**62),
        ValueError,
        f"batch_sizes adds up to {2**64}; packed.data has 6 rows",
    ),
    # The indices.
    ("sorted_indices", None, ValueError, "sorted_indices is None and"),
    ("unsorted_indices", None, ValueError, "unsorted_indices is None "),
    ("sorted_indices", [1, 0, 2], TypeError, "is of type list; it must be a"),
    (
        "sorted_indices",
        torch.tensor([1.0, 0.0, 2.0]),
        TypeError,
        "sorted_indices has dtype torch.float32; it must be torch.int",
    ),
    ("unsorted_indices", ints([1, 0, 2]), ValueError, r"has shape \(1, 3\); "),
    ("sorted_indices", ints(1, 0), ValueError, "has 2 entries; packed.batch_"),
    (
        "unsorted_indices",
        ints(1, 0, 2, 3),
        ValueError,
        r"unsorted_indices has 4 entries; packed.batch_sizes\[0\] is 3",
    ),
    ("sorted_indices", ints(1, 0, 3), ValueError, r"\[2\] is 3; it must be f"),
    ("unsorted_indices", ints(-1, 0, 2), ValueError, r"\[0\] is -1; it must "),
    (
        "sorted_indices",
        ints(1, 1, 2),
        ValueError,
        "holds 1 more than once; it",
    ),
    ("unsorted_indices", ints(2, 0, 2), ValueError, "holds 2 more than once"),
    (
        "sorted_indices",
        ints(1, 2, 0),
        ValueError,
        "is not the inverse of .*: sequence 0 comes back as 2",
    ),
    (
        "unsorted_indices",
        ints(0, 1, 2),
        ValueError,
        "is not the inverse of .*: sequence 0 comes back as 1",
    ),
]


@pytest.mark.parametrize(("field", "value", "error", "text"), MALFORMED)
def test_what_is_malformed_is_named(field, value, error, text, device):
    if isinstance(value, torch.Tensor) and field != "batch_sizes":
        value = value.to(device)
    packed = Ragged(torch.zeros(6, device=device), [2, 3, 1]).to_packed()
    assert packed.sorted_indices.tolist() == [1, 0, 2]
    # _replace, like a checkpoint, goes past PyTorch's own few checks.
    packed = packed._replace(**{field: value})
    with pytest.raises(error, match=f"^packed.*{text}"):
        check_packed(packed)
    with pytest.raises(error, match=f"^packed.*{text}"):
        Ragged.from_packed(packed)


@pytest.mark.parametrize("field", ["sorted_indices", "unsorted_indices"])
def test_indices_stand_beside_the_data(field, batch):
    packed = batch.to_packed()
    away = packed._replace(**{field: getattr(packed, field).to("meta")})
    with pytest.raises(
        ValueError, match=f"{field} is on device meta; packed.data is on"
    ):
        check_packed(away)


def test_an_order_is_where_it_can_be_read(batch):
    packed = batch.to("meta").to_packed()
    for read in (check_packed, Ragged.from_packed):
        with pytest.raises(
            ValueError, match="packed.* is on device meta, which holds no val"
        ):
            read(packed)


@pytest.mark.parametrize("count", [10, 1000])
def test_many_sequences_are_checked_as_few_are(count, device):
    lengths = torch.arange(count) % 7 + 1
    values = torch.zeros(int(lengths.sum()), device=device)
    packed = Ragged(values, lengths).to_packed()
    check_packed(packed)
    assert torch.equal(Ragged.from_packed(packed).lengths, lengths)
    swapped = packed.unsorted_indices.clone()
    swapped[[0, 1]] = swapped[[1, 0]]
    with pytest.raises(ValueError, match="is not the inverse"):
        check_packed(packed._replace(unsorted_indices=swapped))


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("batch_sizes", torch.tensor(6), r" has shape \(\); .* one dimension"),
        # The first that is too small, not the first small one.
        ("batch_sizes", ints(4, 1, 0), r"\[2\] is 0; it must be at least 1"),
        ("sorted_indices", None, " is None and its counterpart is not"),
        ("unsorted_indices", None, " is None and its counterpart is not"),
        ("sorted_indices", ints(1, 0), " has 2 entries"),
        ("unsorted_indices", ints(1, 0), " has 2 entries"),
        ("sorted_indices", ints(1, 0, 3), r"\[2\] is 3; it must be .* to 2$"),
        # No sequence at all comes back to its place.
        ("unsorted_indices", ints(0, 2, 1), " is not the .* back as 1$"),
    ],
)
def test_the_culprit_is_named_exactly(field, value, text, device):
    if isinstance(value, torch.Tensor) and field != "batch_sizes":
        value = value.to(device)
    packed = Ragged(torch.zeros(6, device=device), [2, 3, 1]).to_packed()
    with pytest.raises(
        (TypeError, ValueError), match=rf"^packed\.{field}{text}"
    ):
        check_packed(packed._replace(**{field: value}))


def test_no_default_device_is_asked_for_many_sequences():
    packed = Ragged(torch.zeros(300), [1] * 300).to_packed()
    turned = packed._replace(
        sorted_indices=torch.arange(300), unsorted_indices=torch.arange(300)
    )
    swapped = torch.arange(300)
    swapped[[0, 1]] = ints(1, 0)
    torch.set_default_device("meta")
    try:
        check_packed(turned)
        with pytest.raises(ValueError, match="is not the inverse"):
            check_packed(turned._replace(unsorted_indices=swapped))
    finally:
        torch.set_default_device(None)
