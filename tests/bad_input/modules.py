"""The modules of ``packtutor.nn``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import packtutor.nn
from bad_input.cases import Cases, Row, given, pattern
from bad_input.costs import lstm
from bad_input.networks import batch, is_run, seeded
from bad_input.packings import floats, ids, malformed
from packtutor import Ragged


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
