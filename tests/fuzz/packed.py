"""check_packed: what it takes is what PyTorch reads."""

import itertools

import torch
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_sequence,
    pad_packed_sequence,
)

from packtutor import Ragged, check_packed
from tests.fuzz.draws import (
    NO_TENSORS,
    change_numbers,
    draw_sizes,
    draw_values,
)
from tests.fuzz.outcome import REFUSED, attempt, expect
from tests.tolerances import assert_same, take

NAMES = [
    f"packed.{name}"
    for name in ("data", "batch_sizes", "sorted_indices", "unsorted_indices")
]


def case(source):
    """Check a packed batch that is right, or broken in one place."""
    sizes = draw_sizes(source, 1, 1) or [1]
    fields = draw_fields(source, sizes)
    is_right = True
    if source.flag():
        fields, is_right = break_one(source, fields)
    # The constructor would already refuse some of them.
    packed = PackedSequence._make(fields)
    if source.rarely(100) and fields[2] is not None:
        # No value can be read there.
        fields = [
            field
            if place == 1 or not isinstance(field, torch.Tensor)
            else field.to("meta")
            for place, field in enumerate(fields)
        ]
        packed, is_right = PackedSequence._make(fields), False
    elif source.rarely(50):
        packed, is_right = source.pick([None, tuple(fields), fields[0]]), False
    source.note(packed=packed)
    accepted = attempt(
        lambda: check_packed(packed),
        [*NAMES, "packed is"],
        valid=is_right,
        given=[packed],
    )
    if accepted is REFUSED:
        return False
    compare_with_pytorch(packed)
    return True


def draw_fields(source, sizes):
    """Return the four fields of a packed batch of these lengths."""
    order = sorted(range(len(sizes)), key=lambda row: -sizes[row])
    steps = max(sizes)
    counts = [sum(size > step for size in sizes) for step in range(steps)]
    data = draw_values(source, sum(sizes))
    counts = torch.tensor(counts)
    if source.below(3) == 2:
        return [data, counts, None, None]
    back = [0] * len(order)
    for place, row in enumerate(order):
        back[row] = place
    return [data, counts, torch.tensor(order), torch.tensor(back)]


def break_one(source, fields):
    """Change one field; tell whether the four still fit together."""
    place = source.below(4)
    if fields[place] is None or source.below(3) == 2:
        fields[place] = spoil_type(source, fields, place)
        return fields, False
    if place == 0:
        data = fields[0]
        more = source.flag() or not len(data)
        fields[0] = torch.cat([data, data[:1]]) if more else data[1:]
        return fields, len(fields[0]) == len(data)
    numbers = change_numbers(source, fields[place].tolist())
    fields[place] = torch.tensor(numbers, dtype=torch.int64)
    return fields, fit_together(fields)


def spoil_type(source, fields, place):
    """Return what the field can never be."""
    field = fields[place]
    if field is None:
        # The counterpart of a None is a None.
        return torch.arange(int(fields[1][0]))
    if place == 0:
        sparse = torch.zeros(len(field)).to_sparse()
        return source.pick([*NO_TENSORS, torch.tensor(0), sparse])
    return source.pick(
        [
            None if place > 1 else field[:0],
            *NO_TENSORS[1:],
            field[0],
            field[None],
            field.int(),
            field.double(),
            field > 0,
            field.to_sparse(),
            field.to("meta"),
        ]
    )


def fit_together(fields):
    """Tell, number by number, whether the fields describe a batch."""
    data, counts, order, back = fields
    counts = counts.tolist()
    falling = all(one >= two for one, two in itertools.pairwise(counts))
    if not counts or not falling or counts[-1] < 1:
        return False
    if sum(counts) != len(data):
        return False
    if order is None:
        return True
    order, back = order.tolist(), back.tolist()
    everyone = list(range(counts[0]))
    return (
        sorted(order) == everyone
        and sorted(back) == everyone
        and all(back[row] == place for place, row in enumerate(order))
    )


def compare_with_pytorch(packed):
    """Hold what was taken against PyTorch's reading and writing of it."""
    data, counts, order, _ = packed
    starts = [0, *itertools.accumulate(counts.tolist())]
    columns = [
        [starts[step] + place for step, n in enumerate(counts) if place < n]
        for place in range(int(counts[0]))
    ]
    rows = range(len(columns)) if order is None else order.tolist()
    places = dict(zip(rows, columns, strict=True))
    in_order = [places[row] for row in range(len(columns))]
    sizes = [len(row) for row in in_order]

    batch = Ragged.from_packed(packed)
    flat = torch.tensor([*itertools.chain(*in_order)])
    assert_same(batch.values, take(data, flat))
    expect(batch.lengths.tolist() == sizes, "lengths of from_packed")

    # In these types PyTorch has all that it needs.
    if data.dtype not in (torch.float64, torch.int64, torch.bool):
        return
    padded, lengths = pad_packed_sequence(packed, batch_first=True)
    expect(lengths.tolist() == sizes, "lengths of pad_packed_sequence")
    assert_same(padded, batch.to_padded())
    if not data.numel():
        return  # PyTorch does not pack values without entries
    again = pack_sequence([data[columns_n] for columns_n in columns])
    assert_same(again.data, data)
    assert_same(again.batch_sizes, counts)
