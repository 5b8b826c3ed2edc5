"""What PyTorch says of packing and of RNNs, held for torch.nn and for ours."""

import copy
import pickle

import pytest
import torch
from networks import NETWORKS, make_batch, make_state, parts_of
from strategies import SHAPES_OF_BATCHES, WITHOUT_EMPTY
from tolerances import assert_close, assert_same
from torch import nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
)

import packtutor.nn

LIBRARIES = {"torch.nn": nn, "packtutor.nn": packtutor.nn}
SHORT = [kind for kind in WITHOUT_EMPTY if kind != "very long"]


@pytest.fixture(params=LIBRARIES)
def library(request):
    return LIBRARIES[request.param]


@pytest.fixture(params=NETWORKS)
def rnn(request, library):
    torch.manual_seed(1)
    cell, options = NETWORKS[request.param]
    cell = getattr(library, cell.__name__)
    return cell(3, 4, dtype=torch.float64, **options)


@pytest.fixture(params=SHORT)
def seqs(request):
    return make_batch(SHAPES_OF_BATCHES[request.param]).to_list()


def pack(seqs):
    return pack_sequence(seqs, enforce_sorted=False)


def pad(seqs, rnn):
    return pad_sequence(seqs, batch_first=rnn.batch_first)


def assert_states_close(own, expected):
    assert isinstance(own, tuple) == isinstance(expected, tuple)
    for one, other in zip(parts_of(own), parts_of(expected), strict=True):
        assert_close(one, other)


def alone(rnn, seq, hx=None):
    """Run one sequence, unbatched."""
    if hx is not None and rnn.mode == "LSTM":
        hx = tuple(hx)
    return rnn(seq, hx)


def test_a_packed_run_is_each_sequence_alone(rnn, seqs):
    hx = make_state(rnn, len(seqs))
    output, state = rnn(pack(seqs), hx)
    for i, (own, seq) in enumerate(
        zip(unpack_sequence(output), seqs, strict=True)
    ):
        start = [part[:, i] for part in parts_of(hx)]
        expected, final = alone(
            rnn, seq, start if rnn.mode == "LSTM" else start[0]
        )
        assert_close(own, expected)
        for part, other in zip(parts_of(state), parts_of(final), strict=True):
            assert_close(part[:, i], other)


def test_a_missing_state_is_zero(rnn, seqs):
    zeros = [torch.zeros_like(p) for p in parts_of(make_state(rnn, len(seqs)))]
    zeros = tuple(zeros) if rnn.mode == "LSTM" else zeros[0]
    output, state = rnn(pack(seqs))
    expected, their_state = rnn(pack(seqs), zeros)
    assert_same(output.data, expected.data)
    assert_states_close(state, their_state)


def test_one_direction_does_not_see_right_pads(rnn, seqs):
    if rnn.bidirectional:
        pytest.skip("the other direction starts in the pads")
    padded, _ = rnn(pad(seqs, rnn))
    unpacked, sizes = pad_packed_sequence(
        rnn(pack(seqs))[0], batch_first=rnn.batch_first
    )
    for i, size in enumerate(sizes.tolist()):
        row = (i,) if rnn.batch_first else (slice(None), i)
        assert_close(unpacked[row][:size], padded[row][:size])
        assert not unpacked[row][size:].any()


def test_h_n_is_the_last_output(rnn, seqs):
    output, state = rnn(pack(seqs))
    h_n = parts_of(state)[0]
    size = h_n.shape[2]
    for i, own in enumerate(unpack_sequence(output)):
        last = h_n[-2 if rnn.bidirectional else -1, i]
        assert_same(own[-1, :size], last)
        if rnn.bidirectional:
            assert_same(own[0, size:], h_n[-1, i])


def test_the_order_is_kept(rnn, seqs):
    packed = pack(seqs)
    output, state = rnn(packed)
    assert isinstance(output, PackedSequence)
    assert_same(output.batch_sizes, packed.batch_sizes)
    assert_same(output.sorted_indices, packed.sorted_indices)
    assert_same(output.unsorted_indices, packed.unsorted_indices)
    rows = torch.randperm(len(seqs))
    shuffled, other_state = rnn(pack([seqs[i] for i in rows]))
    own = unpack_sequence(output)
    for i, other in zip(rows, unpack_sequence(shuffled), strict=True):
        assert_close(other, own[i])
    for part, other in zip(
        parts_of(state), parts_of(other_state), strict=True
    ):
        assert_close(other, part[:, rows])


def test_shapes(rnn, seqs):
    output, state = rnn(pack(seqs))
    directions = 2 if rnn.bidirectional else 1
    layers, size = rnn.num_layers * directions, rnn.proj_size or 4
    tokens = sum(map(len, seqs))
    assert output.data.shape == (tokens, size * directions)
    assert parts_of(state)[0].shape == (layers, len(seqs), size)
    if rnn.mode == "LSTM":
        assert state[1].shape == (layers, len(seqs), 4)


def test_batch_first_means_nothing_to_packed_input(rnn, seqs):
    other = copy.deepcopy(rnn)
    other.batch_first = not rnn.batch_first
    assert_same(other(pack(seqs))[0].data, rnn(pack(seqs))[0].data)


def test_total_length(rnn, seqs):
    output, _ = rnn(pack(seqs))
    longest = max(map(len, seqs))
    padded, sizes = pad_packed_sequence(
        output, batch_first=True, total_length=longest + 3
    )
    assert padded.shape[:2] == (len(seqs), longest + 3)
    assert sizes.tolist() == [len(seq) for seq in seqs]
    for i, own in enumerate(unpack_sequence(output)):
        assert_same(padded[i, : len(own)], own)
        assert not padded[i, len(own) :].any()


def test_sorted_sequences_need_no_indices(rnn, seqs):
    ordered = sorted(seqs, key=len, reverse=True)
    output, state = rnn(pack_sequence(ordered))
    assert output.sorted_indices is None
    expected, their_state = rnn(
        pack_padded_sequence(
            pad_sequence(ordered),
            [len(seq) for seq in ordered],
            enforce_sorted=False,
        )
    )
    lengths = [len(seq) for seq in ordered]
    if len(set(lengths)) == len(lengths):
        assert_close(output.data, expected.data)
    assert_states_close(state, their_state)


def test_equal_lengths_are_the_padded_run(rnn):
    seqs = make_batch([4, 4, 4]).to_list()
    output, state = rnn(pack(seqs))
    padded, their_state = rnn(pad(seqs, rnn))
    unpacked, _ = pad_packed_sequence(output, batch_first=rnn.batch_first)
    assert_close(unpacked, padded)
    assert_states_close(state, their_state)


def test_one_sequence_is_the_unbatched_run(rnn):
    seq = make_batch([5]).values
    output, state = rnn(pack([seq]))
    expected, their_state = rnn(seq)
    assert_close(output.data, expected)
    for part, other in zip(
        parts_of(state), parts_of(their_state), strict=True
    ):
        assert_close(part[:, 0], other)


def test_a_state_can_be_carried(rnn):
    if rnn.bidirectional:
        pytest.skip("the other direction starts at the end")
    seqs = make_batch([5, 3, 4]).to_list()
    output, last = rnn(pack(seqs))
    first, state = rnn(pack([seq[:2] for seq in seqs]))
    second, state = rnn(pack([seq[2:] for seq in seqs]), state)
    pieces = zip(unpack_sequence(first), unpack_sequence(second), strict=True)
    for whole, piece in zip(unpack_sequence(output), pieces, strict=True):
        assert_close(torch.cat(piece), whole)
    assert_states_close(state, last)


def test_a_state_dict_round_trip(rnn, seqs):
    packed = pack(seqs)
    expected = rnn(packed)[0].data
    kept = {key: value.clone() for key, value in rnn.state_dict().items()}
    with torch.no_grad():
        for weight in rnn.parameters():
            weight.add_(1)
    assert not torch.equal(rnn(packed)[0].data, expected)
    rnn.load_state_dict(kept)
    assert_same(rnn(packed)[0].data, expected)


def test_copies_run_the_same(rnn, seqs):
    packed = pack(seqs)
    expected = rnn(packed)[0].data
    for other in (copy.deepcopy(rnn), pickle.loads(pickle.dumps(rnn))):
        assert type(other) is type(rnn)
        assert_same(other(packed)[0].data, expected)


def test_dropout_draws_the_same(library):
    lstm = library.LSTM(3, 4, 2, dropout=0.5, dtype=torch.float64)
    theirs = nn.LSTM(3, 4, 2, dropout=0.5, dtype=torch.float64)
    theirs.load_state_dict(lstm.state_dict())
    packed = pack(make_batch([3, 5, 2]).to_list())
    torch.manual_seed(3)
    output, _ = lstm(packed)
    torch.manual_seed(3)
    expected, _ = theirs(packed)
    assert_close(output.data, expected.data)
    assert_same(lstm.eval()(packed)[0].data, lstm(packed)[0].data)


def test_gradients_reach_every_weight(rnn, seqs):
    output, state = rnn(pack(seqs))
    loss = output.data.sum() + sum(part.sum() for part in parts_of(state))
    loss.backward()
    for name, weight in rnn.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all()
