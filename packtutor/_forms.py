"""The forms in which a model takes a batch, and what it gives back.

A form builds the arguments for any choice of sequences, with anything in the
pads and any number of columns too many, and reads a result sequence by
sequence.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from packtutor._checks import as_tensor
from packtutor.masks import lengths_from_mask, mask_from_lengths
from packtutor.ragged import Ragged


class Form(NamedTuple):
    """How a model takes a batch: "ragged", "packed", "lengths" or "mask".

    ``per_token`` says of a result that is a tensor whether its second axis is
    time.
    """

    kind: str
    per_token: bool = False

    @property
    def has_pads(self) -> bool:
        """Whether the model is given pads, which can then be changed."""
        return self.kind in ("lengths", "mask")

    def build(
        self, batch: Ragged, columns: int = 0, pads: Tensor | None = None
    ) -> tuple[Any, ...]:
        """Return the arguments for a batch, at least ``columns`` wide.

        ``pads``, (B, T, *), says what stands in the pads; zeros if None.
        """
        if self.kind == "ragged":
            return (batch,)
        if self.kind == "packed":
            return (batch.to_packed(),)
        columns = max(columns, batch.max_length)
        padded = batch.to_padded(total_length=columns)
        mask = mask_from_lengths(batch.lengths, columns, device=padded.device)
        if pads is not None:
            real = mask.view(*mask.shape, *[1] * (padded.dim() - 2))
            padded = torch.where(real, padded, pads)
        if self.kind == "mask":
            return padded, mask
        return padded, batch.lengths.clone()

    def read(self, result: Any, batch: Ragged) -> list[Tensor]:
        """Return the result of each sequence, pads left out."""
        if isinstance(result, PackedSequence):
            result = Ragged.from_packed(result)
        if isinstance(result, Ragged):
            if not torch.equal(result.lengths, batch.lengths):
                raise ValueError(
                    "fn returned a batch with other lengths than it was given"
                )
            return result.to_list()
        if not isinstance(result, Tensor):
            raise TypeError(
                f"fn returned a {type(result).__name__}; it must return one "
                f"tensor whose first axis is the batch, a Ragged or a "
                f"PackedSequence: wrap the model, for example in "
                f"lambda batch: model(batch)[1][0][-1]"
            )
        as_tensor(result, "the result of fn", 0)
        if result.is_meta:
            raise TypeError("fn returned a tensor on meta, without values")
        if result.is_floating_point() and result.itemsize == 1:
            raise TypeError(
                f"fn returned a tensor of dtype {result.dtype}, with which "
                f"PyTorch does not compute: call .float()"
            )
        if result.dim() < 1 or result.shape[0] != len(batch):
            raise ValueError(
                f"fn returned a tensor of shape {tuple(result.shape)} for "
                f"{len(batch)} sequences; its first axis must be the batch"
            )
        if self.per_token:
            lengths = batch.lengths.tolist()
            return [row[:n] for row, n in zip(result, lengths, strict=True)]
        return list(result)


def as_form(batch: Any) -> tuple[Form, Ragged, Tensor | None]:
    """Return the form of ``batch``, its sequences, and its padded tensor."""
    if isinstance(batch, Ragged):
        return Form("ragged"), batch, None
    if isinstance(batch, PackedSequence):
        return Form("packed"), Ragged.from_packed(batch), None
    if not isinstance(batch, tuple) or len(batch) != 2:
        raise TypeError(
            f"batch is of type {type(batch).__name__}; it must be a Ragged, "
            f"a PackedSequence, or a tuple (padded, lengths) or "
            f"(padded, mask)"
        )
    padded, second = as_tensor(batch[0], "batch[0]", 2), batch[1]
    kind = "lengths"
    if isinstance(second, Tensor) and second.dtype == torch.bool:
        kind, second = "mask", lengths_from_mask(second)
    elif isinstance(second, Tensor) and second.dim() == 2:
        raise TypeError(
            f"batch[1] has shape {tuple(second.shape)} and dtype "
            f"{second.dtype}; a mask must be of bool: call .bool(), and give "
            f"fn what it takes"
        )
    if kind == "mask" and batch[1].shape != padded.shape[:2]:
        raise ValueError(
            f"batch[1] has shape {tuple(batch[1].shape)}; a mask of batch[0] "
            f"must have {tuple(padded.shape[:2])}"
        )
    return Form(kind), Ragged.from_padded(padded, second), padded


def is_per_token(narrow: Any, wide: Any, columns: tuple[int, int]) -> bool:
    """Tell whether the second axis of a result grew with the batch's."""
    return all(
        isinstance(result, Tensor)
        and result.dim() > 1
        and result.shape[1] == width
        for result, width in zip((narrow, wide), columns, strict=True)
    )
