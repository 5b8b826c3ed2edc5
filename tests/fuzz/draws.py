"""Lengths and values, right and broken."""

import itertools

import numpy as np
import torch

from tests.strategies import DTYPES, TRAILING, make_values

INT64_MAX = 2**63 - 1
INTEGERS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]
INTEGERS += [torch.uint16, torch.uint32, torch.uint64]


def draw_sizes(source, least=0, fewest=0):
    """Return lengths of every kind: few, tied, equal, one long, many."""
    kind = source.below(16)
    if kind < 10:
        count = source.between(fewest, 8)
        return [source.between(least, 6) for _ in range(count)]
    if kind < 12:
        count = source.between(18, 40)
        return [source.between(least, 3) for _ in range(count)]
    if kind < 14:
        return [source.between(least, 6)] * source.between(fewest, 24)
    rest = [source.between(least, 6) for _ in range(source.below(5))]
    if kind == 14:
        # Beyond what the package reads as lists.
        rest.insert(source.below(len(rest) + 1), source.between(100, 300))
        return rest
    pattern = [*rest, source.between(least, 2), source.between(least, 3)]
    return list(itertools.islice(itertools.cycle(pattern), 270))


def draw_values(source, rows):
    """Return values (rows, *) of any type and trailing shape."""
    trailing = source.pick(TRAILING)
    dtype = source.pick(DTYPES)
    source.note(trailing=trailing, dtype=dtype)
    return make_values(rows, trailing, dtype)


def places_of(sizes):
    """Return, for each sequence, where its tokens stand."""
    bounds = [0, *itertools.accumulate(sizes)]
    return [
        list(range(start, stop)) for start, stop in itertools.pairwise(bounds)
    ]


def draw_form(source, numbers):
    """Return integers in one of the forms that are taken."""
    dtype = source.pick(INTEGERS)
    info = torch.iinfo(dtype)
    fits = all(info.min <= number <= info.max for number in numbers)
    make = source.pick(
        [
            list,
            tuple,
            iter,
            lambda n: np.array(n, dtype=np.int64),
            lambda n: [np.int64(number) for number in n],
            lambda n: [torch.tensor(number) for number in n],
            lambda n: torch.tensor(n, dtype=dtype if fits else torch.int64),
            lambda n: torch.tensor(n, dtype=torch.int64),
        ]
    )
    return make(numbers)


def spoil_numbers(source, numbers):
    """Return what is no list of integers, whatever it is for."""
    numbers = numbers or [1]
    place = source.below(len(numbers))
    kind = source.below(14)
    if kind < 7:
        broken = list(numbers)
        broken[place] = [
            float(broken[place]),
            None,
            True,
            str(broken[place]),
            2**63 + broken[place],
            np.float64(broken[place]),
            torch.tensor([broken[place]]),
        ][kind]
        return broken
    return [
        lambda: torch.tensor(numbers, dtype=torch.float32),
        lambda: torch.tensor(numbers) > 0,
        lambda: torch.tensor([numbers]),
        lambda: np.array(numbers, dtype=np.float64),
        lambda: np.array([numbers]),
        lambda: source.pick([None, 3, 2.5, "12", b"12", object(), {1, 2}]),
        lambda: torch.tensor(numbers, device="meta"),
    ][kind - 7]()


def change_numbers(source, numbers):
    """Return the integers with one changed, left out or put in."""
    changed = list(numbers)
    kind = source.below(4 if changed else 1)
    if kind == 0:
        changed.insert(source.below(len(changed) + 1), source.below(4))
        return changed
    place = source.below(len(changed))
    if kind == 1:
        del changed[place]
    elif kind == 2:
        changed[place] += source.pick([1, -1, 2, -7, 2**62, INT64_MAX])
        changed[place] = min(changed[place], INT64_MAX)
    else:
        other = source.below(len(changed))
        changed[place], changed[other] = changed[other], changed[place]
    return changed


NO_NUMBERS = [None, 1.0, True, "1", [1], float("nan"), torch.tensor([1])]
NO_TENSORS = [None, 1, 2.5, "tensor", [1, 2], np.arange(3), object()]
NO_FLAGS = [None, 0, 1, "True", torch.tensor(True), np.True_]
NO_LISTS = [None, 1, 2.5, b"on", object(), torch.tensor(1), np.array(1)]
