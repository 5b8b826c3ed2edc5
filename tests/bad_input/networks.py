"""Networks that run a batch, and their states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.nn.utils.rnn import pack_sequence

from bad_input.cases import Call, Cases, Row, given
from bad_input.costs import lstm, not_a_network
from bad_input.hostile import quantized
from bad_input.lengths import bad_flag, bad_lengths
from bad_input.packings import floats, ids, malformed, packed
from bad_input.plans import BAD_PLANS, slabs
from bad_input.tensors import NOT_JAGGED
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
]
