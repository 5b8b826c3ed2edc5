"""Masks and lengths: two ways to say which cells of a rectangle are real.

A mask here is True for a real token. PyTorch's ``key_padding_mask`` says the
opposite: True there is a pad.
"""

from __future__ import annotations

import torch
from torch import Tensor

from packtutor._checks import (
    INT64_MAX,
    Lengths,
    Side,
    as_count,
    as_device,
    as_lengths,
    as_side,
    as_tensor,
    to_cpu,
)
from packtutor._sending import send

# The number of a column takes as many, a cell of the mask one.
_BYTES = 8


def mask_from_lengths(
    lengths: Lengths,
    total_length: int | None = None,
    *,
    padding_side: Side = "right",
    device: torch.device | str | None = None,
) -> Tensor:
    """Mark the real tokens of a padded batch.

    Args:
        lengths: One length a sequence, 0 or more.
        total_length: Number of columns; the longest length if None.
        padding_side: Where the pads stand, ``"right"`` or ``"left"``.
        device: Where the mask is made; the CPU if None.

    Shapes:
        lengths: (B,), any integer dtype, CPU.
        returns: (B, T), bool, on ``device``; True for a real token.

    Raises:
        TypeError: If a length is not an integer, or ``device`` no device or
            text.
        ValueError: If a length is negative or above ``total_length``, if
            PyTorch cannot count so many cells, or ``device`` names no device.

    Example:
        >>> mask_from_lengths([3, 1]).int()
        tensor([[1, 1, 1],
                [1, 0, 0]], dtype=torch.int32)

    Cost:
        O(B T) time and memory.

    Source:
        Chapter 1. PyTorch's ``key_padding_mask`` is the inverse, ``~mask``.

    Not for:
        Feeding an RNN, which takes no mask: pack the batch.
    """
    lengths = as_lengths(lengths)
    side = as_side(padding_side)
    place = as_device("cpu" if device is None else device)
    longest = int(lengths.max()) if lengths.numel() else 0
    if total_length is None:
        total_length = longest
    else:
        total_length = as_count(total_length, "total_length", 0)
    if longest > total_length:
        index = int(lengths.argmax())
        raise ValueError(
            f"lengths[{index}] is {longest}; "
            f"it must be at most total_length, which is {total_length}"
        )
    most = INT64_MAX // max(_BYTES, lengths.numel())
    if total_length > most:
        raise ValueError(
            f"total_length, or the longest of lengths, is {total_length}; "
            f"for {lengths.numel()} rows it must be at most {most}"
        )
    columns = torch.arange(total_length, device=place)
    if side == "left":
        columns = columns.flip(0)
    (lengths,) = send(columns.device, lengths)
    return columns < lengths[:, None]


def lengths_from_mask(mask: Tensor) -> Tensor:
    """Count the real tokens of each row of a right-padded mask.

    Args:
        mask: True for a real token. A tokenizer's ``attention_mask`` of ones
            and zeros becomes one by ``.bool()``.

    Shapes:
        mask: (B, T), bool, any device.
        returns: (B,), int64, CPU.

    Raises:
        TypeError: If ``mask`` is not a bool tensor.
        ValueError: If it does not have 2 dimensions, if in some row a real
            token follows a pad, or on the device ``meta``.

    Example:
        >>> lengths_from_mask(torch.tensor([[True, True], [True, False]]))
        tensor([2, 1])

    Cost:
        O(B T). On a GPU it waits for the device: the lengths live on the CPU.

    Source:
        Chapter 5.

    Not for:
        A mask with holes or with pads on the left: it has no lengths in this
        sense, and counting its True cells would pack the wrong tokens.
    """
    mask = as_tensor(mask, "mask", 2)
    if mask.dtype != torch.bool:
        raise TypeError(
            f"mask has dtype {mask.dtype}; it must be torch.bool "
            f"(mask.bool() if it holds ones and zeros)"
        )
    if mask.dim() != 2:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}; it must be (B, T)"
        )
    mask = to_cpu(mask, "mask")
    late = (mask[:, 1:] & ~mask[:, :-1]).any(1)
    if late.any():
        row = int(late.nonzero()[0])
        raise ValueError(
            f"mask[{row}] has a real token after a pad; "
            f"the real tokens must come first"
        )
    return mask.sum(1)
