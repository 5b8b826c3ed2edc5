"""The batches and networks that are measured."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn

# Above this many steps a case counts as one of long sequences.
LONG = 1000


@dataclass(frozen=True)
class Case:
    """One batch and one network; measured forward and in training.

    B sequences of these lengths, E inputs, H hidden units.
    """

    name: str
    lengths: tuple[int, ...]
    cell: str = "LSTM"
    inputs: int = 128
    hidden: int = 256
    layers: int = 1
    bidirectional: bool = False
    dtype: str = "float32"
    quick: bool = False

    def network(self) -> nn.RNNBase:
        """Return the network with its seeded weights."""
        torch.manual_seed(0)
        network: nn.RNNBase = getattr(nn, self.cell)(
            self.inputs,
            self.hidden,
            self.layers,
            bidirectional=self.bidirectional,
        )
        return network.to(getattr(torch, self.dtype))

    @property
    def mixed(self) -> bool:
        """Whether lengths differ."""
        return len(set(self.lengths)) > 1

    def describe(self) -> dict[str, object]:
        """Return what a result says about its case."""
        return {
            "case": self.name,
            "cell": self.cell,
            "dtype": self.dtype,
            "B": len(self.lengths),
            "T": max(self.lengths),
            "N": sum(self.lengths),
            "E": self.inputs,
            "H": self.hidden,
            "layers": self.layers,
            "bidirectional": self.bidirectional,
            "mixed": self.mixed,
        }


def draw(
    name: str, count: int, sample: Callable[[random.Random], float]
) -> tuple[int, ...]:
    """Return seeded lengths, at least 1 each."""
    generator = random.Random(name)  # noqa: S311
    return tuple(max(1, round(sample(generator))) for _ in range(count))


def uniform(count: int, longest: int = 100) -> tuple[int, ...]:
    """Return lengths drawn evenly from 1 to the longest."""
    return draw("uniform", count, lambda g: g.randint(1, longest))


def log_normal(
    count: int, middle: float = 3.0, spread: float = 0.8
) -> tuple[int, ...]:
    """Return heavy-tailed lengths, e ** middle in the middle."""
    return draw(
        "log-normal", count, lambda g: g.lognormvariate(middle, spread)
    )


def geometric(count: int, mean: float = 30) -> tuple[int, ...]:
    """Return lengths of sequences that end at any step with equal chance."""
    stay = math.log1p(-1 / mean)
    return draw(
        "geometric", count, lambda g: math.log(1 - g.random()) // stay + 1
    )


def bimodal(count: int) -> tuple[int, ...]:
    """Return lengths around 10 and around 90."""
    return draw("bimodal", count, lambda g: g.gauss(g.choice((10, 90)), 4))


def triangular(count: int = 32, longest: int = 1000) -> tuple[int, ...]:
    """Return evenly spaced lengths up to the longest."""
    return tuple(i * longest // count for i in range(1, count + 1))


def halves(longest: int) -> tuple[int, ...]:
    """Return the lengths of pytorch/pytorch issue 149194."""
    return (longest,) * 5 + (longest // 2,) * 5


def _cases() -> Iterator[Case]:
    base = Case("uniform, B=32", uniform(32), quick=True)
    yield Case("docs", (3, 2, 1), inputs=10, hidden=5, quick=True)
    yield base
    yield Case("uniform, B=128", uniform(128))
    skewed = Case("log-normal, B=64", log_normal(64), quick=True)
    yield skewed
    yield Case("geometric, B=64", geometric(64))
    yield Case("bimodal, B=64", bimodal(64))
    steps = Case("triangular to 1000", triangular(), inputs=32, hidden=64)
    yield steps
    yield Case("equal, T=50", (50,) * 32)
    yield Case(
        "one of 1000 among short", (1000, *draw("short", 31, _to_twenty))
    )
    for longest in (10, 50, 100, 500, 1000, 2000, 4000):
        yield Case(
            f"halves, T={longest}",
            halves(longest),
            inputs=32,
            hidden=64,
            quick=longest == 100,
        )
    for hidden in (32, 64, 128, 512, 1024):
        yield replace(
            base, name=f"{base.name}, H={hidden}", hidden=hidden, quick=False
        )
    for count in (1, 2, 8, 512):
        yield Case(f"uniform, B={count}", uniform(count))
    long = Case("halves, T=1000", halves(1000), inputs=32, hidden=64)
    for cell, dtype in (
        ("GRU", "float32"),
        ("RNN", "float32"),
        ("LSTM", "float64"),
    ):
        for one in (base, skewed, steps, long):
            yield replace(
                one,
                name=f"{cell} {dtype}, {one.name}",
                cell=cell,
                dtype=dtype,
                quick=cell == "GRU" and one is base,
            )
    for one in (base, skewed):
        yield replace(
            one, name=f"bfloat16, {one.name}", dtype="bfloat16", quick=False
        )
    for cell, one in (("LSTM", base), ("GRU", base), ("LSTM", skewed)):
        yield replace(
            one,
            name=f"{cell}, 2 x 2, {one.name}",
            cell=cell,
            layers=2,
            bidirectional=True,
            quick=one is base and cell == "LSTM",
        )
    yield replace(
        skewed, name=f"{skewed.name}, H=512", hidden=512, quick=False
    )


def _to_twenty(generator: random.Random) -> float:
    return generator.randint(1, 20)


CASES = tuple(_cases())
