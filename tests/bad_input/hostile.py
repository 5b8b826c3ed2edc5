"""Objects that break the promises of their kind."""

from __future__ import annotations

import warnings
from typing import Any

import torch


class RaisingLength(list):
    """A list whose ``len`` raises."""

    def __len__(self) -> int:
        raise RuntimeError("no length")


class HugeLength:
    """Says that it has more elements than a machine has memory for."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return 10**18

    def __iter__(self) -> Any:
        return iter(self.items)


class RaisingIterator:
    """Breaks off in the middle."""

    def __iter__(self) -> Any:
        yield 1
        raise RuntimeError("no second element")


class RaisingIndex:
    """An integer that cannot be read."""

    def __index__(self) -> int:
        raise RuntimeError("no index")

    def __repr__(self) -> str:
        return "RaisingIndex()"


class LyingIndex:
    """An integer that turns out to be a float."""

    def __index__(self) -> Any:
        return 2.5  # noqa: PLE0305 (this is the lie)

    def __repr__(self) -> str:
        return "LyingIndex()"


class RaisingRepr:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class RaisingTruth:
    """Neither true nor false."""

    def __bool__(self) -> bool:
        raise RuntimeError("no truth value")

    def __repr__(self) -> str:
        return "RaisingTruth()"


class RaisingEquality:
    """Cannot be compared."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __repr__(self) -> str:
        return "RaisingEquality()"


class Word(str):
    """A ``str``, by another class."""


class DeepList(list):
    """Lists in lists, too deep for ``repr``."""

    def __init__(self, depth: int = 20_000) -> None:
        inner: list[Any] = []
        for _ in range(depth):
            inner = [inner]
        super().__init__(inner)


def quantized(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return numbers of 8 or 32 bits with a scale; PyTorch warns of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(values, 1.0, 0, dtype)


# repr of an int ends at 4,300 digits.
MANY_DIGITS = 10**5000
