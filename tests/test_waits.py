"""What waits for a device, counted without one, and shapes on ``meta``.

A copy between the devices that is not pinned makes a GPU finish all that it
was given before: it is a wait, in both directions.
"""

import pytest
import torch
from elsewhere import elsewhere
from networks import NETWORKS, make_network, make_state, parts_of
from strategies import make_floats
from tolerances import assert_close, assert_same

from packtutor import (
    Ragged,
    lengths_from_mask,
    mask_from_lengths,
    one_by_one,
    pooling,
    run_rnn,
)
from packtutor.packed import check_packed

SIZES = [1, 3, 2]
UP, DOWN = "from the CPU", "to the CPU"

# Of each conversion: what it may wait for, in order. The lengths live on the
# CPU, so that what is told from them has to cross, once.
CONVERSIONS = {
    "from_list": (lambda x: Ragged.from_list(list(x.split(SIZES))), []),
    "to_list": (lambda x: Ragged(x, SIZES).to_list(), []),
    "one sequence": (lambda x: Ragged(x, SIZES)[1], []),
    "cat": (lambda x: Ragged.cat([Ragged(x, SIZES)] * 2), []),
    "to_padded": (lambda x: Ragged(x, SIZES).to_padded(), [UP]),
    "to_padded left": (
        lambda x: Ragged(x, SIZES).to_padded(padding_side="left"),
        [UP],
    ),
    "from_padded": (
        lambda x: Ragged.from_padded(x.view(2, 3, 2), [3, 1]),
        [UP],
    ),
    "to_packed": (lambda x: Ragged(x, SIZES).to_packed(), [UP]),
    "reverse": (lambda x: Ragged(x, SIZES).reverse(), [UP]),
    "index_select": (
        lambda x: Ragged(x, SIZES).index_select([1, 1]),
        [UP],
    ),
    "mean": (lambda x: pooling.mean(Ragged(x, SIZES)), [UP]),
    "max": (lambda x: pooling.max(Ragged(x, SIZES)), [UP]),
}


def tensors_of(found):
    if isinstance(found, Ragged):
        return [found.values, found.lengths]
    if isinstance(found, torch.Tensor):
        return [found]
    return list(found)


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_conversion_waits_no_more_than_this(name):
    convert, expected = CONVERSIONS[name]
    values = make_floats(6, 2)
    wanted = tensors_of(convert(values))
    with elsewhere() as (put, waits):
        found = tensors_of(convert(put(values)))
    assert waits == expected
    for own, other in zip(found, wanted, strict=True):
        assert_same(getattr(own, "held", own), other)


def test_reading_a_packed_batch_fetches_its_order_once():
    packed = Ragged(make_floats(6, 2), SIZES).to_packed()
    with elsewhere() as (put, waits):
        away = packed._replace(
            data=put(packed.data),
            sorted_indices=put(packed.sorted_indices),
            unsorted_indices=put(packed.unsorted_indices),
        )
        check_packed(away)
        assert waits == [DOWN]
        waits.clear()
        found = Ragged.from_packed(away)
    assert waits == [DOWN, UP]
    assert_same(found.values.held, Ragged.from_packed(packed).values)
    assert_same(found.lengths, torch.tensor(SIZES))


def test_a_mask_waits_for_its_lengths_alone():
    mask = mask_from_lengths(SIZES)
    with elsewhere() as (put, waits):
        found = mask_from_lengths(SIZES, device="meta")
        assert waits == [UP]
        waits.clear()
        assert lengths_from_mask(put(mask)).tolist() == SIZES
    assert waits == [DOWN]
    assert_same(found.held, mask)


def test_the_counter_sees_what_reads_a_number():
    with elsewhere() as (put, waits):
        x = put(make_floats(3))
        x.sum().item()
        x[x > 0]
        bool(x[0] > 0)
    assert waits == ["item", "nonzero", "item"]


def test_the_counter_refuses_two_devices():
    with elsewhere() as (put, _), pytest.raises(RuntimeError, match="on two"):
        put(make_floats(3)) + make_floats(3)


# The networks. Elsewhere than on a CPU they are PyTorch's packed run.


def run_there(name, make, hx=False):
    """Run over a batch of some layout there; return outputs and waits."""
    rnn = make_network(name)
    batch = Ragged(make_floats(6, 3), SIZES)
    state = make_state(rnn, 3)
    with torch.no_grad(), elsewhere() as (put, waits):
        for key, weight in list(rnn.named_parameters()):
            rnn._parameters[key] = put(weight)
        if hx:
            state = tuple(map(put, parts_of(state)))
            state = state if len(state) == 2 else state[0]
        given = make(batch, put)
        waits.clear()
        output, _ = run_rnn(rnn, given, state if hx else None)
        seen = list(waits)
    values = output.data if hasattr(output, "batch_sizes") else output.values
    return values.held, seen


def run_here(name, hx=False):
    rnn, batch = make_network(name), Ragged(make_floats(6, 3), SIZES)
    with torch.no_grad():
        state = make_state(rnn, 3) if hx else None
        return one_by_one(rnn, batch, state)[0]


def packed_there(batch, put):
    data, sizes, to_sorted, to_caller = batch.to_packed()
    return type(batch.to_packed())(
        put(data), sizes, put(to_sorted), put(to_caller)
    )


@pytest.mark.parametrize("hx", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_packed_batch_is_run_without_a_wait(name, hx):
    values, waits = run_there(name, packed_there, hx)
    assert waits == []
    assert_close(values, run_here(name, hx).to_packed().data)


@pytest.mark.parametrize("hx", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_ragged_batch_waits_for_its_places_alone(name, hx):
    values, waits = run_there(
        name, lambda batch, put: Ragged(put(batch.values), SIZES), hx
    )
    assert waits == [UP]
    assert_close(values, run_here(name, hx).values)


# Shapes alone.


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("sizes", [[2, 4, 1], [3, 0, 1], [0, 0]], ids=str)
def test_networks_give_their_shapes_on_meta(name, sizes):
    """``torch.nn`` says what they are, but for the empty sequences."""
    rnn = make_network(name, "meta")
    batch = Ragged(torch.empty(sum(sizes), 3, device="meta").double(), sizes)
    here, values = make_network(name), make_floats(sum(sizes), 3)
    expected, states = one_by_one(here, Ragged(values, sizes))
    for run in (run_rnn, one_by_one):
        output, found = run(rnn, batch)
        assert output.values.shape == expected.values.shape
        assert output.values.device.type == "meta"
        assert output.lengths.tolist() == sizes
        for own, other in zip(parts_of(found), parts_of(states), strict=True):
            assert (own.shape, own.dtype) == (other.shape, other.dtype)


def test_pooling_gives_its_shapes_on_meta():
    batch = Ragged(torch.empty(6, 4, 5, device="meta"), [3, 0, 3])
    for pool in (pooling.mean, pooling.max):
        found = pool(batch)
        assert (found.shape, found.device.type) == ((3, 4, 5), "meta")
    h_n = torch.empty(4, 3, 2, device="meta")
    both = Ragged(torch.empty(6, 4, device="meta"), [3, 0, 3])
    assert pooling.last(both, h_n).shape == (3, 4)


def test_a_mean_of_no_token_has_a_shape_on_meta():
    batch = Ragged(torch.empty(0, 4, device="meta"), [0, 0])
    for pool in (pooling.mean, pooling.max):
        assert pool(batch).shape == (2, 4)


def test_what_reads_numbers_has_no_shape_on_meta():
    """Lengths live on the CPU: these three have to fetch them."""
    batch = Ragged(torch.empty(6, 2, device="meta"), SIZES)
    packed = batch.to_packed()
    for call in (
        lambda: Ragged.from_packed(packed),
        lambda: check_packed(packed),
        lambda: lengths_from_mask(torch.ones(2, 3, device="meta").bool()),
    ):
        with pytest.raises(ValueError, match="meta, which holds no values"):
            call()
