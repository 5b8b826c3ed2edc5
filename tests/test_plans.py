"""What plan_run chooses, and how slabs are cut."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import NETWORKS, force, make_network
from strategies import lengths
from torch import nn

from packtutor import Plan, _costs, plan_run
from packtutor._layout import lay_out, mirror
from packtutor._places import batch_sizes, sorted_lengths
from packtutor._slabs import (
    Slab,
    Stretches,
    cut_into_rectangles,
    find_stretches,
    find_stretches_of,
)


def cost_of(slabs, call, step, cell):
    return sum(
        call + (stop - start) * (step + cell * rows)
        for start, stop, rows in slabs
    )


def assert_covers(slabs, sizes):
    done = 0
    for start, stop, rows in slabs:
        assert start == done < stop
        assert rows == sum(size > start for size in sizes)
        done = stop
    assert done == max(sizes)


def test_stretches_by_hand():
    sizes = torch.tensor([3, 3, 2, 2, 2, 1])
    assert find_stretches(sizes) == ([2, 5, 6], [3, 2, 1])
    assert find_stretches(torch.tensor([4])) == ([1], [4])
    assert find_stretches_of(torch.tensor([2, 6, 5])) == find_stretches(sizes)


def test_rectangles_by_hand():
    stretches = Stretches([2, 5, 6], [3, 2, 1])
    # Calls for nothing: no pad. Calls at any price: one slab.
    assert cut_into_rectangles(stretches, 0, 0, 1) == [
        (0, 2, 3),
        (2, 5, 2),
        (5, 6, 1),
    ]
    assert cut_into_rectangles(stretches, 100, 0, 1) == [(0, 6, 3)]
    # 3 pads for the one, 1 pad for the other.
    assert cut_into_rectangles(stretches, 2, 0, 1) == [(0, 2, 3), (2, 6, 2)]


def test_a_start_may_wait_behind_two_others():
    # Cut before step 11: 2 x 81 for the calls, 11 x 38 + 7 x 19 for the cells.
    # No cut, all three, or any other one or two cost more.
    stretches = Stretches([10, 11, 12, 18], [38, 22, 19, 18])
    slabs = cut_into_rectangles(stretches, 81, 0, 1)
    assert slabs == [(0, 11, 38), (11, 18, 19)]


@given(
    sizes=lengths(least=1, min_size=1),
    call=st.integers(0, 60),
    step=st.integers(0, 5),
    cell=st.integers(1, 5),
)
def test_no_other_cut_is_cheaper(sizes, call, step, cell):
    stretches = find_stretches(batch_sizes(torch.tensor(sizes)))
    slabs = cut_into_rectangles(stretches, call, step, cell)
    assert_covers(slabs, sizes)
    ends = [0, *stretches.ends]
    least = [0.0] + [math.inf] * len(stretches.ends)
    for i, j in itertools.combinations(range(len(ends)), 2):
        slab = Slab(ends[i], ends[j], stretches.rows[i])
        least[j] = min(least[j], least[i] + cost_of([slab], call, step, cell))
    assert cost_of(slabs, call, step, cell) == least[-1]


@given(sizes=lengths(least=1, min_size=1), every=st.integers(1, 9))
def test_tokens_find_their_cells(sizes, every):
    packed = batch_sizes(torch.tensor(sizes))
    plan = force("slabs", range(0, max(sizes), every), sizes)
    parts = lay_out(plan.slabs, packed).parts
    assert sum(part.tokens for part in parts) == plan.tokens
    assert [part.slab for part in parts] == list(plan.slabs)
    for part in parts:
        start, stop, rows = part.slab
        steps = packed[start:stop]
        if bool((steps == rows).all()):
            assert part.cells is None
            continue
        cells = [
            step * rows + rank
            for step, alive in enumerate(steps.tolist())
            for rank in range(alive)
        ]
        assert part.cells.tolist() == cells
        assert part.tokens == len(cells)


@given(sizes=lengths(least=1, min_size=1))
def test_a_mirror_reverses_each_sequence(sizes):
    packed = batch_sizes(torch.tensor(sizes))
    turned = mirror(packed)
    starts = [0, *packed.cumsum(0).tolist()]
    for rank, size in enumerate(sorted_lengths(packed).tolist()):
        places = [starts[step] + rank for step in range(size)]
        assert turned[places].tolist() == places[::-1]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "sizes", [[3, 2, 1], [700, 30, 0, 500, 500], [40] * 20, [1] * 9], ids=str
)
def test_a_plan_describes_the_batch(name, training, sizes):
    for dtype in (torch.float32, torch.float64):
        rnn = make_network(name, dtype=dtype)
        plan = plan_run(rnn, sizes, training=training)
        assert_covers(plan.slabs, sizes)
        assert plan.tokens == sum(sizes) <= plan.cells
        assert plan.time_ms > 0
        assert 0 <= plan.padding_fraction < 1
        if plan.route != "slabs":
            assert plan.cells == plan.tokens
            assert plan.padding_fraction == 0


def test_the_routes():
    lstm, gru = nn.LSTM(32, 64), nn.GRU(32, 64)
    short, long = [3, 2, 1], [1000 * i // 32 for i in range(1, 33)]
    for training in (False, True):
        assert plan_run(lstm, short, training=training).route == "torch"
        assert plan_run(lstm, long, training=training).route == "slabs"
    assert plan_run(gru, long).route == "torch"
    assert plan_run(gru, long, training=True).route == "bptt"
    for dtype, route in (
        (torch.float64, "bptt"),
        (torch.float16, "slabs"),
        (torch.bfloat16, "slabs"),
    ):
        assert plan_run(lstm, long, training=True, dtype=dtype).route == route
    projected = nn.LSTM(32, 64, proj_size=16)
    assert plan_run(projected, long, training=True).route == "bptt"
    for device in ("cuda", torch.device("meta")):
        plan = plan_run(lstm, long, training=True, device=device)
        assert plan.route == "torch"
    with torch.autocast("cpu"):
        assert plan_run(lstm, long, training=True).route == "torch"


@pytest.mark.parametrize("sizes", [[50] * 20, [500]], ids=["equal", "one"])
def test_pytorch_finds_a_rectangle_by_itself(sizes):
    lstm, gru = nn.LSTM(32, 64), nn.GRU(32, 64)
    for training in (False, True):
        plan = plan_run(lstm, sizes, training=training)
        whole = Slab(0, sizes[0], len(sizes))
        assert plan[:4] == ("torch", (whole,), sum(sizes), sum(sizes))
    assert plan_run(gru, sizes, training=True).route == "bptt"


def test_ten_thousand_lengths_take_few_slabs():
    sizes = torch.arange(1, 10_001)
    for training in (False, True):
        plan = plan_run(nn.LSTM(32, 64), sizes, training=training)
        assert plan.route == "slabs"
        assert len(plan.slabs) < 1000
        assert plan.padding_fraction < 0.05


# --- the expected times, and the choice between them ------------------------


class Costs:
    """What the measured constants say of a network, its weights counted."""

    def __init__(self, rnn, constants):
        self.fixed, self.each = constants
        names = [name for name, _ in rnn.named_parameters()]
        self.cells = sum("weight_ih" in name for name in names)
        weights = [name for name in names if "weight" in name]
        self.weights = sum(getattr(rnn, name).numel() for name in weights)
        self.gates = rnn.weight_hh_l0.shape[0]

    def of(self, name):
        fixed, each = getattr(self.fixed, name), getattr(self.each, name)
        return fixed * self.cells + each * self.weights / 1000

    def drag(self):
        return self.fixed.drag * self.cells * self.gates / 1000


def loop_us(rnn, sizes, *, training):
    """PyTorch's loop: the way back of each step drags all tokens along."""
    kind = type(rnn).__name__
    costs, steps = Costs(rnn, _costs._LOOP[kind, training]), max(sizes)
    token = costs.of("token") + costs.drag() * steps
    return costs.of("call") + costs.of("step") * steps + token * sum(sizes)


def written_out_us(rnn, sizes):
    costs = Costs(rnn, _costs._WRITTEN_OUT[type(rnn).__name__])
    linear = costs.of("step") * max(sizes) + costs.of("token") * sum(sizes)
    return costs.of("call") + linear


def slabs_us(rnn, sizes, slabs, *, training):
    """What goes on around the slabs, and each of them."""
    costs = Costs(rnn, _costs._FUSED[training])
    around, each = _costs._SET_UP[training]
    around = around * costs.cells + each * costs.weights / 1000
    rates = costs.of("call"), costs.of("step"), costs.of("token")
    return around + cost_of(slabs, *rates)


def least_slabs_us(rnn, sizes, *, training):
    """The least of all ways to cut these few lengths."""
    ends = sorted({*sizes})
    found = []
    for count in range(len(ends)):
        for cuts in itertools.combinations(ends[:-1], count):
            slabs = force("slabs", cuts, sizes).slabs
            found.append(slabs_us(rnn, sizes, slabs, training=training))
    return min(found)


# Of each kind of batch: short, long, with one long sequence, wide.
BATCHES = [
    [3, 2, 1],
    [12, 9, 4],
    [22, 11],
    [40, 39, 20, 2],
    [300, 200, 100, 50, 3],
    [900, 2, 1],
    [60] * 30 + [59, 20, 1],
    [4] * 40 + [2] * 9,
]
BIG = {
    "tanh": nn.RNN(40, 50, bidirectional=True),
    "GRU": nn.GRU(30, 70, num_layers=2, bias=False),
    "LSTM": nn.LSTM(60, 30, num_layers=3, bidirectional=True),
    "LSTM wide": nn.LSTM(8, 128),
    "LSTM projected": nn.LSTM(30, 60, num_layers=2, proj_size=20),
}


@pytest.mark.parametrize("sizes", BATCHES, ids=str)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", [*NETWORKS, *BIG])
def test_the_least_expected_time_by_hand(name, training, sizes):
    for dtype in (torch.float32, torch.float64):
        if name in BIG:
            rnn = BIG[name]
        else:
            rnn = make_network(name, dtype=torch.float32)
        plan = plan_run(rnn, sizes, training=training, dtype=dtype)
        fused = name.startswith("LSTM") and name != "LSTM projected"
        expected = {"torch": loop_us(rnn, sizes, training=training)}
        # What is done sooner is left to PyTorch unlooked at.
        if expected["torch"] >= (300 if training else 150):
            if fused and dtype == torch.float32:
                expected["slabs"] = least_slabs_us(
                    rnn, sizes, training=training
                )
            elif training:
                expected["bptt"] = written_out_us(rnn, sizes)
        assert plan.route == min(expected, key=expected.get)
        assert math.isclose(1000 * plan.time_ms, expected[plan.route])
        if plan.route == "slabs":
            cells = sum((end - start) * n for start, end, n in plan.slabs)
            assert plan.cells == cells
            own = slabs_us(rnn, sizes, plan.slabs, training=training)
            assert math.isclose(1000 * plan.time_ms, own)


@pytest.mark.parametrize(
    ("rnn", "training", "sizes", "route"),
    [
        # The shortest text for which the other way is looked at, and wins.
        (nn.RNN(1, 1), True, [9], "torch"),
        (nn.RNN(1, 1), True, [10], "bptt"),
        (nn.GRU(8, 8), True, [5], "torch"),
        (nn.GRU(8, 8), True, [6], "bptt"),
        (nn.LSTM(8, 8), True, [7, 3], "torch"),
        (nn.LSTM(8, 8), True, [8, 3], "slabs"),
        (nn.LSTM(8, 8), False, [40, 20], "torch"),
        (nn.LSTM(8, 8), False, [41, 20], "slabs"),
        (nn.LSTM(64, 128), True, [30, 20, 10], "slabs"),
        (nn.LSTM(64, 128, proj_size=8), True, [30, 20, 10], "bptt"),
        (nn.LSTM(64, 128, proj_size=8), False, [30, 20, 10], "torch"),
    ],
)
def test_what_is_chosen_for_some_batches(rnn, training, sizes, route):
    assert plan_run(rnn, sizes, training=training).route == route


def test_complex_numbers_are_left_to_pytorch():
    for rnn in (nn.LSTM(8, 64), nn.GRU(8, 64)):
        plan = plan_run(rnn, [900, 2], training=True, dtype=torch.complex64)
        assert plan.route == "torch"


def test_padding_by_hand():
    plan = Plan("slabs", (Slab(0, 3, 3),), 6, 9, 1.0)
    assert plan.padding_fraction == 1 - 6 / 9


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((None, [1]), TypeError, "rnn is of type NoneType; it must be a tor"),
        ((nn.GRU(1, 1), []), ValueError, "lengths is empty; it must have at"),
        ((nn.GRU(1, 1), [-1]), ValueError, r"lengths\[0\] is -1; a length c"),
        ((nn.GRU(1, 1), [0.5]), TypeError, r"lengths\[0\] is 0.5; its eleme"),
    ],
)
def test_bad_arguments_are_named(arguments, error, text):
    with pytest.raises(error, match=text):
        plan_run(*arguments)


def test_a_flag_is_a_flag():
    with pytest.raises(TypeError, match="training is 1; it must be True or F"):
        plan_run(nn.GRU(1, 1), [1], training=1)


def test_long_sequences_are_planned_without_walking_through_them():
    plan = plan_run(nn.LSTM(2, 2), [10**13, 10**12, 3, 0])
    assert plan.tokens == 11 * 10**12 + 3


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"device": "banana"}, ValueError, "device is 'banana', no device's"),
        ({"device": 0}, TypeError, "device is of type int; it must be a tor"),
        ({"device": ""}, ValueError, "device is '', no device's name"),
        ({"dtype": "float32"}, TypeError, "dtype is of type str; it must be"),
        ({"dtype": torch.int64}, ValueError, "dtype is torch.int64; an RNN "),
    ],
)
def test_where_and_in_which_type_is_checked(options, error, text):
    with pytest.raises(error, match=text):
        plan_run(nn.LSTM(2, 2), [1], **options)


def test_a_network_without_parameters_can_be_planned():
    lstm = nn.LSTM(2, 2)
    for name, weight in [*lstm.named_parameters()]:
        delattr(lstm, name)
        lstm.register_buffer(name, weight.detach())
    assert plan_run(lstm, [3, 1]).tokens == 4
