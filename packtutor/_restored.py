"""Put back what a model remembers: its buffers, and random generators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.nn.parameter import is_lazy


@contextmanager
def put_back(modules: list[nn.Module]) -> Iterator[None]:
    """Restore the buffers of these modules, and of all others that run.

    A module may write into a buffer or assign a new one. The modules that are
    known before get their own buffers back. Others that run get the contents
    back; a buffer that did not change is not written to, as autograd would
    take that for a change.
    """
    owners = [inner for module in modules for inner in module.modules()]
    bound = [
        (inner, name, buffer)
        for inner in owners
        for name, buffer in inner._buffers.items()  # noqa: SLF001
    ]
    saved: dict[Tensor, Tensor] = {}

    def remember(module: nn.Module, _: Any = None) -> None:
        for buffer in module.buffers(recurse=False):
            if buffer not in saved and not is_lazy(buffer):
                saved[buffer] = buffer.clone()

    for inner in owners:
        remember(inner)
    handle = register_module_forward_pre_hook(remember)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        handle.remove()
        for inner, name, buffer in bound:
            inner._buffers[name] = buffer  # noqa: SLF001
        with torch.no_grad():
            for buffer, copy in saved.items():
                if not _same(buffer, copy):
                    buffer.copy_(copy)


def _same(one: Tensor, other: Tensor) -> bool:
    """Tell whether nothing was written; NaN stays NaN."""
    return bool(((one == other) | (one.isnan() & other.isnan())).all())
