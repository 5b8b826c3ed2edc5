"""Networks, their states and their plans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.nn.utils.rnn import pack_sequence

import packtutor.nn
from bad_input.cases import Call, Cases, Row, given, pattern
from bad_input.costs import lstm, not_a_network
from bad_input.hostile import quantized
from bad_input.lengths import bad_flag, bad_lengths
from bad_input.packings import floats, ids, malformed, packed
from bad_input.raggeds import NOT_JAGGED
from packtutor import Plan, Ragged


def batch(*lengths: int) -> Ragged:
    """Return a batch of two features a token."""
    lengths = lengths or (3, 1)
    return Ragged(floats(sum(lengths), 2) / 9, lengths)


def states(*shape: int) -> tuple[Tensor, Tensor]:
    return torch.zeros(shape), torch.zeros(shape)


def seeded(kind: type[nn.RNNBase]) -> nn.RNNBase:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(2, 3)


def run_by_torch(network: nn.RNNBase) -> Any:
    """Return what PyTorch's packed run gives for ``batch()``."""
    output, final = network(pack_sequence(batch().to_list()))
    return Ragged.from_packed(output), final


def is_run(network: nn.RNNBase) -> Callable[[Any], bool]:
    """Compare with PyTorch's run of the same weights; rounding may differ."""

    def compare(result: Any) -> bool:
        wanted, given_back = run_by_torch(network), result
        torch.testing.assert_close(given_back[0].values, wanted[0].values)
        torch.testing.assert_close(given_back[1], wanted[1])
        return given_back[0].lengths.tolist() == [3, 1]

    return compare


def with_size(name: str, size: Any) -> nn.LSTM:
    network = lstm()
    setattr(network, name, size)
    return network


def without(name: str) -> nn.LSTM:
    network = lstm()
    delattr(network, name)
    return network


def with_weight(name: str, weight: Tensor | None) -> nn.LSTM:
    network = lstm()
    setattr(network, name, None if weight is None else nn.Parameter(weight))
    return network


def pruned() -> nn.LSTM:
    network = lstm()
    with torch.random.fork_rng():
        prune.l1_unstructured(network, "weight_hh_l0", 0.5)
    return network


CHANGED: dict[str, tuple[Callable[[], nn.RNNBase], type[Exception], str]] = {
    "a weight that is gone": (
        lambda: without("weight_ih_l0"),
        ValueError,
        "rnn has no weight_ih_l0, which a network of its sizes has",
    ),
    "layers that it has not": (
        lambda: with_size("num_layers", 2),
        ValueError,
        "rnn has no weight_ih_l1, which a network of its sizes has",
    ),
    "no weight": (
        lambda: with_weight("weight_hh_l0", None),
        TypeError,
        "rnn.weight_hh_l0 is of type NoneType; it must be a tensor",
    ),
    "a weight of another shape": (
        lambda: with_weight("weight_hh_l0", torch.zeros(12, 2)),
        ValueError,
        "rnn.weight_hh_l0 has shape (12, 2); it must be (12, 3)",
    ),
    "a weight of another dtype": (
        lambda: with_weight("bias_hh_l0", torch.zeros(12).double()),
        ValueError,
        (
            "rnn.bias_hh_l0 is torch.float64 on cpu; rnn.weight_ih_l0 is "
            "torch.float32 on cpu"
        ),
    ),
    "a weight on another device": (
        lambda: with_weight("bias_hh_l0", torch.zeros(12, device="meta")),
        ValueError,
        (
            "rnn.bias_hh_l0 is torch.float32 on meta; rnn.weight_ih_l0 is "
            "torch.float32 on cpu"
        ),
    ),
    "another size": (
        lambda: with_size("hidden_size", 4),
        ValueError,
        "rnn.weight_ih_l0 has shape (12, 2); it must be (16, 2)",
    ),
    "pruned by a hook": (
        pruned,
        ValueError,
        (
            "rnn.weight_hh_l0 is computed by a hook, which only a call of the "
            "network runs; make it permanent, or use packtutor.nn.convert"
        ),
    ),
}


def no_features(call: Callable[[Ragged], Call]) -> list[Row]:
    """Return values that the network cannot read."""
    return [
        Row(
            f"batch: {wrong}",
            lambda make=make: call(Ragged(make(), [3, 1])),
            error,
            f"batch.values {text}",
        )
        for wrong, make, error, text in (
            (
                "ids",
                lambda: ids(4, 2, 3, 5),
                TypeError,
                (
                    "has dtype torch.int64; an RNN reads floating-point "
                    "features: embed the ids first"
                ),
            ),
            (
                "one feature too many",
                lambda: floats(4, 3),
                ValueError,
                (
                    "has shape (4, 3); it must be (N, 2), the network's input "
                    "size"
                ),
            ),
            (
                "no features",
                lambda: floats(4),
                ValueError,
                "has shape (4,); it must be (N, 2), the network's input size",
            ),
            (
                "float64",
                lambda: floats(4, 2).double(),
                TypeError,
                "has dtype torch.float64; the weights have torch.float32",
            ),
            (
                "on another device",
                lambda: floats(4, 2).to("meta"),
                ValueError,
                "is on device meta; the weights are on cpu",
            ),
        )
    ]


def no_states(call: Callable[[Any], Call]) -> list[Row]:
    """Return initial states that an LSTM does not take."""
    shape = "(layers x directions, B, size) = (1, 2, 3)"
    return [
        Row(f"hx: {wrong}", lambda make=make: call(make()), error, text)
        for wrong, make, error, text in (
            (
                "a tensor",
                lambda: torch.zeros(1, 2, 3),
                TypeError,
                "hx is of type Tensor; it must be a tuple (h_0, c_0)",
            ),
            (
                "one part",
                lambda: (torch.zeros(1, 2, 3),),
                TypeError,
                "hx has 1 parts; it must be a tuple (h_0, c_0)",
            ),
            (
                "None in it",
                lambda: (torch.zeros(1, 2, 3), None),
                TypeError,
                "hx: c_0 is of type NoneType; hx must be a tuple (h_0, c_0)",
            ),
            (
                "of more sequences",
                lambda: states(1, 3, 3),
                ValueError,
                f"hx: h_0 has shape (1, 3, 3); it must be {shape}",
            ),
            (
                "one dimension too few",
                lambda: states(2, 3),
                ValueError,
                f"hx: h_0 has shape (2, 3); it must be {shape}",
            ),
            (
                "float64",
                lambda: (torch.zeros(1, 2, 3), torch.zeros(1, 2, 3).double()),
                TypeError,
                (
                    "hx: c_0 has dtype torch.float64; the weights have "
                    "torch.float32"
                ),
            ),
            (
                "on another device",
                lambda: (torch.zeros(1, 2, 3, device="meta"),) * 2,
                ValueError,
                "hx: h_0 is on device meta; the weights are on cpu",
            ),
            (
                "sparse",
                lambda: (torch.zeros(1, 2, 3).to_sparse(),) * 2,
                TypeError,
                "hx: h_0 is sparse or nested; it must be a dense tensor",
            ),
        )
    ]


def slabs(*runs: Any, **fields: Any) -> Plan:
    """Return a plan for ``batch()``, but for what is given."""
    usual: dict[str, Any] = {
        "route": "slabs",
        "slabs": runs or ((0, 3, 2),),
        "tokens": 4,
        "cells": 6,
        "time_ms": 0.1,
    }
    return Plan(**(usual | fields))


BAD_PLANS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a route": (
        lambda: "slabs",
        TypeError,
        "plan is of type str; it must be a Plan, as plan_run returns it",
    ),
    "a tuple": (
        lambda: tuple(slabs()),
        TypeError,
        "plan is of type tuple; it must be a Plan, as plan_run returns it",
    ),
    "no such route": (
        lambda: slabs(route="fast"),
        ValueError,
        "plan.route is 'fast'; it must be 'torch', 'bptt' or 'slabs'",
    ),
    "a route that is no text": (
        lambda: slabs(route=torch.zeros(2)),
        ValueError,
        (
            "plan.route is tensor([0., 0.]); it must be 'torch', 'bptt' or "
            "'slabs'"
        ),
    ),
    "no number of tokens": (
        lambda: slabs(tokens=4.0),
        TypeError,
        "plan.tokens is 4.0; it must be an integer",
    ),
    "no number of cells": (
        lambda: slabs(cells="6"),
        TypeError,
        "plan.cells is '6'; it must be an integer",
    ),
    "no slabs": (
        lambda: slabs(slabs=5),
        TypeError,
        "plan.slabs is of type int; it must be a tuple of slabs",
    ),
    "a slab that is a list": (
        lambda: slabs([0, 3, 2]),
        TypeError,
        (
            "plan.slabs[0] is [0, 3, 2]; it must be three integers: first "
            "step, end, rows"
        ),
    ),
    "a slab of two numbers": (
        lambda: slabs((0, 3)),
        TypeError,
        (
            "plan.slabs[0] is (0, 3); it must be three integers: first step, "
            "end, rows"
        ),
    ),
    "other tokens": (
        lambda: slabs(tokens=5),
        ValueError,
        "plan has 5 tokens; the batch has 4",
    ),
    "a gap": (
        lambda: slabs((0, 1, 2), (2, 3, 1)),
        ValueError,
        (
            "plan.slabs[1] runs from step 2 to 3; it must start at 1 and end "
            "by 3"
        ),
    ),
    "too many steps": (
        lambda: slabs((0, 10**15, 2)),
        ValueError,
        (
            f"plan.slabs[0] runs from step 0 to {10**15}; it must start at 0 "
            f"and end by 3"
        ),
    ),
    "too many rows": (
        lambda: slabs((0, 3, 3)),
        ValueError,
        (
            "plan.slabs[0] has 3 rows; 2 sequences of the batch are alive at "
            "step 0"
        ),
    ),
    "an early end": (
        lambda: slabs((0, 2, 2)),
        ValueError,
        "plan ends at step 2; the longest sequence of the batch has 3",
    ),
}


def not_batches() -> list[Row]:
    """Return what ``run_rnn`` cannot take apart."""
    wanted = "it must be a PackedSequence, a Ragged or a jagged nested tensor"
    return [
        Row(
            "batch: a list",
            lambda: given(lstm(), [floats(3, 2)]),
            TypeError,
            f"batch is of type list; {wanted}",
        ),
        Row(
            "batch: padded",
            lambda: given(lstm(), floats(2, 3, 2)),
            TypeError,
            "batch is a padded tensor of shape (2, 3, 2); its lengths are "
            "needed: Ragged.from_padded(batch, lengths)",
        ),
        Row(
            "batch: padded, and its lengths",
            lambda: given(lstm(), (floats(2, 3, 2), [3, 1])),
            TypeError,
            f"batch is of type tuple; {wanted}",
        ),
        *(
            Row(
                f"nested batch: {wrong}",
                lambda make=make: given(lstm(), make()),
                error,
                text.format("batch"),
            )
            for wrong, (make, error, text) in NOT_JAGGED.items()
            if wrong not in ("a tensor", "a list")
        ),
        *malformed(lambda made: given(lstm(), made), "batch"),
        Row(
            "batch: quantized",
            lambda: given(
                lstm(), packed(quantized(torch.ones(6, 2), torch.qint8))
            ),
            TypeError,
            "batch.data has dtype torch.qint8, which is quantized; call "
            ".dequantize()",
        ),
    ]


def no_sequence(call: Callable[[Ragged], Call]) -> Row:
    return Row(
        "batch: no sequence",
        lambda: call(Ragged(floats(0, 2), [])),
        ValueError,
        "batch has no sequence; it must have at least one",
    )


def networks(call: Callable[[Any], Call]) -> list[Row]:
    return [
        Row(f"rnn: {wrong}", lambda make=make: call(make()), TypeError, text)
        for wrong, (make, text) in not_a_network().items()
    ]


def takes_layouts(name: str, network: Callable[[], nn.RNNBase]) -> Cases:
    """Return the cases of a module's ``forward``."""
    lstm_like = isinstance(network(), nn.LSTM)
    bad_state = torch.zeros(1, 9, 3)
    return Cases(
        f"nn.{name}.forward",
        lambda: given(network(), batch(), None),
        is_run(network()),
        [
            Row(
                "input: a list",
                lambda: given(network(), [floats(3, 2)]),
                TypeError,
                "batch is of type list; it must be a PackedSequence, a "
                "Ragged or a jagged nested tensor",
            ),
            Row(
                "input: ids",
                lambda: given(network(), Ragged(ids(4, 2), [1, 1])),
                TypeError,
                "batch.values has dtype torch.int64; an RNN reads "
                "floating-point features: embed the ids first",
            ),
            *malformed(
                lambda made: given(network(), made),
                "batch",
                ("sizes that grow", "an index out of range"),
            ),
            Row(
                "hx: of other sequences",
                lambda: given(
                    network(),
                    batch(),
                    (bad_state, bad_state) if lstm_like else bad_state,
                ),
                ValueError,
                "hx: h_0 has shape (1, 9, 3); it must be (layers x "
                "directions, B, size) = (1, 2, 3)",
            ),
            # A dense tensor goes to PyTorch, whose texts these are.
            Row(
                "input: dense, one feature too many",
                lambda: given(network(), floats(1, 3, 3)),
                RuntimeError,
                pattern("", "Expected 2, got 3"),
            ),
        ],
    )


def made_by_torch(name: str) -> Cases:
    """Return the cases of a constructor, whose texts are PyTorch's."""
    own = getattr(packtutor.nn, name)
    return Cases(
        f"nn.{name}",
        lambda: given(2, 3, num_layers=2, bidirectional=True),
        lambda made: (
            type(made) is own and made.weight_hh_l1_reverse.shape[1] == 3
        ),
        [
            Row(
                "no size",
                lambda: given(2, 0),
                ValueError,
                "hidden_size must be greater than zero",
            ),
            Row(
                "a size that is a text",
                lambda: given(2, "3"),
                TypeError,
                pattern("hidden_size should be of type int, got", "str"),
            ),
            Row(
                "dropout above 1",
                lambda: given(2, 3, dropout=1.5),
                ValueError,
                pattern("dropout should be a number in range [0, 1]", ""),
            ),
        ],
    )


def same_class(result: Any) -> bool:
    return type(result) is packtutor.nn.LSTM and len(result._flat_weights) == 4


TABLE = [
    Cases(
        "run_rnn",
        lambda: given(lstm(), batch(), None, plan=None),
        is_run(lstm()),
        [
            *networks(lambda made: given(made, batch())),
            *(
                Row(
                    f"rnn: {wrong}",
                    lambda make=make: given(make(), batch()),
                    error,
                    text,
                )
                for wrong, (make, error, text) in CHANGED.items()
            ),
            *not_batches(),
            no_sequence(lambda made: given(lstm(), made)),
            *no_features(lambda made: given(lstm(), made)),
            *no_states(lambda hx: given(lstm(), batch(), hx)),
            Row(
                "hx: a pair for a GRU",
                lambda: given(nn.GRU(2, 3), batch(), states(1, 2, 3)),
                TypeError,
                "hx: h_0 is of type tuple; hx must be a tensor h_0",
            ),
            *(
                Row(
                    f"plan: {wrong}",
                    lambda make=make: given(lstm(), batch(), plan=make()),
                    error,
                    text,
                )
                for wrong, (make, error, text) in BAD_PLANS.items()
            ),
            Row(
                "plan: slabs for a GRU",
                lambda: given(nn.GRU(2, 3), batch(), plan=slabs()),
                ValueError,
                "plan.route is 'slabs'; only an LSTM of real numbers without "
                "proj_size can shut pads off: use 'bptt'",
            ),
        ],
    ),
    Cases(
        "one_by_one",
        lambda: given(lstm(), batch(), states(1, 2, 3)),
        is_run(lstm()),
        [
            *networks(lambda made: given(made, batch())),
            *(
                Row(
                    f"rnn: {wrong}",
                    lambda make=CHANGED[wrong][0]: given(make(), batch()),
                    *CHANGED[wrong][1:],
                )
                for wrong in ("a weight that is gone",)
            ),
            Row(
                "batch: packed",
                lambda: given(lstm(), packed()),
                TypeError,
                "batch is of type PackedSequence; it must be a Ragged",
            ),
            no_sequence(lambda made: given(lstm(), made)),
            *no_features(lambda made: given(lstm(), made)),
            *no_states(lambda hx: given(lstm(), batch(), hx)),
        ],
    ),
    Cases(
        "plan_run",
        lambda: given(
            lstm(), [3, 1], training=False, device="cpu", dtype=torch.float32
        ),
        lambda plan: (
            plan._replace(time_ms=0) == Plan("torch", ((0, 3, 2),), 4, 4, 0)
            and plan.time_ms > 0
        ),
        [
            *networks(lambda made: given(made, [3, 1])),
            Row(
                "rnn: a weight that is gone",
                lambda: given(without("weight_ih_l0"), [3, 1]),
                ValueError,
                "rnn has no weight_ih_l0, which a network of its sizes has",
            ),
            *bad_lengths(lambda lengths: given(lstm(), lengths)),
            Row(
                "lengths: none",
                lambda: given(lstm(), []),
                ValueError,
                "lengths is empty; it must have at least one",
            ),
            *bad_flag(
                lambda flag: given(lstm(), [3, 1], training=flag), "training"
            ),
            Row(
                "device: no name",
                lambda: given(lstm(), [3, 1], device="gpu"),
                ValueError,
                "device is 'gpu', no device's name",
            ),
            Row(
                "device: a number",
                lambda: given(lstm(), [3, 1], device=0),
                TypeError,
                "device is of type int; it must be a torch.device or its name",
            ),
            Row(
                "dtype: a name",
                lambda: given(lstm(), [3, 1], dtype="float32"),
                TypeError,
                "dtype is of type str; it must be a torch.dtype",
            ),
            Row(
                "dtype: of integers",
                lambda: given(lstm(), [3, 1], dtype=torch.int64),
                ValueError,
                "dtype is torch.int64; an RNN computes with floating-point "
                "numbers",
            ),
        ],
    ),
    takes_layouts("RNN", lambda: seeded(packtutor.nn.RNN)),
    takes_layouts("GRU", lambda: seeded(packtutor.nn.GRU)),
    takes_layouts("LSTM", lambda: seeded(packtutor.nn.LSTM)),
    made_by_torch("RNN"),
    made_by_torch("GRU"),
    made_by_torch("LSTM"),
    Cases(
        "nn.convert",
        lambda: given(lstm()),
        same_class,
        [
            Row(
                wrong,
                lambda make=make: given(make()),
                TypeError,
                f"module is of type {kind}; it must be a torch.nn.Module",
            )
            for wrong, make, kind in (
                ("None", lambda: None, "NoneType"),
                ("a class", lambda: nn.LSTM, "type"),
                ("a list of modules", lambda: [lstm()], "list"),
                ("its weights", lambda: lstm().state_dict(), "OrderedDict"),
            )
        ],
    ),
]
