"""BucketBatchSampler: every index once, the budget held, ranks even."""

import json
from collections import Counter

from packtutor import BucketBatchSampler
from tests.fuzz.draws import (
    INT64_MAX,
    NO_FLAGS,
    NO_NUMBERS,
    change_numbers,
    draw_form,
    draw_sizes,
    spoil_numbers,
)
from tests.fuzz.outcome import REFUSED, attempt, expect

NAMES = ["lengths", "max_cells", "measure", "oversize", "shuffle", "seed"]
NAMES += ["num_replicas", "rank"]


def case(source):
    """Make a sampler; read an epoch in all processes, or go on in it."""
    sizes = draw_all(source)
    options = {
        "max_cells": source.between(1, source.pick([12, 40, 250])),
        "measure": source.pick(["padded", "packed"]),
        # An epoch that is shuffled takes twenty times as long to draw.
        "shuffle": source.rarely(4),
        "seed": source.pick([0, 1, 2**40]),
    }
    processes = source.pick([1, 1, 2, 3])
    given, is_right = draw_form(source, sizes), bool(sizes)
    options |= {"num_replicas": processes, "rank": source.below(processes)}
    if source.rarely(4):
        options["oversize"] = "error"
        is_right = is_right and max(sizes) <= options["max_cells"]
    if source.rarely(3):
        options, given, sizes, is_right = spoil(source, options, sizes)
    source.note(sizes=sizes, given=given, options=options)
    sampler = attempt(
        lambda: BucketBatchSampler(given, **options),
        NAMES,
        valid=is_right,
        given=[given, options],
    )
    if sampler is REFUSED:
        return False
    epoch, done = source.below(4), source.below(9)
    source.note(epoch=epoch, done=done)
    if source.flag():
        check_epoch(sizes, options, epoch)
    else:
        check_going_on(sizes, options, epoch, done)
        check_states(source, sampler)
    return True


def draw_all(source):
    """Return lengths as they come in a data set, mostly few."""
    if source.rarely(8):
        return [source.between(200, 455) for _ in range(source.below(30))]
    return draw_sizes(source)


def spoil(source, options, sizes):
    """Return the arguments with one broken or changed."""
    kind = source.below(3)
    if kind == 0:
        return options, spoil_numbers(source, sizes), sizes, False
    if kind == 1:
        changed = change_numbers(source, sizes)
        fits = bool(changed) and min(changed) >= 0
        fits = fits and sum(changed) <= INT64_MAX
        if "oversize" in options:
            fits = fits and max(changed) <= options["max_cells"]
        return options, draw_form(source, changed), changed, fits
    processes = options["num_replicas"]
    wrong = {
        "max_cells": [0, -1, 2**63, *NO_NUMBERS],
        "measure": ["", "Padded", None, 0, ["padded"]],
        "oversize": ["", "drop", None, 1],
        "shuffle": NO_FLAGS,
        "seed": [-1, *NO_NUMBERS],
        "num_replicas": [0, -2, *NO_NUMBERS],
        "rank": [-1, processes, 10**30, *NO_NUMBERS],
    }
    name = source.pick([*wrong])
    broken = options | {name: source.pick(wrong[name])}
    return broken, draw_form(source, sizes), sizes, False


def make(sizes, options, rank, epoch):
    sampler = BucketBatchSampler(sizes, **(options | {"rank": rank}))
    sampler.set_epoch(epoch)
    return sampler


def check_epoch(sizes, options, epoch):
    """Hold the batches of all processes against what is promised."""
    processes = options["num_replicas"]
    samplers = [make(sizes, options, r, epoch) for r in range(processes)]
    found = [list(sampler) for sampler in samplers]
    steps = len(samplers[0])
    expect([*map(len, found)] == [steps] * processes, "numbers of batches")
    everything = [batch for batches in found for batch in batches]
    for batch in everything:
        expect(all(type(i) is int for i in batch), "an index that is no int")
        lengths = [max(1, sizes[i]) for i in batch]
        packed = options["measure"] == "packed"
        used = sum(lengths) if packed else len(lengths) * max(lengths)
        fits = used <= options["max_cells"] or len(batch) == 1
        expect(fits, f"a batch of {used} cells")
    counts = Counter(i for batch in everything for i in batch)
    expect(sorted(counts) == list(range(len(sizes))), "not every index")
    missing = max(0, steps * processes - len(sizes))
    expect(missing < processes, "more are repeated than there are processes")
    expect(counts.total() - len(sizes) == missing, "repeated too often")
    expect(samplers[0].repeated == missing, "repeated is not what is repeated")
    tokens = [sum(sizes[i] for b in batches for i in b) for batches in found]
    most = max(options["max_cells"], *sizes)
    expect(max(tokens) - min(tokens) <= most, f"uneven processes: {tokens}")
    if not options["shuffle"] and processes == 1:
        longest = [max(sizes[i] for i in b) for b in found[0]]
        expect(longest == sorted(longest, reverse=True), "order of batches")


def check_going_on(sizes, options, epoch, done):
    """Save a state, load it elsewhere, and read the rest of the epoch."""
    rank = options["rank"]
    sampler = make(sizes, options, rank, epoch)
    batches = list(sampler)
    done = min(done, len(batches))
    state = json.loads(json.dumps(sampler.state_dict(done)))
    other = make(sizes, options, rank, 0)
    other.load_state_dict(state)
    expect(list(other) == batches[done:], "the rest of the epoch")
    expect(other.state_dict(done) == state, "the state of a state")
    other.set_epoch(epoch)
    expect(list(other) == batches[done:], "the rest, after set_epoch")


def check_states(source, sampler):
    """Give broken numbers and states: they change nothing."""
    state = sampler.state_dict(0)
    name = source.pick([*state])
    broken = dict(state)
    if source.flag():
        del broken[name]
    else:
        broken[name] = source.pick([None, -1, 1.5, "x", [2]])
    if source.rarely(9):
        broken, name = source.pick([None, [], 3, "state"]), "state"
    attempt(
        lambda: sampler.load_state_dict(broken),
        [name],
        valid=False,
        given=[broken],
    )
    number = source.pick([-1, *NO_NUMBERS])
    attempt(lambda: sampler.set_epoch(number), ["epoch"], valid=False)
    done = source.pick([-1, len(sampler) + 1, *NO_NUMBERS])
    attempt(lambda: sampler.state_dict(done), ["batches_done"], valid=False)
    expect(sampler.state_dict(0) == state, "a refused call changed the state")
