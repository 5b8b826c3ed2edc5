"""Batches of each step, dealt to the processes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from packtutor._dealing import deal


def test_dealing_by_hand():
    # What differs by 3, 2 and 2 can come to differ by 1.
    costs = torch.tensor([[4, 1], [5, 7], [1, 3]])
    dealt = deal(costs)
    assert dealt.tolist() == [[0, 1]] * 3
    assert costs.gather(1, dealt).sum(0).tolist() == [10, 11]
    assert deal(torch.tensor([[5, 2, 3]])).tolist() == [[0, 1, 2]]


@given(st.integers(1, 40), st.integers(1, 7), st.integers(0, 9))
def test_dealing_leaves_no_more_than_one_step_differs(steps, processes, seed):
    generator = torch.Generator().manual_seed(seed)
    costs = torch.randint(100, (steps, processes), generator=generator)
    dealt = deal(costs)
    ranks = torch.arange(processes).expand(steps, -1)
    assert torch.equal(dealt.sort(1).values, ranks)
    shares = costs.gather(1, dealt).sum(0)
    most = (costs.amax(1) - costs.amin(1)).max()
    assert shares.max() - shares.min() <= most


def difference(steps):
    """Deal by the same method, one pair of steps after the other.

    A step is what each process would get: the cost, and the batches dealt so
    far as pairs of step and batch. Ties keep their order.
    """
    while len(steps) > 1:
        if len(steps) % 2:
            steps = [*steps, [(0, ())] * len(steps[0])]
        steps = sorted(
            steps,
            key=lambda step: min(map(first, step)) - max(map(first, step)),
        )
        steps = [
            [
                (low + high, some + others)
                for (low, some), (high, others) in zip(
                    sorted(up, key=first),
                    sorted(down, key=lambda part: -part[0]),
                    strict=True,
                )
            ]
            for up, down in zip(steps[::2], steps[1::2], strict=True)
        ]
    return [parts for _, parts in steps[0]]


def first(part):
    return part[0]


@pytest.mark.parametrize("most", [1, 2, 1000])
@pytest.mark.parametrize(
    ("steps", "processes"), [(1, 3), (2, 2), (7, 3), (40, 5), (9, 40)]
)
def test_dealing_is_the_differencing_method(steps, processes, most):
    generator = torch.Generator().manual_seed(steps)
    costs = torch.randint(most, (steps, processes), generator=generator)
    before = costs.clone()
    dealt = deal(costs)
    assert torch.equal(costs, before)
    parts = difference(
        [
            [(cost, ((step, batch),)) for batch, cost in enumerate(row)]
            for step, row in enumerate(costs.tolist())
        ]
    )
    expected = torch.full(costs.shape, -1)
    for process, batches in enumerate(parts):
        for step, batch in batches:
            expected[step, process] = batch
    assert torch.equal(dealt, expected)
