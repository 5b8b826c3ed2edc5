"""The gradients of a result, and the modules behind a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def add_up_fixed(results: list[Tensor]) -> Tensor | None:
    """Return one number that depends on every entry, or None without a graph.

    The weights are fixed and differ from entry to entry, so that errors do
    not cancel.
    """
    total: Tensor | None = None
    for result in results:
        if result.requires_grad and result.numel():
            parts = (
                torch.view_as_real(result) if result.is_complex() else result
            )
            flat = parts.flatten()
            places = torch.arange(1, flat.numel() + 1, device=flat.device)
            part = (flat * places.double().cos().to(flat.dtype)).sum()
            total = part if total is None else total + part
    return total


def leaves(loss: Tensor) -> list[Tensor]:
    """Return the tensors that a loss would give a gradient, in graph order."""
    found: list[Tensor] = []
    seen: set[Any] = set()
    waiting: list[Any] = [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        # By its type: a function of the user's may have a variable too.
        if type(node).__name__ == "AccumulateGrad":
            found.append(node.variable)
        waiting += [following for following, _ in node.next_functions]
    return found


def gradients(loss: Tensor) -> dict[Tensor, Tensor]:
    """Return the gradient of each leaf, in graph order."""
    found = leaves(loss)
    try:
        # The graph may be the caller's own in part: it is kept.
        grads: Any = torch.autograd.grad(
            loss, found, retain_graph=True, allow_unused=True
        )
    except RuntimeError as error:
        if "donated buffer" not in str(error):
            raise
        # A compiled model computes in the memory of its graph, once.
        grads = torch.autograd.grad(loss, found, allow_unused=True)
    return {
        leaf: torch.zeros_like(leaf) if grad is None else _dense(grad)
        for leaf, grad in zip(found, grads, strict=True)
    }


def _dense(grad: Tensor) -> Tensor:
    """Return a gradient as a dense tensor; an embedding's may be sparse."""
    return grad.to_dense() if grad.is_sparse else grad


def modules_behind(fn: Callable[..., Any]) -> list[nn.Module]:
    """Return the modules that a function is, belongs to or closes over.

    Also if it is compiled or decorated.
    """
    own = getattr(fn, "__wrapped__", fn)
    behind = [fn, getattr(fn, "__self__", None), getattr(fn, "func", None)]
    for cell in getattr(own, "__closure__", None) or ():
        try:
            behind.append(cell.cell_contents)
        except ValueError:  # a name that has no value yet
            continue
    names = getattr(getattr(own, "__code__", None), "co_names", ())
    behind += [getattr(own, "__globals__", {}).get(name) for name in names]
    return [module for module in behind if isinstance(module, nn.Module)]


def name_of(parameter: Tensor, modules: list[nn.Module]) -> str:
    """Return a parameter's name in its module, or its shape."""
    for module in modules:
        for name, own in module.named_parameters():
            if own is parameter:
                return name
    return f"a parameter of shape {tuple(parameter.shape)}"
