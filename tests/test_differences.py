"""How far results may move, and what moved most, on numbers by hand."""

import math

import pytest
import torch

from packtutor._differences import (
    Moved,
    coarsest,
    find_moved,
    largest,
    result_allowances,
    typical_size,
)

INF, NAN = math.inf, math.nan


def vectors(*rows):
    return [torch.tensor(row, dtype=torch.float64) for row in rows]


def allowed(*rows, rounding=1.0):
    return [
        sizes.tolist() for sizes in result_allowances(vectors(*rows), rounding)
    ]


def moved(base, new, allowances):
    return find_moved(vectors(*base), vectors(*new), vectors(*allowances))


# --- what is allowed ------------------------------------------------------


def test_a_column_is_measured_by_its_median_sequence():
    # The medians are 2, 30 and 0. A tenth of the median column, 0.2, is the
    # least; a sequence that is larger than the median is measured by itself.
    found = allowed([1, -10, 0], [-3, 90, 0], [2, 30, 0], rounding=0.5)
    assert found == [[1, 15, 0.1], [1.5, 45, 0.1], [1, 15, 0.1]]


def test_of_an_even_number_the_larger_sequence_and_the_smaller_column():
    # The medians are 5 and 400, the smaller of both is 5.
    rows = [1, 100], [2, 300], [5, 400], [9, 500]
    assert allowed(*rows) == [[5, 400], [5, 400], [5, 400], [9, 500]]
    # Six sequences tell the middle from a third of the way.
    rows = [[1], [2], [4], [8], [16], [32]]
    assert allowed(*rows) == [[8], [8], [8], [8], [16], [32]]
    # Of the columns 1, 2, 3 and 400 a tenth of the second is the least.
    assert allowed([0.001, 3, 2, 400]) == [[0.2, 3, 2, 400]]
    assert allowed([0, 30, 20, 10, 40, 50]) == [[2, 30, 20, 10, 40, 50]]


def test_a_matrix_is_measured_by_its_largest_row():
    found = allowed([[1, 0], [0, -7]], [[2, 8], [2, 8]], [[1, 1]])
    assert found == [[1, 7], [2, 8], [1, 7]]


def test_results_of_unequal_widths_have_one_measure_each():
    assert allowed(3, [1, -2]) == [[3], [3]]
    assert allowed([3, 1, 2], [1, -2]) == [[3], [3]]
    assert allowed([1, 9], [2], 7) == [[9], [7], [7]]


def test_numbers_without_a_dimension_are_one_column():
    assert allowed(3, 1, 2) == [[3], [2], [2]]


def test_what_is_empty_or_not_finite_has_no_size():
    assert allowed([INF, NAN, 5], [-INF, 1, 5]) == [[0.1, 1, 5]] * 2
    assert allowed([], []) == [[], []]
    empty = torch.zeros(0, 2).double()
    found = result_allowances([empty, *vectors([4, 40])], 1.0)
    assert [sizes.tolist() for sizes in found] == [[4, 40], [4, 40]]
    assert [x.tolist() for x in result_allowances([empty], 1.0)] == [[0, 0]]


def test_the_size_of_a_complex_number_is_its_modulus():
    number = torch.tensor([3 + 4j], dtype=torch.complex64)
    assert result_allowances([number], 1.0)[0].tolist() == [5]
    assert largest([number]) == 5


def test_the_typical_size_is_that_of_the_median_column():
    # What is allowed is 5, 300, 5, 400, 9, 400.
    assert typical_size(vectors([1, 100], [5, 300], [9, 400])) == 9
    # 1, 2, 3, 4: of an even number the smaller one.
    assert typical_size(vectors([4, 3, 2, 1])) == 2
    assert typical_size(vectors([6, 5, 4, 3, 2, 1])) == 3
    assert typical_size(vectors([], [])) == typical_size([]) == 0.0


def test_the_largest_finite_entry():
    assert largest(vectors([1, -3], 2, [[0, INF], [NAN, 0.5]], [])) == 3
    assert largest(vectors([INF, NAN])) == largest([]) == 0.0


def test_the_coarsest_type_decides():
    halves = torch.zeros(1, dtype=torch.bfloat16)
    assert coarsest([torch.zeros(1), halves, torch.zeros(1)]) == 5e-2
    assert coarsest([torch.zeros(1).double(), torch.zeros(1).long()]) == 1e-8
    assert coarsest([torch.zeros(1).long()]) == coarsest([]) == 0.0


def test_what_float32_is_lowered_to_counts_where_there_is_float32():
    lowered = {torch.float16, torch.bfloat16}
    for dtype, own, allowed in (
        (torch.float32, 1e-4, 5e-2),
        (torch.float64, 1e-8, 1e-8),
        (torch.int64, 0.0, 0.0),
    ):
        tensors = [torch.zeros(1, dtype=dtype)]
        assert coarsest(tensors) == own
        assert coarsest(tensors, lowered) == allowed
    assert coarsest([torch.zeros(1)], [torch.float16]) == 1e-2
    assert coarsest([], lowered) == 0.0


# --- what moved -----------------------------------------------------------


def test_what_moved_most_is_found_and_the_first_of_equals():
    base = [[1, 1], [1, 1], [1, 1]]
    allowances = [[0.5, 0.25], [0.5, 0.25], [0.5, 0.25]]
    new = [[1, 2], [4, 1], [1, -2]]
    assert moved(base, new, allowances) == Moved(1, 3, 0.5)
    new = [[1, 1], [1, 4], [-2, 1]]
    assert moved(base, new, allowances) == Moved(1, 3, 0.25)
    # More is allowed in the second one, yet the first one moved more.
    assert moved([[0], [0]], [[9], [8]], [[1], [5]]) == Moved(0, 9, 1)
    assert moved([[0], [0]], [[4], [8]], [[5], [5]]) == Moved(1, 8, 5)


def test_what_is_allowed_has_not_moved():
    assert moved([[1, 1]], [[1.5, 1.25]], [[0.5, 0.25]]) is None
    assert moved([[1, 1]], [[1.5, 1.5]], [[0.5, 0.25]]) == Moved(0, 0.5, 0.25)
    assert moved([1], [1.5], [[0.5]]) is None
    assert moved([1], [2], [[0.5]]) == Moved(0, 1, 0.5)
    assert moved([[]], [[]], [[]]) is None


def test_the_same_infinity_or_nan_has_not_moved():
    rows = [[INF, -INF, NAN, 1]]
    assert moved(rows, rows, [[1, 1, 1, 1]]) is None
    for one, other in ((0, INF), (INF, -INF), (0, NAN), (NAN, 0)):
        assert moved([[one]], [[other]], [[1]]) == Moved(0, INF, 1)


def test_another_shape_has_moved_without_end():
    assert moved([[1, 2]], [[1, 2, 3]], [[0.5, 0.75]]) == Moved(0, INF, 0.75)
    assert moved([[]], [[1]], [[]]) == Moved(0, INF, 0.0)


def test_integers_are_compared_beyond_their_range():
    one, other = torch.tensor([-100]).char(), torch.tensor([100]).char()
    assert find_moved([one], [other], vectors([1])) == Moved(0, 200, 1)


def test_as_many_results_as_allowances():
    with pytest.raises(ValueError, match="zip"):
        moved([[1], [1]], [[1]], [[1]])
    with pytest.raises(ValueError, match="zip"):
        moved([[1]], [[1]], [[1], [1]])
