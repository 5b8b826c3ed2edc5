"""Costs and masks."""

from __future__ import annotations

import torch
from torch import nn

from bad_input.cases import Cases, Row, given, pattern
from bad_input.lengths import (
    LENGTHS,
    bad_count,
    bad_flag,
    bad_lengths,
    bad_side,
    broken_iterator,
    hostile_counts,
)
from packtutor import Cost, CostComparison


def lstm(**options: object) -> nn.LSTM:
    """Return a network with the same weights each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.LSTM(2, 3, **options)


def not_a_network(name: str = "rnn") -> dict[str, tuple]:
    """Return what looks like a network: how it is made, what is said."""
    wanted = "it must be a torch.nn.RNN, GRU or LSTM"
    return {
        "a layer": (
            lambda: nn.Linear(2, 3),
            f"{name} is of type Linear; {wanted}",
        ),
        "a cell": (
            lambda: nn.LSTMCell(2, 3),
            f"{name} is of type LSTMCell; {wanted}",
        ),
        "a class": (lambda: nn.LSTM, f"{name} is of type type; {wanted}"),
        "their base": (
            lambda: nn.RNNBase("LSTM", 2, 3),
            f"{name} is of type RNNBase; {wanted}",
        ),
        "None": (lambda: None, f"{name} is of type NoneType; {wanted}"),
    }


def mask(*rows: list[int]) -> torch.Tensor:
    return torch.tensor(rows).bool()


TABLE = [
    Cases(
        "padding_fraction",
        lambda: given([4, 2, 2], batch_size=None),
        lambda: 1 / 3,
        [
            *bad_lengths(given, LENGTHS),
            broken_iterator(given, "lengths"),
            *bad_count(
                lambda size: given([3, 2, 1], batch_size=size), "batch_size", 1
            ),
            *hostile_counts(
                lambda size: given([3, 2, 1], batch_size=size), "batch_size", 1
            ),
        ],
    ),
    Cases(
        "dot_cost",
        lambda: given([3, 2, 1], columns=1),
        lambda: CostComparison(padded=Cost(9, 6), packed=Cost(6, 3)),
        [
            *bad_lengths(given),
            *bad_count(
                lambda number: given([3, 2, 1], columns=number), "columns", 1
            ),
        ],
    ),
    Cases(
        "rnn_cost",
        lambda: given(nn.LSTM(10, 5), [3, 2, 1], elementwise=False),
        lambda cost: (
            cost.padded.multiplications == 2700
            and cost.packed.multiplications == 1800
        ),
        [
            *(
                Row(
                    f"rnn: {wrong}",
                    lambda make=make: given(make(), [3, 2, 1]),
                    TypeError,
                    text,
                )
                for wrong, (make, text) in not_a_network().items()
            ),
            *bad_lengths(lambda lengths: given(lstm(), lengths)),
            *bad_flag(
                lambda flag: given(lstm(), [3], elementwise=flag),
                "elementwise",
            ),
        ],
    ),
    Cases(
        "mask_from_lengths",
        lambda: given([2, 0], 3, padding_side="left", device="cpu"),
        lambda: mask([0, 1, 1], [0, 0, 0]),
        [
            *bad_lengths(given),
            *bad_count(lambda total: given([3], total), "total_length", 0),
            Row(
                "total_length: too short",
                lambda: given([1, 3], 2),
                ValueError,
                "lengths[1] is 3; it must be at most total_length, which is 2",
            ),
            Row(
                "total_length: more columns than PyTorch counts",
                lambda: given([3, 1], 2**62),
                ValueError,
                "total_length, or the longest of lengths, is "
                "4611686018427387904; for 2 rows it must be at most "
                "1152921504606846975",
            ),
            Row(
                "lengths: more cells than PyTorch counts",
                lambda: given([2**60 - 1, *[1] * 9]),
                ValueError,
                "total_length, or the longest of lengths, is "
                "1152921504606846975; for 10 rows it must be at most "
                "922337203685477580",
            ),
            Row(
                "total_length: more than any memory",
                lambda: given([3], 10**15),
                RuntimeError,
                pattern(
                    "", "you tried to allocate 8000000000000000 bytes", ""
                ),
            ),
            *bad_side(lambda side: given([3], padding_side=side)),
            *(
                Row(
                    f"device: {wrong}",
                    lambda device=device: given([3], device=device),
                    error,
                    text,
                )
                for wrong, device, error, text in (
                    (
                        "no name",
                        "gpu",
                        ValueError,
                        "device is 'gpu', no device's name",
                    ),
                    (
                        "empty",
                        "",
                        ValueError,
                        "device is '', no device's name",
                    ),
                    (
                        "a negative number",
                        "cuda:-1",
                        ValueError,
                        "device is 'cuda:-1', no device's name",
                    ),
                    (
                        "0",
                        0,
                        TypeError,
                        (
                            "device is of type int; it must be a torch.device "
                            "or its name"
                        ),
                    ),
                    (
                        "a list",
                        [],
                        TypeError,
                        (
                            "device is of type list; it must be a "
                            "torch.device or its name"
                        ),
                    ),
                )
            ),
        ],
    ),
    Cases(
        "lengths_from_mask",
        lambda: given(mask([1, 1], [1, 0], [0, 0])),
        lambda: torch.tensor([2, 1, 0]),
        [
            Row(
                "a list",
                lambda: given([[True, False]]),
                TypeError,
                "mask is of type list; it must be a torch.Tensor",
            ),
            Row(
                "ones and zeros",
                lambda: given(torch.ones(2, 2, dtype=torch.int64)),
                TypeError,
                "mask has dtype torch.int64; it must be torch.bool "
                "(mask.bool() if it holds ones and zeros)",
            ),
            Row(
                "one dimension",
                lambda: given(torch.tensor([True])),
                ValueError,
                "mask has shape (1,); it must have at least 2 dimensions",
            ),
            Row(
                "three dimensions",
                lambda: given(torch.ones(2, 2, 1, dtype=torch.bool)),
                ValueError,
                "mask has shape (2, 2, 1); it must be (B, T)",
            ),
            Row(
                "a hole",
                lambda: given(mask([1, 1, 1], [1, 0, 1])),
                ValueError,
                "mask[1] has a real token after a pad; the real tokens must "
                "come first",
            ),
            Row(
                "pads on the left",
                lambda: given(mask([0, 1])),
                ValueError,
                "mask[0] has a real token after a pad; the real tokens must "
                "come first",
            ),
            Row(
                "no values",
                lambda: given(
                    torch.ones(2, 2, dtype=torch.bool, device="meta")
                ),
                ValueError,
                "mask is on device meta, which holds no values",
            ),
            Row(
                "sparse",
                lambda: given(mask([1, 0]).to_sparse()),
                TypeError,
                "mask has layout torch.sparse_coo; it must be a dense tensor",
            ),
        ],
    ),
]
