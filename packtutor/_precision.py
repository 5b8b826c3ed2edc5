"""Notice in which types float32 is computed, beside its own.

Tensors do not tell: under autocast, layers take float32 and compute in
bfloat16, and a cast at the end hides it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from packtutor._hooks import before_each

# What float32 may be rounded to before it is multiplied. TF32 keeps as many
# digits as float16.
_MULTIPLIED = {"tf32": torch.float16, "bf16": torch.bfloat16}


@contextmanager
def lowered_types(
    device: torch.device, modules: Iterable[nn.Module] = ()
) -> Iterator[set[torch.dtype]]:
    """Collect the types that float32 is lowered to, here and in modules.

    ``device`` is that of the batch. A module may have another. ``modules``
    may run without being called: ``run_rnn`` reads their weights.
    """
    found = lowered_on(device.type)

    def notice(module: nn.Module) -> None:
        weight = next(module.parameters(), None)
        place = device if weight is None else weight.device
        found.update(lowered_on(place.type, module))

    for module in modules:
        for inner in module.modules():
            notice(inner)
    with before_each(notice):
        yield found


def lowered_on(kind: str, module: nn.Module | None = None) -> set[torch.dtype]:
    """Return the types that float32 is lowered to on a kind of device.

    Of a recurrent network or a convolution also those that it alone has:
    cuDNN's are TF32 unless that is forbidden.
    """
    found = set()
    available = torch.amp.is_autocast_available(kind)
    if available and torch.is_autocast_enabled(kind):
        found.add(torch.get_autocast_dtype(kind))
    backends: Any = torch.backends  # its types lag behind its attributes
    library = backends.cudnn if kind == "cuda" else backends.mkldnn
    settings = [(backends.cuda if kind == "cuda" else library).matmul]
    if isinstance(module, nn.RNNBase):
        settings.append(library.rnn)
    if isinstance(module, _ConvNd):
        settings.append(library.conv)
    for setting in settings:
        if setting.fp32_precision in _MULTIPLIED:
            found.add(_MULTIPLIED[setting.fp32_precision])
    return found
