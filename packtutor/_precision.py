"""Notice in which types float32 is computed, beside its own.

Tensors do not tell: under autocast, layers take float32 and compute in
bfloat16, and a cast at the end hides it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from packtutor._hooks import before_each

# What float32 may be rounded to before matrices are multiplied. TF32 keeps as
# many digits as float16.
_MULTIPLIED = {"tf32": torch.float16, "bf16": torch.bfloat16}


@contextmanager
def lowered_types(device: torch.device) -> Iterator[set[torch.dtype]]:
    """Collect the types that float32 is lowered to, here and in modules.

    ``device`` is that of the batch. A module may have another.
    """
    found = _lowered_on(device.type)

    def notice(module: nn.Module) -> None:
        weight = next(module.parameters(), None)
        place = device if weight is None else weight.device
        found.update(_lowered_on(place.type))

    with before_each(notice):
        yield found


def _lowered_on(kind: str) -> set[torch.dtype]:
    """Return the types that float32 is lowered to on a kind of device."""
    found = set()
    available = torch.amp.is_autocast_available(kind)
    if available and torch.is_autocast_enabled(kind):
        found.add(torch.get_autocast_dtype(kind))
    backends: Any = torch.backends  # its types lag behind its attributes
    backend = backends.cuda if kind == "cuda" else backends.mkldnn
    precision = backend.matmul.fp32_precision
    if precision in _MULTIPLIED:
        found.add(_MULTIPLIED[precision])
    return found
