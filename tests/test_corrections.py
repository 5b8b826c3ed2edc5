"""Prove each correction of book/corrections.md, one test a row."""

from __future__ import annotations

import re

import pytest
import torch
from notebooks import BOOK
from torch import nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
)

from packtutor import (
    DOCS,
    Ragged,
    Vocabulary,
    dot_cost,
    one_by_one,
    rnn_cost,
)

VOCABULARY = Vocabulary.from_texts(DOCS)
IDS = [VOCABULARY.encode(doc) for doc in DOCS]
LENGTHS = torch.tensor([3, 2, 1])
PADDED = pad_sequence(IDS, batch_first=True)


def make_lstm(**options: bool | int) -> nn.LSTM:
    torch.manual_seed(0)
    return nn.LSTM(4, 5, batch_first=True, dtype=torch.float64, **options)


def make_vectors() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(8, 4, dtype=torch.float64, generator=generator)


def final_state(rnn: nn.LSTM, data: object) -> torch.Tensor:
    return rnn(data)[1][0]


def test_pad_owns_an_id() -> None:
    words = [word for doc in DOCS for word in doc.split()]
    from_zero = {word: number for number, word in enumerate(words)}
    ids = [torch.tensor([from_zero[w] for w in d.split()]) for d in DOCS]
    padded = pad_sequence(ids, batch_first=True, padding_value=0)
    counted = (padded != 0).sum(1)
    assert not torch.equal(counted, LENGTHS)
    counted = (VOCABULARY.pad_id != PADDED).sum(1)
    assert torch.equal(counted, LENGTHS)


def test_padding_value_outside_the_vocabulary() -> None:
    padded = pad_sequence(IDS, batch_first=True, padding_value=42)
    embedding = nn.Embedding(len(VOCABULARY), 4)
    with pytest.raises(IndexError):
        embedding(padded)


def test_nine_and_six_are_one_column() -> None:
    cost = dot_cost(LENGTHS)
    assert cost.padded == (9, 6)
    assert cost.packed == (6, 3)
    for columns in (2, 7):
        cost = dot_cost(LENGTHS, columns=columns)
        assert cost.padded == (9 * columns, 6 * columns)
        assert cost.packed == (6 * columns, 3 * columns)


def test_lstm_multiplies_per_token() -> None:
    cost = rnn_cost(nn.LSTM(10, 5), LENGTHS, elementwise=False)
    assert cost.packed.multiplications == 1_800
    assert cost.padded.multiplications == 2_700


def test_a_third_is_pads_and_they_are_not_zero() -> None:
    assert int((PADDED == 0).sum()) == 3
    assert PADDED.numel() == 9
    torch.manual_seed(0)
    plain = nn.Embedding(len(VOCABULARY), 4)
    assert bool((plain(PADDED)[1, 2] != 0).all())
    lstm = make_lstm()
    zeros = torch.zeros(1, 1, 4, dtype=torch.float64)
    assert bool((final_state(lstm, zeros) != 0).all())


def test_pack_sequence_takes_a_list_and_gives_the_same() -> None:
    from_list = pack_sequence(IDS)
    from_padded = pack_padded_sequence(PADDED, LENGTHS, batch_first=True)
    assert torch.equal(from_list.data, from_padded.data)
    assert torch.equal(from_list.batch_sizes, from_padded.batch_sizes)


def test_lengths_are_derived_not_stored() -> None:
    assert PackedSequence._fields == (
        "data",
        "batch_sizes",
        "sorted_indices",
        "unsorted_indices",
    )
    packed = pack_sequence(IDS)
    alive = torch.arange(3) < packed.batch_sizes[:, None]  # (T, B)
    assert torch.equal(alive.sum(0), LENGTHS)


def test_pads_change_states_not_earlier_outputs() -> None:
    vectors = make_vectors()[PADDED]
    lstm = make_lstm()
    batch = Ragged.from_padded(vectors, LENGTHS)
    right, (h_n, _) = one_by_one(lstm, batch)
    output, (padded_h, _) = lstm(vectors)
    real = Ragged.from_padded(output, LENGTHS)
    torch.testing.assert_close(real.values, right.values)
    torch.testing.assert_close(padded_h[:, 0], h_n[:, 0])
    assert bool(((padded_h - h_n)[:, 1:].abs() > 1e-3).any(2).all())


def test_pads_change_the_backward_direction_everywhere() -> None:
    vectors = make_vectors()[PADDED]
    lstm = make_lstm(bidirectional=True)
    batch = Ragged.from_padded(vectors, LENGTHS)
    right, _ = one_by_one(lstm, batch)
    real = Ragged.from_padded(lstm(vectors)[0], LENGTHS)
    off = (real.values - right.values).abs()[:, 5:].amax(1)
    assert bool((off[:3] < 1e-12).all())
    assert bool((off[3:] > 1e-3).all())


def test_unpacking_is_no_full_inverse() -> None:
    wide = pad_sequence(IDS, batch_first=True, padding_value=9)
    wide = torch.cat([wide, torch.full((3, 1), 9)], 1)
    packed = pack_padded_sequence(wide, LENGTHS, batch_first=True)
    back, _ = pad_packed_sequence(packed, batch_first=True)
    assert tuple(wide.shape) == (3, 4)
    assert tuple(back.shape) == (3, 3)
    assert not torch.equal(back, wide[:, :3])
    back, _ = pad_packed_sequence(
        packed, batch_first=True, padding_value=9, total_length=4
    )
    assert torch.equal(back, wide)


def test_lengths_need_no_numpy() -> None:
    by_tensor = pack_padded_sequence(PADDED, LENGTHS, batch_first=True)
    by_list = pack_padded_sequence(PADDED, [3, 2, 1], batch_first=True)
    assert torch.equal(by_tensor.data, by_list.data)


def test_batch_first_decides_the_shape() -> None:
    assert tuple(pad_sequence(IDS[:2]).shape) == (3, 2)
    assert tuple(pad_sequence(IDS[:2], batch_first=True).shape) == (2, 3)


def test_lengths_come_back_as_a_tensor() -> None:
    _, lengths = pad_packed_sequence(pack_sequence(IDS))
    assert isinstance(lengths, torch.Tensor)
    assert lengths.dtype == torch.int64
    assert lengths.device.type == "cpu"


def test_last_state_of_two_directions_is_the_backward_one() -> None:
    lstm = make_lstm(bidirectional=True)
    batch = Ragged(make_vectors()[torch.cat(IDS)], LENGTHS)
    output, (h_n, _) = one_by_one(lstm, batch)
    firsts = output.values[output.offsets[:-1]]
    torch.testing.assert_close(h_n[-1], firsts[:, 5:])


def test_page_names_each_test_and_only_these() -> None:
    page = (BOOK / "corrections.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+)`", page)
    here = [
        name
        for name in globals()
        if name.startswith("test_") and not name.startswith("test_page_")
    ]
    assert named == here
