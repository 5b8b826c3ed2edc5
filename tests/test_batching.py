"""BucketBatchSampler: budgets, fill, chance, processes, going on; collate."""

import copy
import hashlib
import io
import json
import pickle
import subprocess
import sys
from collections import Counter
from enum import StrEnum

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import assert_same
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader, Dataset

from packtutor import BucketBatchSampler, Ragged, batching, collate
from packtutor.batching import LabelledBatch


def draw(n, low, high, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high, (n,), generator=generator)


def draw_log_normal(n, mean=3.7, sigma=0.8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(n, generator=generator, dtype=torch.float64)
    return (normal * sigma + mean).exp().long().clamp(min=1)


# Lengths as they come, and a budget for a good number of batches.
KINDS = {
    "sentences": (draw_log_normal(4000), 2000),
    "long tail": (draw_log_normal(800, 5, 1.0).clamp(max=2000), 8000),
    "uniform": (draw(800, 1, 101), 2000),
    "uniform and long": (draw(800, 1, 1001), 8000),
    "narrow": (draw(800, 900, 1000), 8000),
    "two humps": (torch.cat([draw(500, 10, 20), draw(300, 400, 500)]), 8000),
    "equal": (torch.full((800,), 301), 8000),
    "distinct": (torch.arange(1, 801), 8000),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
both_measures = pytest.mark.parametrize("measure", ["padded", "packed"])


def cells(lengths, batch, measure="padded"):
    chosen = [int(lengths[i]) for i in batch]
    return len(chosen) * max(chosen) if measure == "padded" else sum(chosen)


def read_all(lengths, processes, epoch=0, **options):
    """Return each process's batches, simulated in one."""
    found = []
    for rank in range(processes):
        sampler = BucketBatchSampler(
            lengths, num_replicas=processes, rank=rank, **options
        )
        sampler.set_epoch(epoch)
        found.append(list(sampler))
        assert len(found[-1]) == len(sampler)
    return found


def company(batches):
    """Return which sequences are together, whatever their order."""
    return {frozenset(batch) for batch in batches}


# Worked examples.


def test_padded_batches_by_hand():
    # 5 and 4 fill more than half of 6 cells. 3 and 2 fit together as 2 x 3.
    # That would leave 1 alone; the last two batches share what they have.
    lengths = [5, 4, 3, 2, 1]
    sampler = BucketBatchSampler(lengths, max_cells=6, shuffle=False)
    assert list(sampler) == [[0], [1], [2], [3, 4]]
    assert len(sampler) == 4
    assert sampler.repeated == 0


def test_packed_batches_by_hand():
    sampler = BucketBatchSampler(
        [1, 2, 3, 4, 5], max_cells=6, measure="packed", shuffle=False
    )
    assert list(sampler) == [[4], [3], [2, 1, 0]]


def test_two_processes_by_hand():
    # Three full batches for 24 cells; four of them, in two steps, are even.
    batches = read_all(
        [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2], 2, max_cells=8, shuffle=False
    )
    assert batches == [[[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]]]


def test_two_processes_get_the_same_tokens():
    # 8 and 5, 7 and 6: not the longer one of each step for the first.
    found = read_all([8, 7, 6, 5], 2, max_cells=8, shuffle=False)
    assert sorted(found) == [[[0], [3]], [[1], [2]]]


def test_a_sequence_above_the_budget_is_alone():
    lengths = [2, 9, 2, 8, 2]
    for measure in ("padded", "packed"):
        sampler = BucketBatchSampler(
            lengths, max_cells=8, measure=measure, shuffle=False
        )
        assert list(sampler) == [[1], [3], [0, 2, 4]]
    with pytest.raises(ValueError, match=r"lengths\[1\] is 9; it must be at"):
        BucketBatchSampler(lengths, max_cells=8, oversize="error")
    BucketBatchSampler(lengths, max_cells=9, oversize="error")


def test_an_empty_sequence_counts_as_one_of_length_1():
    for measure in ("padded", "packed"):
        sampler = BucketBatchSampler(
            [0, 3, 0, 0, 0, 0, 0, 0, 0],
            max_cells=3,
            measure=measure,
            shuffle=False,
        )
        assert list(sampler) == [[1], [0, 2, 3], [4, 5, 6], [7, 8]]


# Oracles.


def fill_greedily(lengths, budget, measure):
    """Cut from the longest on, one sequence at a time."""
    batches = [[]]
    for i in sorted(range(len(lengths)), key=lambda i: -int(lengths[i])):
        full = cells(lengths, [*batches[-1], i], measure) > budget
        if batches[-1] and full:
            batches.append([])
        batches[-1].append(i)
    return batches


@pytest.mark.parametrize(
    "kind", ["sentences", "uniform", "two humps", "equal", "distinct"]
)
@both_measures
@pytest.mark.parametrize("processes", [1, 3])
def test_batches_are_filled_up(kind, measure, processes):
    # From 256 on, a sequence counts as the longest of its class.
    lengths = KINDS[kind][0].clamp(max=255)
    expected = fill_greedily(lengths, 2000, measure)
    found = read_all(
        lengths, processes, max_cells=2000, measure=measure, shuffle=False
    )
    steps = -(-len(expected) // processes)
    assert [len(batches) for batches in found] == [steps] * processes
    kept = (steps - 2) * processes
    assert kept > 5
    together = [batch for step in zip(*found, strict=True) for batch in step]
    assert company(together[:kept]) == company(expected[:kept])


def least_cells(lengths, budget, most):
    """Return the cells of the best padded batches, at most so many.

    Batches of neighbours in length are the best ones: whatever sizes batches
    have, sorting the sequences into these sizes makes no batch longer.
    """
    lengths = lengths.sort(descending=True).values.double()
    n = lengths.numel()
    rows = torch.arange(1, n + 1) - torch.arange(n)[:, None]
    cost = rows * lengths[:, None]
    cost[(rows < 1) | (cost > budget)] = torch.inf
    best = torch.full((n + 1,), torch.inf, dtype=torch.float64)
    best[0] = 0
    found = []
    for _ in range(most):
        best[1:] = (best[:-1, None] + cost).amin(0)
        best[0] = torch.inf
        found.append(float(best[-1]))
    return min(found)


def test_the_oracle_finds_the_best_batches():
    lengths = torch.tensor([9, 1, 1, 1, 8])
    assert least_cells(lengths, 100, 1) == 45
    assert least_cells(lengths, 100, 2) == 18 + 3
    assert least_cells(lengths, 17, 3) == 9 + 8 + 3
    assert least_cells(lengths, 17, 2) == torch.inf


@every_kind
def test_padding_is_close_to_the_least(kind):
    lengths, budget = KINDS[kind]
    if kind == "sentences":
        lengths = lengths[:800]
    tokens = int(lengths.sum())
    sampler = BucketBatchSampler(lengths, max_cells=budget)
    least = 1 - tokens / least_cells(lengths, budget, len(sampler))
    for epoch in range(4):
        sampler.set_epoch(epoch)
        used = sum(cells(lengths, batch) for batch in sampler)
        assert used >= 0.9 * budget * len(sampler)
        assert least <= 1 - tokens / used <= least + 0.01


@both_measures
def test_a_million_sentences(measure):
    lengths = draw_log_normal(1_000_000)
    sampler = BucketBatchSampler(lengths, max_cells=16384, measure=measure)
    seen = torch.zeros(1_000_000, dtype=torch.int64)
    padded = 0
    for batch in sampler:
        chosen = lengths[batch]
        seen[batch] += 1
        rectangle = len(batch) * int(chosen.max())
        padded += rectangle
        used = rectangle if measure == "padded" else int(chosen.sum())
        assert used <= 16384
    assert torch.all(seen == 1)
    tokens = int(lengths.sum())
    assert 1 - tokens / padded < 0.05
    full = padded if measure == "padded" else tokens
    assert full >= 0.9 * 16384 * len(sampler)


# What holds for all lengths.

any_lengths = st.one_of(
    st.lists(st.integers(0, 12), min_size=1, max_size=60),
    st.lists(st.integers(0, 3), min_size=30, max_size=200),
    st.lists(st.integers(200, 700), min_size=1, max_size=60),
    st.builds(lambda n, b: [n] * b, st.integers(0, 30), st.integers(1, 99)),
    st.builds(
        lambda long, rest: [*rest, *long],
        st.lists(st.integers(1000, 2000), max_size=9),
        st.lists(st.integers(1, 20), min_size=1, max_size=99),
    ),
)


@given(
    lengths=any_lengths,
    budget=st.integers(1, 1500),
    processes=st.integers(1, 7),
    measure=st.sampled_from(["padded", "packed"]),
    shuffle=st.booleans(),
    seed=st.integers(0, 3),
    epoch=st.integers(0, 3),
)
@settings(max_examples=300)
def test_every_index_once_within_the_budget(
    *, lengths, budget, processes, measure, shuffle, seed, epoch
):
    options = {
        "max_cells": budget,
        "measure": measure,
        "shuffle": shuffle,
        "seed": seed,
    }
    found = read_all(lengths, processes, epoch, **options)
    assert found == read_all(lengths, processes, epoch, **options)
    sampler = BucketBatchSampler(
        lengths, num_replicas=processes, rank=0, **options
    )
    sampler.set_epoch(epoch)
    steps = len(sampler)
    assert [len(batches) for batches in found] == [steps] * processes
    everything = [batch for batches in found for batch in batches]
    for batch in everything:
        assert all(type(i) is int for i in batch)
        used = cells(lengths, batch, measure)
        assert used <= budget or len(batch) == 1
    counts = Counter(i for batch in everything for i in batch)
    assert sorted(counts) == list(range(len(lengths)))
    # What comes twice is counted, and is needed for batches that are short.
    missing = max(0, steps * processes - len(lengths))
    assert sampler.repeated == counts.total() - len(lengths) == missing
    assert missing < processes
    tokens = [
        sum(lengths[i] for batch in batches for i in batch)
        for batches in found
    ]
    assert max(tokens) - min(tokens) <= max(budget, *lengths)


@given(lengths=any_lengths, budget=st.integers(1, 1500))
def test_an_epoch_has_few_batches(lengths, budget):
    sampler = BucketBatchSampler(lengths, max_cells=budget, shuffle=False)
    tops = torch.tensor(lengths).clamp(min=1)
    # As long as a class may be: up to 8 significant bits.
    step = 2 ** (tops.double().log2().floor().long() - 7)
    tops = torch.where(tops < 256, tops, -(-tops // step.clamp(min=1)) * step)
    least = len(fill_greedily(lengths, budget, "padded"))
    assert least <= len(sampler) <= len(fill_greedily(tops, budget, "padded"))
    shuffled = BucketBatchSampler(lengths, max_cells=budget)
    assert len(sampler) <= len(shuffled) <= len(sampler) + 1


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        iter,
        np.array,
        torch.tensor,
        lambda n: torch.tensor(n, dtype=torch.uint8),
    ],
)
def test_lengths_come_in_many_forms(make):
    numbers = [3, 1, 2, 2, 4]
    sampler = BucketBatchSampler(make(numbers), max_cells=4, shuffle=False)
    assert list(sampler) == [[4], [0], [2, 3], [1]]


def test_very_long_sequences():
    long = 2**62
    sampler = BucketBatchSampler([1, long, 2], max_cells=5, shuffle=False)
    assert list(sampler) == [[1], [2, 0]]
    sampler = BucketBatchSampler([long, 7, 2**40], max_cells=2**63 - 1)
    assert sorted(map(sorted, sampler)) in ([[0, 1], [2]], [[0], [1, 2]])
    found = read_all([long, long - 1], 2, max_cells=8)
    assert sorted(found) == [[[0]], [[1]]]


def test_nothing_of_the_caller_is_changed_or_kept():
    lengths = draw(100, 1, 20)
    before = lengths.clone()
    sampler = BucketBatchSampler(lengths, max_cells=64)
    first = list(sampler)
    assert_same(lengths, before)
    lengths.fill_(1)
    assert list(sampler) == first


def test_batches_are_read_in_blocks(monkeypatch):
    sampler = BucketBatchSampler(range(40), max_cells=60)
    batches = list(sampler)
    assert len(batches) > 4
    monkeypatch.setattr(batching, "_BLOCK", 3)
    assert list(sampler) == batches


# Chance.


def test_the_seed_and_the_epoch_say_it_all():
    lengths = KINDS["sentences"][0]

    def read(seed, epoch):
        torch.manual_seed(seed * 7 + epoch)  # has no part in it
        sampler = BucketBatchSampler(lengths, max_cells=2000, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    state = torch.get_rng_state()
    sampler = BucketBatchSampler(lengths, max_cells=2000)
    assert list(sampler) == list(sampler)
    assert torch.equal(torch.get_rng_state(), state)
    drawn = {}
    for seed in (0, 1, 2**32, 2**40 + 1):
        for epoch in (0, 1):
            drawn[seed, epoch] = batches = read(seed, epoch)
            assert batches == read(seed, epoch)
    assert len({str(batches) for batches in drawn.values()}) == 8


def test_chance_begins_with_the_seed_and_the_epoch():
    sampler = BucketBatchSampler([1], max_cells=1, seed=3)
    sampler.set_epoch(12)
    digits = hashlib.sha256(b"3 12").hexdigest()[:8]
    assert sampler._make_generator().initial_seed() == int(digits, 16)
    # The first numbers are those of the borders; then come the sequences.
    generator = torch.Generator().manual_seed(int(digits, 16))
    sampler = BucketBatchSampler([2] * 9, max_cells=99, seed=3)
    sampler.set_epoch(12)
    torch.randint(2, (32, 1), generator=generator)
    assert list(sampler) == [torch.randperm(9, generator=generator).tolist()]


def test_equal_lengths_come_in_the_order_drawn():
    # So many that a sort which need not keep it would not: the machine must
    # not change the batches.
    sampler = BucketBatchSampler([2] * 1000, max_cells=9999)
    generator = sampler._make_generator()
    torch.randint(2, (32, 1), generator=generator)
    drawn = torch.randperm(1000, generator=generator).tolist()
    assert list(sampler) == [drawn]


def test_who_is_with_whom_changes():
    # All pairs that shared a batch, and the part of them that does so again.
    again = {}
    for kind, (lengths, budget) in KINDS.items():
        sampler = BucketBatchSampler(lengths, max_cells=budget)
        batches = []
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            batch_of = torch.zeros(len(lengths), dtype=torch.int64)
            for number, batch in enumerate(sampler):
                batch_of[batch] = number
            batches.append(batch_of)
        was, now = (b[:, None] == b for b in batches)
        pairs = was.sum() - len(lengths)
        again[kind] = float(((was & now).sum() - len(lengths)) / pairs)
    # 90 batches of sentences; 32 of lengths that are all equal.
    assert again["sentences"] < 0.7
    assert again["equal"] < 0.1
    assert again["narrow"] < 0.3
    # There are no equal lengths to shuffle: the borders move.
    assert again["distinct"] < 0.9
    assert max(again.values()) < 0.98


def test_borders_move():
    # All different, and too short for classes of several.
    lengths = torch.arange(156, 256)
    sampler = BucketBatchSampler(lengths, max_cells=2000)
    cuts = set()
    for epoch in range(20):
        sampler.set_epoch(epoch)
        cuts.add(frozenset(company(sampler)))
    assert len(cuts) > 5


def test_borders_move_where_batches_begin_with_single_sequences():
    # From one sequence a batch to twenty.
    lengths = torch.arange(50, 1000)
    sampler = BucketBatchSampler(lengths, max_cells=1000)
    cuts = set()
    for epoch in range(20):
        sampler.set_epoch(epoch)
        longest = [max(int(lengths[i]) for i in batch) for batch in sampler]
        cuts.add(tuple(sorted(n for n in longest if n < 250)))
    assert len(cuts) > 5


def test_nearly_equal_lengths_are_shuffled():
    # No two are equal; those that share their first 8 bits are like equal.
    lengths = torch.arange(64_000, 64_000 + 256)
    sampler = BucketBatchSampler(lengths, max_cells=2**20)
    batch = next(iter(sampler))
    assert batch != sorted(batch)
    assert max(batch) - min(batch) > 2 * len(batch)


def test_batches_come_in_any_order():
    lengths, budget = KINDS["sentences"]
    sampler = BucketBatchSampler(lengths, max_cells=budget)
    first = []
    for epoch in range(30):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        first.append(float(lengths[batches[0]].double().mean()))
    # From the shorter and the longer half alike.
    below = sum(mean < 50 for mean in first)
    assert 5 < below < 25
    assert len(set(first)) > 20


def test_without_shuffling_the_longest_come_first():
    lengths, budget = KINDS["uniform"]
    sampler = BucketBatchSampler(lengths, max_cells=budget, shuffle=False)
    batches = list(sampler)
    order = [i for batch in batches for i in batch]
    assert order == sorted(range(800), key=lambda i: -int(lengths[i]))
    sampler.set_epoch(3)
    assert list(sampler) == batches


# Several processes.


@every_kind
@both_measures
def test_each_process_gets_its_share_of_the_tokens(kind, measure):
    lengths, budget = KINDS[kind]
    for processes in range(1, 8):
        found = read_all(
            lengths, processes, 1, max_cells=budget // 4, measure=measure
        )
        tokens = [
            sum(int(lengths[batch].sum()) for batch in batches)
            for batches in found
        ]
        assert len(found[0]) >= 12
        fair = sum(tokens) / processes
        assert all(abs(n - fair) <= 0.02 * fair for n in tokens)


@every_kind
def test_no_process_waits_long_for_another(kind):
    lengths, budget = KINDS[kind]
    found = read_all(lengths, 4, max_cells=budget // 4)
    waiting = working = 0
    for step in zip(*found, strict=True):
        costs = [cells(lengths, batch) for batch in step]
        longest = [int(lengths[batch].max()) for batch in step]
        waiting += 4 * max(costs) - sum(costs)
        working += sum(costs)
        # The longest of a step is seldom far from its other batches.
        assert max(longest) <= 2 * min(longest) or min(longest) < 100
    assert waiting <= 0.06 * working


def test_smaller_steps_are_smaller_for_all_processes():
    # Five batches of two, and from there on 20 a batch: the borders move, in
    # whole steps.
    lengths = [500] * 10 + [50] * 1500
    for epoch in range(10):
        found = read_all(lengths, 4, epoch, max_cells=1000)
        uneven = []
        for step in zip(*found, strict=True):
            rows = sorted(len(batch) for batch in step)
            if rows[-1] > rows[0] + 1:
                uneven.append(rows)
        assert len(uneven) == 1
        assert uneven[0][0] <= 2  # where the long ones end


def test_more_processes_than_sequences():
    found = read_all([4, 2], 5, max_cells=8)
    everything = [batch for batches in found for batch in batches]
    assert sorted(everything) in (
        [[0], [0], [0], [1], [1]],
        [[0], [0], [1], [1], [1]],
    )
    sampler = BucketBatchSampler([4, 2], max_cells=8, num_replicas=5, rank=4)
    assert sampler.repeated == 3


def test_sequences_that_fill_a_batch_each():
    # 100 batches for 7 processes: 5 of 105 are there twice.
    lengths = [60] * 100
    sampler = BucketBatchSampler(
        lengths, max_cells=100, num_replicas=7, rank=0
    )
    assert (len(sampler), sampler.repeated) == (15, 5)
    # A few short ones can be spread: nothing comes twice.
    lengths += [10] * 9
    sampler = BucketBatchSampler(
        lengths, max_cells=100, num_replicas=7, rank=0
    )
    assert (len(sampler), sampler.repeated) == (15, 0)


def test_a_step_more_needs_no_sequence_twice():
    # Two a batch: 201 steps would do. The last step has one sequence, and the
    # last two have too few for the batches of three.
    options = {"max_cells": 120, "num_replicas": 4, "rank": 0}
    sampler = BucketBatchSampler([60] * 1601, **options)
    assert len(sampler) == 202
    for epoch in range(8):
        sampler.set_epoch(epoch)
        assert sampler.repeated == 0


def test_no_batch_is_much_smaller_than_the_others():
    sampler = BucketBatchSampler([10] * 30_050, max_cells=1000)
    for epoch in range(20):
        sampler.set_epoch(epoch)
        sizes = sorted(len(batch) for batch in sampler)
        # Three share what is left; two are moved by half a batch at most.
        assert sizes[0] >= 33
        assert sizes[3] >= 50
        assert sizes[5] == 100


def test_the_process_group_says_how_many_there_are(monkeypatch):
    lengths = list(range(1, 60))
    expected = read_all(lengths, 2, max_cells=100)
    distributed = torch.distributed
    monkeypatch.setattr(distributed, "is_available", lambda: True)
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(distributed, "get_rank", lambda: 1)
    assert list(BucketBatchSampler(lengths, max_cells=100)) == expected[1]
    given = BucketBatchSampler(lengths, max_cells=100, num_replicas=2, rank=0)
    assert list(given) == expected[0]
    monkeypatch.setattr(distributed, "is_initialized", lambda: False)
    alone = BucketBatchSampler(lengths, max_cells=100)
    assert sorted(i for batch in alone for i in batch) == list(range(59))
    monkeypatch.setattr(distributed, "is_available", lambda: False)
    monkeypatch.delattr(distributed, "is_initialized")
    assert list(BucketBatchSampler(lengths, max_cells=100)) == list(alone)


GROUP = """
import sys
import torch
from packtutor import BucketBatchSampler

torch.set_num_threads(1)
torch.manual_seed(int(sys.argv[2]))
torch.distributed.init_process_group(
    "gloo",
    init_method=sys.argv[1],
    rank=int(sys.argv[2]),
    world_size=2,
)
sampler = BucketBatchSampler(range(1, 60), max_cells=100)
sampler.set_epoch(2)
print(list(sampler))
torch.distributed.destroy_process_group()
"""


@pytest.mark.skipif(
    not torch.distributed.is_available()
    or not torch.distributed.is_gloo_available(),
    reason="this build of PyTorch has no gloo",
)
def test_two_real_processes_share_an_epoch(tmp_path):
    store = (tmp_path / "store").as_uri()
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", GROUP, store, str(rank)],
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        for rank in range(2)
    ]
    printed = [run.communicate(timeout=300)[0].strip() for run in runs]
    expected = read_all(range(1, 60), 2, 2, max_cells=100)
    assert printed == [str(batches) for batches in expected]


# Going on.


class Sentences(Dataset):
    """Each token of a sentence is the sentence's number."""

    def __init__(self, lengths, labelled=False):
        self.lengths = lengths
        self.labelled = labelled

    def __getitem__(self, index):
        tokens = torch.full((int(self.lengths[index]),), index)
        return (tokens, index % 2) if self.labelled else tokens


def load(sampler, lengths, workers, **options):
    return DataLoader(
        Sentences(lengths, **options),
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
    )


def numbers(batch):
    """Return which sentences a batch of non-empty ones holds."""
    return [int(tokens[0]) for tokens in batch]


# Python 3.12 warns where a process with threads is forked, and PyTorch where
# there are fewer processors than workers.
with_workers = pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning",
    "ignore:This DataLoader will create:UserWarning",
)


@with_workers
@pytest.mark.parametrize("workers", [0, 2])
def test_training_goes_on_where_it_stopped(workers):
    lengths = draw(300, 1, 30)

    def make():
        return BucketBatchSampler(lengths, max_cells=150, seed=5)

    whole = []
    sampler = make()
    loader = load(sampler, lengths, workers)
    assert len(loader) == len(sampler) > 20
    for epoch in range(2):
        sampler.set_epoch(epoch)
        whole.append([numbers(batch) for batch in loader])
        assert whole[-1] == list(sampler)

    # The trainer stops twice; the workers are ahead of it.
    state = None
    trained = [[], []]
    for epoch, stop in ((0, 7), (0, 16), (0, None), (1, None)):
        sampler = make()
        done = 0
        if state is not None:
            sampler.load_state_dict(state)
            done = state["batches_done"] if state["epoch"] == epoch else 0
        sampler.set_epoch(epoch)
        assert len(sampler) == len(whole[0])
        for batch in load(sampler, lengths, workers):
            trained[epoch].append(numbers(batch))
            done += 1
            if done == stop:
                break
        state = sampler.state_dict(done)
    assert trained == whole


def test_a_state_holds_until_another_epoch():
    sampler = BucketBatchSampler(draw(100, 1, 20), max_cells=60)
    sampler.set_epoch(3)
    batches = list(sampler)
    saved = io.BytesIO()
    torch.save(sampler.state_dict(2), saved)
    sampler.set_epoch(4)
    other = list(sampler)
    saved.seek(0)
    sampler.load_state_dict(torch.load(saved))
    assert list(sampler) == batches[2:]
    sampler.set_epoch(3)
    assert list(sampler) == batches[2:] == list(sampler)
    assert len(sampler) == len(batches)
    sampler.set_epoch(4)
    assert list(sampler) == other
    sampler.load_state_dict(sampler.state_dict(len(other)))
    assert list(sampler) == []
    sampler.load_state_dict(sampler.state_dict(0))
    assert list(sampler) == other


def test_every_process_goes_on_from_the_same_state():
    lengths = draw(100, 1, 20)
    options = {"max_cells": 60, "num_replicas": 3}
    samplers = [
        BucketBatchSampler(lengths, rank=rank, **options) for rank in range(3)
    ]
    for sampler in samplers:
        sampler.set_epoch(1)
    state = samplers[0].state_dict(4)
    assert all(sampler.state_dict(4) == state for sampler in samplers)
    for sampler in samplers:
        batches = list(sampler)
        fresh = BucketBatchSampler(
            lengths, rank=samplers.index(sampler), **options
        )
        fresh.load_state_dict(state)
        assert list(fresh) == batches[4:]


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_goes_on_too(copied):
    sampler = BucketBatchSampler(
        draw(100, 1, 20), max_cells=60, num_replicas=2, rank=1, seed=3
    )
    sampler.set_epoch(2)
    sampler.load_state_dict(sampler.state_dict(3))
    assert list(copied(sampler)) == list(sampler)
    assert copied(sampler).state_dict(1) == sampler.state_dict(1)


L = [3, 2, 1]


def other_state(**changes):
    sampler = BucketBatchSampler(L, max_cells=4)
    return lambda: sampler.load_state_dict(
        {**sampler.state_dict(0), **changes}
    )


def without(name):
    sampler = BucketBatchSampler(L, max_cells=4)
    state = sampler.state_dict(0)
    del state[name]
    return lambda: sampler.load_state_dict(state)


def make(lengths=L, **options):
    return BucketBatchSampler(lengths, **{"max_cells": 4, **options})


SAMPLER_ERRORS = [
    (lambda: make([]), ValueError, "lengths is empty; it must have at least"),
    (lambda: make([2, -1]), ValueError, r"lengths\[1\] is -1; a length cann"),
    (lambda: make([2, 1.5]), TypeError, r"lengths\[1\] is 1.5; its elements"),
    (lambda: make(5), TypeError, "lengths is 5; it must be a tensor, an arr"),
    (
        lambda: make([2**62, 2**62]),
        ValueError,
        f"lengths add up to {2**63}; they may only to {2**63 - 1}",
    ),
    (lambda: make(max_cells=0), ValueError, "max_cells is 0; it must be at "),
    (lambda: make(max_cells=4.0), TypeError, "max_cells is 4.0; it must be "),
    (
        lambda: make(measure="cells"),
        ValueError,
        "measure is 'cells'; it must be 'padded' or 'packed'",
    ),
    (
        lambda: make(oversize=None),
        ValueError,
        "oversize is None; it must be 'alone' or 'error'",
    ),
    (
        lambda: make([1, 5, 6], oversize="error"),
        ValueError,
        r"lengths\[1\] is 5; it must be at most max_cells, which is 4",
    ),
    (
        lambda: make([4, 5, 6], oversize="error"),
        ValueError,
        r"lengths\[1\] is 5; it must be at most max_cells, which is 4",
    ),
    (lambda: make(shuffle=1), TypeError, "shuffle is 1; it must be True or"),
    (lambda: make(seed=-1), ValueError, "seed is -1; it must be at least 0"),
    (lambda: make(seed="a"), TypeError, "seed is 'a'; it must be an integer"),
    (
        lambda: make(num_replicas=2),
        ValueError,
        "num_replicas is 2 and rank is None; both must be given, or none",
    ),
    (
        lambda: make(rank=1),
        ValueError,
        "num_replicas is None and rank is 1; both must be given, or none",
    ),
    (
        lambda: make(num_replicas=0, rank=0),
        ValueError,
        "num_replicas is 0; it must be at least 1",
    ),
    (
        lambda: make(num_replicas=10**6 + 1, rank=0),
        ValueError,
        "num_replicas is 1000001; it must be at most 1000000",
    ),
    (
        lambda: make(num_replicas=2, rank=-1),
        ValueError,
        "rank is -1; it must be at least 0",
    ),
    (
        lambda: make(num_replicas=2, rank=2),
        ValueError,
        "rank is 2; it must be below num_replicas, which is 2",
    ),
    (
        lambda: make().set_epoch(-1),
        ValueError,
        "epoch is -1; it must be at least 0",
    ),
    (lambda: make().set_epoch(None), TypeError, "epoch is None; it must be"),
    (
        lambda: make().state_dict(-1),
        ValueError,
        "batches_done is -1; it must be at least 0",
    ),
    (
        lambda: make().state_dict(3),
        ValueError,
        "batches_done is 3; it must be at most 2",
    ),
    (
        lambda: make().load_state_dict(None),
        TypeError,
        "state is of type NoneType; it must be a dictionary from state_dict",
    ),
    (
        lambda: make().load_state_dict([0]),
        TypeError,
        "state is of type list; it must be a dictionary from state_dict",
    ),
    (
        without("batches_done"),
        ValueError,
        "state has no 'batches_done'; state_dict gives it",
    ),
    (
        without("lengths_hash"),
        ValueError,
        "state has no 'lengths_hash'; state_dict gives it",
    ),
    (
        other_state(seed=3),
        ValueError,
        r"state\['seed'\] is 3; it must be 0, as in this sampler",
    ),
    (
        other_state(seed=False),
        ValueError,
        r"state\['seed'\] is False; it must be 0, as in this sampler",
    ),
    (
        other_state(max_cells=8),
        ValueError,
        r"state\['max_cells'\] is 8; it must be 4, as in this sampler",
    ),
    (
        other_state(num_replicas=2),
        ValueError,
        r"state\['num_replicas'\] is 2; it must be 1, as in this sampler",
    ),
    (
        other_state(batches_done=9),
        ValueError,
        r"state\['batches_done'\] is 9; it must be at most 2",
    ),
    (
        other_state(epoch=-2),
        ValueError,
        r"state\['epoch'\] is -2; it must be at least 0",
    ),
    (
        lambda: make().load_state_dict(make([1, 2, 3]).state_dict(0)),
        ValueError,
        r"state\['lengths_hash'\] is .*; it must be .*, as in this sampler",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), SAMPLER_ERRORS)
def test_a_sampler_names_bad_arguments(call, error, text):
    with pytest.raises(error, match=f"^{text}"):
        call()


def test_a_refused_state_changes_nothing():
    sampler = make()
    sampler.set_epoch(1)
    before = list(sampler)
    for state in ({"epoch": 2}, {**sampler.state_dict(1), "epoch": "a"}):
        with pytest.raises((TypeError, ValueError)):
            sampler.load_state_dict(state)
    state = {**sampler.state_dict(1), "epoch": 5, "batches_done": 9}
    with pytest.raises(ValueError, match="batches_done"):
        sampler.load_state_dict(state)
    assert list(sampler) == before


def test_the_hash_sees_each_length_and_its_place():
    size = 1 << 16
    lengths = draw(2 * size + 3, 1, 100)
    seen = set()
    swapped = lengths.clone()
    swapped[[0, size]] = lengths[[size, 0]] + 100
    swapped_back = lengths.clone()
    swapped_back[[0, size]] = torch.tensor([7, 7]) + lengths[[0, size]]
    longer = lengths.clone()
    longer[-1] += 1
    blocks = torch.cat([lengths[size : 2 * size], lengths[:size], longer[-3:]])
    blocks[-1] -= 1
    for variant in (
        lengths,
        lengths.flip(0),
        swapped,
        swapped_back,
        longer,
        blocks,
    ):
        sampler = BucketBatchSampler(variant, max_cells=1000)
        seen.add(sampler.state_dict(0)["lengths_hash"])
    assert len(seen) == 6


def test_a_saved_hash_stays_what_it_is(monkeypatch):
    def found(lengths):
        state = BucketBatchSampler(lengths, max_cells=9).state_dict(0)
        return state["lengths_hash"]

    # The first length once, the second twice; of the second block three times
    # as much, of the third five times.
    assert found([3, 2, 4, 5]) == 3 + 2 * 2 + 3 * 4 + 4 * 5
    monkeypatch.setattr(batching, "_BLOCK", 2)
    assert found([3, 2, 4, 5]) == 7 + 3 * (4 + 2 * 5)
    assert found([3, 2, 4, 5, 6]) == 7 + 3 * 14 + 5 * 6
    # Modulo 2**31 - 1 each, and 2**61 all together.
    assert found([2**31 - 1, 2**31 + 1]) == 2 * 2
    monkeypatch.setattr(batching, "_BLOCK", 1 << 16)
    many = (1 << 16) * ((1 << 16) + 1) // 2 * (2**31 - 2)
    assert many > 2**61
    assert found(torch.full((1 << 16,), 2**31 - 2)) == many % 2**61


def test_a_hash_is_below_a_bound_that_files_hold():
    lengths = torch.full((1 << 16,), 3 * 2**29)
    total = 3 * 2**29 * sum(range(1, (1 << 16) + 1))
    assert 2**61 < total < 2**62
    state = BucketBatchSampler(lengths, max_cells=9).state_dict(0)
    assert state["lengths_hash"] == total - 2**61


def test_a_saved_state_by_hand():
    sampler = BucketBatchSampler([3, 2, 1], max_cells=3)
    sampler.set_epoch(2)
    assert sampler.state_dict(1) == {
        "epoch": 2,
        "batches_done": 1,
        "seed": 0,
        "shuffle": True,
        "max_cells": 3,
        "measure": "padded",
        "num_replicas": 1,
        "sequences": 3,
        "lengths_hash": 3 * 1 + 2 * 2 + 1 * 3,
    }


# collate.


def test_samples_become_a_batch(device):
    docs = [torch.tensor(ids, device=device) for ids in ([2, 3, 4], [5], [])]
    docs[2] = docs[2].long()
    batch = collate(docs)
    assert type(batch) is Ragged
    assert batch.values.tolist() == [2, 3, 4, 5]
    assert batch.values.device == device
    assert batch.lengths.tolist() == [3, 1, 0]

    labelled = collate(list(zip(docs, [0, 1, 1], strict=True)))
    assert type(labelled) is LabelledBatch
    batch, labels = labelled
    assert batch is labelled.batch
    assert batch.lengths.tolist() == [3, 1, 0]
    assert_same(labels, torch.tensor([0, 1, 1], device=device))
    assert collate(iter(docs)).lengths.tolist() == [3, 1, 0]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([1, 0], torch.tensor([1, 0])),
        ([0.1, 2], torch.tensor([0.1, 2], dtype=torch.float64)),
        ([2, 0.1], torch.tensor([2, 0.1], dtype=torch.float64)),
        ([True, False], torch.tensor([True, False])),
        (list(torch.eye(2)), torch.eye(2)),
        (list(torch.tensor([3, 4])), torch.tensor([3, 4])),
        ([np.int32(3), np.int32(4)], torch.tensor([3, 4]).int()),
    ],
)
def test_labels_become_a_tensor(labels, expected):
    docs = [torch.arange(3), torch.arange(2)]
    for kind in (tuple, list):
        samples = [kind(pair) for pair in zip(docs, labels, strict=True)]
        found = collate(samples)
        assert found.batch.values.tolist() == [0, 1, 2, 0, 1]
        assert_same(found.labels, expected)


def test_labels_may_be_what_default_collate_takes():
    docs = [torch.arange(3), torch.arange(2)]
    names = collate(list(zip(docs, ["a", "b"], strict=True))).labels
    assert names == ["a", "b"]
    parts = [{"class": 1, "weight": 0.5}, {"class": 0, "weight": 1.0}]
    labels = collate(list(zip(docs, parts, strict=True))).labels
    assert labels["class"].tolist() == [1, 0]


def test_gradients_go_back_to_the_samples():
    docs = [torch.ones(n, 2, requires_grad=True) for n in (3, 1)]
    collate(docs).values.sum().backward()
    assert docs[1].grad.tolist() == [[1, 1]]


@with_workers
@pytest.mark.parametrize("workers", [0, 2])
def test_workers_collate(workers):
    lengths = draw(60, 1, 9)
    sampler = BucketBatchSampler(lengths, max_cells=60)
    loader = load(sampler, lengths, workers, labelled=True)
    expected = list(sampler)
    for (batch, labels), indices in zip(loader, expected, strict=True):
        assert type(batch) is Ragged
        assert numbers(batch) == indices
        assert batch.lengths.tolist() == lengths[indices].tolist()
        assert labels.tolist() == [index % 2 for index in indices]


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="pinned memory needs a GPU"
)
@pytest.mark.parametrize("labelled", [False, True])
def test_batches_are_pinned(labelled):
    lengths = draw(60, 1, 9)
    loader = DataLoader(
        Sentences(lengths, labelled),
        batch_sampler=BucketBatchSampler(lengths, max_cells=60),
        collate_fn=collate,
        pin_memory=True,
    )
    for found in loader:
        batch = found.batch if labelled else found
        assert batch.values.is_pinned()
        assert not labelled or found.labels.is_pinned()


X = torch.arange(3)

COLLATE_ERRORS = [
    (lambda: collate([]), ValueError, "samples is empty; it must have at le"),
    (lambda: collate(5), TypeError, "samples is 5; it must be a list of ten"),
    (lambda: collate([1]), TypeError, r"samples\[0\] is of type int; it mus"),
    (
        lambda: collate(X),
        TypeError,
        r"samples is a Tensor; it must be a list of tensors or pairs \(tens",
    ),
    (
        lambda: collate(pack_sequence([X, X])),
        TypeError,
        "samples is a PackedSequence; it must be a list of tensors or pairs",
    ),
    (
        lambda: collate([X, {"tokens": X}]),
        TypeError,
        r"samples\[1\] is of type dict; it must be a tensor or a pair",
    ),
    (
        lambda: collate([(X, 1, 2)]),
        TypeError,
        r"samples\[0\] is of type tuple; it must be a tensor or a pair",
    ),
    (
        lambda: collate([X, (X, 1)]),
        TypeError,
        r"samples\[1\] is a pair; samples\[0\] is a tensor",
    ),
    (
        lambda: collate([(X, 1), (X, 1), X]),
        TypeError,
        r"samples\[2\] is a tensor; samples\[0\] is a pair",
    ),
    (
        lambda: collate([X, X[0]]),
        ValueError,
        r"samples\[1\] has shape \(\); it must have at least 1 dimension",
    ),
    (
        lambda: collate([X, X.float()]),
        TypeError,
        r"samples\[1\] has dtype torch.float32; samples\[0\] has torch.int64",
    ),
    (
        lambda: collate([(X, 1), (X[:, None], 1)]),
        ValueError,
        r"sequences\[1\] has trailing shape \(1,\); sequences\[0\] has \(\)",
    ),
    (
        lambda: collate([([1, 2], 1)]),
        TypeError,
        r"sequences\[0\] is of type list; it must be a torch.Tensor",
    ),
    (
        lambda: collate([(X, X), (X, 1)]),
        TypeError,
        r"labels\[1\] is of type int; it must be a torch.Tensor",
    ),
    (
        lambda: collate([(X, X), (X, X.float())]),
        TypeError,
        r"labels\[1\] has dtype torch.float32; labels\[0\] has torch.int64",
    ),
    (
        lambda: collate([(X, X), (X[:2], X[:2])]),
        ValueError,
        r"labels\[1\] has shape \(2,\); labels\[0\] has \(3,\) \(a label for",
    ),
    (
        lambda: collate([(X, X[0]), (X, X)]),
        ValueError,
        r"labels\[1\] has shape \(3,\); labels\[0\] has \(\)",
    ),
    (
        lambda: collate([(X, 1), (X, 0.5), (X, "a")]),
        TypeError,
        r"labels\[1\] is of type float; labels\[0\] is of type int$",
    ),
    (
        lambda: collate([(X, True), (X, 2)]),
        TypeError,
        r"labels\[1\] is of type int; labels\[0\] is of type bool$",
    ),
    (
        lambda: collate([(X, {1})]),
        TypeError,
        "labels are of type set, of which PyTorch makes no batch: .*set",
    ),
    (
        lambda: collate([(X, {"class": 1}), (X, {"kind": 1})]),
        TypeError,
        r"labels\[1\] lacks 'class'; labels\[0\] has 'class'$",
    ),
    (
        lambda: collate([(X, 10**400), (X, 0.5)]),
        ValueError,
        r"labels\[0\] is 1000.*; a whole number beside others must be from",
    ),
    (
        lambda: collate([(X, 0.5), (X, 10**400)]),
        ValueError,
        r"labels\[1\] is 1000.*; a whole number beside others must be from",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), COLLATE_ERRORS)
def test_collate_names_bad_arguments(call, error, text):
    with pytest.raises(error, match=f"^{text}"):
        call()


def test_labels_in_tuples_and_dictionaries_are_joined():
    labels = collate([(X, {"y": (1, "a")}), (X, {"y": (2, "b")})]).labels
    numbers, texts = labels["y"]
    assert (numbers.tolist(), list(texts)) == ([1, 2], ["a", "b"])


def test_the_largest_number_that_a_float_holds_is_a_label():
    labels = collate([(X, 2**53), (X, 0.5)]).labels
    assert labels.tolist() == [2**53, 0.5]


class Measure(StrEnum):
    """Texts that a program gives names, as any settings library does."""

    PACKED = "packed"


def test_a_state_holds_plain_texts():
    sampler = BucketBatchSampler(
        [3, 2, 2, 1], max_cells=4, measure=Measure.PACKED
    )
    plain = BucketBatchSampler([3, 2, 2, 1], max_cells=4, measure="packed")
    state = sampler.state_dict(1)
    assert json.loads(json.dumps(state)) == state == plain.state_dict(1)
    assert {type(value) for value in state.values()} <= {str, int, bool}
    plain.load_state_dict(state)


@pytest.mark.parametrize(
    "lengths",
    [
        [2**60, *[5] * 40],
        [10**14, *[1] * 100_000],
        [10**16, *[1] * 1000],
    ],
)
def test_a_packed_batch_may_have_more_steps_than_an_int64(lengths):
    sampler = BucketBatchSampler(
        lengths, max_cells=2 * lengths[0], measure="packed"
    )
    (batch,) = sampler
    assert sorted(batch) == list(range(len(lengths)))
