"""Devices, seeds and the precision of float32."""

from __future__ import annotations

from typing import Any

import torch

from bad_input.cases import Cases, Row, given, pattern
from bad_input.lengths import hostile_counts

MOST = 2**64 - 1


def no_precision(shown: str) -> str:
    return f"precision is {shown}; it must be 'ieee' or 'tf32'"


def bad_precision() -> list[Row]:
    return [
        Row(
            f"precision: {shown}",
            lambda make=make: given(make()),
            ValueError,
            no_precision(shown),
        )
        for make, shown in (
            (lambda: "bf16", "'bf16'"),
            (lambda: None, "None"),
            (lambda: ["ieee"], "['ieee']"),
            (lambda: torch.zeros(2), "tensor([0., 0.])"),
            (lambda: torch.float32, "torch.float32"),
        )
    ]


def is_seeded(generator: Any) -> bool:
    drawn: list[int] = torch.randint(10, (3,), generator=generator).tolist()
    return drawn == [4, 9, 3] and torch.are_deterministic_algorithms_enabled()


TABLE = [
    Cases(
        "pick_device",
        lambda: given("cpu"),
        lambda device: device == torch.device("cpu"),
        [
            *(
                Row(
                    f"name: {kind}",
                    lambda value=value: given(value),
                    TypeError,
                    f"name is of type {kind}; it must be a str",
                )
                for value, kind in (
                    (0, "int"),
                    (torch.device("cpu"), "device"),
                    (b"cpu", "bytes"),
                )
            ),
            *(
                Row(
                    f"name: {name!r}",
                    lambda name=name: given(name),
                    ValueError,
                    pattern(
                        f"name is {name!r}; it must name a device that "
                        f"PyTorch finds here (",
                        ")",
                    ),
                )
                for name in (
                    "",
                    "gpu",
                    "CPU",
                    "cuda:-1",
                    "cuda:99999999999",
                    "cpu\0",
                )
            ),
        ],
    ),
    Cases(
        "make_repeatable",
        lambda: given(seed=0),
        is_seeded,
        [
            *hostile_counts(given, "seed", 0)[:-1],
            Row(
                "seed: negative",
                lambda: given(-1),
                ValueError,
                "seed is -1; it must be at least 0",
            ),
            Row(
                "seed: 2**64",
                lambda: given(2**64),
                ValueError,
                f"seed is {2**64}; it must be at most {MOST}",
            ),
            Row(
                "seed: a truth value",
                lambda: given(True),
                TypeError,
                "seed is True; it must be an integer of at least 0",
            ),
            Row(
                "seed: a text",
                lambda: given("0"),
                TypeError,
                "seed is '0'; it must be an integer of at least 0",
            ),
        ],
    ),
    Cases(
        "device.make_fast",
        lambda: given("tf32"),
        lambda _: (
            torch.backends.cudnn.benchmark
            and torch.backends.cudnn.rnn.fp32_precision == "tf32"
        ),
        bad_precision(),
    ),
    Cases(
        "device.set_float32",
        lambda: given("ieee"),
        lambda _: torch.backends.cudnn.rnn.fp32_precision == "ieee",
        bad_precision(),
    ),
]
