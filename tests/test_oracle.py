"""one_by_one, against PyTorch's packed run."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import (
    NETWORKS,
    gradients,
    make_batch,
    make_network,
    make_state,
    parts_of,
    run_packed,
)
from strategies import SHAPES_OF_BATCHES, WITHOUT_EMPTY, lengths
from tolerances import assert_close, assert_same
from torch import nn

from packtutor import Ragged, one_by_one, run_rnn


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "sizes", [[3, 2, 1], [1, 4, 2, 2], [2, 1, 3] * 7, [5]], ids=str
)
def test_it_is_the_packed_run(name, sizes, with_state, device):
    rnn, batch = make_network(name, device), make_batch(sizes, device)
    hx = make_state(rnn, len(sizes), device) if with_state else None
    own, own_gradients = gradients(one_by_one, rnn, batch, hx)
    expected, their_gradients = gradients(run_packed, rnn, batch, hx)
    for ours, theirs in zip(own, expected, strict=True):
        assert_close(ours, theirs)
    for ours, theirs in zip(own_gradients, their_gradients, strict=True):
        assert_close(ours, theirs)


# PyTorch says so when it runs a projection in float32 on a CPU.
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")
@pytest.mark.parametrize("name", NETWORKS)
def test_single_precision_agrees_too(name, device):
    rnn = make_network(name, device, torch.float32)
    batch = make_batch([3, 1, 2], device, torch.float32)
    own, state = one_by_one(rnn, batch)
    expected, their_state = run_packed(rnn, batch)
    assert_close(own.values, expected.values)
    for ours, theirs in zip(
        parts_of(state), parts_of(their_state), strict=True
    ):
        assert_close(ours, theirs)


@settings(max_examples=15)
@given(sizes=lengths(least=1, min_size=1), name=st.sampled_from([*NETWORKS]))
def test_it_is_the_packed_run_of_any_lengths(sizes, name):
    rnn, batch = make_network(name), make_batch(sizes)
    with torch.no_grad():
        own, state = one_by_one(rnn, batch)
        expected, their_state = run_packed(rnn, batch)
    assert_close(own.values, expected.values)
    assert_same(own.lengths, torch.tensor(sizes))
    for ours, theirs in zip(
        parts_of(state), parts_of(their_state), strict=True
    ):
        assert_close(ours, theirs)


@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_are_those_of_torch_nn(name, device):
    rnn, batch = make_network(name, device), make_batch([3, 2, 1], device)
    output, state = one_by_one(rnn, batch)
    layers = rnn.num_layers * (2 if rnn.bidirectional else 1)
    size = rnn.proj_size or 4
    assert output.values.shape == (6, size * (2 if rnn.bidirectional else 1))
    assert output.lengths.tolist() == [3, 2, 1]
    assert isinstance(state, tuple) == (rnn.mode == "LSTM")
    assert parts_of(state)[0].shape == (layers, 3, size)
    assert parts_of(state)[-1].shape == (layers, 3, 4 if size == 2 else size)
    for part in (output.values, *parts_of(state)):
        assert part.device == device
        assert part.dtype == torch.float64


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_an_empty_sequence_returns_its_initial_state(name, with_state, device):
    rnn = make_network(name, device)
    batch = make_batch([0, 3, 0, 1], device)
    hx = make_state(rnn, 4, device)
    output, state = one_by_one(rnn, batch, hx if with_state else None)
    rows = [1, 3]
    inner = tuple(part[:, rows] for part in parts_of(hx))
    expected, their_state = run_packed(
        rnn,
        batch.index_select(rows),
        None if not with_state else inner[0] if len(inner) == 1 else inner,
    )
    assert_close(output.values, expected.values)
    assert output.lengths.tolist() == [0, 3, 0, 1]
    for part, start, theirs in zip(
        parts_of(state), parts_of(hx), parts_of(their_state), strict=True
    ):
        assert_close(part[:, rows], theirs)
        first = start if with_state else torch.zeros_like(start)
        assert_same(part[:, [0, 2]], first[:, [0, 2]])


@pytest.mark.parametrize("name", NETWORKS)
def test_all_sequences_may_be_empty(name, device):
    rnn, batch = make_network(name, device), make_batch([0, 0], device)
    hx = make_state(rnn, 2, device)
    output, state = one_by_one(rnn, batch, hx)
    size = rnn.proj_size or 4
    assert output.values.shape == (0, size * (2 if rnn.bidirectional else 1))
    assert output.values.device == device
    assert output.lengths.tolist() == [0, 0]
    for part, start in zip(parts_of(state), parts_of(hx), strict=True):
        assert_same(part, start)


@pytest.mark.parametrize("name", NETWORKS)
def test_where_all_are_empty_gradients_are_zeros(name, device):
    rnn, batch = make_network(name, device), make_batch([0, 0], device)
    batch.values.requires_grad_()
    output, _ = one_by_one(rnn, batch)
    output.values.sum().backward()
    for source in (batch.values, *rnn.parameters()):
        assert_same(source.grad, torch.zeros_like(source))
    # A state reaches its final one alone, as it does in run_rnn.
    hx = make_state(rnn, 2, device)
    _, own = gradients(one_by_one, rnn, batch.apply(torch.clone), hx)
    _, theirs = gradients(run_rnn, rnn, batch.apply(torch.clone), hx)
    for one, other in zip(own, theirs, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "kind", [kind for kind in WITHOUT_EMPTY if kind != "very long"]
)
def test_permuting_the_batch_permutes_the_result(name, kind):
    sizes = SHAPES_OF_BATCHES[kind]
    rnn, batch = make_network(name), make_batch(sizes)
    hx = make_state(rnn, len(sizes))
    rows = torch.randperm(len(sizes))
    with torch.no_grad():
        output, state = one_by_one(rnn, batch, hx)
        shuffled = tuple(part[:, rows] for part in parts_of(hx))
        output_2, state_2 = one_by_one(
            rnn,
            batch.index_select(rows),
            shuffled if len(shuffled) == 2 else shuffled[0],
        )
    assert_same(output.index_select(rows).values, output_2.values)
    for first, second in zip(parts_of(state), parts_of(state_2), strict=True):
        assert_same(first[:, rows], second)


def test_a_nan_stays_in_its_sequence(device):
    rnn = make_network("LSTM both ways", device)
    batch = make_batch([3, 2, 1], device)
    clean, (h_n, _) = one_by_one(rnn, batch)
    spoilt = batch.values.clone()
    spoilt[4] = float("nan")
    output, (h_n_2, _) = one_by_one(rnn, Ragged(spoilt, [3, 2, 1]))
    for row in (0, 2):
        assert_same(output[row], clean[row])
        assert_same(h_n_2[:, row], h_n[:, row])
    assert output[1].isnan().any()


@pytest.mark.parametrize("name", ["tanh", "GRU", "LSTM", "LSTM batch first"])
def test_a_state_can_be_carried(name, device):
    rnn = make_network(name, device)
    whole = make_batch([5, 2], device)
    pieces = [
        Ragged.from_list([seq[:2] for seq in whole]),
        Ragged.from_list([seq[2:] for seq in whole]),
    ]
    expected, last = one_by_one(rnn, whole)
    first, state = one_by_one(rnn, pieces[0])
    second, state = one_by_one(rnn, pieces[1], state)
    for i, seq in enumerate(expected):
        assert_close(torch.cat([first[i], second[i]]), seq)
    for ours, theirs in zip(parts_of(state), parts_of(last), strict=True):
        assert_close(ours, theirs)


def test_a_list_of_two_states_is_a_pair():
    rnn, batch = make_network("LSTM"), make_batch([2, 1])
    hx = make_state(rnn, 2)
    assert_same(
        one_by_one(rnn, batch, list(hx))[0].values,
        one_by_one(rnn, batch, hx)[0].values,
    )


def test_the_arguments_are_left_alone():
    rnn, batch = make_network("LSTM"), make_batch([3, 2])
    hx = make_state(rnn, 2)
    before = [part.clone() for part in (batch.values, *hx)]
    weights = [weight.clone() for weight in rnn.parameters()]
    one_by_one(rnn, batch, hx)
    for part, copied in zip((batch.values, *hx), before, strict=True):
        assert_same(part, copied)
    for weight, copied in zip(rnn.parameters(), weights, strict=True):
        assert_same(weight, copied)


def test_dropout_is_off_in_eval():
    rnn = nn.LSTM(3, 4, 2, dropout=0.9, dtype=torch.float64).eval()
    batch = make_batch([3, 2, 1])
    assert_close(
        one_by_one(rnn, batch)[0].values, run_packed(rnn, batch)[0].values
    )


def test_autocast_may_change_the_type(device):
    rnn = make_network("LSTM", device, torch.float32)
    batch = make_batch([3, 2, 1], device).to(torch.bfloat16)
    with torch.autocast(device.type, torch.bfloat16):
        output, _ = one_by_one(rnn, batch)
    assert output.values.shape == (6, 4)
    assert output.values.isfinite().all()


def test_a_network_may_have_a_shape_alone():
    rnn = make_network("LSTM projected", "meta")
    output, (h_n, c_n) = one_by_one(rnn, make_batch([2, 0]).to("meta"))
    assert output.values.shape == (2, 4)
    assert (h_n.shape, c_n.shape) == ((4, 2, 2), (4, 2, 4))
    with pytest.raises(
        TypeError, match="has dtype torch.float32; the weights"
    ):
        one_by_one(rnn, make_batch([2]).to("meta", torch.float32))


X = make_batch([3, 2, 1])
H = torch.zeros(1, 3, 4, dtype=torch.float64)


@pytest.mark.parametrize(
    ("rnn", "batch", "error", "text"),
    [
        (None, X, TypeError, "rnn is of type NoneType; it must be a torch.nn"),
        (nn.GRUCell(3, 4), X, TypeError, "rnn is of type GRUCell; it must be"),
        (nn.RNNBase("GRU", 3, 4), X, TypeError, "rnn is of type RNNBase; it"),
        ("LSTM", X.values, TypeError, "batch is of type Tensor; it must be a"),
        ("LSTM", X.to_packed(), TypeError, "batch is of type PackedSequence;"),
        ("LSTM", X.index_select([]), ValueError, "batch has no sequence; it "),
        (
            "LSTM",
            X.to(torch.int64),
            TypeError,
            "batch.values has dtype torch.int64; .* embed the ids first",
        ),
        (
            "GRU",
            X.to(torch.float32),
            TypeError,
            "batch.values has dtype torch.float32; the weights have torch.flo",
        ),
        (
            "GRU",
            X.to("meta"),
            ValueError,
            "batch.values is on device meta; the weights are on cpu",
        ),
        (
            "GRU",
            X.apply(lambda x: x[:, :2]),
            ValueError,
            r"batch.values has shape \(6, 2\); it must be \(N, 3\), the netwo",
        ),
        (
            "GRU",
            X.apply(lambda x: x[:, 0]),
            ValueError,
            r"batch.values has shape \(6,\); it must be \(N, 3\)",
        ),
    ],
)
def test_bad_arguments_are_named(rnn, batch, error, text):
    rnn = make_network(rnn) if rnn in NETWORKS else rnn
    with pytest.raises(error, match=text):
        one_by_one(rnn, batch)


@pytest.mark.parametrize(
    ("name", "hx", "error", "text"),
    [
        ("LSTM", H, TypeError, r"hx is of type Tensor; .* tuple \(h_0, c_0\)"),
        ("LSTM", (H,), TypeError, r"hx has 1 parts; .* a tuple \(h_0, c_0\)"),
        ("LSTM", (H, H, H), TypeError, "hx has 3 parts; it must be a tuple"),
        ("LSTM", (H, None), TypeError, "hx: c_0 is of type NoneType; hx must"),
        ("LSTM", 5, TypeError, "hx is of type int; it must be a tuple"),
        ("GRU", (H,), TypeError, "hx: h_0 is of type tuple; hx must be a ten"),
        ("GRU", 5, TypeError, "hx: h_0 is of type int; hx must be a tensor"),
        (
            "GRU",
            H[:, :2],
            ValueError,
            r"hx: h_0 has shape \(1, 2, 4\); .* = \(1, 3, 4\)",
        ),
        # PyTorch uses the first B of them in silence.
        (
            "LSTM",
            (H, H.repeat(1, 2, 1)),
            ValueError,
            r"hx: c_0 has shape \(1, 6, 4\); .* = \(1, 3, 4\)",
        ),
        ("GRU", H[0], ValueError, r"hx: h_0 has shape \(3, 4\); it must be"),
        (
            "LSTM projected",
            (H.repeat(4, 1, 1), H.repeat(4, 1, 1)),
            ValueError,
            r"hx: h_0 has shape \(4, 3, 4\); .* = \(4, 3, 2\)",
        ),
        ("GRU", H.float(), TypeError, "hx: h_0 has dtype torch.float32; the"),
        (
            "GRU",
            H.to("meta"),
            ValueError,
            "hx: h_0 is on device meta; the wei",
        ),
    ],
)
def test_a_bad_state_is_named(name, hx, error, text):
    with pytest.raises(error, match=text):
        one_by_one(make_network(name), X, hx)


def test_an_empty_batch_is_refused_in_these_words():
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (held below)
        one_by_one(nn.GRU(2, 3), Ragged(torch.zeros(0, 2), []))
    text = "batch has no sequence; it must have at least one"
    assert str(caught.value) == text
