"""last, mean and max: over the real tokens, and over nothing else."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import SHAPES_OF_BATCHES, lengths, make_floats
from tolerances import (
    HALF_TOLERANCE,
    assert_close,
    assert_same,
    relative_error,
)
from torch import nn

from packtutor import Ragged, make_repeatable, one_by_one, pooling, run_rnn

FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
EIGHT_BITS = [torch.float8_e4m3fn, torch.float8_e5m2]
every_kind = pytest.mark.parametrize("kind", SHAPES_OF_BATCHES)
both_pools = pytest.mark.parametrize(
    "pool", [pooling.mean, pooling.max], ids=["mean", "max"]
)
trailing_shapes = st.sampled_from([(), (1,), (3,), (0,), (2, 3), (2, 0)])


def one_at_a_time(pool, batch):
    """Pool each sequence alone, as PyTorch does it."""
    rows = []
    for tokens in batch:
        if not len(tokens):
            rows.append(tokens.sum(0))
        elif pool is pooling.mean:
            rows.append(tokens.mean(0))
        else:
            rows.append(tokens.max(0).values)
    return torch.stack(rows)


# The worked example: three documents, and one without words.


def test_pooling_by_hand(device):
    values = torch.tensor(
        [[3.0, -1], [0, -2], [6, -3], [4, -4], [8, -6], [7, -7]],
        device=device,
    )
    batch = Ragged(values, [3, 2, 0, 1])
    assert pooling.mean(batch).tolist() == [[3, -2], [6, -5], [0, 0], [7, -7]]
    # A padded tensor's maximum would be 0 in the second column.
    assert pooling.max(batch).tolist() == [[6, -1], [8, -4], [0, 0], [7, -7]]
    assert pooling.mean(batch).device == device


def test_the_last_state_by_hand(device):
    # Two layers, three sequences, states of two numbers.
    h_n = torch.arange(12, device=device).view(2, 3, 2).float()
    batch = Ragged(torch.zeros(4, 2, device=device), [2, 1, 1])
    assert pooling.last(batch, h_n).tolist() == [[6, 7], [8, 9], [10, 11]]
    # The same, as one layer of two directions.
    batch = Ragged(torch.zeros(4, 4, device=device), [2, 1, 1])
    assert pooling.last(batch, h_n).tolist() == [
        [0, 1, 6, 7],
        [2, 3, 8, 9],
        [4, 5, 10, 11],
    ]


# last.


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_last_state_is_what_each_direction_ends_with(
    kind, layers, bidirectional, device
):
    make_repeatable(0)
    rnn = kind(3, 4, layers, bidirectional=bidirectional).double().to(device)
    sizes = [2, 0, 5, 1]
    batch = Ragged(make_floats(8, 3, device=device), sizes)
    output, state = run_rnn(rnn, batch)
    h_n = state[0] if kind is nn.LSTM else state
    found = pooling.last(output, h_n)
    expected = torch.zeros(4, 8 if bidirectional else 4).to(found)
    for row, seq in enumerate(output):
        if len(seq):
            # Forward ends at the last token, backward at the first.
            expected[row, :4] = seq[-1, :4]
            expected[row, 4:] = seq[0, 4:]
    assert_close(found, expected)


@pytest.mark.filterwarnings("ignore:.*not supported with oneDNN:UserWarning")
def test_the_last_state_of_a_projection(device):
    make_repeatable(0)
    lstm = nn.LSTM(3, 4, proj_size=2, bidirectional=True).to(device)
    batch = Ragged(torch.ones(4, 3, device=device), [3, 1])
    with torch.no_grad():
        output, (h_n, _) = one_by_one(lstm, batch)
    found = pooling.last(output, h_n)
    assert found.shape == (2, 4)
    assert_close(found[0], torch.cat([output[0][-1, :2], output[0][0, 2:]]))


def test_an_empty_sequence_keeps_its_initial_state(device):
    gru = nn.GRU(3, 4).to(device)
    h_0 = torch.randn(1, 2, 4, device=device)
    batch = Ragged(torch.ones(1, 3, device=device), [1, 0])
    assert_same(pooling.last(*run_rnn(gru, batch, h_0))[1], h_0[0, 1])
    assert not pooling.last(*run_rnn(gru, batch))[1].any()


def test_gradients_reach_both_directions():
    h_n = torch.zeros(4, 3, 2, requires_grad=True)
    pooling.last(Ragged(torch.zeros(3, 4), [1, 1, 1]), h_n).sum().backward()
    assert h_n.grad.sum((1, 2)).tolist() == [0, 0, 6, 6]


# mean and max.


@every_kind
@both_pools
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("trailing", [(), (3,), (2, 3)])
def test_pooling_is_that_of_one_sequence_alone(
    *, kind, pool, dtype, trailing, device
):
    sizes = SHAPES_OF_BATCHES[kind]
    grads = []
    pooled = []
    for function in (pool, lambda batch: one_at_a_time(pool, batch)):
        values = make_floats(
            sum(sizes), *trailing, device=device, dtype=dtype
        ).requires_grad_()
        found = function(Ragged(values, sizes))
        weights = make_floats(*found.shape, seed=1, device=device, dtype=dtype)
        found.backward(weights)
        pooled.append(found.detach())
        grads.append(values.grad)
    if pool is pooling.max:
        assert_same(*pooled)
        assert_same(*grads)
    elif dtype in HALF_TOLERANCE:
        limit = HALF_TOLERANCE[dtype]
        assert relative_error(pooled[0].float(), pooled[1].float()) <= limit
        assert relative_error(grads[0].float(), grads[1].float()) <= limit
    else:
        assert_close(*pooled)
        assert_close(*grads)


@given(sizes=lengths(min_size=1), trailing=trailing_shapes)
def test_pooling_holds_for_all_lengths(sizes, trailing):
    batch = Ragged(make_floats(sum(sizes), *trailing), sizes)
    assert_same(pooling.max(batch), one_at_a_time(pooling.max, batch))
    assert_close(pooling.mean(batch), one_at_a_time(pooling.mean, batch))


@both_pools
@pytest.mark.parametrize("dtype", [*FLOATS, *EIGHT_BITS], ids=str)
@pytest.mark.parametrize("trailing", [(), (3,), (0,), (2, 2)])
@pytest.mark.parametrize("sizes", [[], [0], [0, 0], [1], [2, 0, 1], [0, 3]])
def test_shapes_and_types(*, pool, dtype, trailing, sizes, device):
    values = make_floats(sum(sizes), *trailing, device=device, dtype=dtype)
    found = pool(Ragged(values.requires_grad_(), sizes))
    assert found.shape == (len(sizes), *trailing)
    assert found.dtype == dtype
    assert found.device == device
    for row, size in enumerate(sizes):
        if size == 1:
            first = sum(sizes[:row])
            assert_same(found[row].detach(), values[first].detach())
        if size == 0:
            assert_same(found[row].detach(), torch.zeros_like(found[row]))
    # The graph is whole, without a token too.
    found.backward(torch.ones(found.shape, device=device).to(dtype))
    assert values.grad.shape == values.shape


@both_pools
def test_permuting_the_batch_permutes_the_result(pool):
    batch = Ragged(make_floats(13, 3), [4, 0, 2, 7])
    order = [2, 3, 0, 1]
    assert_same(pool(batch.index_select(order)), pool(batch)[order])


@both_pools
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_bad_number_stays_in_its_sequence(pool, bad, device):
    make_repeatable(0)
    sizes = [3, 4, 0, 2]
    values = make_floats(9, 3, device=device, dtype=torch.float32)
    results = []
    for number in (bad, 1.0):
        spoiled = values.clone()
        spoiled[4, 1] = number
        spoiled.requires_grad_()
        found = pool(Ragged(spoiled, sizes))
        found.sum().backward()
        results.append((found.detach(), spoiled.grad))
    others = torch.ones(4, 3, dtype=torch.bool, device=device)
    others[1, 1] = False
    assert_same(results[0][0][others], results[1][0][others])
    tokens = torch.ones(9, 3, dtype=torch.bool, device=device)
    tokens[3:7, 1] = False
    assert_same(results[0][1][tokens], results[1][1][tokens])
    if pool is pooling.mean or bad != -math.inf:
        assert str(float(results[0][0][1, 1])) == str(bad)


def test_a_sequence_of_the_lowest_number():
    values = torch.full((3,), -math.inf, requires_grad=True)
    found = pooling.max(Ragged(values, [2, 0, 1]))
    assert found.tolist() == [-math.inf, 0, -math.inf]
    found.sum().backward()
    assert values.grad.tolist() == [1, 0, 1]


def test_the_first_of_equal_ones_has_the_gradient(device):
    # Zeros, as behind a ReLU: torch.scatter_reduce would lose a part.
    values = torch.tensor(
        [[0.0, 5], [0, 5], [-1, 5], [0, 1], [0, 2]], device=device
    ).requires_grad_()
    pooling.max(Ragged(values, [3, 2])).sum().backward()
    expected = torch.tensor(
        [[1.0, 1], [0, 0], [0, 0], [1, 0], [0, 1]], device=device
    )
    assert_same(values.grad, expected)


def test_the_first_nan_has_the_gradient():
    values = torch.tensor([9.0, math.nan, math.nan, 1]).requires_grad_()
    found = pooling.max(Ragged(values, [3, 1]))
    assert math.isnan(found[0].detach())
    found.sum().backward()
    assert values.grad.tolist() == [0, 1, 0, 1]


def test_the_mean_of_a_long_sequence(device):
    sizes = [70_000, 0, 255, 256, 257, 65_537]
    values = torch.rand(sum(sizes), 3, dtype=torch.float64) + 1
    exact = one_at_a_time(pooling.mean, Ragged(values, sizes))
    found = pooling.mean(Ragged(values.float().to(device), sizes))
    # One token after the other, the error was 1e-5.
    assert relative_error(found.cpu().double(), exact) < 1e-6
    found = pooling.mean(Ragged(values.to(device), sizes))
    assert relative_error(found.cpu(), exact) < 1e-14


def test_a_sum_of_ones_does_not_stand_still():
    many = 2**24 + 2
    assert pooling.mean(Ragged(torch.ones(many), [many])).item() == 1


def test_the_gradient_of_the_mean_of_a_long_sequence():
    sizes = [600, 0, 3, 70_000]
    values = torch.zeros(sum(sizes), requires_grad=True)
    pooling.mean(Ragged(values, sizes)).sum().backward()
    for part, size in zip(values.grad.split(sizes), sizes, strict=True):
        assert_same(part, torch.full((size,), 1.0).div(max(size, 1)))


@both_pools
def test_gradients_are_right_twice(pool):
    values = make_floats(6, 2).requires_grad_()

    def square(values):
        return pool(Ragged(values, [3, 0, 1, 2])) ** 2

    assert torch.autograd.gradcheck(square, values)
    assert torch.autograd.gradgradcheck(square, values)


def test_half_types_are_added_up_in_float32():
    # In bfloat16, 256 + 1 is 256.
    values = torch.ones(1000, dtype=torch.bfloat16)
    assert pooling.mean(Ragged(values, [1000])).tolist() == [1.0]
    values = torch.full((1000,), 1000.0, dtype=torch.float16)
    assert pooling.mean(Ragged(values, [1000])).tolist() == [1000.0]


@both_pools
def test_the_values_are_not_changed(pool):
    values = make_floats(5, 2)
    before = values.clone()
    pool(Ragged(values, [2, 0, 3])).add_(1)
    assert_same(values, before)


# Errors, by their text.

V = torch.zeros(3, 2)
BATCH = Ragged(V, [2, 1])
H_N = torch.zeros(2, 2, 2)
IDS = Ragged(torch.arange(3), [2, 1])

ERRORS = [
    (lambda: pooling.mean(V), TypeError, "batch is of type Tensor; it must b"),
    (lambda: pooling.max([V]), TypeError, "batch is of type list; it must be"),
    (
        lambda: pooling.mean(IDS),
        TypeError,
        "batch has values of dtype torch.int64; they must be floating",
    ),
    (
        lambda: pooling.max(IDS.to(torch.bool)),
        TypeError,
        "batch has values of dtype torch.bool; they must be floating",
    ),
    (
        lambda: pooling.max(BATCH.to(torch.complex64)),
        TypeError,
        "batch has values of dtype torch.complex64; they must be floating",
    ),
    (lambda: pooling.last(V, H_N), TypeError, "batch is of type Tensor; it m"),
    (
        lambda: pooling.last(BATCH, None),
        TypeError,
        "h_n is of type NoneType; it must be a torch.Tensor",
    ),
    (
        lambda: pooling.last(BATCH, (H_N, H_N)),
        TypeError,
        r"h_n is a tuple; it must be a tensor: of an LSTM's \(h_n, c_n\) the",
    ),
    (
        lambda: pooling.last(BATCH, H_N[0]),
        ValueError,
        r"h_n has shape \(2, 2\); it must be \(layers x directions, B, H\)",
    ),
    (
        lambda: pooling.last(BATCH, H_N[:0]),
        ValueError,
        r"h_n has shape \(0, 2, 2\); it must be \(layers x directions, B, H",
    ),
    (
        lambda: pooling.last(Ragged(V[:, :0], [2, 1]), H_N[:, :, :0]),
        ValueError,
        r"h_n has shape \(2, 2, 0\); it must be .* none of them 0",
    ),
    (
        lambda: pooling.last(Ragged(V, [1, 1, 1]), H_N),
        ValueError,
        r"h_n has shape \(2, 2, 2\), with B = 2; the batch has 3 sequences",
    ),
    # The input of the network, most likely.
    (
        lambda: pooling.last(Ragged(torch.zeros(3, 7), [2, 1]), H_N),
        ValueError,
        (
            r"batch has values of shape \(3, 7\); they must be the network's "
            r"output, \(N, 2\) of one direction or \(N, 4\) of two, for h_n "
            r"has H = 2"
        ),
    ),
    (
        lambda: pooling.last(IDS, H_N),
        ValueError,
        r"batch has values of shape \(3,\); they must be the network's output",
    ),
    (
        lambda: pooling.last(Ragged(torch.zeros(3, 4), [2, 1]), H_N[:1]),
        ValueError,
        r"h_n has shape \(1, 2, 2\), an odd number of states; batch has 4 f",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS)
def test_bad_arguments_are_named(call, error, text):
    with pytest.raises(error, match=f"^{text}"):
        call()


def test_the_default_device_is_not_asked():
    batch = Ragged(make_floats(6, 2), [3, 0, 3])
    expected = [pooling.mean(batch), pooling.max(batch)]
    torch.set_default_device("meta")
    try:
        found = [pooling.mean(batch), pooling.max(batch)]
    finally:
        torch.set_default_device(None)
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize(
    ("states", "text"),
    [
        (torch.zeros(1, 3, 4), "with B = 3; the batch has 2 sequences"),
        (torch.tensor(0.0), r"h_n has shape \(\); it must be \(layers x dire"),
    ],
)
def test_the_shape_of_the_states_is_read_out(states, text):
    with pytest.raises(ValueError, match=text):
        pooling.last(Ragged(torch.zeros(3, 4), [2, 1]), states)


@both_pools
def test_a_single_token_beside_an_empty_sequence(pool):
    batch = Ragged(torch.tensor([[5.0, -1.0]]), [0, 1, 0])
    assert pool(batch).tolist() == [[0.0, 0.0], [5.0, -1.0], [0.0, 0.0]]
