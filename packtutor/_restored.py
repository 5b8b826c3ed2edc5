"""Put back what a model remembers: its buffers, and random generators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from packtutor._hooks import before_each


@contextmanager
def put_back(modules: list[nn.Module]) -> Iterator[None]:
    """Restore the buffers of these modules, and of all others that run.

    A module may write into a buffer, or assign or register another one. It
    gets its own back, with their contents; a buffer that did not change is
    not written to, as autograd would take that for a change.
    """
    memory = _Memory()
    for module in modules:
        memory.remember(module)
    try:
        with before_each(memory.remember), torch.random.fork_rng():
            yield
    finally:
        memory.restore()


class _Held(NamedTuple):
    """A module, the buffers that it had, and those that it does not save."""

    module: nn.Module
    buffers: dict[str, Tensor | None]
    unsaved: set[str]


class _Memory:
    """What modules held before they ran: their buffers, and what was there."""

    def __init__(self) -> None:
        # By id, as a module may say itself what equals it.
        self.held: dict[int, _Held] = {}
        self.saved: dict[Tensor, tuple[Tensor, int]] = {}

    def remember(self, module: nn.Module) -> None:
        """Remember a module and those in it, unless it is known.

        No hook tells of those that a scripted or compiled one calls.
        """
        if id(module) in self.held:
            return
        for inner in module.modules():
            if id(inner) not in self.held:
                self._hold(inner)

    def _hold(self, module: nn.Module) -> None:
        buffers = dict(module._buffers)  # noqa: SLF001
        unsaved = set(module._non_persistent_buffers_set)  # noqa: SLF001
        self.held[id(module)] = _Held(module, buffers, unsaved)
        for buffer in module.buffers(recurse=False):
            if buffer not in self.saved and not is_lazy(buffer):
                self.saved[buffer] = buffer.clone(), _version(buffer)

    def restore(self) -> None:
        """Give each module its buffers, and each buffer its contents."""
        for held in self.held.values():
            _bind(held)
        for buffer, (copy, version) in self.saved.items():
            if not _same(buffer, copy, version):
                # PyTorch lets one made in inference mode be written there.
                inference = torch.inference_mode(buffer.is_inference())
                with inference, torch.no_grad():
                    buffer.copy_(copy)


def _bind(held: _Held) -> None:
    """Give a module its buffers, and no others."""
    module = held.module
    buffers: Any = module._buffers  # noqa: SLF001
    if isinstance(module, torch.jit.ScriptModule):
        # It can only set them one by one, and has no others.
        for name, buffer in held.buffers.items():
            buffers[name] = buffer
        return
    for name in held.buffers.keys() - buffers.keys():
        # It may be a parameter, a module or a plain attribute by now.
        with suppress(AttributeError):
            delattr(module, name)
    buffers.clear()  # for their order, in which they are saved
    buffers.update(held.buffers)
    unsaved = module._non_persistent_buffers_set  # noqa: SLF001
    unsaved.clear()
    unsaved.update(held.unsaved)


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
