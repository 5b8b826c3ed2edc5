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

    A module may write into a buffer, or assign or register another one. It
    gets its own back, with their contents; a buffer that did not change is
    not written to, as autograd would take that for a change.
    """
    bound: dict[nn.Module, dict[str, Tensor | None]] = {}
    saved: dict[Tensor, tuple[Tensor, int]] = {}

    def remember(module: nn.Module, _: Any = None) -> None:
        if module in bound:
            return
        bound[module] = dict(module._buffers)  # noqa: SLF001
        for buffer in module.buffers(recurse=False):
            if buffer not in saved and not is_lazy(buffer):
                saved[buffer] = buffer.clone(), _version(buffer)

    for module in modules:
        for inner in module.modules():
            remember(inner)
    handle = register_module_forward_pre_hook(remember)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        handle.remove()
        for inner, buffers in bound.items():
            _bind(inner, buffers)
        for buffer, (copy, version) in saved.items():
            if not _same(buffer, copy, version):
                # PyTorch lets one made in inference mode be written there.
                inference = torch.inference_mode(buffer.is_inference())
                with inference, torch.no_grad():
                    buffer.copy_(copy)


def _bind(module: nn.Module, buffers: dict[str, Tensor | None]) -> None:
    """Give a module these buffers, and no others."""
    for name in module._buffers.keys() - buffers.keys():  # noqa: SLF001
        delattr(module, name)
    module._buffers.update(buffers)  # noqa: SLF001


def _same(one: Tensor, other: Tensor, version: int) -> bool:
    """Tell whether nothing was written; NaN stays NaN."""
    try:
        return bool(((one == other) | (one.isnan() & other.isnan())).all())
    except RuntimeError:
        # Sparse, quantized and 8-bit ones, and those without values, are not
        # compared: PyTorch counts how often it has written into a tensor.
        return _version(one) == version


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version  # noqa: SLF001
