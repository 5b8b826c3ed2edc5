"""Find all that can be called from outside, under one name each."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import packtutor

MODULES = """
    text cost masks packed ragged oracle recurrence nn invariance pooling
    batching targets report figures device __main__
""".split()  # noqa: SIM905 (a list would take a line a name)

# These take what is looked up.
_LOOKUPS = ("__getitem__", "__contains__")


def find() -> dict[str, Callable[..., Any]]:
    """Return the callables: functions, constructors, methods, lookups.

    What ``packtutor`` itself has goes by that name, the others by the name of
    their module.
    """
    found: dict[str, Callable[..., Any]] = {}
    seen: set[int] = set()
    for prefix, value in _values():
        if id(value) in seen or not callable(value):
            continue
        seen.add(id(value))
        found[prefix] = value
        if inspect.isclass(value):
            for name in _methods(value):
                found[f"{prefix}.{name}"] = getattr(value, name)
    return found


def parameters(function: Callable[..., Any]) -> list[str]:
    """Return the names of what a caller gives, ``self`` left out."""
    return [n for n in inspect.signature(function).parameters if n != "self"]


def _values() -> Iterator[tuple[str, Any]]:
    for name in packtutor.__all__:
        yield name, getattr(packtutor, name)
    for name in MODULES:
        module = importlib.import_module(f"packtutor.{name}")
        for inner, value in vars(module).items():
            if inner in getattr(module, "__all__", ()) or (
                not inner.startswith("_")
                and getattr(value, "__module__", None) == module.__name__
                and (inspect.isclass(value) or inspect.isfunction(value))
            ):
                yield f"{name.strip('_')}.{inner}", value


def _methods(kind: type) -> Iterator[str]:
    """Yield the names of a class's own methods, those of no property."""
    for name, value in vars(kind).items():
        function = getattr(value, "__func__", value)
        if inspect.isfunction(function) and (
            not name.startswith("_") or name in _LOOKUPS
        ):
            yield name
