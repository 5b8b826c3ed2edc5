"""Ragged: every constructor, conversion and method, against lists of places.

The oracle knows a batch as the places of its tokens: one list of numbers for
each sequence. A result must hold the values at those places, bit by bit.
"""

import copy
import dataclasses
import itertools
import math
import pickle

import numpy as np
import torch
from torch.nn.utils.rnn import pack_sequence

from packtutor import Ragged, check_packed
from tests.fuzz.draws import (
    NO_FLAGS,
    NO_LISTS,
    NO_NUMBERS,
    NO_TENSORS,
    change_numbers,
    draw_form,
    draw_sizes,
    draw_values,
    places_of,
    spoil_numbers,
)
from tests.fuzz.outcome import REFUSED, attempt, expect
from tests.tolerances import assert_same, take

# What PyTorch itself does not pickle, and what it does not pack.
UNPACKED = {torch.uint16, torch.uint32, torch.uint64}
UNPICKLED = UNPACKED | {torch.float8_e4m3fn, torch.float8_e5m2}


def case(source):
    """Call one of them."""
    call = source.pick(CALLS)
    source.note(call=call.__name__)
    return call(source)


def draw_batch(source, least=0, fewest=0):
    """Return a batch, its lengths, and the places of its tokens."""
    sizes = draw_sizes(source, least, fewest)
    values = draw_values(source, sum(sizes))
    source.note(sizes=sizes)
    return Ragged(values, sizes), sizes, places_of(sizes)


def compare(batch, values, places):
    """Hold a batch against the values at these places, and its own checks."""
    expect(type(batch) is Ragged, f"a {type(batch)}, and no Ragged")
    flat = torch.tensor([*itertools.chain(*places)], dtype=torch.int64)
    assert_same(batch.values, take(values, flat))
    sizes = [len(row) for row in places]
    assert_same(batch.lengths, torch.tensor(sizes, dtype=torch.int64))
    Ragged(batch.values, batch.lengths)


def construct(source):
    """Ragged(values, lengths)."""
    sizes = draw_sizes(source)
    values = draw_values(source, sum(sizes))
    given, lengths, is_right = values, draw_form(source, sizes), True
    kind = source.below(6)
    if kind == 3:
        lengths, is_right = spoil_numbers(source, sizes), False
    elif kind == 4:
        changed = change_numbers(source, sizes)
        is_right = min(changed, default=0) >= 0 and sum(changed) == sum(sizes)
        sizes = changed
        lengths = draw_form(source, changed)
    elif kind == 5:
        sparse = torch.zeros(len(values)).to_sparse()
        given = source.pick([*NO_TENSORS, torch.tensor(0), sparse])
        is_right = False
    source.note(lengths=lengths)
    batch = attempt(
        lambda: Ragged(given, lengths),
        ["lengths", "values"],
        valid=is_right,
        given=[given, lengths],
    )
    if batch is REFUSED:
        return False
    compare(batch, values, places_of(sizes))
    expect(batch.values is values, "the values were copied")
    return True


def from_list(source):
    """Ragged.from_list."""
    batch, sizes, places = draw_batch(source, fewest=1)
    seqs = [*torch.split(batch.values, sizes)]
    is_right = bool(sizes)
    given = source.pick([list, tuple, iter, Ragged.from_list])(seqs or [])
    if source.below(4) == 3:
        place = source.below(len(seqs) + 1)
        seqs.insert(place, spoil_sequence(source, batch.values, len(seqs)))
        given, is_right = seqs, False
        if source.rarely(4):
            given = source.pick([*NO_LISTS, batch.values, []])
    found = attempt(
        lambda: Ragged.from_list(given),
        ["seqs"],
        valid=is_right,
        given=[given],
    )
    if found is REFUSED:
        return False
    compare(found, batch.values, places)
    return True


def spoil_sequence(source, values, others):
    """Return what cannot stand beside sequences of these values."""
    choices = [*NO_TENSORS, torch.tensor(0), torch.zeros(2).to_sparse()]
    if others:
        trailing = values.shape[1:]
        other = torch.int64 if values.dtype != torch.int64 else torch.int32
        choices += [
            torch.zeros(2, *trailing, dtype=other),
            torch.zeros(2, *trailing, 2, dtype=values.dtype),
            torch.zeros(0, 7, dtype=values.dtype),
            torch.zeros(2, *trailing, dtype=values.dtype, device="meta"),
        ]
    return source.pick(choices)


FILLS = [0, 1, True, 0.0, -1, 0.5, 300, 1e5, 2**70, 1j]
FILLS += [float("inf"), float("nan"), "0", None, [0]]


def can_hold(dtype, value):
    """Tell whether a pad of this type can have this value."""
    if not isinstance(value, (int, float, complex)):
        return False
    if dtype.is_complex or isinstance(value, complex):
        return dtype.is_complex
    if math.isnan(value):
        return dtype.is_floating_point
    if dtype.is_floating_point:
        # This type has no infinity.
        finite = math.isfinite(value) or dtype == torch.float8_e4m3fn
        return not finite or value <= torch.finfo(dtype).max
    most = 1 if dtype == torch.bool else torch.iinfo(dtype).max
    least = 0 if dtype == torch.bool else torch.iinfo(dtype).min
    return least <= value <= most and value == int(value)


def to_padded(source):
    """Ragged.to_padded, and from_padded back."""
    batch, sizes, places = draw_batch(source)
    total = longest = max(sizes, default=0)
    options, is_right = {}, True
    side = source.pick(["right", "left"])
    batch_first = not source.flag()
    if source.flag():
        total += source.below(3)
        options["total_length"] = total
    fill = source.pick(FILLS) if source.below(3) == 2 else 0
    options |= {"batch_first": batch_first, "padding_side": side}
    options["padding_value"] = fill
    is_right = can_hold(batch.values.dtype, fill)
    if source.below(6) == 5:
        name, value = source.pick(
            [
                ("padding_side", source.pick(["Left", "", None, 1, b"left"])),
                ("batch_first", source.pick(NO_FLAGS)),
                ("total_length", source.pick(NO_NUMBERS[1:])),
                ("total_length", longest - 1),
            ]
        )
        options[name], is_right = value, False
    source.note(options=options)
    padded = attempt(
        lambda: batch.to_padded(**options),
        [*options, "total_length"],
        valid=is_right,
        given=[batch],
    )
    if padded is REFUSED:
        return False
    rows = padded if batch_first else padded.transpose(0, 1)
    trailing = batch.values.shape[1:]
    expect(rows.shape == (len(sizes), total, *trailing), "shape")
    compare_cells(rows, batch.values, places, fill, side)
    back = Ragged.from_padded(
        padded, sizes, batch_first=batch_first, padding_side=side
    )
    compare(back, batch.values, places)
    return True


def compare_cells(rows, values, places, fill, side):
    """Hold each cell against its token or the pad."""
    if not rows.numel():
        return
    is_whole = not (values.is_floating_point() or values.is_complex())
    # 2**70 is no integer of PyTorch.
    fill = int(fill) if is_whole else complex(fill)
    fill = fill if is_whole or fill.imag else fill.real
    pad = torch.tensor(fill).to(values.dtype).expand(1, *values.shape[1:])
    source = torch.cat([values, pad])
    steps = rows.shape[1]
    cells = []
    for row in places:
        pads = [len(values)] * (steps - len(row))
        cells += pads + row if side == "left" else row + pads
    expected = take(source, torch.tensor(cells, dtype=torch.int64))
    assert_same(rows.flatten(0, 1), expected)


def from_padded(source):
    """Ragged.from_padded, of rectangles that lie in memory in any way."""
    count, steps = source.below(7), source.below(7)
    values = draw_values(source, count * steps)
    padded = values.view(count, steps, *values.shape[1:])
    side = source.pick(["right", "left"])
    batch_first = not source.flag()
    sizes = [source.below(steps + 1) for _ in range(count)]
    padded, dense = relay(source, padded)
    if not batch_first:
        padded, dense = padded.transpose(0, 1), dense.transpose(0, 1)
    lengths, is_right = draw_form(source, sizes), True
    options = {"batch_first": batch_first, "padding_side": side}
    kind = source.below(8)
    if kind == 5:
        lengths, is_right = spoil_numbers(source, sizes), False
    elif kind == 6:
        changed = change_numbers(source, sizes)
        if source.flag() and count:
            changed = [*sizes[1:], steps + 1]
        fits = all(0 <= size <= steps for size in changed)
        is_right = len(changed) == count and fits
        sizes = changed
        lengths = draw_form(source, changed)
    elif kind == 7:
        is_right = False
        if source.flag():
            options["batch_first"] = source.pick(NO_FLAGS)
        else:
            padded = source.pick([*NO_TENSORS, torch.arange(3)])
    source.note(shape=(count, steps), lengths=lengths, options=options)
    batch = attempt(
        lambda: Ragged.from_padded(padded, lengths, **options),
        ["padded", "lengths", *options],
        valid=is_right,
        given=[padded, lengths],
    )
    if batch is REFUSED:
        return False
    rows = dense if batch_first else dense.transpose(0, 1)
    flat = rows.reshape(count * steps, *values.shape[1:])
    places = []
    for row, size in enumerate(sizes):
        start = row * steps + (steps - size if side == "left" else 0)
        places.append(list(range(start, start + size)))
    compare(batch, flat, places)
    return True


def relay(source, padded):
    """Return the same cells, laid out otherwise, and a plain copy."""
    plain = padded.clone()
    kind = source.below(5)
    if kind == 1:
        return padded.transpose(0, 1).clone().transpose(0, 1), plain
    if kind == 2:
        return torch.stack([padded, padded], -1)[..., 0], plain
    if kind == 3:
        return torch.stack([padded, padded])[1], plain
    if kind == 4 and padded.shape[0]:
        wide = padded[:1].expand(padded.shape)
        return wide, wide.clone()
    return padded, plain


def to_packed(source):
    """Ragged.to_packed, and from_packed back."""
    batch, sizes, places = draw_batch(source, least=source.below(2))
    is_right = bool(sizes) and min(sizes) > 0
    packed = attempt(
        batch.to_packed, ["batch", "lengths"], valid=is_right, given=[batch]
    )
    if packed is REFUSED:
        return False
    check_packed(packed)
    order = sorted(range(len(sizes)), key=lambda row: -sizes[row])
    expect(packed.sorted_indices.tolist() == order, "the order of packing")
    steps = [
        [places[row][step] for row in order if sizes[row] > step]
        for step in range(max(sizes))
    ]
    flat = torch.tensor([*itertools.chain(*steps)])
    assert_same(packed.data, take(batch.values, flat))
    expect(packed.batch_sizes.tolist() == [len(s) for s in steps], "sizes")
    compare(Ragged.from_packed(packed), batch.values, places)
    return True


def from_packed(source):
    """Ragged.from_packed, of what PyTorch packed."""
    sizes = draw_sizes(source, 1, 1) or [1]
    is_sorted = source.flag()
    if is_sorted:
        sizes.sort(reverse=True)
    values = draw_values(source, sum(sizes))
    source.note(sizes=sizes, is_sorted=is_sorted)
    seqs = torch.split(values, sizes)
    kind = torch.int32 if values.dtype in UNPACKED else values.dtype
    if not values.numel():
        return False  # PyTorch packs no values without entries
    packed = pack_sequence([s.to(kind) for s in seqs], is_sorted)
    batch = attempt(
        lambda: Ragged.from_packed(packed), [], valid=True, given=[packed]
    )
    compare(batch, values.to(kind), places_of(sizes))
    no_packed = source.pick([None, values, batch, tuple(packed), seqs])
    attempt(lambda: Ragged.from_packed(no_packed), ["packed"], valid=False)
    return True


def nested(source):
    """Ragged.to_nested, and from_nested back."""
    batch, sizes, places = draw_batch(source)
    made = attempt(
        batch.to_nested, ["batch"], valid=bool(sizes), given=[batch]
    )
    if made is REFUSED:
        return False
    back = Ragged.from_nested(made)
    compare(back, batch.values, places)
    expect(made.shape[0] == len(sizes), "shape of the nested tensor")
    for own, row in zip(made.unbind(), places, strict=True):
        expect(len(own) == len(row), "length in the nested tensor")
    wrong = source.pick([*NO_TENSORS, batch.values, batch])
    attempt(lambda: Ragged.from_nested(wrong), ["nested"], valid=False)
    return True


def read_offsets(source):
    """Ragged.from_nested, of offsets of one's own."""
    sizes = draw_sizes(source, 0, 1) or [0]
    values = draw_values(source, sum(sizes))
    offsets = [0, *itertools.accumulate(sizes)]
    is_right = True
    if source.flag():
        place = source.below(len(offsets))
        offsets[place] += source.pick([1, -1, 5, -9])
        gaps = [b - a for a, b in itertools.pairwise(offsets)]
        is_right = min(gaps) >= 0 and offsets[0] == 0
        is_right = is_right and offsets[-1] == sum(sizes)
    dtype = source.pick([torch.int64, torch.int32])
    source.note(offsets=offsets, values=values, dtype=dtype)
    made = torch.nested.nested_tensor_from_jagged(
        values, torch.tensor(offsets, dtype=dtype)
    )
    batch = attempt(
        lambda: Ragged.from_nested(made), ["nested"], valid=is_right
    )
    if batch is REFUSED:
        return False
    places = [list(range(a, b)) for a, b in itertools.pairwise(offsets)]
    compare(batch, values, places)
    return True


def get_item(source):
    """batch[index]."""
    batch, sizes, places = draw_batch(source)
    count = len(sizes)
    number = source.below(2 * count + 4) - count - 2
    kind = source.below(4)
    index = [number, np.int64(number), torch.tensor(number)][kind % 3]
    if kind == 3:
        index = source.pick([*NO_NUMBERS, slice(0, 1), torch.arange(2)])
    source.note(index=index)
    if kind != 3 and not -count <= number < count:
        try:
            batch[index]
        except IndexError as error:
            expect("index" in str(error), "the error names no index")
            return False
        expect(condition=False, text="an index outside was taken")
    seq = attempt(
        lambda: batch[index], ["index"], valid=kind != 3, given=[batch]
    )
    if seq is REFUSED:
        return False
    row = torch.tensor(places[number], dtype=torch.int64)
    assert_same(seq, take(batch.values, row))
    return True


def index_select(source):
    """Ragged.index_select."""
    batch, sizes, places = draw_batch(source)
    count = source.below(9) if sizes else 0
    rows = [source.below(len(sizes)) for _ in range(count)]
    given, is_right = draw_form(source, rows), True
    kind = source.below(5)
    if kind == 3:
        given, is_right = spoil_numbers(source, rows), False
    elif kind == 4:
        rows = change_numbers(source, rows)
        is_right = all(0 <= row < len(sizes) for row in rows)
        given = draw_form(source, rows)
    source.note(rows=given)
    chosen = attempt(
        lambda: batch.index_select(given),
        ["rows"],
        valid=is_right,
        given=[batch, given],
    )
    if chosen is REFUSED:
        return False
    compare(chosen, batch.values, [places[row] for row in rows])
    return True


def cat(source):
    """Ragged.cat."""
    batch, sizes, places = draw_batch(source)
    parts = [batch] * source.below(4)
    is_right = bool(parts)
    if source.below(3) == 2:
        trailing = batch.values.shape[1:]
        dtype = batch.values.dtype
        other = torch.int64 if dtype != torch.int64 else torch.int32
        choices = [*NO_TENSORS, batch.values, batch.to_list()]
        if parts:
            choices += [
                Ragged(torch.zeros(0, *trailing, dtype=other), []),
                Ragged(torch.zeros(0, *trailing, 1, dtype=dtype), [0]),
                batch.to("meta"),
            ]
        parts.insert(source.below(len(parts) + 1), source.pick(choices))
        is_right = False
    given = source.pick([list, tuple, iter])(parts)
    if source.rarely(12):
        wrong = [*NO_LISTS, batch.values, np.arange(2)]
        given, is_right = source.pick(wrong), False
    source.note(parts=given)
    joined = attempt(
        lambda: Ragged.cat(given), ["batches"], valid=is_right, given=[given]
    )
    if joined is REFUSED:
        return False
    expect(len(joined) == len(sizes) * len(parts), "sequences after cat")
    compare(joined, batch.values, places * len(parts))
    return True


def apply(source):
    """Ragged.apply."""
    batch, _, places = draw_batch(source)
    values = batch.values
    wide = values[:, None].expand(-1, 2, *values.shape[1:])
    right = [values, wide, values.clone()]
    wrong = [None, [1], 2, torch.tensor(0)]
    wrong += [values[1:] if len(values) else torch.zeros(1)]
    is_right = source.below(3) < 2
    result = source.pick(right if is_right else wrong)
    fn = source.pick([None, 1, "exp"]) if source.rarely(12) else None
    is_right = is_right and fn is None
    found = attempt(
        lambda: batch.apply(fn or (lambda _: result)),
        ["fn"],
        valid=is_right,
        given=[batch],
    )
    if found is REFUSED:
        return False
    compare(found, result, places)
    return True


def show(source):
    """What a batch says of itself, and its copies."""
    batch, sizes, places = draw_batch(source)
    offsets = [0, *itertools.accumulate(sizes)]
    expect(batch.offsets.tolist() == offsets, "offsets")
    expect(batch.max_length == max(sizes, default=0), "max_length")
    expect(len(batch) == len(sizes), "len")
    shown = repr(batch)
    expect(f"B={len(sizes)}, N={sum(sizes)}, " in shown, f"repr: {shown}")
    for own, other in ((batch.to_list(), places), ([*batch], places)):
        for seq, row in zip(own, other, strict=True):
            expect(len(seq) == len(row), "length of a sequence")
    if batch.values.dtype not in UNPICKLED:
        compare(pickle.loads(pickle.dumps(batch)), batch.values, places)
    compare(copy.deepcopy(batch), batch.values, places)
    compare(dataclasses.replace(batch), batch.values, places)
    compare(batch.to(batch.values.dtype, copy=True), batch.values, places)
    return True


def chain(source):
    """Several methods one after the other."""
    batch, _, places = draw_batch(source)
    values, names = batch.values, []
    for _ in range(source.between(1, 4)):
        name, step = source.pick(STEPS)
        names.append(name)
        batch, places = step(source, batch, places)
    source.note(steps=names)
    compare(batch, values, places)
    return True


def _reverse(_, batch, places):
    return batch.reverse(), [row[::-1] for row in places]


def _choose(source, batch, places):
    count = source.below(7) if places else 0
    rows = [source.below(len(places)) for _ in range(count)]
    return batch.index_select(rows), [places[row] for row in rows]


def _permute(source, batch, places):
    rows = source.shuffled(len(places))
    return batch.index_select(rows), [places[row] for row in rows]


def _double(_, batch, places):
    return Ragged.cat([batch, batch.reverse()]), places + [
        row[::-1] for row in places
    ]


def _pad(source, batch, places):
    options = {
        "batch_first": source.flag(),
        "padding_side": source.pick(["right", "left"]),
    }
    padded = batch.to_padded(padding_value=1, **options)
    return Ragged.from_padded(padded, batch.lengths, **options), places


def _pack(_, batch, places):
    rows = [number for number, row in enumerate(places) if row]
    if not rows:
        return batch, places
    packed = batch.index_select(rows).to_packed()
    return Ragged.from_packed(packed), [places[row] for row in rows]


def _nest(_, batch, places):
    return (Ragged.from_nested(batch.to_nested()) if places else batch), places


def _list(_, batch, places):
    return (Ragged.from_list(batch.to_list()) if places else batch), places


STEPS = [
    ("reverse", _reverse),
    ("choose", _choose),
    ("permute", _permute),
    ("double", _double),
    ("pad", _pad),
    ("pack", _pack),
    ("nest", _nest),
    ("list", _list),
]
CALLS = [
    construct,
    from_list,
    to_padded,
    from_padded,
    to_packed,
    from_packed,
    nested,
    read_offsets,
    get_item,
    index_select,
    cat,
    apply,
    show,
    chain,
    chain,
]
