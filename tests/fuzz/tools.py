"""The smaller functions: masks, costs, words, next tokens, pooling."""

import functools

import torch
from torch import nn

from packtutor import (
    Ragged,
    Vocabulary,
    check_packed,
    collate,
    dot_cost,
    lengths_from_mask,
    mask_from_lengths,
    next_tokens,
    padding_fraction,
    plan_run,
    pooling,
    rnn_cost,
    tokenize,
)
from packtutor.report import report_lengths, shuffled_padding
from tests.fuzz.draws import (
    NO_FLAGS,
    NO_LISTS,
    NO_NUMBERS,
    NO_TENSORS,
    draw_form,
    draw_sizes,
    draw_values,
    places_of,
    spoil_numbers,
)
from tests.fuzz.outcome import REFUSED, attempt, expect
from tests.fuzz.ragged import compare
from tests.strategies import make_values


def case(source):
    """Call one of them."""
    call = source.pick(CALLS)
    source.note(call=call.__name__)
    return call(source)


def draw_lengths(source):
    """Return lengths, the same in some form, and whether they are right."""
    sizes = draw_sizes(source)
    given, is_right = draw_form(source, sizes), True
    kind = source.below(6)
    if kind == 4:
        given, is_right = spoil_numbers(source, sizes), False
    elif kind == 5 and sizes:
        place = source.below(len(sizes))
        sizes = [*sizes[:place], -1 - sizes[place], *sizes[place + 1 :]]
        given, is_right = draw_form(source, sizes), False
    source.note(lengths=given)
    return sizes, given, is_right


def mask(source):
    """mask_from_lengths, and lengths_from_mask back."""
    sizes, given, is_right = draw_lengths(source)
    longest = max(sizes, default=0)
    total = source.pick([None, longest, longest + 2, longest - 1])
    side = source.pick(["right", "left"])
    if total is not None and total < max(longest, 0):
        is_right = False
    if source.rarely(8):
        total, is_right = source.pick(NO_NUMBERS[1:]), False
    if source.rarely(8):
        side, is_right = source.pick(["", None, "up", 1]), False
    found = attempt(
        lambda: mask_from_lengths(given, total, padding_side=side),
        ["lengths", "total_length", "padding_side"],
        valid=is_right,
        given=[given],
    )
    if found is REFUSED:
        return False
    steps = longest if total is None else total
    columns = range(steps)
    expected = [
        [t < n if side == "right" else t >= steps - n for t in columns]
        for n in sizes
    ]
    expect(found.tolist() == expected, f"mask {found}")
    expect(found.shape == (len(sizes), steps), f"shape {found.shape}")
    if side == "right":
        expect(lengths_from_mask(found).tolist() == sizes, "lengths")
    return True


def unmask(source):
    """lengths_from_mask, of any cells."""
    rows, steps = source.below(6), source.below(7)
    cells = [[source.below(4) > 0 for _ in range(steps)] for _ in range(rows)]
    if source.flag():
        cells = [sorted(row, reverse=True) for row in cells]
    is_right = all(row == sorted(row, reverse=True) for row in cells)
    given = torch.tensor(cells, dtype=torch.bool).view(rows, steps)
    if source.rarely(6):
        wrong = [given.int(), given[None], given.flatten(), *NO_TENSORS]
        given, is_right = source.pick(wrong), False
    source.note(mask=given)
    found = attempt(
        lambda: lengths_from_mask(given),
        ["mask"],
        valid=is_right,
        given=[given],
    )
    if found is REFUSED:
        return False
    expect(found.tolist() == [sum(row) for row in cells], "lengths")
    return True


def padding(source):
    """padding_fraction, and the padding of shuffled batches."""
    sizes, given, is_right = draw_lengths(source)
    size = source.pick([None, 1, 2, 3, 7, 10**12])
    if source.rarely(6):
        size, is_right = source.pick([0, -1, *NO_NUMBERS[1:]]), False
    given = [*given] if is_right else given
    found = attempt(
        lambda: padding_fraction(given, size),
        ["lengths", "batch_size"],
        valid=is_right,
        given=[given],
    )
    if found is REFUSED:
        return False
    step = size or max(1, len(sizes))
    batches = [sizes[i : i + step] for i in range(0, len(sizes), step)]
    cells = sum(len(batch) * max(batch) for batch in batches)
    expected = (cells - sum(sizes)) / cells if cells else 0.0
    expect(found == expected, f"{found}, and not {expected}")
    shuffled = shuffled_padding(given, step)
    expect(0 <= shuffled < 1, f"a share of {shuffled}")
    if sum(sizes):
        report = report_lengths(given, batch_size=min(step, 10**6))
        share = report.at(min(step, 10**6)).in_file_order
        expect(share == expected, "the share of a report")
    return True


@functools.cache
def networks():
    """Return networks that have sizes alone."""
    options = [
        {"num_layers": layers, "bidirectional": both, "bias": bias}
        for layers in (1, 2)
        for both in (False, True)
        for bias in (False, True)
    ]
    return [
        cell(3, 5, device="meta", **option, **extra)
        for cell, extra in (
            (nn.RNN, {}),
            (nn.GRU, {}),
            (nn.LSTM, {}),
            (nn.LSTM, {"proj_size": 2}),
        )
        for option in options
    ]


def cost(source):
    """dot_cost, rnn_cost and plan_run."""
    sizes, given, is_right = draw_lengths(source)
    given = [*given] if is_right else given
    rnn = source.pick(networks())
    elementwise, columns = source.flag(), source.between(1, 4)
    if source.rarely(6):
        is_right = False
        kind = source.below(3)
        if kind == 0:
            columns = source.pick([0, -1, *NO_NUMBERS])
        elif kind == 1:
            elementwise = source.pick(NO_FLAGS)
        else:
            rnn = source.pick([None, nn.LSTM, nn.Linear(1, 1), "LSTM"])

    def both():
        dot = dot_cost(given, columns=columns)
        return dot, rnn_cost(rnn, given, elementwise=elementwise)

    names = ["lengths", "columns", "rnn", "elementwise"]
    found = attempt(both, names, valid=is_right, given=[given])
    if found is REFUSED:
        return False
    dot, own = found
    cells = len(sizes) * max(sizes, default=0)
    tokens = sum(sizes)
    expect(dot.packed.multiplications == columns * tokens, "dot_cost")
    expect(dot.padded.multiplications == columns * cells, "dot_cost")
    one = rnn_cost(rnn, [1], elementwise=elementwise).packed
    for counted, number in ((own.packed, tokens), (own.padded, cells)):
        expect(counted == tuple(number * part for part in one), "rnn_cost")
    if sizes:
        plan = plan_run(rnn, given, device="cpu", training=source.flag())
        expect(plan.tokens == tokens, "tokens of a plan")
        expect(0 <= plan.padding_fraction < 1, "padding of a plan")
        expect(plan.cells >= plan.tokens, "cells of a plan")
    return True


WORDS = ["on", "your", "mark", "<pad>", "<unk>", "", " ", "\u2003", "é", "\0"]


def words(source):
    """Vocabulary and tokenize."""
    texts = [
        " ".join(source.pick(WORDS) for _ in range(source.below(6)))
        for _ in range(source.below(5))
    ]
    least, is_right = source.between(1, 3), True
    given = source.pick([list, tuple, iter])(texts)
    kind = source.below(8)
    if kind == 6:
        least, is_right = source.pick([0, -1, *NO_NUMBERS]), False
    elif kind == 7:
        wrong = [*NO_LISTS, "on your mark", [*texts, None], [b"on"], [3]]
        given, is_right = source.pick(wrong), False
    source.note(texts=given, min_count=least)
    vocabulary = attempt(
        lambda: Vocabulary.from_texts(given, min_count=least),
        ["texts", "min_count"],
        valid=is_right,
        given=[given],
    )
    if vocabulary is REFUSED:
        return False
    seen = [word for text in texts for word in text.split()]
    kept = [w for w in dict.fromkeys(seen) if seen.count(w) >= least]
    table = ["<pad>", "<unk>"]
    table += [word for word in kept if word not in table]
    expect([*vocabulary] == table, "the words of a vocabulary")
    for text in [*texts, "run <pad>"]:
        split = text.split()
        expect(tokenize(text) == split, "words of a text")
        ids = vocabulary.encode(text)
        numbers = [table.index(w) if w in table[2:] else 1 for w in split]
        expect(ids.tolist() == numbers, "ids of a text")
        back = [table[number] for number in numbers]
        expect(vocabulary.decode(ids) == back, "words of ids")
    numbers = [source.below(len(table) + 2) - 1 for _ in range(3)]
    attempt(
        lambda: vocabulary.decode(numbers),
        ["ids"],
        valid=all(0 <= number < len(table) for number in numbers),
    )
    no_ids = spoil_numbers(source, numbers)
    attempt(lambda: vocabulary.decode(no_ids), ["ids"], valid=False)
    wrong = source.pick([None, 3, b"on", ["on"]])
    for call in (vocabulary.encode, tokenize, vocabulary.__getitem__):
        attempt(lambda c=call: c(wrong), ["text", "token"], valid=False)
    return True


def following(source):
    """next_tokens, of a Ragged and of a packed batch."""
    least = source.below(3)
    sizes = draw_sizes(source, least, least and 1)
    values = draw_values(source, sum(sizes))
    batch, places = Ragged(values, sizes), places_of(sizes)
    is_packed = source.flag() and bool(sizes) and min(sizes) > 0
    source.note(sizes=sizes, is_packed=is_packed)
    given = batch.to_packed() if is_packed else batch
    pairs = attempt(
        lambda: next_tokens(given),
        ["sequence"],
        valid=not is_packed or min(sizes) > 1,
        given=[given],
    )
    wrong = source.pick([*NO_TENSORS, values, batch.to_list()])
    attempt(lambda: next_tokens(wrong), ["batch"], valid=False)
    if pairs is REFUSED:
        return False
    inputs, targets = pairs
    if is_packed:
        for packed in pairs:
            check_packed(packed)
        inputs, targets = map(Ragged.from_packed, pairs)
    compare(inputs, values, [row[:-1] for row in places])
    compare(targets, values, [row[1:] for row in places])
    return True


FLOATS = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


def pool(source):
    """pooling.mean, .max and .last."""
    sizes = draw_sizes(source)
    trailing = source.pick([(), (3,), (2, 2)])
    dtype = source.pick(FLOATS)
    values = make_values(sum(sizes), trailing, dtype)
    batch = Ragged(values, sizes)
    source.note(sizes=sizes, trailing=trailing, dtype=dtype)
    mean, most = pooling.mean(batch), pooling.max(batch)
    for row, size in enumerate(sizes):
        seq = batch[row]
        if not size:
            nothing = torch.zeros(trailing, dtype=dtype)
            expect(torch.equal(mean[row], nothing), "the mean of nothing")
            expect(torch.equal(most[row], nothing), "the maximum of nothing")
            continue
        expect(torch.equal(most[row], seq.amax(0)), "the maximum")
        exact = seq.double().mean(0)
        error = (mean[row].double() - exact).abs().max()
        allowed = 4 * torch.finfo(dtype).eps * exact.abs().max()
        expect(bool(error <= allowed), f"a mean that is {error} off")
    wrong = source.pick([*NO_TENSORS, values, batch.to(torch.int64)])
    call = source.pick([pooling.mean, pooling.max])
    attempt(lambda: call(wrong), ["batch"], valid=False)
    return last(source, sizes)


def last(source, sizes):
    """pooling.last, of states that fit the output or do not."""
    states, size = source.between(1, 4), source.between(1, 3)
    directions = source.between(1, 2)
    output = torch.zeros(sum(sizes), directions * size)
    rows = len(sizes) + (source.rarely(5))
    h_n = torch.arange(states * rows * size).view(states, rows, size).float()
    is_right = rows == len(sizes) > 0 and states % directions == 0
    if source.rarely(5):
        h_n, is_right = source.pick([*NO_TENSORS, (h_n, h_n), h_n[0]]), False
    batch = Ragged(output, sizes)
    found = attempt(
        lambda: pooling.last(batch, h_n),
        ["h_n", "batch"],
        valid=is_right,
        given=[batch, h_n],
    )
    if found is REFUSED:
        return False
    expected = torch.cat([*h_n[-directions:]], 1)
    expect(torch.equal(found, expected), "the last states")
    return True


def gather(source):
    """Collate."""
    sizes = draw_sizes(source, 0, 1)
    values = draw_values(source, sum(sizes))
    seqs = [*torch.split(values, sizes)] if sizes else []
    is_right, labels = bool(sizes), [source.below(5) for _ in sizes]
    has_labels = source.flag()
    given = [*zip(seqs, labels, strict=True)] if has_labels else seqs
    if source.rarely(3):
        wrong = [*NO_TENSORS[:2], "ab", (torch.zeros(1),), (None, 1)]
        if seqs:
            wrong += [seqs[0] if has_labels else (seqs[0], 1)]
        bad = source.pick(wrong)
        given.insert(source.below(len(given) + 1), bad)
        is_right = False
    if source.rarely(12):
        given, is_right = source.pick(NO_LISTS), False
    source.note(samples=given)
    found = attempt(
        lambda: collate(given),
        ["samples", "sequences", "labels"],
        valid=is_right,
        given=[given],
    )
    if found is REFUSED:
        return False
    batch = found.batch if has_labels else found
    compare(batch, values, places_of(sizes))
    if has_labels:
        expect(found.labels.tolist() == labels, "labels")
    return True


CALLS = [mask, unmask, padding, cost, words, following, pool, gather]
