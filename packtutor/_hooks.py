"""Call a function before each module that runs, compiled ones among them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as registry


@contextmanager
def before_each(hook: Callable[[nn.Module], None]) -> Iterator[None]:
    """Call ``hook`` with each module that is about to run.

    Compiled and scripted code calls no hooks: of the modules that run inside
    it, the hook is given the outermost alone.
    """

    def call(module: nn.Module, _: Any) -> None:
        if not torch.compiler.is_compiling():
            hook(module)

    # Compiled code is compiled anew where the keys of the hooks are others.
    # PyTorch numbers them on: after a few checks of one model, the compiler
    # would give it up. So the keys are the same each time.
    hooks: Any = registry._global_forward_pre_hooks  # noqa: SLF001
    key = next(key for key in count(-1, -1) if key not in hooks)
    hooks[key] = call
    try:
        with warnings.catch_warnings():
            # It does no harm that the hook is called for the module too.
            warnings.filterwarnings(
                "ignore", "Using `torch.compile.module.` when there are global"
            )
            yield
    finally:
        del hooks[key]
