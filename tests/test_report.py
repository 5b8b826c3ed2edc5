"""The padding report: counts, expectations, advice, output, refusals."""

import contextlib
import io
import itertools
import json
import math
import os
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_sequence, pad_sequence

from packtutor import (
    __main__,
    _reading,
    _tally,
    padding_fraction,
    rnn_cost,
    tokenize,
)
from packtutor._batches import Cutter, Doubler, sorted_batches
from packtutor._shuffled import _draw_all, _miss_all, expected_longest
from packtutor.report import (
    Padding,
    Times,
    advice,
    lstm_cost,
    memory,
    report_file,
    report_lengths,
    shuffled_padding,
)

REPORTS = Path(__file__).parent / "reports"

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=60)
SIZES = st.integers(1, 70)


def read(data, numbers=False, block=1 << 20):
    """The lengths of a file of these bytes."""
    file = io.BytesIO(data)
    blocks = _reading.read_lengths(file, "file", numbers=numbers, block=block)
    return [length for part in blocks for length in part.tolist()]


def refusal(data, **options):
    with pytest.raises(ValueError, match=".") as error:
        read(data, **options)
    return str(error.value)


def batches(lengths, size):
    return [lengths[i : i + size] for i in range(0, len(lengths), size)]


def cells(lengths, size):
    return [len(batch) * max(batch) for batch in batches(lengths, size)]


def counted(lengths):
    return torch.unique(torch.tensor(lengths), return_counts=True)


# --- reading --------------------------------------------------------------

SPACES = [chr(c) for c in range(sys.maxunicode + 1) if chr(c).isspace()]

# White space and line ends often, and letters that share bytes with them.
TEXTS = st.text(
    st.one_of(
        st.sampled_from([*SPACES, "\n", "\r", "\ufeff", "\u0081", "\u200b"]),
        st.sampled_from("aé世\u2010\u20a0\u3001\u1681\u205e\U0001f600"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=80,
)


@given(TEXTS, st.integers(1, 30))
def test_words_are_those_of_tokenize(text, block):
    lines = io.StringIO(
        text.encode().decode("utf-8-sig"), newline=None
    ).readlines()
    expected = [len(tokenize(line)) for line in lines]
    assert read(text.encode(), block=block) == expected
    assert read(text.encode()) == expected


def test_every_letter_separates_words_as_in_tokenize():
    letters = [
        chr(c)
        for c in range(1, sys.maxunicode + 1)
        if not 0xD800 <= c < 0xE000 and chr(c) not in "\n\r"
    ]
    text = "\n".join(f"a{letter}b" for letter in letters)
    expected = [len(tokenize(line)) for line in text.split("\n")]
    assert expected.count(2) == len(SPACES) - 2
    assert read(text.encode()) == expected


def test_a_line_end_is_one_however_it_is_cut():
    data = b"on your mark\r\nget set\r\rgo"
    for block in range(1, len(data) + 2):
        assert read(data, block=block) == [3, 2, 0, 1]


def test_a_last_line_end_begins_no_line():
    assert read(b"a\n") == read(b"a") == read(b"\xef\xbb\xbfa\r") == [1]
    assert read(b"\n\n") == [0, 0]
    assert read(b"") == read(b"\xef\xbb\xbf") == []


@pytest.mark.parametrize("space", [s for s in SPACES if s not in "\n\r"])
def test_each_space_alone_separates_words(space):
    assert read(f"on{space}your".encode()) == [2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\ufeff go", [1]),
        ("\ufeff\n\ufeff", [0, 1]),
        ("on \ufeff your", [3]),
        ("on\u3000\r\nyour\u3000\r", [1, 1]),
    ],
)
def test_a_letter_of_many_bytes_is_one_however_it_is_cut(text, expected):
    data = text.encode()
    for block in range(1, len(data) + 2):
        assert read(data, block=block) == expected


def test_a_block_is_read_at_a_time():
    asked = []

    class File(io.BytesIO):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    blocks = _reading.read_lengths(File(b"on your\ngo"), "file", block=4)
    assert [length for part in blocks for length in part.tolist()] == [2, 1]
    assert set(asked) == {4}
    assert len(asked) == 4
    whole = _reading.read_lengths(File(b"on your\ngo"), "file")
    assert [part.tolist() for part in whole] == [[2], [1]]


def test_a_file_of_text_is_refused():
    with pytest.raises(TypeError, match=".") as error:
        list(_reading.read_lengths(io.StringIO("go"), "file"))
    assert str(error.value) == (
        "file gives str to read; it must give bytes, as a file does that is "
        "opened in mode 'rb'"
    )


def test_one_line_longer_than_many_blocks():
    # A word of three blocks, a block of space, and no line end.
    data = b"a" * 30 + b" " * 20 + b"b c"
    assert read(data, block=10) == [3]


@pytest.mark.parametrize("block", [1, 2, 3, 5, 1 << 20])
def test_what_is_no_text(block):
    assert refusal(b"go\r\nge\0t", block=block) == (
        "file is binary: line 2 holds a NUL byte; it must be text in UTF-8"
    )
    assert refusal(b"go\rset\nna\xefve\n", block=block) == (
        "file is not UTF-8: line 3 holds the byte 0xef"
    )
    assert refusal(b"go\n\0\n\0", block=block) == (
        "file is binary: line 2 holds a NUL byte; it must be text in UTF-8"
    )
    # A letter that the end of the file cuts in two.
    assert refusal("go\nna\u00ef".encode()[:-1], block=block) == (
        "file is not UTF-8: line 2 holds the byte 0xc3"
    )


NUMBERS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 30), st.integers(0, _reading.LONGEST)),
        st.text(" \t", max_size=3),
        st.text(" \t", max_size=3),
        st.sampled_from(["\n", "\r\n", "\r"]),
    ),
    min_size=1,
)


@given(NUMBERS, st.integers(1, 30), st.booleans())
def test_numbers_are_read(rows, block, last):
    text = "".join(f"{a}{number}{b}{end}" for number, a, b, end in rows)
    if last:
        text = text.rstrip("\r\n")
    data = text.encode()
    expected = [number for number, *_ in rows]
    assert read(data, numbers=True, block=block) == expected
    assert read(data, numbers=True) == expected


RULE = (
    "; with --lengths it must hold one whole number from 0 to "
    "1,000,000,000,000"
)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("-1", "holds '-1'"),
        ("2.0", "holds '2.0'"),
        (" 3 2\t", "holds '3 2'"),
        ("go", "holds 'go'"),
        ("", "is empty"),
        ("\t", "is empty"),
        ("1_000", "holds '1_000'"),
        ("٣", "holds '٣'"),
        ("1000000000001", "holds '1000000000001'"),
        ("9" * 80, f"holds '{'9' * 56}..."),
        ("0" * 13 + "5", "holds '00000000000005'"),
        ("1:2", "holds '1:2'"),
        ("1/2\t", "holds '1/2'"),
        (" 1:2", "holds '1:2'"),
        ("x" + "é" * 60, f"holds 'x{'é' * 49}'"),
        ("x" + "\U0001f600" * 60, f"holds 'x{chr(0x1F600) * 24}'"),
    ],
)
@pytest.mark.parametrize("block", [1, 4, 1 << 20])
def test_what_is_no_length(line, seen, block):
    data = f"5\n7\n{line}\n0\n".encode()
    message = f"file: line 3 {seen}{RULE}"
    assert refusal(data, numbers=True, block=block) == message


def test_the_first_line_at_fault_is_named():
    largest = b"1000000000000\n"
    assert refusal(largest + b"x\ny\n", numbers=True) == (
        f"file: line 2 holds 'x'{RULE}"
    )
    # The numbers are as many as the lines, and each stands before the end of
    # its line.
    assert refusal(b"1\n2 3\n\n4\n", numbers=True) == (
        f"file: line 2 holds '2 3'{RULE}"
    )
    assert refusal(b"5\n7\nx", numbers=True) == (
        f"file: line 3 holds 'x'{RULE}"
    )


def test_an_endless_number(monkeypatch):
    monkeypatch.setattr(_reading, "_BLOCK", 100)
    assert read(b" " * 99 + b"5\n", numbers=True, block=10) == [5]
    assert refusal(b" " * 100 + b"5\n", numbers=True, block=101) == (
        f"file: line 1 is empty{RULE}"
    )
    data = b"1\n" + b"7" * 10_000
    assert refusal(data, numbers=True, block=10) == (
        f"file: line 2 holds '{'7' * 56}...{RULE}"
    )


# --- counting -------------------------------------------------------------


@given(st.lists(st.lists(st.integers(0, 99), min_size=1), min_size=1))
def test_lengths_are_counted(parts):
    with (
        mock.patch.object(_tally, "_SHORT", 10),
        mock.patch.object(_tally, "_DIFFERENT", 90),
    ):
        tally = _tally.Tally("file")
        for part in parts:
            tally.add(torch.tensor(part))
        values, counts = (x.tolist() for x in tally.counts())
    expected = Counter(itertools.chain(*parts))
    assert dict(zip(values, counts, strict=True)) == expected
    assert values == sorted(expected)


@pytest.mark.parametrize("lengths", [[10], [9], [3, 10, 10]])
def test_the_first_length_without_a_counter_of_its_own(lengths, monkeypatch):
    monkeypatch.setattr(_tally, "_SHORT", 10)
    tally = _tally.Tally("file")
    tally.add(torch.tensor(lengths))
    values, counts = (x.tolist() for x in tally.counts())
    assert dict(zip(values, counts, strict=True)) == Counter(lengths)


def test_too_many_different_lengths(monkeypatch):
    monkeypatch.setattr(_tally, "_SHORT", 10)
    monkeypatch.setattr(_tally, "_DIFFERENT", 20)
    assert report_lengths(range(30)).sequences == 30
    with pytest.raises(ValueError, match=".") as error:
        report_lengths(range(31))
    assert str(error.value) == (
        "lengths has more than 20 different lengths of 10 and above; so "
        "many are not counted"
    )


@given(LENGTHS)
def test_middle_and_percentile(lengths):
    ordered = sorted(lengths)
    n = len(ordered)
    values, counts = counted(lengths)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    assert _tally.median(values, counts) == middle
    least = next(
        x for x in ordered if 100 * sum(y <= x for y in ordered) >= 95 * n
    )
    assert _tally.percentile_95(values, counts) == least


@pytest.mark.parametrize("n", [19, 20, 21, 1000])
def test_the_percentile_of_many(n):
    """19 of 20 are 95 of 100: the least that so many do not exceed."""
    numbers = torch.arange(1, n + 1)
    expected = -(-95 * n // 100)
    assert _tally.percentile_95(numbers, torch.ones_like(numbers)) == expected


def test_sums_beyond_an_int64():
    values = torch.tensor([1, 10**12])
    counts = torch.tensor([3, 10**8])
    assert _tally.multiply_add(values, counts) == 10**20 + 3


# --- batches --------------------------------------------------------------


@given(LENGTHS, SIZES, st.integers(1, 9))
def test_batches_in_both_orders(lengths, size, block):
    cutter = Cutter(size)
    for part in batches(lengths, block):
        cutter.add(torch.tensor(part))
    by_length = sorted_batches(*counted(lengths), size)
    for found, ordered in (
        (cutter.batches(), lengths),
        (by_length, sorted(lengths)),
    ):
        assert found == (
            sum(cells(ordered, size)),
            max(cells(ordered, size)),
            max(map(sum, batches(ordered, size))),
        )


@given(LENGTHS, st.integers(1, 9))
def test_batches_of_doubled_sizes(lengths, block):
    doubler = Doubler((1, 2, 4, 8))
    for part in batches(lengths, block):
        doubler.add(torch.tensor(part))
    assert doubler.cells() == {
        size: sum(cells(lengths, size)) for size in (1, 2, 4, 8)
    }


@pytest.mark.parametrize("lengths", [[3, 2, 1], [0, 0, 4, 1, 1], [5] * 4])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
def test_shuffled_is_the_mean_over_all_orders(lengths, size):
    orders = list(itertools.permutations(lengths))
    total = sum(sum(cells(order, size)) for order in orders)
    expected = 1 - Fraction(sum(lengths) * len(orders), total)
    assert math.isclose(
        shuffled_padding(lengths, size), expected, abs_tol=1e-15
    )


@given(LENGTHS, SIZES)
def test_both_products_are_exact(lengths, size):
    _, counts = counted(lengths)
    n, size = len(lengths), min(size, len(lengths))
    within = counts.cumsum(0)[:-1]
    expected = [math.comb(c, size) / math.comb(n, size) for c in within]
    expected = torch.tensor(expected, dtype=torch.float64)
    for chances in (_draw_all, _miss_all):
        found = chances(within, n, size)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-25)


def test_millions_of_sequences():
    """Both products agree, over several blocks, with logarithms."""
    values = torch.arange(1, 301)
    counts = torch.full((300,), 100_000)
    within = counts.cumsum(0)[:-1]
    n = int(counts.sum())
    for size in (600, 6000):
        drawn = _draw_all(within, n, size)
        missed = _miss_all(within, n, size)
        torch.testing.assert_close(drawn, missed, rtol=1e-9, atol=1e-29)
        log = sum(
            sign * math.lgamma(x + 1)
            for sign, x in (
                (1, int(within[-1])),
                (-1, int(within[-1]) - size),
                (-1, n),
                (1, n - size),
            )
        )
        assert math.isclose(float(missed[-1]), math.exp(log), rel_tol=1e-5)
    # The one that is chosen for small batches of many sequences.
    assert 299 < expected_longest(values, counts, 600) < 300
    assert expected_longest(values, counts, 1) == pytest.approx(150.5)


def test_shuffled_agrees_with_shuffling():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(5000, generator=generator, dtype=torch.float64)
    lengths = (drawn * 0.8 + 3).exp().clamp(1, 400).long()
    for size in (2, 32, 1024):
        shares = [
            padding_fraction(
                lengths[torch.randperm(5000, generator=generator)], size
            )
            for _ in range(40)
        ]
        mean = sum(shares) / len(shares)
        assert abs(mean - shuffled_padding(lengths, size)) < 0.005


def test_shuffled_without_cells():
    assert shuffled_padding([], 2) == shuffled_padding([0, 0], 2) == 0.0


# --- statistics -----------------------------------------------------------


@given(LENGTHS.filter(any), SIZES, st.booleans())
def test_statistics(lengths, size, sort):
    statistics = report_lengths(lengths, batch_size=size, sort=sort)
    ordered = sorted(lengths) if sort else lengths
    assert statistics.sequences == len(lengths)
    assert statistics.tokens == sum(lengths)
    assert statistics.mean == sum(lengths) / len(lengths)
    assert statistics.longest == max(lengths)
    assert statistics.empty == lengths.count(0)
    assert statistics.padded_cells == sum(cells(ordered, size))
    sizes = [padding.batch_size for padding in statistics.padding]
    assert sizes == sorted({*(2**k for k in range(11)), size})
    for padding in statistics.padding:
        b = padding.batch_size
        assert padding.in_file_order == padding_fraction(lengths, b)
        assert padding.by_length == padding_fraction(sorted(lengths), b)
        assert padding.shuffled == shuffled_padding(lengths, b)
    cost = lstm_cost(statistics, 10, 5)
    lstm = nn.LSTM(10, 5)
    parts = [rnn_cost(lstm, batch) for batch in batches(ordered, size)]
    for way in ("padded", "packed"):
        for found, *numbers in zip(
            getattr(cost, way), *(getattr(p, way) for p in parts), strict=True
        ):
            assert found == sum(numbers)


def test_memory_is_what_torch_takes():
    lengths = [2, 5, 3, 4, 1, 1, 1]
    largest, together = memory(report_lengths(lengths, batch_size=3), 7)
    padded, packed = [], []
    for batch in batches(lengths, 3):
        seqs = [torch.zeros(length, 7) for length in batch]
        padded.append(pad_sequence(seqs).nbytes)
        packed.append(pack_sequence(seqs, enforce_sorted=False).data.nbytes)
    assert largest == (max(padded), max(packed))
    assert together == (sum(padded), sum(packed))


def test_many_tokens_do_not_overflow():
    lengths = [10**12] * 1000 + [1]
    statistics = report_lengths(lengths, batch_size=10**6)
    assert statistics.tokens == 10**15 + 1
    assert statistics.padded_cells == 1001 * 10**12
    cost = lstm_cost(statistics, 10**6, 10**6)
    token = rnn_cost(nn.LSTM(10**6, 10**6, device="meta"), [1]).packed
    assert cost.padded.additions == token.additions * 1001 * 10**12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: report_lengths([]), "lengths is empty; it must have a "),
        (
            lambda: report_lengths([0]),
            "lengths has 1 empty sequence and no other; one must be longer",
        ),
        (
            lambda: report_lengths([0, 0]),
            "lengths has 2 empty sequences and no other; one must be longer",
        ),
        (
            lambda: report_lengths([1, 10**12 + 1]),
            "lengths[1] is 1000000000001; it must be at most 1000000000000",
        ),
        (
            lambda: report_lengths([1], batch_size=0),
            "batch_size is 0; it must be at least 1",
        ),
        (
            lambda: report_lengths([1], batch_size=10**6 + 1),
            "batch_size is 1000001; it must be at most 1000000",
        ),
        (lambda: shuffled_padding([1], 0), "batch_size is 0; it must be at"),
        (
            lambda: report_lengths([1]).at(3),
            "batch_size is 3; it must be one of [1, 2, 4, 8, 16, 32, 64, ",
        ),
        (
            lambda: report_lengths([1]).at(0),
            "batch_size is 0; it must be at least 1",
        ),
        (
            lambda: lstm_cost(report_lengths([1]), 0, 1),
            "input_size is 0; it must be at least 1",
        ),
        (
            lambda: lstm_cost(report_lengths([1]), 10**6 + 1, 1),
            "input_size is 1000001; it must be at most 1000000",
        ),
        (
            lambda: lstm_cost(report_lengths([1]), 1, 0),
            "hidden_size is 0; it must be at least 1",
        ),
        (
            lambda: lstm_cost(report_lengths([1]), 1, 10**6 + 1),
            "hidden_size is 1000001; it must be at most 1000000",
        ),
        (
            lambda: memory(report_lengths([1]), 0),
            "input_size is 0; it must be at least 1",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=".") as error:
        call()
    assert str(error.value).startswith(message)


class Unreadable:
    read = None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sort": 1}, "sort is 1; it must be True or False"),
        ({"lengths": 1}, "lengths is 1; it must be True or False"),
        (
            {"file": Unreadable()},
            (
                "file is of type Unreadable; it must be a file that was "
                "opened to read bytes"
            ),
        ),
        ({"name": 3}, "name is of type int; it must be a str"),
        ({"on_read": 3}, "on_read is 3; it must be a function"),
        ({"on_lengths": 3}, "on_lengths is 3; it must be a function"),
    ],
)
def test_what_a_file_is_reported_with(options, message):
    with pytest.raises(TypeError, match=".") as error:
        report_file(**{"file": io.BytesIO(b"go"), **options})
    assert str(error.value) == message


def test_a_name_is_no_file():
    with pytest.raises(TypeError, match="^file is of type str; it must be a"):
        report_file("words.txt")


def test_what_a_file_is_reported_with_by_itself():
    data = b"on your mark\nget set\ngo\n"
    read, seen = [], []
    statistics = report_file(
        io.BytesIO(data),
        on_read=read.append,
        on_lengths=lambda lengths: seen.extend(lengths.tolist()),
    )
    assert (sum(read), seen) == (len(data), [3, 2, 1])
    assert statistics.batch_size == 32
    assert statistics.sort is False
    assert report_file(io.BytesIO(data)).tokens == 6
    with pytest.raises(ValueError, match="^file is empty; it must have a"):
        report_file(io.BytesIO())


def test_the_least_sizes():
    statistics = report_lengths([3, 2, 1])
    assert statistics.at(1).shuffled == 0
    assert lstm_cost(statistics, 1, 1).packed.multiplications > 0


# --- advice ---------------------------------------------------------------

SENTENCES = {
    "empty": "Drop the 2 empty sequences, or keep the batches in a "
    "packtutor.Ragged: packing refuses a sequence of length 0.",
    "equal": "Stack them in one tensor: every sequence has 3 tokens, so "
    "nothing has to be padded or packed.",
    "few": "Judge by more data: there are 3 sequences, fewer than one batch "
    "of 4, and the order makes no difference yet.",
    "outlier": "Cut the longest sequence or set it apart: 40 tokens, where "
    "the rest has at most 5; without, padding in shuffled batches falls from "
    "55.0% to 8.6%.",
    "pad": "Pad, and leave it at that: at batch size 4 only 2.4% of the "
    "cells are pads.",
    "keep": "Keep the order of the file within a batch and shuffle whole "
    "batches: like lengths stand together, with 15.0% padding against 37.5% "
    "shuffled.",
    "batch": "Batch by length: that leaves 15.0% padding, against 35.8% in "
    "the order of the file and 37.5% shuffled.",
    "pack": "Pack: even in batches by length 46.9% of the cells are pads, "
    "and a packed batch has none.",
}


def of_file(name, **options):
    with (REPORTS / f"{name}.txt").open("rb") as file:
        return report_file(file, batch_size=4, **options)


def test_each_rule_has_a_file():
    names = sorted(path.stem for path in REPORTS.iterdir())
    assert names == sorted([*SENTENCES, "run_rnn"])


@pytest.mark.parametrize("rule", SENTENCES)
def test_advice(rule):
    assert advice(of_file(rule)) == (rule, SENTENCES[rule])


def test_advice_for_sorted_batches():
    for name, rule in (
        ("keep", "pack"),
        ("batch", "pack"),
        ("pad", "pad"),
        ("outlier", "outlier"),
    ):
        assert advice(of_file(name, sort=True)).rule == rule
    assert "padding by length falls from 54.1% to 2.0%" in (
        advice(of_file("outlier", sort=True)).sentence
    )


def test_advice_for_one_and_for_several():
    assert advice(report_lengths([3, 0])).sentence.startswith(
        "Drop the empty sequence, or"
    )
    assert "there is 1 sequence, fewer" in advice(report_lengths([7])).sentence
    assert "every sequence has 1 token," in (
        advice(report_lengths([1, 1])).sentence
    )
    several = advice(report_lengths([4] * 300 + [900, 800]))
    assert several.sentence.startswith(
        "Cut the longest 2 sequences or set them apart: at least 800 tokens, "
        "where the rest has at most 4; "
    )


def test_a_long_sequence_that_costs_little_is_no_outlier():
    # Sorted, it is in one batch of 500.
    lengths = [10] * 4000 + [40]
    assert advice(report_lengths(lengths, batch_size=8)).rule == "pad"
    assert advice(report_lengths(lengths, batch_size=512)).rule == "outlier"
    assert advice(report_lengths([1, 4, 4, 4], batch_size=4)).rule == "pack"


@pytest.mark.parametrize(
    ("shares", "rule"),
    [
        # in the order of the file, shuffled, by length
        ((0.2, 0.4, 0.2), "keep"),
        ((0.21, 0.4, 0.2), "batch"),
        ((0.4, 0.2, 0.2), "batch"),
        ((0.4, 0.2, 0.21), "pack"),
        ((0.049, 0.02, 0.02), "pad"),
        ((0.02, 0.049, 0.02), "pad"),
        ((0.05, 0.02, 0.04), "pack"),
        ((0.049, 0.05, 0.04), "pack"),
    ],
)
def test_where_one_rule_ends_and_the_next_begins(shares, rule):
    statistics = report_lengths([1, 2, 3, 4], batch_size=4)
    padding = tuple(
        Padding(padding.batch_size, *shares) for padding in statistics.padding
    )
    assert advice(statistics._replace(padding=padding)).rule == rule
    # Sorted, only the padding by length counts.
    by_length = "pad" if shares[2] < 0.05 else "pack"
    replaced = statistics._replace(padding=padding, sort=True)
    assert advice(replaced).rule == by_length


def test_where_an_outlier_begins():
    def rule(lengths, size=2):
        return advice(report_lengths(lengths, batch_size=size)).rule

    # Four times as long as the rest.
    assert rule([3] * 10 + [12]) == "outlier"
    assert rule([3] * 10 + [11]) != "outlier"
    # One of a hundred sequences, or only one.
    assert rule([1] * 198 + [9, 9]) == "outlier"
    assert rule([1] * 196 + [9, 9, 9]) != "outlier"
    assert rule([1] * 9 + [9, 9]) != "outlier"
    # What is left has much padding, of which little goes with the longest.
    assert rule([1, 3] * 50 + [12]) == "batch"
    # Three pads of sixty cells are as much as an outlier has to cost.
    by_length = report_lengths([1] * 53 + [4], batch_size=2, sort=True)
    assert advice(by_length).rule == "outlier"
    # The first gap counts.
    found = advice(report_lengths([1] * 198 + [5, 50], batch_size=20))
    assert found.sentence.startswith(
        "Cut the longest 2 sequences or set them apart: at least 5 tokens, "
        "where the rest has at most 1; without, padding in shuffled batches "
        "falls from "
    )


def test_a_time_of_exactly_a_millisecond_and_of_nothing():
    found = advice(of_file("pack"), Times(1, 2, 3))
    assert found.sentence == (
        "Pad: pad 1.0 ms, pack 2.0 ms, run_rnn 3.0 ms a batch."
    )
    found = advice(of_file("pack"), Times(0, 2, 3))
    assert found.sentence.startswith("Pad: pad 0.000 ms, pack 2.000 ms, ")


@pytest.mark.parametrize(
    ("times", "error", "message"),
    [
        ((1, 2, 3), TypeError, "times is of type tuple; it must be Times"),
        (
            Times(None, 2, 3),
            TypeError,
            "times.padded_ms is None; it must be a number of milliseconds",
        ),
        (
            Times(1, True, 3),
            TypeError,
            "times.packed_ms is True; it must be a number of milliseconds",
        ),
        (
            Times(1, 2, "3"),
            TypeError,
            "times.run_rnn_ms is '3'; it must be a number of milliseconds",
        ),
        (
            Times(1, 2, math.inf),
            ValueError,
            "times.run_rnn_ms is inf; it must be finite and not negative",
        ),
        (
            Times(-1, 2, 3),
            ValueError,
            "times.padded_ms is -1; it must be finite and not negative",
        ),
    ],
)
def test_times_are_times(times, error, message):
    with pytest.raises(error, match=".") as caught:
        advice(of_file("pack"), times)
    assert str(caught.value) == message


def test_statistics_come_from_a_report():
    for call in (
        lambda: advice([3, 2, 1]),
        lambda: lstm_cost([3, 2, 1], 1, 1),
        lambda: memory([3, 2, 1], 1),
    ):
        with pytest.raises(TypeError, match=".") as error:
            call()
        assert str(error.value) == (
            "statistics is of type list; it must be what report_lengths or "
            "report_file returns"
        )


@pytest.mark.parametrize(
    ("times", "rule", "start"),
    [
        (
            Times(3.25, 5, 4),
            "pad",
            "Pad: pad 3.2 ms, run_rnn 4.0 ms, pack 5.0",
        ),
        (Times(3, 2, None), "pack", "Pack: pack 2.0 ms, pad 3.0 ms a batch."),
        (Times(3, 2, 1), "run_rnn", "Use run_rnn: run_rnn 1.0 ms, pack 2.0 "),
        (
            Times(0.5, 0.0625, 2000),
            "pack",
            "Pack: pack 0.062 ms, pad 0.500 ms, run_rnn 2,000.000 ms a batch.",
        ),
    ],
)
def test_advice_agrees_with_the_clock(times, rule, start):
    for name in ("pad", "pack", "run_rnn"):
        found = advice(of_file(name), times)
        assert found.rule == rule
        assert found.sentence.startswith(start)
    for name in ("equal", "outlier", "keep", "batch"):
        found = advice(of_file(name), times)
        assert found.rule == name
        end = start.partition(": ")[2]
        middle = f"; of the ways to run it, {rule} is best: {end}"
        assert SENTENCES[name][:-1] + middle in found.sentence
    assert advice(of_file("few"), times) == ("few", SENTENCES["few"])


@pytest.mark.parametrize(
    ("times", "rule", "what", "which"),
    [
        (Times(10, 11, 12), "pad", "Pad or pack", "pad and pack"),
        (Times(12, 11, 10), "run_rnn", "Use run_rnn or pack", "run_rnn and p"),
        (
            Times(10.5, 10, 11),
            "pack",
            "Pack, pad or use run_rnn",
            "pack, pad and run_rnn",
        ),
    ],
)
def test_ways_as_fast_as_the_fastest_are_named(times, rule, what, which):
    for name in ("pad", "pack", "run_rnn"):
        found = advice(of_file(name), times)
        assert found.rule == rule
        assert found.sentence.startswith(f"{what}, at most 10% apart: {rule} ")
    found = advice(of_file("keep"), times)
    assert found.rule == "keep"
    assert f"; of the ways to run it, {which}" in found.sentence
    assert f" are best, at most 10% apart: {rule} 10.0 ms" in found.sentence


@pytest.mark.parametrize(
    ("times", "end"),
    [
        (
            Times(3, 1, 2),
            (
                "run_rnn is best: run_rnn 2.0 ms, pad 3.0 ms a batch (pack "
                "1.0 ms without the empty ones)."
            ),
        ),
        (
            Times(2, 0.5, 2.125),
            (
                "pad and run_rnn are best, at most 10% apart: pad 2.0 ms, "
                "run_rnn 2.1 ms a batch (pack 0.5 ms without the empty ones)."
            ),
        ),
        (
            Times(2, 3, None),
            (
                "pad is best: pad 2.0 ms a batch (pack 3.0 ms without the "
                "empty ones)."
            ),
        ),
    ],
)
def test_packing_is_no_way_for_empty_sequences(times, end):
    start = SENTENCES["empty"][:-1]
    assert advice(of_file("empty"), times) == (
        "empty",
        f"{start}; of the ways to run them, {end}",
    )


# --- the command ----------------------------------------------------------

REPORTED = """\
standard input: 3 sequences, 6 tokens
  mean             2.0
  median           2.0
  95th percentile  3
  longest          3
  empty sequences  0

Padding: the share of pads among the cells of all batches. Shuffled is the
average over all orders; by length is from the shortest sequence to the
longest.
  batch size  file order  shuffled  by length
           1        0.0%      0.0%       0.0%
           2       14.3%     18.2%      14.3%
           4       33.3%     33.3%      33.3%
           8       33.3%     33.3%      33.3%
          16       33.3%     33.3%      33.3%
          32       33.3%     33.3%      33.3%
          64       33.3%     33.3%      33.3%
         128       33.3%     33.3%      33.3%
         256       33.3%     33.3%      33.3%
         512       33.3%     33.3%      33.3%
       1,024       33.3%     33.3%      33.3%

Arithmetic of nn.LSTM(10, 5) in batches of 2, in the order of the file: packing
saves 14.3%
          multiplications  additions
  padded            2,205      2,275
  packed            1,890      1,950

Memory of the inputs in bytes, 10 float32 a token
          largest batch  all batches
  padded            240          280
  packed            200          240

Advice: Pack: even in batches by length 14.3% of the cells are pads, and a
packed batch has none.
"""
SMALL = ["--batch-size", "2", "--input-size", "10", "--hidden-size", "5"]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def run(*arguments, stdin=b"", columns=80, errors=None):
    """Run the command; return its status, output and errors."""
    output, errors = io.StringIO(), errors or io.StringIO()
    source = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    with (
        mock.patch.dict(os.environ, {"COLUMNS": str(columns)}),
        mock.patch.object(sys, "stdin", source),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        status = __main__.main(["report", *map(str, arguments)])
    return status, output.getvalue(), errors.getvalue()


def report(*arguments, **options):
    status, output, errors = run(*arguments, **options)
    assert (status, errors) == (0, "")
    return output


def refuse(*arguments, **options):
    status, output, errors = run(*arguments, **options)
    assert (status, output) == (2, "")
    assert errors.startswith("packtutor: ")
    assert errors.endswith("\n")
    assert errors.count("\n") == 1
    return errors.removeprefix("packtutor: ").removesuffix("\n")


def test_the_three_documents():
    text = b"on your mark\nget set\ngo\n"
    assert report("-", *SMALL, stdin=text) == REPORTED
    numbers = b"3\n2\n1"
    assert report("-", "--lengths", *SMALL, stdin=numbers) == REPORTED


def test_a_file_of_this_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("a-b\x1b.txt")
    path.write_text("on your mark\nget set\ngo\n", "utf-8")
    title = report(path, *SMALL).partition("\n  mean")[0]
    assert title == "a-b\\x1b.txt: 3 sequences, 6 tokens"


def test_no_line_is_wider_than_the_terminal():
    text = b"a " * 10**5 + b"\nb\n" * 1000
    for columns in (60, 80, 200):
        output = report("-", stdin=text, columns=columns)
        widest = max(map(len, output.splitlines()))
        assert widest <= min(columns, 79)


def test_sorted_batches_are_said_to_be():
    path = REPORTS / "keep.txt"
    assert "batches of 32, by length" in report(path, "--sort")


def test_numbers_for_a_program():
    path = REPORTS / "batch.txt"
    output = report(path, "--json", "--batch-size", 5, "--sort")
    numbers = json.loads(output)
    with path.open("rb") as file:
        statistics = report_file(file, batch_size=5, sort=True)
    cost = lstm_cost(statistics, 128, 256)
    assert numbers == {
        "file": str(path),
        "sequences": 16,
        "empty_sequences": 0,
        "tokens": 136,
        "mean_tokens": 8.5,
        "median_tokens": 8.5,
        "percentile_95_tokens": 16,
        "longest_tokens": 16,
        "padding": [
            {
                "batch_size": padding.batch_size,
                "file_order_padding_fraction": padding.in_file_order,
                "shuffled_padding_fraction": padding.shuffled,
                "by_length_padding_fraction": padding.by_length,
            }
            for padding in statistics.padding
        ],
        "batch_size": 5,
        "order": "by_length",
        "lstm": {
            "input_size": 128,
            "hidden_size": 256,
            "padded": cost.padded._asdict(),
            "packed": cost.packed._asdict(),
            "saved_fraction": cost.saved_fraction,
        },
        "memory": {
            "largest_batch": {
                "padded_bytes": 5 * 15 * 128 * 4,
                "packed_bytes": (11 + 12 + 13 + 14 + 15) * 128 * 4,
            },
            "all_batches": {
                "padded_bytes": (5 * (5 + 10 + 15) + 16) * 128 * 4,
                "packed_bytes": 136 * 128 * 4,
            },
        },
        "advice": advice(statistics)._asdict(),
    }
    assert json.loads(report(path, "--json"))["order"] == "file_order"


def test_the_figure_is_written_whole(tmp_path):
    target = tmp_path / "report.png"
    target.write_text("old", "utf-8")
    path = REPORTS / "batch.txt"
    output = report(path, "--figure", target, columns=500)
    assert output == report(path, columns=500) + (
        f"\nThe figure is in {target}.\n"
    )
    image = target.read_bytes()
    assert image.startswith(b"\x89PNG")
    assert image.endswith(b"IEND\xaeB`\x82")
    assert len(image) <= 60_000
    assert list(tmp_path.iterdir()) == [target]
    assert json.loads(report(path, "--json", "--figure", target))


def test_the_figure_is_refused_before_the_file_is_read(tmp_path):
    name = str(tmp_path / "report.svg")
    assert refuse(tmp_path / "missing.txt", "--figure", name) == (
        f"--figure is {name!r}; its name must end in .png"
    )


def test_what_cannot_be_read(tmp_path):
    path = str(tmp_path / "missing.txt")
    message = f"cannot read {path!r}: No such file or directory"
    assert refuse(path) == message
    folder = str(tmp_path)
    assert refuse(folder).startswith(f"cannot read {folder!r}: ")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", " is empty; it must have a sequence"),
        (b"\xef\xbb\xbf", " is empty; it must have a sequence"),
        (b" \n\n", " has 2 empty sequences and no other; one must be longer"),
        (
            b"a\nb\0",
            " is binary: line 2 holds a NUL byte; it must be text in UTF-8",
        ),
        (b"a\n\xff", " is not UTF-8: line 2 holds the byte 0xff"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, data, message):
    path = tmp_path / "bad.txt"
    path.write_bytes(data)
    assert refuse(path) == f"{str(path)!r}{message}"
    assert refuse("-", stdin=data) == f"standard input{message}"


def test_what_is_no_length_is_refused(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_bytes(b"3\n-2\n")
    assert refuse(path, "--lengths") == (
        f"{str(path)!r}: line 2 holds '-2'{RULE}"
    )


@pytest.mark.parametrize("number", ["0", "-1", "x", "1000001", "1_0", "²"])
def test_wrong_numbers(number, capsys):
    with pytest.raises(SystemExit) as stop:
        __main__.main(["report", "-", "--batch-size", number])
    assert stop.value.code == 2
    assert capsys.readouterr().err.endswith(
        f"argument --batch-size: {number!r} is no whole number from 1 to "
        f"1,000,000\n"
    )


def test_threads_are_left_as_they_were():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        report("-", stdin=b"go\n")
        refuse("-")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_a_bar_on_a_terminal():
    status, output, errors = run(REPORTS / "pack.txt", errors=Terminal())
    assert status == 0
    assert "reading" in errors
    assert "74.0" in errors
    assert output == report(REPORTS / "pack.txt")


def test_a_bar_for_a_pipe_on_a_terminal(tmp_path):
    reading, writing = os.pipe()
    os.write(writing, b"go\nget set\n")
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as source:
        terminal = Terminal()
        with (
            mock.patch.object(sys, "stdin", source),
            contextlib.redirect_stderr(terminal),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            assert __main__.main(["report", "-"]) == 0
    assert "reading: 0.00B [" in terminal.getvalue()


def test_no_bar_without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    status, _, errors = run(REPORTS / "pack.txt", errors=Terminal())
    assert (status, errors) == (0, "")


def test_nothing_imports_matplotlib_unasked():
    code = (
        "import sys; from packtutor.__main__ import main; "
        "main(['report', sys.argv[1]]); "
        "sys.exit('matplotlib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, REPORTS / "pack.txt"],
        check=True,
        capture_output=True,
    )
    assert done.stderr == b""


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX pipe")
def test_a_broken_pipe_ends_quietly():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "packtutor", "report", REPORTS / "pack.txt"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
