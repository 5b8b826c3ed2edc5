"""What padding costs, against PyTorch's counter and a cell that counts."""

import itertools
import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import lengths, make_floats
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.flop_counter import FlopCounterMode

from packtutor import (
    Cost,
    CostComparison,
    Ragged,
    dot_cost,
    one_by_one,
    padding_fraction,
    rnn_cost,
)

NETWORKS = [
    (cell, layers, bidirectional, proj_size, bias)
    for cell in (nn.RNN, nn.GRU, nn.LSTM)
    for layers in (1, 2)
    for bidirectional in (False, True)
    for proj_size in ((0, 2) if cell is nn.LSTM else (0,))
    for bias in (True, False)
]
NAMES = [
    f"{cell.__name__}-{layers}{'-both' if both else ''}"
    f"{'-proj' if proj else ''}{'' if bias else '-nobias'}"
    for cell, layers, both, proj, bias in NETWORKS
]


def make_network(network):
    cell, layers, bidirectional, proj_size, bias = network
    torch.manual_seed(0)
    options = {"proj_size": proj_size} if proj_size else {}
    return cell(
        4,
        3,
        num_layers=layers,
        bidirectional=bidirectional,
        bias=bias,
        dtype=torch.float64,
        **options,
    )


def test_the_three_documents():
    both = dot_cost([3, 2, 1])
    assert both == CostComparison(Cost(9, 6), Cost(6, 3))
    assert both.padded == (9, 6)
    assert both.packed.multiplications == 6
    assert both.packed.additions == 3
    assert both.saved_fraction == 1 / 3
    assert padding_fraction([3, 2, 1]) == 1 / 3


def test_more_columns_cost_as_many_times_more():
    assert dot_cost([3, 2, 1], columns=4) == ((36, 24), (24, 12))


@pytest.mark.parametrize(
    ("sizes", "padded", "packed"),
    [
        ([], (0, 0), (0, 0)),
        ([0], (0, 0), (0, 0)),
        ([1, 1], (2, 0), (2, 0)),
        ([0, 3], (6, 4), (3, 2)),
        ([2**62, 2], (2**63, 2**63 - 2), (2**62 + 2, 2**62)),
    ],
)
def test_a_row_of_n_takes_n_products_and_one_sum_less(sizes, padded, packed):
    assert dot_cost(sizes) == (padded, packed)


def test_the_product_of_the_article_by_counting():
    sizes, columns = [3, 2, 1], 2
    padded = Ragged(torch.ones(6), sizes).to_padded()
    with FlopCounterMode(display=False) as counter:
        padded @ torch.ones(3, columns)
    cost = dot_cost(sizes, columns=columns).padded
    assert counter.get_total_flops() == 2 * cost.multiplications


def test_the_article_left_out_the_network():
    cost = rnn_cost(nn.LSTM(10, 5), [3, 2, 1], elementwise=False)
    assert cost.padded.multiplications == 2700
    assert cost.packed.multiplications == 1800
    # 4 H rows, each of E and of H numbers: 9 and 4 sums, and one that joins.
    assert cost.packed.additions == 6 * 20 * (9 + 4)


@pytest.mark.parametrize("network", NETWORKS, ids=NAMES)
def test_pytorch_counts_the_same_matrix_products(network):
    rnn = make_network(network)
    sizes = [2, 5, 1, 3]
    padded = torch.zeros(4, 5, 4, dtype=torch.float64).transpose(0, 1)
    packed = pack_padded_sequence(padded, sizes, enforce_sorted=False)
    cost = rnn_cost(rnn, sizes, elementwise=False)
    for given_batch, own in ((padded, cost.padded), (packed, cost.packed)):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            rnn(given_batch)
        assert counter.get_total_flops() == 2 * own.multiplications


class Number:
    """A number that counts the products and sums that it takes part in."""

    multiplications = 0
    additions = 0

    def __init__(self, value):
        self.value = float(value)

    def __mul__(self, other):
        Number.multiplications += 1
        return Number(self.value * other.value)

    def __add__(self, other):
        Number.additions += 1
        return Number(self.value + other.value)

    def __rsub__(self, other):
        Number.additions += 1
        return Number(other - self.value)

    def sigmoid(self):
        return Number(1 / (1 + math.exp(-self.value)))

    def tanh(self):
        return Number(math.tanh(self.value))


def product(matrix, vector):
    """Return a matrix times a vector, row by row."""
    rows = []
    for row in matrix:
        total = row[0] * vector[0]
        for weight, number in zip(row[1:], vector[1:], strict=True):
            total = total + weight * number
        rows.append(total)
    return rows


def numbers(tensor):
    if tensor.dim() == 1:
        return [Number(value) for value in tensor.tolist()]
    return [numbers(row) for row in tensor]


def add(first, second):
    return [a + b for a, b in zip(first, second, strict=True)]


def step(rnn, weights, x, h, c):
    """One step of the equations on the pages of torch.nn, number by number."""
    from_input = product(weights["ih"], x)
    from_state = product(weights["hh"], h)
    if rnn.bias:
        from_input = add(from_input, weights["bias_ih"])
        from_state = add(from_state, weights["bias_hh"])
    size = rnn.hidden_size
    parts = range(0, len(from_input), size)
    if rnn.mode == "GRU":
        inputs = [from_input[i : i + size] for i in parts]
        states = [from_state[i : i + size] for i in parts]
        r = [a.sigmoid() for a in add(inputs[0], states[0])]
        z = [a.sigmoid() for a in add(inputs[1], states[1])]
        reset = [a * b for a, b in zip(r, states[2], strict=True)]
        n = [a.tanh() for a in add(inputs[2], reset)]
        return [
            (1 - z_k) * n_k + z_k * h_k
            for z_k, n_k, h_k in zip(z, n, h, strict=True)
        ], c
    gates = add(from_input, from_state)
    if rnn.mode == "RNN_TANH":
        return [a.tanh() for a in gates], c
    i, f, g, o = (gates[i : i + size] for i in parts)
    c = [
        f_k.sigmoid() * c_k + i_k.sigmoid() * g_k.tanh()
        for i_k, f_k, g_k, c_k in zip(i, f, g, c, strict=True)
    ]
    h = [o_k.sigmoid() * c_k.tanh() for o_k, c_k in zip(o, c, strict=True)]
    return (product(weights["hr"], h) if rnn.proj_size else h), c


def run_counting(rnn, values):
    """Run a network over one sequence (L, E) with numbers that count."""
    steps = numbers(values)
    for layer in range(rnn.num_layers):
        outputs = []
        for suffix in ("", "_reverse")[: 1 + rnn.bidirectional]:
            weights = {
                name.removeprefix("weight_").split("_l")[0]: numbers(weight)
                for name, weight in rnn.named_parameters()
                if name.endswith(f"_l{layer}{suffix}")
            }
            h = [Number(0)] * (rnn.proj_size or rnn.hidden_size)
            c = [Number(0)] * rnn.hidden_size
            states = []
            for x in reversed(steps) if suffix else steps:
                h, c = step(rnn, weights, x, h, c)
                states.append(h)
            outputs.append(states[::-1] if suffix else states)
        steps = [
            [*itertools.chain(*parts)] for parts in zip(*outputs, strict=True)
        ]
    return torch.tensor([[n.value for n in row] for row in steps]).double()


@pytest.mark.parametrize("network", NETWORKS, ids=NAMES)
def test_a_cell_that_counts_counts_the_same(network, monkeypatch):
    monkeypatch.setattr(Number, "multiplications", 0)
    monkeypatch.setattr(Number, "additions", 0)
    rnn = make_network(network)
    batch = Ragged(make_floats(3, 4), [2, 1])
    results = [run_counting(rnn, values) for values in batch]
    counted = Cost(Number.multiplications, Number.additions)
    assert counted == rnn_cost(rnn, batch.lengths).packed
    # It is the same network, not just the same number of operations.
    expected = one_by_one(rnn, batch)[0].values.detach()
    error = (torch.cat(results) - expected).abs().max()
    assert error < 1e-6


def test_relu_costs_what_tanh_costs():
    sizes = [3, 1]
    relu = nn.RNN(4, 3, nonlinearity="relu")
    assert rnn_cost(relu, sizes) == rnn_cost(nn.RNN(4, 3), sizes)


@pytest.mark.parametrize("network", NETWORKS, ids=NAMES)
@given(sizes=lengths())
def test_packing_never_costs_more(network, sizes):
    rnn = make_network(network)
    both = rnn_cost(rnn, sizes)
    one = rnn_cost(rnn, [1]).packed
    tokens = sum(sizes)
    cells = len(sizes) * max(sizes, default=0)
    assert both.packed == (tokens * one[0], tokens * one[1])
    assert both.padded == (cells * one[0], cells * one[1])
    alone = [rnn_cost(rnn, [n]).padded for n in sizes]
    assert both.packed == (
        sum(cost.multiplications for cost in alone),
        sum(cost.additions for cost in alone),
    )
    assert 0 <= both.saved_fraction == padding_fraction(sizes) < 1


@given(n=st.integers(0, 9), count=st.integers(0, 30))
def test_equal_lengths_cost_the_same_either_way(n, count):
    rnn = nn.GRU(2, 3)
    for both in (dot_cost([n] * count), rnn_cost(rnn, [n] * count)):
        assert both.padded == both.packed
        assert both.saved_fraction == 0.0
    assert padding_fraction([n] * count) == 0.0


@given(sizes=lengths(), columns=st.integers(1, 3))
def test_a_product_by_counting(sizes, columns):
    longest = max(sizes, default=0)
    both = dot_cost(sizes, columns=columns)
    for own, rows in (
        (both.padded, [longest] * len(sizes)),
        (both.packed, sizes),
    ):
        assert own.multiplications == columns * sum(rows)
        assert own.additions == columns * sum(max(0, n - 1) for n in rows)


@given(sizes=lengths(), batch_size=st.none() | st.integers(1, 50))
def test_the_padding_by_counting(sizes, batch_size):
    size = batch_size or max(1, len(sizes))
    cells = pads = 0
    for begin in range(0, len(sizes), size):
        rows = sizes[begin : begin + size]
        padded = Ragged(torch.ones(sum(rows)), rows).to_padded()
        cells += padded.numel()
        pads += int((padded == 0).sum())
    expected = pads / cells if cells else 0.0
    assert padding_fraction(sizes, batch_size) == expected


def test_sorting_saves_padding():
    draw = random.Random(0)
    sizes = [draw.randint(1, 100) for _ in range(256)]
    shuffled = padding_fraction(sizes, batch_size=32)
    by_length = padding_fraction(sorted(sizes), batch_size=32)
    assert by_length < 0.15
    assert shuffled > 0.4


def test_large_numbers_stay_exact():
    largest = 2**63 - 1
    assert padding_fraction([largest, largest, 1], 2) == 0.0
    assert padding_fraction([largest, largest, 1], 1) == 0.0
    assert padding_fraction([largest, 0]) == 0.5
    cost = rnn_cost(nn.RNN(1, 1, bias=False), [largest, 1])
    assert cost.padded == (4 * largest, 2 * largest)
    assert cost.packed == (2 * largest + 2, largest + 1)


def test_only_the_sizes_of_a_network_are_read():
    with torch.device("meta"):
        shape_alone = nn.LSTM(4, 3, 2, bidirectional=True, proj_size=2)
    real = nn.LSTM(4, 3, 2, bidirectional=True, proj_size=2).to(torch.half)
    assert rnn_cost(shape_alone, [2, 1]) == rnn_cost(real, [2, 1])


@pytest.mark.parametrize(
    "rnn", [None, "LSTM", nn.LSTM, nn.LSTMCell(2, 3), nn.RNNBase("GRU", 2, 3)]
)
def test_a_network_is_an_rnn(rnn):
    text = f"rnn is of type {type(rnn).__name__}; it must be a torch.nn.RNN"
    with pytest.raises(TypeError, match=text):
        rnn_cost(rnn, [1])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: dot_cost([-1]), ValueError, r"lengths\[0\] is -1; a length"),
        (lambda: dot_cost([1.5]), TypeError, r"lengths\[0\] is 1.5; its ele"),
        (lambda: dot_cost([1], columns=0), ValueError, "columns is 0; it mus"),
        (lambda: dot_cost([1], columns=1.0), TypeError, "columns is 1.0; it"),
        (lambda: padding_fraction(5), TypeError, "lengths is 5; it must be "),
        (lambda: padding_fraction([1], 0), ValueError, "batch_size is 0; it"),
        (lambda: padding_fraction([1], 2.0), TypeError, "batch_size is 2.0;"),
        (lambda: rnn_cost(nn.GRU(1, 1), [-1]), ValueError, r"lengths\[0\] is"),
        (
            lambda: rnn_cost(nn.GRU(1, 1), [1], elementwise="no"),
            TypeError,
            "elementwise is 'no'; it must be True or False",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, text):
    with pytest.raises(error, match=text):
        call()
