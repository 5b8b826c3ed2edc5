"""Pooling, and the check of a model."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from bad_input.cases import Cases, Row, given
from bad_input.packings import (
    floats,
    malformed,
    packed,
)
from bad_input.tensors import three
from packtutor import Ragged


def last_states(*shape: int, **options: Any) -> torch.Tensor:
    return torch.ones(*shape, **options)


def outputs() -> Ragged:
    return Ragged(floats(4, 3), [3, 1])


def no_ragged(name: str = "batch") -> list[Row]:
    wanted = "(Ragged.from_packed and Ragged.from_padded make one)"
    return [
        Row(
            f"batch: {kind}",
            lambda make=make: given(make()),
            TypeError,
            f"{name} is of type {kind}; it must be a Ragged {wanted}",
        )
        for kind, make in {
            "Tensor": lambda: floats(2, 3),
            "PackedSequence": packed,
            "NoneType": lambda: None,
        }.items()
    ]


def no_floats() -> list[Row]:
    return [
        Row(
            f"batch: of {dtype}",
            lambda dtype=dtype: given(Ragged(torch.ones(2).to(dtype), [2])),
            TypeError,
            f"batch has values of dtype {dtype}; they must be floating: "
            f"embed the ids first",
        )
        for dtype in (torch.int64, torch.bool, torch.complex64)
    ]


TABLE = [
    Cases(
        "pooling.last",
        lambda: given(outputs(), last_states(1, 2, 3)),
        lambda: torch.ones(2, 3),
        [
            Row(
                "batch: padded",
                lambda: given(floats(2, 3, 3), last_states(1, 2, 3)),
                TypeError,
                "batch is of type Tensor; it must be a Ragged "
                "(Ragged.from_packed and Ragged.from_padded make one)",
            ),
            *(
                Row(
                    f"h_n: {wrong}",
                    lambda make=make: given(outputs(), make()),
                    error,
                    text,
                )
                for wrong, make, error, text in (
                    (
                        "with c_n",
                        lambda: (last_states(1, 2, 3),) * 2,
                        TypeError,
                        (
                            "h_n is a tuple; it must be a tensor: of an "
                            "LSTM's (h_n, c_n) the first"
                        ),
                    ),
                    (
                        "None",
                        lambda: None,
                        TypeError,
                        "h_n is of type NoneType; it must be a torch.Tensor",
                    ),
                    (
                        "of integers",
                        lambda: last_states(1, 2, 3).long(),
                        TypeError,
                        "h_n has dtype torch.int64; final states are floating",
                    ),
                    (
                        "of one sequence",
                        lambda: last_states(1, 3),
                        ValueError,
                        (
                            "h_n has shape (1, 3); it must be (layers x "
                            "directions, B, H), none of them 0"
                        ),
                    ),
                    (
                        "of no layer",
                        lambda: last_states(0, 2, 3),
                        ValueError,
                        (
                            "h_n has shape (0, 2, 3); it must be (layers x "
                            "directions, B, H), none of them 0"
                        ),
                    ),
                    (
                        "of other sequences",
                        lambda: last_states(1, 4, 3),
                        ValueError,
                        (
                            "h_n has shape (1, 4, 3), with B = 4; the batch "
                            "has 2 sequences"
                        ),
                    ),
                    (
                        "of another size",
                        lambda: last_states(1, 2, 5),
                        ValueError,
                        (
                            "batch has values of shape (4, 3); they must be "
                            "the network's output, (N, 5) of one direction or "
                            "(N, 10) of two, for h_n has H = 5"
                        ),
                    ),
                    (
                        "sparse",
                        lambda: last_states(1, 2, 3).to_sparse(),
                        TypeError,
                        (
                            "h_n has layout torch.sparse_coo; it must be a "
                            "dense tensor"
                        ),
                    ),
                )
            ),
            Row(
                "h_n: an odd number",
                lambda: given(Ragged(floats(4, 6), [3, 1]), floats(3, 2, 3)),
                ValueError,
                "h_n has shape (3, 2, 3), an odd number of states; batch has "
                "6 features, those of two directions",
            ),
        ],
    ),
    Cases(
        "pooling.mean",
        lambda: given(Ragged(floats(4), [3, 0, 1])),
        lambda: torch.tensor([1.0, 0.0, 3.0]),
        [*no_ragged(), *no_floats()],
    ),
    Cases(
        "pooling.max",
        lambda: given(Ragged(-floats(4), [3, 0, 1])),
        lambda: torch.tensor([-0.0, 0.0, -3.0]),
        [*no_ragged(), *no_floats()],
    ),
    Cases(
        "check_model",
        lambda: given(lambda ragged: ragged, three()),
        lambda found: found == [],
        [
            *(
                Row(
                    f"fn: {wrong}",
                    lambda make=make: given(make(), three()),
                    error,
                    text,
                )
                for wrong, make, error, text in (
                    (
                        "None",
                        lambda: None,
                        TypeError,
                        (
                            "fn is of type NoneType; it must be a function or "
                            "a module"
                        ),
                    ),
                    (
                        "weights",
                        lambda: nn.Linear(2, 3).state_dict(),
                        TypeError,
                        (
                            "fn is of type OrderedDict; it must be a function "
                            "or a module"
                        ),
                    ),
                    (
                        "gives nothing",
                        lambda: lambda _: None,
                        TypeError,
                        (
                            "fn returned a NoneType; it must return one "
                            "tensor whose first axis is the batch, a Ragged "
                            "or a PackedSequence: wrap the model, for example "
                            "in lambda batch: model(batch)[1][0][-1]"
                        ),
                    ),
                    (
                        "gives one number",
                        lambda: lambda ragged: ragged.values.sum(),
                        ValueError,
                        (
                            "fn returned a tensor of shape () for 3 "
                            "sequences; its first axis must be the batch"
                        ),
                    ),
                    (
                        "gives a sparse tensor",
                        lambda: lambda ragged: torch.eye(3).to_sparse(),
                        TypeError,
                        (
                            "the result of fn has layout torch.sparse_coo; "
                            "it must be a dense tensor"
                        ),
                    ),
                    (
                        "gives a tensor without values",
                        lambda: lambda ragged: torch.ones(3, device="meta"),
                        TypeError,
                        "fn returned a tensor on meta, without values",
                    ),
                    (
                        "gives floats of 8 bits",
                        lambda: (
                            lambda ragged: torch.ones(3).to(torch.float8_e5m2)
                        ),
                        TypeError,
                        (
                            "fn returned a tensor of dtype "
                            "torch.float8_e5m2, with which PyTorch does not "
                            "compute: call .float()"
                        ),
                    ),
                    (
                        "gives other lengths",
                        lambda: lambda ragged: ragged.index_select([0]),
                        ValueError,
                        (
                            "fn returned a batch with other lengths than it "
                            "was given"
                        ),
                    ),
                    (
                        "raises",
                        lambda: lambda ragged: ragged[3],
                        IndexError,
                        "index is 3; the batch has 3 sequences",
                    ),
                )
            ),
            *(
                Row(
                    f"batch: {wrong}",
                    lambda make=make: given(lambda *parts: parts[0], make()),
                    error,
                    text,
                )
                for wrong, make, error, text in (
                    (
                        "a padded tensor alone",
                        lambda: floats(2, 3),
                        TypeError,
                        (
                            "batch is of type Tensor; it must be a Ragged, a "
                            "PackedSequence, or a tuple (padded, lengths) or "
                            "(padded, mask)"
                        ),
                    ),
                    (
                        "three parts",
                        lambda: (floats(2, 3), [3, 1], None),
                        TypeError,
                        (
                            "batch is of type tuple; it must be a Ragged, a "
                            "PackedSequence, or a tuple (padded, lengths) or "
                            "(padded, mask)"
                        ),
                    ),
                    (
                        "no sequence",
                        lambda: Ragged(floats(0), []),
                        ValueError,
                        "batch has no sequence; it must have at least one",
                    ),
                    (
                        "no values",
                        lambda: Ragged(floats(3).to("meta"), [2, 1]),
                        ValueError,
                        "batch is on device meta, which holds no values",
                    ),
                    (
                        "a length too long",
                        lambda: (floats(2, 3), [4, 1]),
                        ValueError,
                        "lengths[0] is 4; padded has only 3 steps",
                    ),
                    (
                        "a mask of ones and zeros",
                        lambda: (floats(2, 3), torch.ones(2, 3)),
                        TypeError,
                        (
                            "batch[1] has shape (2, 3) and dtype "
                            "torch.float32; a mask must be of bool: call "
                            ".bool(), and give fn what it takes"
                        ),
                    ),
                    (
                        "a mask too narrow",
                        lambda: (floats(2, 3, 4), torch.ones(2, 2).bool()),
                        ValueError,
                        (
                            "batch[1] has shape (2, 2); a mask of batch[0] "
                            "must have (2, 3)"
                        ),
                    ),
                    (
                        "a mask of pads on the left",
                        lambda: (
                            floats(1, 2),
                            torch.tensor([[False, True]]),
                        ),
                        ValueError,
                        (
                            "mask[0] has a real token after a pad; the real "
                            "tokens must come first"
                        ),
                    ),
                )
            ),
            *malformed(
                lambda made: given(lambda batch: batch, made), "packed"
            ),
        ],
    ),
]
