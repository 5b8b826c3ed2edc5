"""run_rnn, against PyTorch's packed run and against one_by_one."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import (
    NETWORKS,
    all_plans,
    few_plans,
    force,
    gradients,
    leaves_of,
    make_batch,
    make_network,
    make_state,
    parts_of,
    run_packed,
)
from strategies import SHAPES_OF_BATCHES, lengths, make_floats
from tolerances import (
    HALF_TOLERANCE,
    TF32_TOLERANCE,
    assert_close,
    assert_exact,
    assert_same,
    relative_error,
)
from torch import nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils.checkpoint import checkpoint

from packtutor import (
    Plan,
    Ragged,
    _plans,
    _through_time,
    one_by_one,
    plan_run,
    run_rnn,
)
from packtutor._kernels import Cell, can_freeze
from packtutor.device import set_float32
from packtutor.nn import convert

SIZES = [[3, 2, 1], [1, 4, 2, 2], [2, 1, 3] * 7, [5], [4, 4, 4], [9, 1, 5, 1]]
WITH_FUSED_KERNEL = ["LSTM", "LSTM batch first", "LSTM both ways"]
# PyTorch says so when it runs a projection one by one in float32 on a CPU.
quiet = pytest.mark.filterwarnings("ignore:LSTM with projections is not supp")


def saturate(rnn):
    """Drive the gates of a network to their ends."""
    with torch.no_grad():
        for name, weight in rnn.named_parameters():
            if "weight_hh" not in name:
                weight.mul_(10)
    return rnn


def run_with(plan):
    return lambda rnn, batch, hx: run_rnn(rnn, batch, hx, plan=plan)


def assert_all_exact(own, expected):
    for ours, theirs in zip(own, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert_exact(one, other)


def pair(states):
    return states[0] if len(states) == 1 else tuple(states)


def test_running_sums_by_hand():
    rnn = nn.RNN(1, 1, nonlinearity="relu", bias=False, bidirectional=True)
    for weight in rnn.parameters():
        nn.init.ones_(weight)
    batch = Ragged(torch.tensor([[1.0], [2.0], [3.0], [10.0]]), [3, 0, 1])
    hx = torch.tensor([[[0.0], [5.0], [7.0]], [[100.0], [6.0], [0.0]]])
    output, h_n = run_rnn(rnn, batch, hx)
    assert output.values.tolist() == [[1, 106], [3, 105], [6, 103], [17, 10]]
    assert output.lengths.tolist() == [3, 0, 1]
    assert h_n[:, :, 0].tolist() == [[6, 5, 17], [106, 6, 10]]


@quiet
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("saturated", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_every_route_is_the_packed_run(name, sizes, saturated, dtype):
    rnn = make_network(name, dtype=dtype)
    rnn = saturate(rnn) if saturated else rnn
    batch = make_batch(sizes, dtype=dtype)
    hx = make_state(rnn, len(sizes), dtype=dtype) if saturated else None
    packed = gradients(run_packed, rnn, batch, hx)
    alone = gradients(one_by_one, rnn, batch, hx)
    for plan in all_plans(rnn, sizes).values():
        own = gradients(run_with(plan), rnn, batch, hx)
        assert_all_exact(own, packed)
        assert_all_exact(own, alone)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_every_route_without_gradients(name, sizes, dtype):
    rnn = make_network(name, dtype=dtype)
    batch = make_batch(sizes, dtype=dtype)
    hx = make_state(rnn, len(sizes), dtype=dtype)
    with torch.no_grad():
        expected, their_state = run_packed(rnn, batch, hx)
        for plan in all_plans(rnn, sizes).values():
            output, state = run_rnn(rnn, batch, hx, plan=plan)
            assert_exact(output.values, expected.values)
            for ours, theirs in zip(
                parts_of(state), parts_of(their_state), strict=True
            ):
                assert_exact(ours, theirs)


@pytest.mark.parametrize("options", [{}, {"bias": False}], ids=str)
def test_weights_laid_out_once_change_no_bit(options, monkeypatch):
    sizes = [7, 1, 3, 3, 5, 2]
    plan = force("slabs", [2, 4, 5], sizes)
    lstm = nn.LSTM(3, 4, num_layers=2, bidirectional=True, **options)
    batch = make_batch(sizes, dtype=torch.float32)
    hx = make_state(lstm, len(sizes), dtype=torch.float32)

    def run():
        with torch.no_grad():
            output, states = run_rnn(lstm, batch, hx, plan=plan)
        return output.values, *states

    once = run()
    monkeypatch.setattr("packtutor._kernels._LAY_OUT", None)
    for one, other in zip(once, run(), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_written_way_back_can_be_taken_twice(name):
    sizes = [4, 1, 2]
    rnn, batch = make_network(name), make_batch(sizes).apply(leaves_of)
    plan = force("bptt", [], sizes)
    output, state = run_rnn(rnn, batch, plan=plan)
    sources = [batch.values, *rnn.parameters()]
    loss = output.values.square().sum() + parts_of(state)[-1].sum()
    first = torch.autograd.grad(loss, sources, retain_graph=True)
    for one, other in zip(
        first, torch.autograd.grad(loss, sources), strict=True
    ):
        assert_same(one, other)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("part", ["output", "state"])
def test_a_loss_of_one_result_alone(name, part):
    sizes = [4, 1, 2, 2]
    rnn, batch = make_network(name), make_batch(sizes)

    def grown(run):
        leaves = batch.apply(leaves_of)
        output, state = run(rnn, leaves, None)
        one = output.values if part == "output" else parts_of(state)[-1]
        sources = [leaves.values, *rnn.parameters()]
        found = torch.autograd.grad(
            one.square().sum(), sources, allow_unused=True
        )
        return [
            torch.zeros_like(source) if one is None else one
            for source, one in zip(sources, found, strict=True)
        ]

    expected = grown(run_packed)
    for plan in few_plans(rnn, sizes).values():
        for ours, theirs in zip(grown(run_with(plan)), expected, strict=True):
            assert_exact(ours, theirs)


def test_weights_changed_before_the_way_back_are_noticed():
    rnn, batch = make_network("GRU"), make_batch([4, 1, 2])
    output, _ = run_rnn(rnn, batch, plan=force("bptt", [], [4, 1, 2]))
    with torch.no_grad():
        rnn.weight_hh_l0.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.values.sum().backward()


def test_only_gradients_that_are_wanted():
    rnn = make_network("LSTM projected")
    for name, weight in rnn.named_parameters():
        weight.requires_grad_("hh" in name)
    batch = make_batch([4, 1, 2])
    output, _ = run_rnn(rnn, batch, plan=force("bptt", [], [4, 1, 2]))
    output.values.sum().backward()
    for name, weight in rnn.named_parameters():
        assert (weight.grad is not None) == ("hh" in name)


@pytest.mark.parametrize("name", ["tanh", "GRU", "LSTM"])
def test_autocast_around_the_way_back_changes_nothing(name):
    rnn = make_network(name, dtype=torch.float32)
    batch = make_batch([4, 1, 2], dtype=torch.float32)
    plan = force("bptt", [], [4, 1, 2])

    def grown(*, cast):
        output, _ = run_rnn(rnn, batch, plan=plan)
        loss = output.values.square().sum()
        with torch.autocast("cpu", enabled=cast):
            return torch.autograd.grad(loss, list(rnn.parameters()))

    for one, other in zip(grown(cast=True), grown(cast=False), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "LSTM both ways"])
def test_what_a_compiler_traces(name, monkeypatch):
    sizes = [3, 3, 1]
    rnn, batch = make_network(name), make_batch(sizes)
    expected = gradients(run_packed, rnn, batch, None)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    for plan in all_plans(rnn, sizes).values():
        own = gradients(run_with(plan), rnn, batch, None)
        assert_all_exact(own, expected)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_states_of_a_batch_that_is_sorted(name):
    rnn, batch = make_network(name), make_batch([3, 2, 1])
    packed = pack_sequence(batch.to_list())
    assert packed.sorted_indices is None
    hx = make_state(rnn, 3)
    output, state = run_rnn(rnn, packed, hx)
    expected, their_state = rnn(packed, hx)
    assert_exact(output.data, expected.data)
    for ours, theirs in zip(
        parts_of(state), parts_of(their_state), strict=True
    ):
        assert_exact(ours, theirs)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_the_packed_run_on_every_device(name, device):
    rnn, batch = make_network(name, device), make_batch([3, 1, 2], device)
    hx = make_state(rnn, 3, device)
    assert_all_exact(
        gradients(run_rnn, rnn, batch, hx),
        gradients(run_packed, rnn, batch, hx),
    )


@pytest.mark.parametrize("dtype", HALF_TOLERANCE, ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_half_types_are_within_their_rounding_of_float32(name, dtype):
    sizes = [4, 6, 1, 3, 3, 40]
    rnn, batch = make_network(name, dtype=dtype), make_batch(sizes)
    batch = batch.to(dtype)
    whole = copy.deepcopy(rnn).float()
    for hx in (None, make_state(rnn, len(sizes), dtype=dtype)):
        full_hx = hx if hx is None else pair([p.float() for p in parts_of(hx)])
        expected = gradients(
            run_packed, whole, batch.to(torch.float32), full_hx
        )
        for plan in all_plans(rnn, sizes).values():
            own = gradients(run_with(plan), rnn, batch, hx)
            for ours, target in zip(
                [*own[0], *own[1]], [*expected[0], *expected[1]], strict=True
            ):
                assert ours.dtype == dtype
                error = relative_error(ours.float(), target)
                assert error <= HALF_TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", HALF_TOLERANCE, ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_half_types_on_every_device(name, dtype, device):
    sizes = [4, 6, 1, 3, 3]
    rnn = make_network(name, device, dtype)
    batch = make_batch(sizes, device).to(dtype)
    whole = copy.deepcopy(rnn).float()
    expected = gradients(run_packed, whole, batch.to(torch.float32), None)
    theirs = gradients(run_packed, rnn, batch, None)
    own = gradients(run_rnn, rnn, batch, None)
    for ours, packed, target in zip(
        [*own[0], *own[1]],
        [*theirs[0], *theirs[1]],
        [*expected[0], *expected[1]],
        strict=True,
    ):
        assert ours.dtype == packed.dtype == dtype
        # Elsewhere than on a CPU it is PyTorch's own packed run.
        allowed = HALF_TOLERANCE[dtype]
        if device.type != "cpu":
            allowed = max(
                allowed, 1.5 * relative_error(packed.float(), target)
            )
        assert relative_error(ours.float(), target) <= allowed


@pytest.mark.parametrize("name", NETWORKS)
def test_tf32_stays_within_its_rounding(name, device):
    if device.type != "cuda":
        pytest.skip("TF32 is a format of CUDA; the CPU has none")
    rnn = make_network(name, device, torch.float32)
    batch = make_batch([4, 6, 1, 3], device, torch.float32)
    exact = gradients(run_rnn, rnn, batch, None)
    set_float32("tf32")
    rounded = gradients(run_rnn, rnn, batch, None)
    for ours, target in zip(
        [*rounded[0], *rounded[1]], [*exact[0], *exact[1]], strict=True
    ):
        assert relative_error(ours, target) <= TF32_TOLERANCE


@settings(max_examples=50)
@given(
    sizes=lengths(),
    cell=st.sampled_from(["RNN", "GRU", "LSTM"]),
    counts=st.tuples(*(st.integers(1, most) for most in (3, 5, 4, 99))),
    flags=st.tuples(*[st.booleans()] * 6),
    data=st.data(),
)
def test_any_network_over_any_lengths(sizes, cell, counts, flags, data):
    if not any(sizes):
        sizes = [*sizes, 2]
    layers, features, hidden, seed = counts
    hidden += 1  # a projection must be smaller
    bias, batch_first, both, given_state, second, strong = flags
    options = {}
    if second and cell == "RNN":
        options["nonlinearity"] = "relu"
    if second and cell == "LSTM":
        options["proj_size"] = 1
    torch.manual_seed(seed)
    rnn = getattr(nn, cell)(
        features,
        hidden,
        layers,
        bias=bias,
        batch_first=batch_first,
        bidirectional=both,
        dtype=torch.float64,
        **options,
    )
    rnn = saturate(rnn) if strong else rnn
    batch = Ragged(make_floats(sum(sizes), features, seed=seed), sizes)
    hx = make_state(rnn, len(sizes)) if given_state else None
    routes = all_plans(rnn, sizes)
    plan = routes[data.draw(st.sampled_from([*routes]), label="plan")]
    own = gradients(run_with(plan), rnn, batch, hx)
    alone = gradients(one_by_one, rnn, batch, hx)
    assert_all_exact(own, alone)


@pytest.mark.parametrize("probability", [0.3, 1.0])
@pytest.mark.parametrize("cell", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("both", [False, True])
def test_dropout_is_that_of_the_packed_run(cell, both, probability):
    rnn = cell(
        3,
        4,
        3,
        dropout=probability,
        bidirectional=both,
        dtype=torch.float64,
    )
    sizes = [2, 5, 3, 1]

    def seeded(run):
        def run_it(*args):
            torch.manual_seed(7)
            return run(*args)

        return run_it

    batch = make_batch(sizes)
    expected = gradients(seeded(run_packed), rnn, batch, None)
    for plan in all_plans(rnn, sizes).values():
        own = gradients(seeded(run_with(plan)), rnn, batch, None)
        assert_all_exact(own, expected)
        after = torch.rand(1)
        seeded(run_packed)(rnn, batch)
        assert_same(torch.rand(1), after)
    with torch.no_grad():
        other, _ = run_rnn(rnn, batch)
        assert probability == 1 or not torch.equal(
            other.values, expected[0][0]
        )
        still, _ = run_rnn(rnn.eval(), batch)
    assert_close(still.values, run_packed(rnn, batch)[0].values)


@pytest.mark.parametrize("sizes", [[3, 1, 2], [2, 2]], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_autocast_returns_the_types_of_the_packed_run(name, sizes, device):
    rnn = make_network(name, device, torch.float32)
    packed = make_batch(sizes, device, torch.float32).to_packed()
    with torch.autocast(device.type, torch.bfloat16):
        expected, their_state = rnn(packed)
        own, state = run_rnn(rnn, packed)
        ragged, _ = run_rnn(
            rnn, make_batch([*sizes, 0], device).to(packed.data.dtype)
        )
    assert_same(own.data, expected.data)
    assert ragged.values.dtype == expected.data.dtype
    for ours, theirs in zip(
        parts_of(state), parts_of(their_state), strict=True
    ):
        assert_same(ours, theirs)


@pytest.mark.parametrize("name", NETWORKS)
def test_first_and_second_derivatives(name):
    rnn = make_network(name)
    sizes = [1, 3]
    batch = make_batch(sizes)
    hx = leaves_of(make_state(rnn, 2))
    names = [name for name, _ in rnn.named_parameters()]
    inputs = [leaves_of(batch.values), *parts_of(hx)]
    inputs += [leaves_of(weight) for weight in rnn.parameters()]
    states = len(parts_of(hx))

    for plan in few_plans(rnn, sizes).values():

        def run(values, *rest, plan=plan):
            weights = dict(zip(names, rest[states:], strict=True))
            output, state = torch.func.functional_call(
                Runner(rnn, plan),
                {f"rnn.{name}": weight for name, weight in weights.items()},
                (Ragged(values, sizes), pair(rest[:states])),
            )
            return (output.values, *parts_of(state))

        assert torch.autograd.gradcheck(run, inputs, fast_mode=True)
        assert torch.autograd.gradgradcheck(run, inputs, fast_mode=True)


class Runner(nn.Module):
    def __init__(self, rnn, plan=None):
        super().__init__()
        self.rnn, self.plan = rnn, plan

    def forward(self, batch, hx=None):
        return run_rnn(self.rnn, batch, hx, plan=self.plan)


@pytest.mark.parametrize("name", WITH_FUSED_KERNEL)
def test_second_derivatives_of_the_fused_kernel(name):
    sizes = [5, 3, 4, 1]

    def second(dtype, plan):
        rnn = make_network(name, dtype=dtype)
        values = leaves_of(make_batch(sizes, dtype=dtype).values)
        output, _ = run_rnn(rnn, Ragged(values, sizes), plan=plan)
        loss = output.values.sin().sum()
        first = torch.autograd.grad(loss, values, create_graph=True)[0]
        sources = [values, *rnn.parameters()]
        return torch.autograd.grad((first**2).sum(), sources)

    expected = second(torch.float64, None)
    for plan in all_plans(make_network(name), sizes).values():
        for ours, theirs in zip(
            second(torch.float32, plan), expected, strict=True
        ):
            assert_exact(ours, theirs.float())


@quiet
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_nan_stays_in_its_sequence(name, value):
    sizes, dtype = [3, 5, 2, 0, 4], torch.float32
    rnn = make_network(name, dtype=dtype)
    batch, hx = make_batch(sizes, dtype=dtype), make_state(rnn, 5, dtype=dtype)
    others = [0, 1, 3, 4]

    def run(values, plan):
        values = leaves_of(values)
        output, state = run_rnn(rnn, Ragged(values, sizes), hx, plan=plan)
        kept = output.index_select(others).values
        loss = kept.sum() + sum(p[:, others].sum() for p in parts_of(state))
        (gradient,) = torch.autograd.grad(loss, values)
        gradient = Ragged(gradient, sizes).index_select(others).values
        return kept, gradient, *(p[:, others] for p in parts_of(state))

    for token in (8, 9):
        spoilt = batch.values.clone()
        spoilt[token] = value
        for plan in few_plans(rnn, sizes).values():
            clean = run(batch.values, plan)
            for ours, theirs in zip(run(spoilt, plan), clean, strict=True):
                assert_same(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", WITH_FUSED_KERNEL)
@pytest.mark.parametrize("token", [2, 3, 7])
def test_infinities_give_what_the_packed_run_gives(name, token, dtype):
    # Opposite infinities leave a NaN in some gates and not in others.
    sizes = [3, 1, 4]
    rnn = make_network(name, dtype=dtype)
    batch = make_batch(sizes, dtype=dtype)
    batch.values[token, :2] = torch.inf
    expected, their_state = run_packed(rnn, batch)
    for plan in all_plans(rnn, sizes).values():
        output, state = run_rnn(rnn, batch, plan=plan)
        torch.testing.assert_close(
            output.values, expected.values, equal_nan=True
        )
        torch.testing.assert_close(state, their_state, equal_nan=True)


def test_a_nan_in_h_alone_does_not_reach_c():
    lstm = nn.LSTM(2, 1, bias=False)
    with torch.no_grad():
        lstm.weight_ih_l0.zero_()
        lstm.weight_ih_l0[:3] = torch.tensor([[1.0, 1], [1, 1], [1, 1]])
        lstm.weight_ih_l0[3] = torch.tensor([1.0, -1])
        lstm.weight_hh_l0.zero_()
    values = torch.ones(6, 2)
    values[1] = torch.inf  # the output gate gets inf - inf
    batch = Ragged(values, [2, 4])
    for plan in all_plans(lstm, [2, 4]).values():
        _, (h_n, c_n) = run_rnn(lstm, batch, plan=plan)
        assert h_n[0, 0].isnan()
        assert_close(c_n, run_packed(lstm, batch)[1][1])
        assert c_n.isfinite().all()


@pytest.mark.parametrize("scale", [1e3, 1e10, 1e28, 1e30, torch.inf])
@pytest.mark.parametrize("part", ["weight_ih", "weight_hh", "bias_ih"])
def test_weights_too_large_to_be_shut_off(part, scale):
    sizes = [2, 6, 3]
    lstm = make_network("LSTM", dtype=torch.float32)
    with torch.no_grad():
        getattr(lstm, f"{part}_l0")[5] *= scale
    batch = make_batch(sizes, dtype=torch.float32)
    expected, their_state = run_packed(lstm, batch)
    for plan in all_plans(lstm, sizes).values():
        output, state = run_rnn(lstm, batch, plan=plan)
        torch.testing.assert_close(
            output.values, expected.values, equal_nan=True
        )
        torch.testing.assert_close(state, their_state, equal_nan=True)


def test_a_network_without_features_can_be_filled_up():
    # Older PyTorch makes such a network; it has an input weight of no entry.
    lstm = make_network("LSTM")
    lstm.input_size = 0
    lstm.weight_ih_l0 = nn.Parameter(lstm.weight_ih_l0[:, :0])
    batch = Ragged(make_floats(6, 0), [3, 2, 1])
    expected, _ = one_by_one(lstm, batch)
    for plan in all_plans(lstm, [3, 2, 1]).values():
        output, _ = run_rnn(lstm, batch, plan=plan)
        assert_close(output.values, expected.values)


@pytest.mark.parametrize("dtype", HALF_TOLERANCE, ids=str)
def test_half_types_bring_what_is_empty_through(dtype):
    lstm = make_network("LSTM", dtype=dtype)
    hx = make_state(lstm, 2, dtype=dtype)
    for sizes in ([0, 0], [0, 3]):
        batch = make_batch(sizes, dtype=torch.float32).to(dtype)
        output, states = run_rnn(lstm, batch, hx)
        assert output.values.dtype == dtype
        for state, start in zip(states, hx, strict=True):
            assert_same(state[:, 0], start[:, 0])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("kind", SHAPES_OF_BATCHES)
def test_permuting_or_splitting_the_batch(name, kind):
    sizes = SHAPES_OF_BATCHES[kind]
    rnn, batch = make_network(name), make_batch(sizes)
    hx = make_state(rnn, len(sizes))
    middle = len(sizes) // 2
    choices = [
        torch.randperm(len(sizes)),
        torch.arange(middle),
        torch.arange(middle, len(sizes)),
    ]
    with torch.no_grad():
        output, state = run_rnn(rnn, batch, hx)
        for rows in choices:
            if not len(rows):
                continue
            part = pair([part[:, rows] for part in parts_of(hx)])
            own, own_state = run_rnn(rnn, batch.index_select(rows), part)
            assert_exact(own.values, output.index_select(rows).values)
            for ours, whole in zip(
                parts_of(own_state), parts_of(state), strict=True
            ):
                assert_exact(ours, whole[:, rows])


@pytest.mark.parametrize("name", ["tanh", "GRU", "LSTM", "LSTM batch first"])
def test_a_state_can_be_carried(name):
    rnn = make_network(name)
    whole = make_batch([5, 2, 0, 7, 1])
    first = Ragged.from_list([seq[:2] for seq in whole])
    second = Ragged.from_list([seq[2:] for seq in whole])
    expected, last = run_rnn(rnn, whole)
    start, state = run_rnn(rnn, first)
    end, state = run_rnn(rnn, second, state)
    for i, seq in enumerate(expected):
        assert_close(torch.cat([start[i], end[i]]), seq)
    for ours, theirs in zip(parts_of(state), parts_of(last), strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_type_that_goes_in_comes_back(name, device):
    rnn, batch = make_network(name, device), make_batch([2, 5, 1, 5], device)
    hx = make_state(rnn, 4, device)
    expected, expected_state = run_rnn(rnn, batch, hx)
    assert type(expected) is Ragged
    assert_same(expected.lengths, batch.lengths)

    packed = batch.to_packed()
    output, state = run_rnn(rnn, packed, hx)
    assert type(output) is PackedSequence
    for own, theirs in zip(output[1:], packed[1:], strict=True):
        assert own is theirs
    assert_same(Ragged.from_packed(output).values, expected.values)

    nested = batch.to_nested()
    output, nested_state = run_rnn(rnn, nested, hx)
    assert output.is_nested
    assert output.layout == torch.jagged
    assert_same(output.values(), expected.values)
    # The same lengths for PyTorch too: the two can be added.
    assert output.shape[:2] == nested.shape[:2]

    for own in (state, nested_state):
        assert isinstance(own, tuple) == (rnn.mode == "LSTM")
        for ours, theirs in zip(
            parts_of(own), parts_of(expected_state), strict=True
        ):
            assert_same(ours, theirs)


def test_a_sorted_packed_sequence_has_no_indices():
    rnn = make_network("LSTM both ways")
    packed = pack_sequence(make_batch([4, 2, 2]).to_list())
    output, state = run_rnn(rnn, packed)
    expected, their_state = rnn(packed)
    assert output.sorted_indices is None
    assert output.unsorted_indices is None
    assert_close(output.data, expected.data)
    for ours, theirs in zip(state, their_state, strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_an_empty_sequence_returns_its_initial_state(name, with_state, device):
    rnn = make_network(name, device)
    batch = make_batch([0, 3, 0, 1], device)
    hx = make_state(rnn, 4, device) if with_state else None
    for plan in all_plans(rnn, [0, 3, 0, 1]).values():
        if device.type != "cpu" and plan is not None:
            continue
        for given_batch in (batch, batch.to_nested()):
            output, state = run_rnn(rnn, given_batch, hx, plan=plan)
            output = (
                Ragged.from_nested(output)
                if output is not None and isinstance(output, torch.Tensor)
                else output
            )
            expected, expected_state = one_by_one(rnn, batch, hx)
            assert_close(output.values, expected.values)
            assert output.lengths.tolist() == [0, 3, 0, 1]
            for ours, theirs in zip(
                parts_of(state), parts_of(expected_state), strict=True
            ):
                assert_close(ours, theirs)
                assert_same(ours[:, [0, 2]], theirs[:, [0, 2]])


def test_the_state_of_an_empty_sequence_has_a_gradient():
    rnn, batch = make_network("LSTM"), make_batch([0, 2])
    h_0, c_0 = leaves_of(make_state(rnn, 2))
    _, (h_n, c_n) = run_rnn(rnn, batch, (h_0, c_0))
    (2 * h_n[:, 0] + 3 * c_n[:, 0]).sum().backward()
    assert h_0.grad[0].tolist() == [[2] * 4, [0] * 4]
    assert c_0.grad[0].tolist() == [[3] * 4, [0] * 4]


@pytest.mark.parametrize("name", NETWORKS)
def test_all_sequences_may_be_empty(name, device):
    rnn, batch = make_network(name, device), make_batch([0, 0], device)
    hx = make_state(rnn, 2, device)
    output, state = run_rnn(rnn, batch, hx)
    expected, _ = one_by_one(rnn, batch, hx)
    assert_same(output.values, expected.values)
    assert output.lengths.tolist() == [0, 0]
    for part, start in zip(parts_of(state), parts_of(hx), strict=True):
        assert_same(part, start)
        assert part.data_ptr() != start.data_ptr()
    plan = plan_run(rnn, [0, 0])
    assert plan == Plan("torch", (), 0, 0, 0.0)
    assert plan.padding_fraction == 0
    assert_same(run_rnn(rnn, batch, hx, plan=plan)[0].values, output.values)


def test_the_arguments_are_left_alone():
    rnn, batch = make_network("LSTM both ways"), make_batch([3, 2, 5])
    hx = make_state(rnn, 3)
    before = [part.clone() for part in (batch.values, *hx)]
    weights = [weight.clone() for weight in rnn.parameters()]
    for plan in all_plans(rnn, [3, 2, 5]).values():
        run_rnn(rnn, batch, hx, plan=plan)
    for part, copied in zip((batch.values, *hx), before, strict=True):
        assert_same(part, copied)
    for weight, copied in zip(rnn.parameters(), weights, strict=True):
        assert_same(weight, copied)


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


@pytest.mark.parametrize("name", ["GRU deep", "LSTM both ways"])
def test_weights_are_read_at_each_call(name):
    sizes = [3, 5, 1]
    rnn, batch = make_network(name), make_batch(sizes)
    plans = all_plans(rnn, sizes).values()

    def compare():
        expected = gradients(run_packed, rnn, batch, None)
        for plan in plans:
            own = gradients(run_with(plan), rnn, batch, None)
            assert_all_exact(own, expected)

    compare()
    with torch.no_grad():
        rnn.weight_hh_l0 += 1
    compare()
    rnn.weight_ih_l0_reverse = rnn.weight_ih_l0
    compare()
    rnn.load_state_dict(make_network(name).state_dict())
    compare()
    parametrize.register_parametrization(rnn, "weight_hh_l1", Doubled())
    compare()


def test_the_weights_learn():
    torch.manual_seed(0)
    lstm = nn.LSTM(3, 8, bidirectional=True)
    batch = make_batch([60, 3, 40, 1] * 5, dtype=torch.float32)
    optimiser = torch.optim.Adam(lstm.parameters(), 0.01)
    assert plan_run(lstm, batch.lengths, training=True).route == "slabs"
    losses = []
    for _ in range(8):
        output, (h_n, _) = run_rnn(lstm, batch)
        loss = (output.values.mean() - 0.1) ** 2 + (h_n**2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("name", NETWORKS)
def test_no_graph_where_none_is_wanted(name):
    sizes = [30, 20, 3]
    rnn, batch = make_network(name, dtype=torch.float32), make_batch(sizes)
    batch = batch.to(torch.float32)
    expected, _ = run_rnn(rnn, batch)
    assert expected.values.requires_grad
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            output, state = run_rnn(rnn, batch)
            assert not output.values.requires_grad
            assert not parts_of(state)[0].requires_grad
            assert_exact(output.values, expected.values)
    for weight in rnn.parameters():
        weight.requires_grad_(False)
    output, _ = run_rnn(rnn, batch)
    assert not output.values.requires_grad
    output, _ = run_rnn(rnn, batch.apply(leaves_of))
    assert output.values.requires_grad


def test_a_network_may_have_a_shape_alone():
    rnn = make_network("LSTM projected", "meta")
    output, (h_n, c_n) = run_rnn(rnn, make_batch([2, 0]).to("meta"))
    assert output.values.shape == (2, 4)
    assert (h_n.shape, c_n.shape) == ((4, 2, 2), (4, 2, 4))


def test_without_onednn_no_slab_pays(monkeypatch):
    lstm, sizes = nn.LSTM(8, 64), [900, 2, 700, 1]
    assert plan_run(lstm, sizes, training=True).route == "slabs"
    monkeypatch.setattr(torch.backends, "mkldnn", Off())
    assert plan_run(lstm, sizes, training=True).route == "bptt"
    assert plan_run(lstm, sizes).route == "torch"


class Off:
    enabled = False

    def is_available(self):
        return True


X = make_batch([3, 2, 1])
H = torch.zeros(1, 3, 4, dtype=torch.float64)
SORTED = torch.tensor([0, 1, 2])


@pytest.mark.parametrize(
    ("rnn", "batch", "error", "text"),
    [
        (None, X, TypeError, "rnn is of type NoneType; it must be a torch.nn"),
        (nn.GRUCell(3, 4), X, TypeError, "rnn is of type GRUCell; it must be"),
        (
            "LSTM",
            X.to_list(),
            TypeError,
            "batch is of type list; it must be a PackedSequence, a Ragged or",
        ),
        (
            "LSTM",
            X.to_padded(),
            TypeError,
            r"batch is a padded tensor .* Ragged.from_padded\(batch, length",
        ),
        ("LSTM", X.index_select([]), ValueError, "batch has no sequence; it "),
        (
            "LSTM",
            X.to(torch.int64),
            TypeError,
            "batch.values has dtype torch.int64; .* embed the ids first",
        ),
        (
            "LSTM",
            X.to(torch.int64).to_packed(),
            TypeError,
            "batch.data has dtype torch.int64; .* embed the ids first",
        ),
        (
            "LSTM",
            X.to(torch.int64).to_nested(),
            TypeError,
            r"batch.values\(\) has dtype torch.int64; .* embed the ids first",
        ),
        (
            "GRU",
            X.to(torch.float32),
            TypeError,
            "batch.values has dtype torch.float32; the weights have torch.flo",
        ),
        (
            "GRU",
            X.to("meta"),
            ValueError,
            "batch.values is on device meta; the weights are on cpu",
        ),
        (
            "GRU",
            X.apply(lambda x: x[:, :2]).to_packed(),
            ValueError,
            r"batch.data has shape \(6, 2\); it must be \(N, 3\), the network",
        ),
        (
            "GRU",
            PackedSequence(X.values, torch.tensor([3, 2])),
            ValueError,
            "batch.batch_sizes adds up to 5; batch.data has 6 rows",
        ),
        (
            "GRU",
            PackedSequence(X.values, torch.tensor([2, 3, 1])),
            ValueError,
            r"batch.batch_sizes\[1\] is 3 after 2; batch sizes cannot grow",
        ),
        (
            "GRU",
            PackedSequence(
                X.values, torch.tensor([3, 2, 1]), SORTED, SORTED[[1, 2, 0]]
            ),
            ValueError,
            "batch.unsorted_indices is not the inverse of batch.sorted_indic",
        ),
        (
            "GRU",
            PackedSequence(
                X.values, torch.tensor([3, 2, 1]), SORTED[:2], SORTED[:2]
            ),
            ValueError,
            r"batch.sorted_indices has 2 entries; batch.batch_sizes\[0\] is 3",
        ),
    ],
)
def test_bad_arguments_are_named(rnn, batch, error, text):
    rnn = make_network(rnn) if rnn in NETWORKS else rnn
    with pytest.raises(error, match=text):
        run_rnn(rnn, batch)


@pytest.mark.parametrize(
    ("name", "hx", "error", "text"),
    [
        ("LSTM", H, TypeError, r"hx is of type Tensor; .* tuple \(h_0, c_0\)"),
        ("LSTM", (H,), TypeError, r"hx has 1 parts; .* a tuple \(h_0, c_0\)"),
        ("LSTM", (H, None), TypeError, "hx: c_0 is of type NoneType; hx must"),
        ("GRU", (H,), TypeError, "hx: h_0 is of type tuple; hx must be a ten"),
        ("GRU", H[:, :2], ValueError, r"hx: h_0 has shape \(1, 2, 4\); .* = "),
        # PyTorch uses the first B of them in silence.
        ("GRU", H.repeat(1, 2, 1), ValueError, r"h_0 has shape \(1, 6, 4\);"),
        ("GRU", H.float(), TypeError, "hx: h_0 has dtype torch.float32; the"),
        ("GRU", H.to("meta"), ValueError, "hx: h_0 is on device meta; the w"),
    ],
)
@pytest.mark.parametrize("layout", ["ragged", "packed", "nested"])
def test_a_bad_state_is_named(name, hx, error, text, layout):
    batch = {"ragged": X, "packed": X.to_packed(), "nested": X.to_nested()}
    with pytest.raises(error, match=text):
        run_rnn(make_network(name), batch[layout], hx)


GOOD = force("bptt", [1], [3, 2, 1])


@pytest.mark.parametrize(
    ("name", "plan", "error", "text"),
    [
        ("GRU", "slabs", TypeError, "plan is of type str; it must be a Plan,"),
        (
            "GRU",
            GOOD._replace(route="fast"),
            ValueError,
            "plan.route is 'fast'; it must be 'torch', 'bptt' or 'slabs'",
        ),
        (
            "GRU",
            GOOD._replace(route="slabs"),
            ValueError,
            "plan.route is 'slabs'; only an LSTM of real numbers without",
        ),
        (
            "LSTM projected",
            GOOD._replace(route="slabs"),
            ValueError,
            "plan.route is 'slabs'; only an LSTM of real numbers without",
        ),
        (
            "GRU",
            GOOD._replace(tokens=5),
            ValueError,
            "plan has 5 tokens; the batch has 6",
        ),
        (
            "GRU",
            GOOD._replace(slabs=GOOD.slabs[1:]),
            ValueError,
            r"plan.slabs\[0\] runs from step 1 to 3; it must start at 0 and ",
        ),
        (
            "GRU",
            GOOD._replace(slabs=(GOOD.slabs[0]._replace(stop=4),)),
            ValueError,
            r"plan.slabs\[0\] runs from step 0 to 4; .* and end by 3",
        ),
        (
            "GRU",
            GOOD._replace(slabs=(GOOD.slabs[0]._replace(rows=2),)),
            ValueError,
            r"plan.slabs\[0\] has 2 rows; 3 sequences of the batch are alive ",
        ),
        (
            "GRU",
            GOOD._replace(tokens=6.0),
            TypeError,
            "plan.tokens is 6.0; it must be an integer",
        ),
        (
            "GRU",
            GOOD._replace(slabs=None),
            TypeError,
            "plan.slabs is of type NoneType; it must be a tuple of slabs",
        ),
        *(
            (
                "GRU",
                GOOD._replace(slabs=(slab,)),
                TypeError,
                r"plan.slabs\[0\] is .*; it must be three integers: first ",
            )
            for slab in (1, (0, 3), (0, 3.0, 3), (False, 3, 3), "abc")
        ),
        (
            "GRU",
            GOOD._replace(slabs=GOOD.slabs[:1]),
            ValueError,
            "plan ends at step 1; the longest sequence of the batch has 3",
        ),
    ],
)
def test_a_plan_that_does_not_fit_is_named(name, plan, error, text):
    with pytest.raises(error, match=text):
        run_rnn(make_network(name), X, plan=plan)


def test_only_the_packed_kernel_runs_elsewhere():
    rnn = make_network("LSTM", "meta")
    with pytest.raises(ValueError, match="'bptt'; on meta it must be 'tor"):
        run_rnn(rnn, X.to("meta"), plan=GOOD)
    with (
        torch.autocast("cpu"),
        pytest.raises(ValueError, match="under autocast it must be 'torch'"),
    ):
        run_rnn(make_network("LSTM"), X, plan=GOOD)


# --- weights and states as people have them -------------------------------


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_weights_of_two_types_are_named(name):
    rnn = make_network(name)
    rnn.weight_hh_l0 = nn.Parameter(rnn.weight_hh_l0.float())
    text = "rnn.weight_hh_l0 is torch.float32 on cpu; rnn.weight_ih_l0 is torc"
    with pytest.raises(ValueError, match=text):
        run_rnn(rnn, X)
    rnn.weight_hh_l0 = nn.Parameter(rnn.weight_hh_l0.double().to("meta"))
    with pytest.raises(ValueError, match="torch.float64 on meta; rnn.weight_"):
        run_rnn(rnn, X)


def test_weights_that_a_hook_computes_are_refused():
    rnn = prune.l1_unstructured(make_network("LSTM"), "weight_hh_l0", 0.5)
    text = "rnn.weight_hh_l0 is computed by a hook.*packtutor.nn.convert"
    with pytest.raises(ValueError, match=text):
        run_rnn(rnn, X)
    expected, _ = one_by_one(rnn, X)
    output, _ = convert(rnn)(X)
    assert_close(output.values, expected.values)
    output, _ = run_rnn(prune.remove(rnn, "weight_hh_l0"), X)
    assert_close(output.values, expected.values)


def test_other_hooks_do_not_matter():
    rnn = make_network("LSTM")
    rnn.register_forward_pre_hook(lambda module, args: None)
    assert_same(run_rnn(rnn, X)[0].values, run_rnn(rnn, X)[0].values)


def test_a_parametrised_weight_is_computed_once():
    class Count(nn.Module):
        calls = 0

        def forward(self, weight):
            Count.calls += 1
            return weight * 1

    rnn = make_network("LSTM")
    parametrize.register_parametrization(rnn, "weight_ih_l0", Count())
    for hx in (None, make_state(rnn, 3)):
        Count.calls = 0
        run_rnn(rnn, X, hx)
        assert Count.calls == 1


@pytest.mark.filterwarnings("ignore:Complex modules are a new feature")
@pytest.mark.parametrize("name", ["tanh", "GRU", "LSTM"])
def test_complex_numbers(name):
    rnn = make_network(name).to(torch.complex128)
    batch = make_batch([4, 1, 3]).apply(lambda v: torch.complex(v, v.flip(0)))
    expected, _ = run_packed(rnn, batch)
    for plan_name, plan in all_plans(rnn, [4, 1, 3]).items():
        if plan_name.startswith(("slabs", "bptt")):
            with pytest.raises(ValueError, match="real numbers"):
                run_rnn(rnn, batch, plan=plan)
        else:
            output, _ = run_rnn(rnn, batch, plan=plan)
            torch.testing.assert_close(output.values, expected.values)


@pytest.mark.parametrize("name", ["GRU", "LSTM"])
def test_states_that_are_not_dense_are_named(name):
    rnn = make_network(name)
    sparse = torch.zeros(1, 3, 4, dtype=torch.float64).to_sparse()
    hx = (sparse, sparse) if name == "LSTM" else sparse
    with pytest.raises(TypeError, match="h_0 is sparse or nested; it must be"):
        run_rnn(rnn, X, hx)


@pytest.mark.parametrize("name", ["GRU", "LSTM"])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16], ids=str)
def test_autocast_leaves_states_to_pytorch(name, kind):
    rnn = make_network(name, dtype=torch.float32)
    packed = X.to(torch.bfloat16).to_packed()
    hx = make_state(rnn, 3, dtype=kind)
    with torch.autocast("cpu", torch.bfloat16):
        try:
            expected, _ = rnn(packed, hx)
        except (RuntimeError, ValueError):
            with pytest.raises((RuntimeError, ValueError)):
                run_rnn(rnn, packed, hx)
        else:
            assert_same(run_rnn(rnn, packed, hx)[0].data, expected.data)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_batch_without_words_trains(name):
    rnn, batch = make_network(name), make_batch([0, 0])
    output, _ = run_rnn(rnn, batch)
    assert output.values.shape[0] == 0
    for slope in torch.autograd.grad(output.values.sum(), rnn.parameters()):
        assert not slope.any()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_a_compiled_network_trains():
    lstm = nn.LSTM(4, 8)
    batch = Ragged(torch.randn(366, 4), [40, 30, 30, 20, 2] * 3)
    assert plan_run(lstm, batch.lengths, training=True).route == "slabs"

    def loss(run):
        return run(lstm, batch)[0].values.square().sum()

    compiled = torch.compile(run_rnn, backend="aot_eager")
    found = torch.autograd.grad(loss(compiled), lstm.parameters())
    wanted = torch.autograd.grad(loss(run_rnn), lstm.parameters())
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


# --- the written way back, among other parts of a graph ---------------------


def carried(run, rnn, batch):
    """The loss of two pieces of text, the state carried over."""
    loss, state = 0, None
    for _ in range(2):
        output, state = run(rnn, batch, state)
        loss = loss + output.values.square().mean()
    return loss


def called_twice(run, rnn, batch):
    output, _ = run(rnn, batch, None)
    again, _ = run(rnn, output.apply(lambda rows: rows[:, :3]), None)
    return again.values.square().mean()


def started_from_its_tokens(run, rnn, batch):
    count = len(parts_of(make_state(rnn, 3)))
    start = batch.values[:3].sum(1).view(1, 3, 1).expand(1, 3, 4)
    output, _ = run(rnn, batch, pair((start,) * count))
    return output.values.square().mean()


def fed_with_its_weights(run, rnn, batch):
    def mix(rows):
        return rows @ rnn.weight_ih_l0[:3]

    output, _ = run(rnn, batch.apply(mix), None)
    return output.values.square().mean()


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", ["tanh", "GRU", "LSTM"])
@pytest.mark.parametrize(
    "make_loss",
    [carried, called_twice, started_from_its_tokens, fed_with_its_weights],
)
def test_gradients_within_a_larger_graph(make_loss, name, create_graph, tied):
    sizes = [4, 3, 2]
    found = []
    for run in (run_with(force("bptt", [], sizes)), run_packed):
        rnn, batch = make_network(name), make_batch(sizes).apply(leaves_of)
        if tied:
            rnn.bias_hh_l0 = rnn.bias_ih_l0
        rnn.weight_hh_l0.register_hook(lambda gradient: 3 * gradient)
        loss = make_loss(run, rnn, batch)
        sources = [batch.values, *rnn.parameters()]
        first = torch.autograd.grad(loss, sources, create_graph=create_graph)
        found.append(list(first))
        if create_graph:
            total = sum(gradient.square().sum() for gradient in first)
            found[-1] += torch.autograd.grad(total, sources)
    for ours, theirs in zip(*found, strict=True):
        assert_exact(ours, theirs)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("name", ["tanh", "GRU", "LSTM projected"])
def test_the_written_way_back_can_be_checkpointed(name, reentrant):
    sizes = [4, 3, 2]
    rnn, batch = make_network(name), make_batch(sizes).apply(leaves_of)
    plan = force("bptt", [], sizes)

    def run(values):
        return run_rnn(rnn, Ragged(values, sizes), plan=plan)[0].values

    found = []
    for output in (
        run(batch.values),
        checkpoint(run, batch.values, use_reentrant=reentrant),
    ):
        rnn.zero_grad()
        batch.values.grad = None
        output.square().sum().backward()
        grown = [batch.values, *rnn.parameters()]
        found.append([tensor.grad.clone() for tensor in grown])
    for one, other in zip(*found, strict=True):
        assert_exact(one, other)


@pytest.mark.parametrize("name", NETWORKS)
def test_many_gradients_at_once(name):
    sizes = [3, 1]
    rnn, batch = make_network(name), make_batch(sizes).apply(leaves_of)
    plan = force("bptt", [], sizes)
    found = []
    for way in (plan, force("torch", [], sizes)):
        output, _ = run_rnn(rnn, batch, plan=way)
        rows = torch.eye(output.values.numel(), dtype=torch.float64)
        found.append(
            torch.autograd.grad(
                output.values,
                [batch.values, *rnn.parameters()],
                rows.view(-1, *output.values.shape),
                is_grads_batched=True,
            )
        )
    for ours, theirs in zip(*found, strict=True):
        assert_exact(ours, theirs)


@pytest.mark.parametrize("name", ["tanh", "GRU", "LSTM"])
def test_what_the_caller_changes_before_the_way_back(name):
    sizes = [4, 3, 2]
    values = make_batch(sizes).to_packed().data.requires_grad_()
    found = []
    for plan in (force("bptt", [], sizes), force("torch", [], sizes)):
        rnn = make_network(name)
        steps = torch.tensor([3, 3, 2, 1])
        output, _ = run_rnn(rnn, PackedSequence(values, steps), plan=plan)
        output.data.mul_(2)
        steps.copy_(torch.tensor([4, 3, 1, 1]))
        for weight in rnn.parameters():
            weight.requires_grad_(False)
        loss = output.data.square().sum()
        found += [
            torch.autograd.grad(loss, values, create_graph=True)[0],
            torch.autograd.grad(loss, values)[0],
        ]
    for gradient in found[1:]:
        assert_exact(found[0], gradient)


@pytest.mark.parametrize("name", ["tanh", "relu", "GRU", "LSTM"])
@pytest.mark.parametrize("place", ["state", "gradient"])
def test_infinities_on_the_written_way(name, place):
    sizes = [3, 2]
    rnn = make_network(name)
    hx = make_state(rnn, 2)
    if place == "state":
        for part in parts_of(hx):
            part[:, 1] = torch.inf
    found = []
    for plan in (force("bptt", [], sizes), force("torch", [], sizes)):
        batch = make_batch(sizes).apply(leaves_of)
        output, _ = run_rnn(rnn, batch, hx, plan=plan)
        grown = torch.ones_like(output.values)
        if place == "gradient" and name != "GRU":
            grown[-1] = torch.inf
        found.append(
            [
                output.values,
                torch.autograd.grad(output.values, batch.values, grown)[0],
            ]
        )
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, equal_nan=True)


# --- the fused kernel, called with weights laid out once --------------------


@pytest.mark.parametrize("layout", ["ragged", "packed"])
@pytest.mark.parametrize(
    "part",
    ["weight_ih_l0", "weight_hh_l0", "data", "h_0", "c_0", "bias_ih_l0"],
)
def test_tensors_may_have_gaps(part, layout):
    sizes = [9, 9, 7, 5, 5, 2]
    lstm = make_network("LSTM", dtype=torch.float32)
    batch = make_batch(sizes, dtype=torch.float32)
    states = dict(zip(["h_0", "c_0"], make_state(lstm, 6), strict=True))
    states = {name: state.float() for name, state in states.items()}

    def spread(tensor):
        wide = tensor.new_zeros(*tensor.shape[:-1], 2 * tensor.shape[-1])
        wide[..., ::2] = tensor
        return wide[..., ::2]

    if part == "data":
        batch = batch.apply(spread)
    elif part in states:
        states[part] = states[part][:, :1].expand(1, 6, 4)
    else:
        weight = getattr(lstm, part)
        setattr(lstm, part, nn.Parameter(spread(weight.detach())))
    hx = states["h_0"], states["c_0"]
    given = batch
    if layout == "packed":
        data = spread(batch.to_packed().data)
        given = PackedSequence(data, batch.to_packed().batch_sizes)
    with torch.no_grad():
        expected, (h_n, c_n) = run_packed(lstm, batch, hx)
        for cuts in ([5, 7], [2, 5], [1, 2, 5, 7]):
            plan = force("slabs", cuts, sizes)
            output, ours = run_rnn(lstm, given, hx, plan=plan)
            if layout == "packed":
                output = Ragged.from_packed(output)
            assert_exact(output.values, expected.values)
            assert_exact(ours[0], h_n)
            assert_exact(ours[1], c_n)


def test_a_network_without_features_in_float32():
    lstm = make_network("LSTM", dtype=torch.float32)
    lstm.input_size = 0
    lstm.weight_ih_l0 = nn.Parameter(torch.zeros(16, 0))
    sizes = [3, 3, 3, 1]
    batch = Ragged(torch.zeros(10, 0), sizes)
    with torch.no_grad():
        expected, _ = run_rnn(lstm, batch, plan=force("torch", [], sizes))
        output, _ = run_rnn(lstm, batch, plan=force("slabs", [1, 2], sizes))
    assert_exact(output.values, expected.values)


@pytest.mark.filterwarnings("ignore:`torch.jit.script. is deprecated")
def test_forward_derivatives_are_refused_not_zero():
    sizes = [9, 9, 5, 5]
    lstm = make_network("LSTM", dtype=torch.float32)
    batch = make_batch(sizes, dtype=torch.float32)
    plan = force("slabs", [2, 5], sizes)
    weights = {f"rnn.{k}": v.detach() for k, v in lstm.named_parameters()}

    def run(weights):
        return torch.func.functional_call(
            Runner(lstm, plan), weights, (batch,)
        )[0].values

    ones = {name: torch.ones_like(w) for name, w in weights.items()}
    with pytest.raises(NotImplementedError, match="forward AD"):
        torch.func.jvp(run, (weights,), (ones,))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "LSTM projected"])
@pytest.mark.parametrize(
    "part", ["weight_ih_l0", "weight_hh_l0", "bias_hh_l0"]
)
def test_weights_of_a_wrong_shape_are_named(name, part):
    rnn = make_network(name)
    shape = list(getattr(rnn, part).shape)
    shape[-1] += 1
    setattr(rnn, part, nn.Parameter(torch.zeros(shape, dtype=torch.float64)))
    with pytest.raises(ValueError, match=rf"rnn.{part} has shape \(.*; it m"):
        run_rnn(rnn, X)


# --- how a run is chosen ----------------------------------------------------


def alone(wanted, *tensors):
    """Ask for the gradients of one of these tensors alone."""
    for number, tensor in enumerate(tensors):
        tensor.requires_grad_(number == wanted)


LONG = [120, 3, 90, 0]


@pytest.mark.parametrize("layout", ["ragged", "packed", "nested"])
@pytest.mark.parametrize("wanted", ["nothing", "data", "h_0", "c_0", "weight"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_run_is_planned_as_plan_run_says(dtype, wanted, layout, monkeypatch):
    lstm = make_network("LSTM both ways", dtype=dtype)
    sizes = LONG[:3] if layout == "packed" else LONG
    batch = make_batch(sizes, dtype=dtype)
    h_0, c_0 = make_state(lstm, len(sizes), dtype=dtype)
    names = ["data", "h_0", "c_0", "weight"]
    last = list(lstm.parameters())[-1]
    lstm.requires_grad_(False)
    number = names.index(wanted) if wanted in names else None
    alone(number, batch.values, h_0, c_0, last)
    given = batch if layout == "ragged" else getattr(batch, f"to_{layout}")()
    chosen = []
    choose = _plans.choose

    def noted(*args, **options):
        chosen.append(choose(*args, **options))
        return chosen[-1]

    with monkeypatch.context() as patch:
        patch.setattr(_plans, "choose", noted)
        output, _ = run_rnn(lstm, given, (h_0, c_0))
    training = wanted != "nothing"
    values = output.data if layout == "packed" else output.values
    values = values() if layout == "nested" else values
    assert values.requires_grad == training
    assert chosen == [plan_run(lstm, sizes, training=training)]
    assert chosen[0].route == (
        "slabs"
        if dtype == torch.float32
        else ("bptt" if training else "torch")
    )


@pytest.mark.parametrize("name", ["GRU deep", "LSTM both ways"])
@pytest.mark.parametrize(("probability", "mode"), [(0.0, True), (0.5, False)])
def test_without_dropout_nothing_is_drawn(name, probability, mode):
    rnn, sizes = make_network(name).train(mode), [4, 1, 3]
    rnn.dropout = probability
    batch = make_batch(sizes)
    expected = gradients(run_packed, rnn, batch, None)
    for plan in all_plans(rnn, sizes).values():
        before = torch.get_rng_state()
        own = gradients(run_with(plan), rnn, batch, None)
        assert_same(torch.get_rng_state(), before)
        assert_all_exact(own, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_autocast_gives_all_final_states_one_type(name, dtype):
    rnn, sizes = make_network(name, dtype=torch.float32), [3, 0, 2]
    batch = make_batch(sizes).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        _, expected = rnn(batch.index_select([0, 2]).to_packed())
        _, state = run_rnn(rnn, batch)
    for ours, theirs in zip(parts_of(state), parts_of(expected), strict=True):
        assert ours.dtype == theirs.dtype
        assert_same(ours[:, [0, 2]], theirs)
        assert not ours[:, 1].any()


@pytest.mark.parametrize("run", [run_rnn, one_by_one])
@pytest.mark.parametrize(
    ("weights", "values"),
    [
        (torch.float64, torch.float32),
        (torch.float32, torch.float64),
    ],
)
def test_autocast_does_not_cast_wide_types(run, weights, values):
    rnn = make_network("GRU", dtype=weights)
    batch = make_batch([2, 1]).to(values)
    text = f"batch.values has dtype {values}; the weights have {weights}"
    with torch.autocast("cpu", torch.bfloat16):
        with pytest.raises(TypeError, match=text):
            run(rnn, batch)
        output, _ = run(rnn, batch.to(weights))
    if weights == torch.float64:
        assert output.values.dtype == torch.float64


@pytest.mark.parametrize("run", [run_rnn, one_by_one])
@pytest.mark.parametrize("dtype", [torch.float8_e5m2, torch.complex32])
@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
def test_weights_that_pytorch_does_not_run_with(run, dtype):
    rnn = make_network("LSTM")
    for weight in rnn.parameters():
        weight.data = weight.data.to(dtype)
    batch = Ragged(torch.zeros(1, 3, dtype=dtype), [1])
    with pytest.raises(TypeError) as caught:
        run(rnn, batch)
    assert str(caught.value) == (
        f"rnn has weights of dtype {dtype}, with which PyTorch runs no "
        f"network; it must be one of 16 bits or more, or complex of 64 or more"
    )


@pytest.mark.parametrize("state", [None, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_autocast_gives_nothing_the_types_of_something(name, dtype, state):
    rnn = make_network(name, dtype=torch.float32)
    rnn.dropout = 0.5
    hx = None if state is None else make_state(rnn, 2, dtype=state)

    def run(sizes):
        with torch.autocast("cpu", torch.bfloat16):
            output, finals = run_rnn(rnn, make_batch(sizes).to(dtype), hx)
        return [output.values, *parts_of(finals)]

    expected = run([2, 0])
    before = torch.get_rng_state()
    found = run([0, 0])
    assert_same(torch.get_rng_state(), before)
    assert [part.dtype for part in found] == [part.dtype for part in expected]
    # The second sequence is empty in both.
    for ours, others in zip(found[1:], expected[1:], strict=True):
        assert_same(ours[:, 1], others[:, 1])
    found[0].sum().backward()
    assert not any(weight.grad.any() for weight in rnn.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_default_device_is_not_asked(name, dtype):
    sizes = [4, 0, 3, 1]
    rnn = make_network(name, dtype=dtype)
    batch = make_batch(sizes, dtype=dtype)
    weights = list(rnn.parameters())

    def found(plan):
        output, state = run_rnn(rnn, batch, plan=plan)
        loss = output.values.square().sum() + parts_of(state)[0].sum()
        once = torch.autograd.grad(loss, weights, retain_graph=True)
        graph = torch.autograd.grad(loss, weights, create_graph=True)
        return output.values, *parts_of(state), *once, *graph

    for plan in few_plans(rnn, sizes).values():
        expected = found(plan)
        torch.set_default_device("meta")
        try:
            own = found(plan)
        finally:
            torch.set_default_device(None)
        for ours, theirs in zip(own, expected, strict=True):
            assert_same(ours, theirs)


# --- small print ------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "route", "dtype", "text"),
    [
        (
            "LSTM",
            "slabs",
            torch.complex128,
            (
                "plan.route is 'slabs'; only an LSTM of real numbers without "
                "proj_size can shut pads off: use 'bptt'"
            ),
        ),
        (
            "GRU",
            "bptt",
            torch.complex128,
            (
                "plan.route is 'bptt'; only real numbers are written out: "
                "use 'torch'"
            ),
        ),
        (
            "GRU",
            "bptt",
            None,
            "plan.route is 'bptt'; under autocast it must be 'torch'",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Complex modules are a new feature")
def test_where_a_route_does_not_lead_is_said_in_full(name, route, dtype, text):
    rnn, batch = make_network(name).to(dtype), X.to(dtype or torch.float64)
    plan = force(route, [], [3, 2, 1])
    with (
        torch.autocast("cpu", enabled=dtype is None),
        pytest.raises(ValueError, match=f"^{text}$"),
    ):
        run_rnn(rnn, batch, plan=plan)


def test_a_plan_on_another_device_is_refused_by_its_name():
    text = "^plan.route is 'bptt'; on meta it must be 'torch'$"
    with pytest.raises(ValueError, match=text):
        run_rnn(make_network("GRU", "meta"), X.to("meta"), plan=GOOD)


@pytest.mark.parametrize("first", [(0, 0, 3), (0, -1, 3), (1, 0, 3)])
def test_a_slab_needs_a_step(first):
    plan = GOOD._replace(slabs=(first, *GOOD.slabs))
    with pytest.raises(ValueError, match=r"^plan.slabs\[0\] runs from step "):
        run_rnn(make_network("GRU"), X, plan=plan)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in")
def test_a_nested_state_is_named():
    parts = list(torch.zeros(1, 3, 4, dtype=torch.float64))
    for layout in (torch.strided, torch.jagged):
        h_0 = torch.nested.nested_tensor(parts, layout=layout)
        with pytest.raises(TypeError, match="^hx: h_0 is sparse or nested; "):
            run_rnn(make_network("GRU"), X, h_0)


def test_the_states_of_an_lstm_may_be_a_list():
    lstm = make_network("LSTM")
    hx = make_state(lstm, 3)
    assert_all_exact([run_rnn(lstm, X, [*hx])[1]], [run_rnn(lstm, X, hx)[1]])


def test_weights_may_be_plain_tensors():
    rnn = make_network("GRU")
    expected, _ = run_packed(rnn, X)
    for name, weight in list(rnn.named_parameters()):
        delattr(rnn, name)
        setattr(rnn, name, weight.detach())
        assert name in vars(rnn)
    assert_close(run_rnn(rnn, X)[0].values, expected.values)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_batch_without_words_passes_a_gradient_on(name):
    rnn = make_network(name)
    table = nn.Embedding(5, 3, dtype=torch.float64)
    batch = Ragged(torch.zeros(0, dtype=torch.int64), [0, 0]).apply(table)
    output, _ = run_rnn(rnn, batch)
    both = 2 if rnn.bidirectional else 1
    size = rnn.proj_size or rnn.hidden_size
    assert output.values.shape == (0, both * size)
    output.values.sum().backward()
    for weight in (table.weight, *rnn.parameters()):
        assert not weight.grad.any()


def nodes(root):
    """Return the names of all nodes of a graph."""
    names, seen, waiting = [], set(), [root]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            names.append(node.name())
            waiting += [before for before, _ in node.next_functions]
    return sorted(names)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_written_way_is_one_node_for_all_steps(name):
    rnn = make_network(name)

    def graph(sizes):
        plan = force("bptt", [], sizes)
        output, _ = run_rnn(rnn, make_batch(sizes), plan=plan)
        return nodes(output.values.grad_fn)

    short = graph([3, 1])
    assert short == graph([30, 10])
    cells = rnn.num_layers * (2 if rnn.bidirectional else 1)
    assert short.count("_ThroughTimeBackward") == cells


def test_a_compiler_sees_no_written_way(monkeypatch):
    plan = force("bptt", [], [3, 2, 1])
    with monkeypatch.context() as patch:
        patch.setattr(torch.compiler, "is_compiling", lambda: True)
        output, _ = run_rnn(make_network("GRU"), X, plan=plan)
    assert "_ThroughTimeBackward" not in nodes(output.values.grad_fn)


@pytest.mark.parametrize("name", ["tanh", "GRU", "LSTM projected"])
def test_only_a_derivative_of_the_way_back_runs_again(name, monkeypatch):
    rnn, calls = make_network(name), []
    plan = force("bptt", [], [3, 2, 1])
    output, _ = run_rnn(rnn, X, plan=plan)
    loss, weights = output.values.sum(), list(rnn.parameters())
    run = _through_time.run_packed
    with monkeypatch.context() as patch:
        patch.setattr(
            _through_time,
            "run_packed",
            lambda *args: calls.append(1) or run(*args),
        )
        torch.autograd.grad(loss, weights, retain_graph=True)
        assert calls == []
        torch.autograd.grad(loss, weights, create_graph=True)
        assert calls == [1] * nodes(loss.grad_fn).count("_ThroughTimeBackward")


@pytest.mark.parametrize("name", ["tanh", "GRU", "LSTM"])
def test_many_gradients_through_vmap(name):
    sizes = [3, 1]
    rnn, batch = make_network(name), make_batch(sizes).apply(leaves_of)
    output, _ = run_rnn(rnn, batch, plan=force("bptt", [], sizes))
    sources = [batch.values, *rnn.parameters()]

    def grow(gradient):
        return torch.autograd.grad(
            output.values, sources, gradient, retain_graph=True
        )

    rows = torch.eye(output.values.numel(), dtype=torch.float64)
    rows = rows.view(-1, *output.values.shape)
    each = [torch.stack(part) for part in zip(*map(grow, rows), strict=True)]
    for ours, theirs in zip(torch.vmap(grow)(rows), each, strict=True):
        assert_exact(ours, theirs)


@pytest.mark.parametrize("part", ["weight_hh_l0", "bias_ih_l0", "bias_hh_l0"])
def test_large_weights_below_zero_cannot_be_shut_off(part):
    sizes = [2, 6, 3]
    lstm = make_network("LSTM", dtype=torch.float32)
    with torch.no_grad():
        weight = getattr(lstm, part)
        weight[4:8] = -1e33  # the forget gate
    batch = make_batch(sizes, dtype=torch.float32)
    hx = make_state(lstm, 3, dtype=torch.float32)
    expected, their_state = run_packed(lstm, batch, hx)
    for plan in all_plans(lstm, sizes).values():
        output, state = run_rnn(lstm, batch, hx, plan=plan)
        assert_exact(output.values, expected.values)
        assert_all_exact([state], [their_state])


@pytest.mark.parametrize("sizes", [[4, 1, 2], [1, 1]], ids=str)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_projection_with_and_without_biases(part, bias, sizes):
    """In one step, c_n does not depend on the projection."""
    lstm = nn.LSTM(3, 4, proj_size=2, bias=bias, dtype=torch.float64)
    batch = make_batch(sizes)
    found = []
    for route in ("bptt", "torch"):
        output, states = run_rnn(lstm, batch, plan=force(route, [], sizes))
        loss = (output.values, *states)[part].square().sum()
        for create_graph in (False, True):
            gradients = torch.autograd.grad(
                loss,
                lstm.parameters(),
                retain_graph=True,
                create_graph=create_graph,
                materialize_grads=True,
            )
            found.append([output.values, *states, *gradients])
    for own in found[:-1]:
        assert_all_exact([own], [found[-1]])


def test_under_autocast_the_route_may_be_that_of_pytorch():
    rnn = make_network("GRU", dtype=torch.float32)
    batch = X.to(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        expected, _ = run_rnn(rnn, batch)
        plan = force("torch", [], [3, 2, 1])
        assert_same(run_rnn(rnn, batch, plan=plan)[0].values, expected.values)


def test_a_weight_that_is_no_tensor_is_named():
    rnn = make_network("GRU")
    del rnn.weight_hh_l0
    rnn.weight_hh_l0 = 3
    text = "^rnn.weight_hh_l0 is of type int; it must be a tensor$"
    with pytest.raises(TypeError, match=text):
        run_rnn(rnn, X)


@pytest.mark.parametrize(
    ("hidden", "frozen"),
    [(2.4e29, True), (2.5e29, False), (2.6e29, False), (1e30, False)],
)
def test_weights_that_reach_a_quarter_of_what_closes_a_gate(hidden, frozen):
    """Only below that is the memory of an ended sequence sure to stay."""
    ones, nothing = torch.ones(4, 1).double(), torch.zeros(4, 1).double()
    weights = [ones, torch.full_like(ones, hidden)]
    assert can_freeze(Cell("LSTM", weights, False, False)) is frozen
    halves = [torch.full_like(ones[:, 0], hidden / 2)] * 2
    weights = [ones, nothing, *halves]
    assert can_freeze(Cell("LSTM", weights, True, False)) is frozen
