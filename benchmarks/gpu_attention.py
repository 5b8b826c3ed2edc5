"""Attention over a jagged nested tensor, against a padded one with a mask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.cases import log_normal, uniform
from benchmarks.gpu_cases import ALLOWED, FRESH
from benchmarks.stopwatch import measure_on
from benchmarks.timing import ratio
from packtutor import Ragged, mask_from_lengths
from packtutor.device import make_fast

HEADS, SIZE = 8, 64


def settings(*, full: bool) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """Yield names, lengths and precisions."""
    yield "uniform to 512", uniform(64, 512), "bfloat16"
    if full:
        yield "uniform to 512", uniform(64, 512), "float16"
        yield "uniform to 512", uniform(64, 512), "ieee"
        yield "uniform to 4096", uniform(16, 4096), "bfloat16"
        yield "log-normal", log_normal(512, 4.0), "bfloat16"


def bytes_needed(lengths: tuple[int, ...], precision: str) -> int:
    """Return about what is held; without a fused kernel also the scores."""
    size = 2 if precision.endswith("16") else 4
    cells = len(lengths) * max(lengths)
    return size * cells * HEADS * (8 * FRESH * SIZE + 4 * max(lengths))


def measure_attention(
    lengths: tuple[int, ...],
    precision: str,
    *,
    training: bool,
    device: torch.device,
    budget_s: float,
) -> dict[str, Any]:
    """Compare both ways, then time them in turns."""
    make_fast()
    ways = _Ways(lengths, precision, device, training=training)
    # The gradients are those of the three inputs, in each way's own layout.
    expected, found = ways.padded(0), ways.nested(0)
    worst = max(
        _difference(_jagged(own), Ragged.from_padded(other, lengths).values)
        for own, other in zip(found, expected, strict=True)
    )
    samples = measure_on(
        device,
        {"padded with a mask": ways.padded, "nested": ways.nested},
        budget_s=budget_s,
    )
    return {
        "ways": {name: one.describe() for name, one in samples.items()},
        "rounds": len(samples["nested"].ms),
        "worst_difference": worst,
        "share_of_allowed": worst / ALLOWED[precision],
        "ratios": {
            "padded_to_nested": ratio(
                samples["padded with a mask"], samples["nested"]
            )
        },
    }


class _Ways:
    """Both ways, of the same values; what is returned is (B, L_i, *)."""

    def __init__(
        self,
        lengths: tuple[int, ...],
        precision: str,
        device: torch.device,
        *,
        training: bool,
    ) -> None:
        kind = precision if precision.endswith("16") else "float32"
        generator = torch.Generator(device).manual_seed(3)
        values = torch.randn(
            *(FRESH, 3, sum(lengths), HEADS, SIZE),
            generator=generator,
            device=device,
        ).to(getattr(torch, kind))
        self.mask = mask_from_lengths(lengths, device=device)[:, None, None]
        self.training = training
        self.inputs: dict[str, list[list[Tensor]]] = {"pad": [], "nest": []}
        for three in values:
            rows = [Ragged(one, lengths) for one in three]
            nested = rows[0].to_nested()
            offsets = nested.offsets()
            longest = max(lengths)
            self.inputs["pad"].append([row.to_padded() for row in rows])
            # One object of offsets: PyTorch takes the three for alike.
            self.inputs["nest"].append(
                [
                    torch.nested.nested_tensor_from_jagged(
                        row.values,
                        offsets,
                        min_seqlen=min(lengths),
                        max_seqlen=longest,
                    )
                    for row in rows
                ]
            )

    def padded(self, number: int) -> list[Tensor]:
        """Attend over the rectangle; the mask hides its pads as keys."""
        return self._run(self.inputs["pad"][number % FRESH], self.mask)

    def nested(self, number: int) -> list[Tensor]:
        """Attend over the sequences."""
        return self._run(self.inputs["nest"][number % FRESH], None)

    def _run(self, inputs: list[Tensor], mask: Tensor | None) -> list[Tensor]:
        if not self.training:
            with torch.no_grad():
                return [_attend(inputs, mask)]
        leaves = [one.detach().requires_grad_() for one in inputs]
        output = _attend(leaves, mask)
        if mask is None:
            loss = output.values().square().sum()
        else:
            real = self.mask[:, 0, 0, :, None, None]
            loss = (output * real).square().sum()
        return list(torch.autograd.grad(loss, leaves))


def _attend(inputs: list[Tensor], mask: Tensor | None) -> Tensor:
    """Return (B, L, heads, size) of the same."""
    heads = [one.transpose(1, 2) for one in inputs]
    output = scaled_dot_product_attention(*heads, attn_mask=mask)
    return output.transpose(1, 2)


def _jagged(nested: Tensor) -> Tensor:
    return nested.contiguous().values()


def _difference(found: Tensor, expected: Tensor) -> float:
    scale = float(expected.abs().max()) or 1.0
    return float((found - expected).abs().max()) / scale
