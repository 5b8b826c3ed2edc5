"""Arguments: what is taken, what is refused, and in which words."""

import array

import numpy as np
import pytest
import torch

from packtutor._checks import (
    INT64_MAX,
    add_up,
    as_count,
    as_flag,
    as_int,
    as_integers,
    as_lengths,
    as_list,
    as_side,
    as_tensor,
    check_alike,
    read_alike,
    short,
)

INTEGER_TYPES = ["int8", "int16", "int32", "int64"]
INTEGER_TYPES += [f"u{name}" for name in INTEGER_TYPES]


class Index:
    """What ``operator.index`` takes."""

    def __index__(self):
        return 2


@pytest.mark.parametrize(
    "lengths",
    [
        [3, 2, 1],
        (3, 2, 1),
        range(3, 0, -1),
        {3: "a", 2: "b", 1: "c"}.keys(),
        [3, Index(), True + 0],
        [np.int64(3), np.uint8(2), torch.tensor(1)],
        np.array([1, 2, 3])[::-1],
        np.array([3, 2, 1], dtype=">i4"),
        np.array([3, 0, 2, 0, 1])[::2],
        torch.tensor([3, 0, 2, 0, 1])[::2],
        torch.nn.Parameter(torch.tensor([3, 2, 1]), requires_grad=False),
    ],
    ids=lambda lengths: type(lengths).__name__,
)
def test_lengths_come_in_many_forms(lengths):
    result = as_lengths(lengths)
    assert type(result) is torch.Tensor
    assert result.dtype == torch.int64
    assert result.device.type == "cpu"
    assert result.tolist() == [3, 2, 1]


def test_lengths_may_come_one_by_one():
    assert as_lengths(iter([3, 2, 1])).tolist() == [3, 2, 1]


@pytest.mark.parametrize("name", INTEGER_TYPES)
def test_every_integer_type_is_taken(name):
    assert as_lengths(np.array([3, 2, 1], dtype=name)).tolist() == [3, 2, 1]
    tensor = torch.tensor([3, 2, 1]).to(getattr(torch, name))
    assert as_lengths(tensor).tolist() == [3, 2, 1]


@pytest.mark.parametrize(
    "empty", [[], np.array([], dtype=int), torch.tensor([]).long()]
)
def test_no_length_is_a_list_too(empty):
    assert as_lengths(empty).shape == (0,)
    assert as_lengths(empty).dtype == torch.int64


def test_the_largest_integers_are_kept():
    largest = [INT64_MAX, 0]
    for given in (
        largest,
        np.array(largest, dtype=np.uint64),
        torch.tensor(largest).to(torch.uint64),
    ):
        assert as_lengths(given).tolist() == largest
    assert as_integers([-INT64_MAX], "rows").tolist() == [-INT64_MAX]


@pytest.mark.parametrize("kind", [list, torch.tensor])
def test_lengths_are_copied(kind):
    given = kind([3, 2])
    result = as_lengths(given)
    given[0] = 9
    assert result.tolist() == [3, 2]


def test_lengths_live_on_the_cpu_whatever_the_default_device():
    torch.set_default_device("meta")
    try:
        assert as_lengths([3, 2]).device.type == "cpu"
        assert as_lengths(np.array([3, 2])).device.type == "cpu"
    finally:
        torch.set_default_device(None)


@pytest.mark.parametrize(
    ("lengths", "error", "text"),
    [
        ([3, 0, -1], ValueError, r"lengths\[2\] is -1; a length cannot be"),
        ([2.0], TypeError, r"lengths\[0\] is 2.0; its elements must be int"),
        ([2, None], TypeError, r"lengths\[1\] is None; its elements"),
        ([True], TypeError, r"lengths\[0\] is True; its elements"),
        ([np.True_], TypeError, r"lengths\[0\] is np.True_; its elements"),
        ([np.float64(2)], TypeError, r"lengths\[0\] is np.float64\(2.0\)"),
        ([torch.tensor(True)], TypeError, r"lengths\[0\] is tensor\(True\)"),
        ([torch.tensor(2.0)], TypeError, r"lengths\[0\] is tensor\(2.\)"),
        ([torch.tensor([2])], TypeError, r"lengths\[0\] is tensor\(\[2\]\)"),
        ([[2]], TypeError, r"lengths\[0\] is \[2\]; its elements"),
        (["2"], TypeError, r"lengths\[0\] is '2'; its elements"),
        ("321", TypeError, "lengths is '321'; it must be a tensor, an array"),
        (b"321", TypeError, "lengths is b'321'; it must be a tensor"),
        ({3, 2}, TypeError, "lengths is {2, 3}; it must be a tensor"),
        ({3: 2, 1: 1}, TypeError, "lengths is {3: 2, 1: 1}; it must be a ten"),
        (3, TypeError, "lengths is 3; it must be a tensor, an array or a"),
        (None, TypeError, "lengths is None; it must be a tensor"),
        ([2**63], ValueError, rf"lengths\[0\] is {2**63}; .* at most"),
        ([0, -(2**70)], ValueError, rf"lengths\[1\] is -{2**70}; .* at most"),
        (np.array([2.9]), TypeError, "lengths has dtype float64; its elem"),
        (np.array([True]), TypeError, "lengths has dtype bool; its elem"),
        (np.array(["2"]), TypeError, "lengths has dtype <U1; its elements"),
        (np.array([2], dtype=object), TypeError, "lengths has dtype object"),
        (np.array(2), ValueError, r"lengths has shape \(\); .* one dimension"),
        (np.int64(2), ValueError, r"lengths has shape \(\); .* one dimension"),
        (np.array([[2]]), ValueError, r"lengths has shape \(1, 1\); it must"),
        (
            np.array([7, 2**63], dtype=np.uint64),
            ValueError,
            rf"lengths\[1\] is {2**63}; its size must be at most {INT64_MAX}",
        ),
        (
            np.ma.array([1, 2], mask=[False, True]),
            TypeError,
            r"lengths\[1\] is None; its elements must be integers",
        ),
        (torch.tensor([2.9]), TypeError, "lengths has dtype torch.float32"),
        (torch.tensor([2j]), TypeError, "lengths has dtype torch.complex64"),
        (torch.tensor([True]), TypeError, "lengths has dtype torch.bool; its"),
        (torch.tensor(2), ValueError, r"lengths has shape \(\); it must have"),
        (torch.tensor([[2]]), ValueError, r"lengths has shape \(1, 1\); it"),
        (torch.tensor([-1]), ValueError, r"lengths\[0\] is -1; a length can"),
        (
            torch.tensor([2]).to_sparse(),
            TypeError,
            "lengths has layout torch.sparse_coo; it must be a dense tensor",
        ),
        (
            torch.tensor([2], device="meta"),
            ValueError,
            r"lengths is on device meta; it must be on the CPU: call .cpu\(\)",
        ),
        (
            torch.tensor([0, -1]).to(torch.uint64),
            ValueError,
            rf"lengths\[1\] is {2**64 - 1}; it must be at most {INT64_MAX}",
        ),
    ],
)
def test_a_length_is_an_integer_and_nothing_else(lengths, error, text):
    with pytest.raises(error, match=text):
        as_lengths(lengths)


def test_lengths_on_an_accelerator_are_refused(device):
    if device.type == "cpu":
        assert as_lengths(torch.tensor([2], device=device)).tolist() == [2]
    else:
        with pytest.raises(ValueError, match=f"lengths is on device {device}"):
            as_lengths(torch.tensor([2], device=device))


def test_integers_may_be_negative_where_they_are_no_lengths():
    assert as_integers([-1, 2], "rows").tolist() == [-1, 2]


@pytest.mark.parametrize(
    ("value", "least_dims", "error", "text"),
    [
        ([1], 1, TypeError, "x is of type list; it must be a torch.Tensor"),
        (np.ones(2), 1, TypeError, "x is of type ndarray; it must be a torch"),
        (None, 1, TypeError, "x is of type NoneType; it must be a torch.Ten"),
        (torch.ones(()), 1, ValueError, r"x has shape \(\); .* 1 dimension$"),
        (torch.ones(2), 2, ValueError, r"x has shape \(2,\); .* 2 dimensions"),
        (
            torch.ones(2).to_sparse(),
            1,
            TypeError,
            "x has layout torch.sparse_coo; it must be a dense tensor",
        ),
        (
            torch.nested.nested_tensor([torch.ones(2)], layout=torch.jagged),
            1,
            TypeError,
            "x has layout torch.jagged and is nested; it must be a dense",
        ),
    ],
)
def test_a_tensor_is_dense_and_has_dimensions(value, least_dims, error, text):
    with pytest.raises(error, match=text):
        as_tensor(value, "x", least_dims)


def test_a_tensor_is_handed_through():
    values = torch.ones(2, 0, requires_grad=True)
    assert as_tensor(values, "x", 2) is values
    assert as_tensor(torch.tensor(1), "x", 0).dim() == 0


@pytest.mark.parametrize("value", [2, np.int8(2), torch.tensor(2), Index()])
def test_counts_come_in_many_forms(value):
    assert as_count(value, "n", 2) == 2
    assert type(as_count(value, "n", 0)) is int


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1, ValueError, "n is 1; it must be at least 2"),
        (10**30, ValueError, f"n is {10**30}; it must be at most {INT64_MAX}"),
        (2.0, TypeError, "n is 2.0; it must be an integer of at least 2"),
        ("2", TypeError, "n is '2'; it must be an integer of at least 2"),
        (None, TypeError, "n is None; it must be an integer of at least 2"),
        (True, TypeError, "n is True; it must be an integer of at least 2"),
        (np.True_, TypeError, "n is np.True_; it must be an integer"),
        (torch.tensor(True), TypeError, r"n is tensor\(True\); it must be"),
        (torch.tensor([2]), TypeError, r"n is tensor\(\[2\]\); it must be"),
        ([2], TypeError, r"n is \[2\]; it must be an integer of at least 2"),
    ],
)
def test_a_count_is_an_integer_in_its_range(value, error, text):
    with pytest.raises(error, match=text):
        as_count(value, "n", 2)


def test_an_integer_may_be_any():
    assert as_int(-(10**30)) == -(10**30)


@pytest.mark.parametrize("value", [None, 1, 0, "False", np.True_])
def test_a_flag_is_true_or_false(value):
    assert as_flag(True, "on") is True
    assert as_flag(False, "on") is False
    with pytest.raises(TypeError, match="on is .*; it must be True or False"):
        as_flag(value, "on")


@pytest.mark.parametrize("value", [None, 1, "LEFT", "", True, ["left"]])
def test_a_side_is_left_or_right(value):
    assert as_side("left") == "left"
    assert as_side("right") == "right"
    with pytest.raises(ValueError, match="padding_side is .*; it must be"):
        as_side(value)


@pytest.mark.parametrize("value", [None, 5, "ab", b"ab", {1, 2}, {1: 2}])
def test_a_list_is_no_text_and_has_an_order(value):
    assert as_list(iter([1, 2]), "xs", "numbers") == [1, 2]
    with pytest.raises(TypeError, match="xs is .*; it must be a list of num"):
        as_list(value, "xs", "numbers")


@pytest.mark.parametrize(
    ("second", "error", "text"),
    [
        (
            torch.ones(2, 3),
            TypeError,
            r"xs\[1\] has dtype torch.float32; xs\[0\] has torch.float64",
        ),
        (
            torch.ones(2, 1).double(),
            ValueError,
            r"xs\[1\] has trailing shape \(1,\); xs\[0\] has \(3,\)",
        ),
        (
            torch.ones(0).double(),
            ValueError,
            r"xs\[1\] has trailing shape \(\); xs\[0\] has \(3,\)",
        ),
        (
            torch.ones(2, 3, device="meta").double(),
            ValueError,
            r"xs\[1\] is on device meta; xs\[0\] is on cpu",
        ),
    ],
)
def test_tensors_that_meet_are_alike(second, error, text):
    first = torch.ones(4, 3, dtype=torch.float64)
    check_alike([first, first[:0]], "xs")
    with pytest.raises(error, match=text):
        check_alike([first, second], "xs")
    with pytest.raises(error, match=text.replace("1", "2", 1)):
        check_alike([first, first, second], "xs")


@pytest.mark.parametrize(
    ("numbers", "total"),
    [
        ([], 0),
        ([0, 0], 0),
        ([3, 2, 1], 6),
        ([INT64_MAX, 0], INT64_MAX),
        ([INT64_MAX, 1], 2**63),
        ([INT64_MAX, INT64_MAX, 8], 2**64 + 6),
    ],
)
def test_sums_never_wrap_around(numbers, total):
    assert add_up(torch.tensor(numbers, dtype=torch.int64)) == total


def test_long_values_are_shown_short():
    assert short("a" * 58) == repr("a" * 58)
    assert short(list(range(100))) == f"{str(list(range(100)))[:57]}..."
    assert len(short("a" * 59)) == 60


def test_tensors_that_are_alike_are_read_at_once():
    assert read_alike([torch.zeros(n) for n in (3, 0, 1)]) == (3, 0, 1)
    assert read_alike([torch.zeros(n, 2, 0) for n in (3, 1)]) == (3, 1)


@pytest.mark.parametrize(
    "other",
    [
        [0.0, 0.0],
        torch.nn.Parameter(torch.zeros(1, 2)),
        torch.nested.nested_tensor([torch.zeros(2)], layout=torch.jagged),
        torch.zeros(1, 2).to_sparse(),
        torch.zeros(1, 2, dtype=torch.float64),
        torch.zeros(1, 2, device="meta"),
        torch.zeros(2),
        torch.zeros(1, 2, 1),
        torch.zeros(1, 3),
    ],
    ids=lambda other: f"{type(other).__name__}",
)
def test_tensors_that_differ_are_not_read_at_once(other):
    same = torch.zeros(1, 2)
    assert read_alike([same, same]) == (1, 1)
    assert read_alike([same, other]) is None
    assert read_alike([other, same]) is None
    assert read_alike([torch.zeros(()), torch.zeros(())]) is None


def test_a_count_may_be_the_most():
    assert as_count(5, "steps", 0, 5) == 5
    with pytest.raises(ValueError, match="steps is 6; it must be at most 5"):
        as_count(6, "steps", 0, 5)


def test_a_sum_beyond_int64_is_exact():
    half = 2**62
    assert add_up(torch.tensor([half, half])) == 2 * half
    assert add_up(torch.tensor([half, half - 1])) == 2 * half - 1
    assert add_up(torch.tensor([INT64_MAX])) == INT64_MAX


class Truth:
    """A truth value of another library that would pass as 0 or 1."""

    dtype = np.dtype(bool)

    def __index__(self):
        return 1


def test_a_truth_value_is_no_integer():
    with pytest.raises(TypeError):
        as_int(Truth())
    with pytest.raises(TypeError, match=r"lengths\[1\] is .*Truth object"):
        as_lengths([1, Truth()])


class Strange:
    dtype = "numbers"

    def tolist(self):
        return [1]


def test_an_array_of_an_unknown_kind_is_refused():
    with pytest.raises(TypeError, match="lengths has dtype numbers; its ele"):
        as_lengths(Strange())


def test_a_single_number_is_no_list_of_lengths():
    text = r"lengths has shape \(\); it must have one dimension"
    with pytest.raises(ValueError, match=text):
        as_lengths(torch.tensor(3))


def test_the_first_integer_beyond_int64_is_named():
    with pytest.raises(ValueError, match=rf"lengths\[1\] is {2**63}; its"):
        as_lengths([INT64_MAX, 2**63])


def test_an_array_of_pythons_own_is_a_list_of_integers():
    assert as_lengths(array.array("q", [3, 2, 1])).tolist() == [3, 2, 1]
