"""What holds for every network, every lengths, and in every layout.

Hypothesis draws the networks and the lengths. Each property is held for each
kind of cell, and for each way in and out: a list, a padded tensor with its
pads on either side and either axis first, a packed batch, a nested tensor and
a ``Ragged``; through ``run_rnn`` and through the modules of ``packtutor.nn``.
"""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import (
    KINDS,
    few_plans,
    gradients,
    make_state,
    networks,
    parts_of,
    run_packed,
)
from strategies import DTYPES, TRAILING, lengths, make_floats, make_values
from tolerances import assert_exact, assert_same
from torch.nn.utils.rnn import (
    pack_padded_sequence,
    pack_sequence,
    pad_sequence,
)
from torch.utils.flop_counter import FlopCounterMode

import packtutor.nn
from packtutor import Ragged, one_by_one, rnn_cost, run_rnn
from packtutor.nn import convert

every_kind = pytest.mark.parametrize("kind", KINDS)
examples = settings(max_examples=8)
# PyTorch says so when it runs a projection one by one in float32 on a CPU.
quiet = pytest.mark.filterwarnings("ignore:LSTM with projections is not supp")

PADDED = {
    f"padded {side}{'' if batch_first else ', time first'}": {
        "padding_side": side,
        "batch_first": batch_first,
    }
    for side in ("right", "left")
    for batch_first in (True, False)
}
PACKED = ["packed", "packed by PyTorch"]
LAYOUTS = ["list", "ragged", "nested", *PADDED, *PACKED]


def enter(layout, batch, pad=0):
    """Write a batch in a layout."""
    if layout == "list":
        return batch.to_list()
    if layout == "nested":
        return batch.to_nested()
    if layout == "packed":
        return batch.to_packed()
    if layout == "packed by PyTorch":
        return pack_sequence(batch.to_list(), enforce_sorted=False)
    if layout in PADDED:
        return batch.to_padded(padding_value=pad, **PADDED[layout])
    return batch


def leave(layout, written, sizes):
    """Read what a layout holds."""
    if layout == "list":
        return Ragged.from_list(written)
    if layout == "nested":
        return Ragged.from_nested(written)
    if layout in PACKED:
        return Ragged.from_packed(written)
    if layout in PADDED:
        return Ragged.from_padded(written, sizes, **PADDED[layout])
    return written


def layouts_of(sizes):
    """The layouts that can hold sequences of these lengths."""
    return [x for x in LAYOUTS if x not in PACKED or min(sizes) > 0]


def with_module(rnn, batch, hx=None):
    """Run a network as the module of ``packtutor.nn`` that it becomes."""
    return convert(rnn)(batch, hx)


def in_layout(layout, run, pad=0):
    """Return a run that takes and returns a Ragged by way of a layout."""

    def run_there(rnn, batch, hx=None):
        given_batch = enter(layout, batch, pad)
        if layout in PADDED:
            # By PyTorch: a mistake made twice would take itself back.
            side, batch_first = PADDED[layout].values()
            seqs = batch.to_list()
            given_batch = pad_sequence(seqs, batch_first, pad, side)
        if layout == "list" or layout in PADDED:
            # What a network of this package reads.
            given_batch = leave(layout, given_batch, batch.lengths)
        output, state = run(rnn, given_batch, hx)
        if layout == "list" or layout in PADDED:
            output = enter(layout, output, pad)
        return leave(layout, output, batch.lengths), state

    return run_there


# Which of the two runs the first layout, and the route of one more run.
WAYS = st.tuples(
    st.booleans(),
    st.sampled_from(["torch", "bptt", "slabs, whole", "slabs, some"]),
)


def every_way(sizes, ways, pad=0):
    """Return a run for each layout, in turn run_rnn and the module."""
    second, route = ways
    runs = itertools.cycle([run_rnn, with_module])
    if second:
        next(runs)
    layouts = layouts_of(sizes)
    found = {
        layout: in_layout(layout, run, pad)
        for layout, run in zip(layouts, runs, strict=False)
    }
    return found | {f"by the route {route}": by_route(route)}


def by_route(route):
    """Return a run whose plan is made by hand, where there is such a one."""

    def run_by_route(rnn, batch, hx=None):
        sizes = batch.lengths.tolist()
        plans = few_plans(rnn, sizes) if any(sizes) else {}
        return run_rnn(rnn, batch, hx, plan=plans.get(route))

    return run_by_route


def make_batch(network, sizes, dtype=torch.float64):
    features = network.options["input_size"]
    values = make_floats(sum(sizes), features, seed=network.seed, dtype=dtype)
    return Ragged(values, sizes)


def choose(state, rows):
    """Return the states of some sequences."""
    parts = [part[:, rows] for part in parts_of(state)]
    return tuple(parts) if isinstance(state, tuple) else parts[0]


def assert_all(compare, own, expected):
    """Compare results with results, and gradients with gradients."""
    for ours, theirs in zip(own, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            compare(one, other)


def assert_states(compare, own, expected):
    assert isinstance(own, tuple) == isinstance(expected, tuple)
    assert_all(compare, [parts_of(own)], [parts_of(expected)])


def some_lengths(least=0):
    """Lengths, one of them above 0: few, more than 16 with ties, or long."""
    few = st.lists(st.integers(least, 6), min_size=1, max_size=5)
    tied = st.lists(st.integers(least, 2), min_size=17, max_size=20)
    return st.one_of(few, few, tied, lengths(least, min_size=1)).filter(any)


# Layouts.


@settings(max_examples=150)
@given(
    sizes=lengths(min_size=1),
    path=st.lists(st.sampled_from(LAYOUTS), min_size=1, max_size=6),
    trailing=st.sampled_from(TRAILING),
    dtype=st.sampled_from(DTYPES),
)
def test_any_way_through_the_layouts_comes_back(sizes, path, trailing, dtype):
    values = make_values(sum(sizes), trailing, dtype)
    batch = Ragged(values, sizes)
    kept = torch.uint16, torch.uint32, torch.uint64
    for layout in path:
        by_torch = layout == "packed by PyTorch"
        if by_torch and (dtype in kept or not values.numel()):
            continue  # PyTorch does not pack these
        if layout in layouts_of(sizes):
            written = enter(layout, batch, pad=1)
            batch = leave(layout, written, sizes)
    assert type(batch) is Ragged
    assert_same(batch.values, values)
    assert batch.lengths.tolist() == sizes


# Runs.


@quiet
@every_kind
@examples
@given(data=st.data(), ways=WAYS, sizes=some_lengths())
def test_every_way_is_each_sequence_alone(kind, data, ways, sizes):
    network = data.draw(networks(kind))
    dtype = data.draw(st.sampled_from([torch.float64, torch.float32]))
    rnn, batch = network.make(dtype), make_batch(network, sizes, dtype)
    hx = None
    if data.draw(st.booleans(), label="with a state"):
        hx = make_state(rnn, len(sizes), dtype=dtype)
    expected = gradients(one_by_one, rnn, batch, hx)
    for run in every_way(sizes, ways).values():
        assert_all(assert_exact, gradients(run, rnn, batch, hx), expected)


@every_kind
@examples
@given(data=st.data(), ways=WAYS, sizes=some_lengths(least=1))
def test_every_way_is_the_packed_run(kind, data, ways, sizes):
    network = data.draw(networks(kind))
    rnn, batch = network.make(), make_batch(network, sizes)
    hx = make_state(rnn, len(sizes)) if data.draw(st.booleans()) else None
    expected = gradients(run_packed, rnn, batch, hx)
    alone = gradients(one_by_one, rnn, batch, hx)
    assert_all(assert_exact, alone, expected)
    for run in every_way(sizes, ways).values():
        assert_all(assert_exact, gradients(run, rnn, batch, hx), expected)


@every_kind
@examples
@given(
    data=st.data(),
    ways=WAYS,
    sizes=some_lengths(least=1),
    dropout=st.sampled_from([0.2, 0.5, 1.0]),
)
def test_dropout_draws_what_the_packed_run_draws(
    kind, data, ways, sizes, dropout
):
    network = data.draw(networks(kind, dropout=dropout, num_layers=2))
    rnn, batch = network.make(), make_batch(network, sizes)

    def seeded(run):
        def run_it(*args):
            torch.manual_seed(7)
            return run(*args)

        return run_it

    def run_torch(layout):
        def run(rnn, batch, hx=None):
            output, state = rnn(enter(layout, batch), hx)
            return Ragged.from_packed(output), state

        return run

    # Ties are in another order where PyTorch has packed, and so is the noise.
    expected = {
        layout: gradients(seeded(run_torch(layout)), rnn, batch, None)
        for layout in PACKED
    }
    for layout, run in every_way(sizes, ways).items():
        own = gradients(seeded(run), rnn, batch, None)
        theirs = expected[layout if layout in PACKED else "packed"]
        assert_all(assert_exact, own, theirs)


@every_kind
@examples
@given(data=st.data(), sizes=some_lengths(least=1))
def test_one_direction_of_a_module_reads_past_right_pads(kind, data, sizes):
    network = data.draw(networks(kind, bidirectional=False))
    own, batch = network.make(library=packtutor.nn), make_batch(network, sizes)
    layout = {"batch_first": own.batch_first}
    with torch.no_grad():
        padded, _ = own(batch.to_padded(padding_value=3, **layout))
        expected, _ = own(batch)
    found = Ragged.from_padded(padded, sizes, **layout)
    assert_exact(found.values, expected.values)


# What must not matter.


@every_kind
@examples
@given(data=st.data(), ways=WAYS, sizes=some_lengths())
def test_permuting_the_batch_permutes_the_result(kind, data, ways, sizes):
    network = data.draw(networks(kind))
    rows = data.draw(st.permutations(range(len(sizes))))
    rnn, batch = network.make(), make_batch(network, sizes)
    hx = make_state(rnn, len(sizes))
    other = batch.index_select(rows)
    with torch.no_grad():
        expected, state = one_by_one(rnn, batch, hx)
        for run in every_way(sizes, ways).values():
            own, own_state = run(rnn, other, choose(hx, rows))
            assert_exact(own.values, expected.index_select(rows).values)
            assert_states(assert_exact, own_state, choose(state, rows))


@every_kind
@examples
@given(data=st.data(), ways=WAYS, sizes=some_lengths())
def test_splitting_the_batch_in_two_gives_the_same_rows(
    kind, data, ways, sizes
):
    network = data.draw(networks(kind))
    middle = data.draw(st.integers(0, len(sizes)))
    rnn, batch = network.make(), make_batch(network, sizes)
    hx = make_state(rnn, len(sizes))
    halves = torch.arange(len(sizes)).split([middle, len(sizes) - middle])
    with torch.no_grad():
        for run in every_way(sizes, ways).values():
            whole, state = run(rnn, batch, hx)
            for rows in filter(len, halves):
                part = batch.index_select(rows)
                own, own_state = run(rnn, part, choose(hx, rows))
                assert_exact(own.values, whole.index_select(rows).values)
                assert_states(assert_exact, own_state, choose(state, rows))


@every_kind
@examples
@given(
    data=st.data(),
    ways=WAYS,
    sizes=some_lengths(),
    pad=st.sampled_from([torch.nan, torch.inf, -1e300]),
)
def test_the_value_of_a_pad_changes_nothing(kind, data, ways, sizes, pad):
    network = data.draw(networks(kind))
    rnn, batch = network.make(), make_batch(network, sizes)
    hx = make_state(rnn, len(sizes))
    clean, spoilt = (every_way(sizes, ways, value) for value in (0, pad))
    for name in clean:
        if name.startswith("padded"):
            expected = gradients(clean[name], rnn, batch, hx)
            own = gradients(spoilt[name], rnn, batch, hx)
            assert_all(assert_same, own, expected)


@every_kind
@examples
@given(
    data=st.data(),
    ways=WAYS,
    sizes=some_lengths().filter(lambda x: len(x) > 1),
    value=st.sampled_from([torch.nan, torch.inf, -torch.inf]),
)
def test_a_spoilt_sequence_changes_no_bit_of_another(
    kind, data, ways, sizes, value
):
    network = data.draw(networks(kind))
    token = data.draw(st.integers(0, sum(sizes) - 1))
    dtype = data.draw(st.sampled_from([torch.float64, torch.float32]))
    rnn, batch = network.make(dtype), make_batch(network, sizes, dtype)
    hx = make_state(rnn, len(sizes), dtype=dtype)
    values = batch.values.clone()
    values[token] = value
    ends = [*itertools.accumulate(sizes)]
    spoilt = next(i for i, end in enumerate(ends) if token < end)
    others = [i for i in range(len(sizes)) if i != spoilt]

    def run_rest(run, values):
        """Return what the other sequences get, and their gradients."""
        values = values.clone().requires_grad_()
        output, state = run(rnn, Ragged(values, sizes), hx)
        kept = [output.index_select(others).values]
        kept += parts_of(choose(state, others))
        (gradient,) = torch.autograd.grad(sum(x.sum() for x in kept), values)
        return *kept, Ragged(gradient, sizes).index_select(others).values

    for run in every_way(sizes, ways).values():
        clean = run_rest(run, batch.values)
        assert_all(assert_same, [run_rest(run, values)], [clean])


# States.


@every_kind
@examples
@given(data=st.data(), ways=WAYS, sizes=some_lengths())
def test_a_sequence_can_be_run_in_two_pieces(kind, data, ways, sizes):
    # The other direction starts at the end.
    network = data.draw(networks(kind, bidirectional=False))
    least = 0
    if data.draw(st.booleans(), label="no piece is empty"):
        least, sizes = 1, [size + 2 for size in sizes]
    cuts = [data.draw(st.integers(least, size - least)) for size in sizes]
    rnn, batch = network.make(), make_batch(network, sizes)
    hx = make_state(rnn, len(sizes))
    pairs = [
        seq.split([c, len(seq) - c])
        for c, seq in zip(cuts, batch, strict=True)
    ]
    begins, ends = map(Ragged.from_list, zip(*pairs, strict=True))
    rests = [size - cut for size, cut in zip(sizes, cuts, strict=True)]
    with torch.no_grad():
        whole, last = one_by_one(rnn, batch, hx)
        for run in every_way([*cuts, *rests], ways).values():
            begun, state = run(rnn, begins, hx)
            ended, state = run(rnn, ends, state)
            joined = [
                torch.cat(pair) for pair in zip(begun, ended, strict=True)
            ]
            assert_exact(torch.cat(joined), whole.values)
            assert_states(assert_exact, state, last)


@every_kind
@examples
@given(data=st.data(), ways=WAYS, sizes=lengths(min_size=1))
def test_length_0_returns_the_initial_state(kind, data, ways, sizes):
    network = data.draw(networks(kind))
    sizes.insert(data.draw(st.integers(0, len(sizes))), 0)
    rnn, batch = network.make(), make_batch(network, sizes)
    hx = make_state(rnn, len(sizes))
    empty = [i for i, size in enumerate(sizes) if not size]
    zeros = choose(hx, empty)
    zeros = [torch.zeros_like(part) for part in parts_of(zeros)]
    with torch.no_grad():
        for run in [one_by_one, *every_way(sizes, ways).values()]:
            _, state = run(rnn, batch, hx)
            assert_states(assert_same, choose(state, empty), choose(hx, empty))
            output, state = run(rnn, batch, None)
            assert_all(assert_same, [parts_of(choose(state, empty))], [zeros])
            assert output.lengths.tolist() == sizes


# Costs.


@every_kind
@examples
@given(data=st.data(), sizes=some_lengths(least=1))
def test_matrix_products_are_half_of_what_pytorch_counts(kind, data, sizes):
    network = data.draw(networks(kind))
    rnn, batch = network.make(), make_batch(network, sizes)
    padded = batch.to_padded(batch_first=rnn.batch_first)
    packed = pack_padded_sequence(
        padded,
        sizes,
        batch_first=rnn.batch_first,
        enforce_sorted=False,
    )
    cost = rnn_cost(rnn, sizes, elementwise=False)
    for way, own in ((padded, cost.padded), (packed, cost.packed)):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            rnn(way)
        assert counter.get_total_flops() == 2 * own.multiplications


@every_kind
@given(data=st.data(), first=lengths(), second=lengths())
def test_costs_are_additive_and_packing_never_costs_more(
    kind, data, first, second
):
    rnn = data.draw(networks(kind)).make()
    elementwise = data.draw(st.booleans())

    def cost(sizes):
        return rnn_cost(rnn, sizes, elementwise=elementwise)

    both, one, other = cost(first + second), cost(first), cost(second)
    for together, *parts in zip(
        both.packed, one.packed, other.packed, strict=True
    ):
        assert together == sum(parts)
    for packed, padded in zip(both.packed, both.padded, strict=True):
        assert packed <= padded
        is_equal = len({*first, *second}) < 2
        assert (packed == padded) == is_equal or not padded
    equal = cost([max(first, default=3)] * 4)
    assert equal.packed == equal.padded
