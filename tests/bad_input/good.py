"""Make the good call of a callable, and look at what it gives."""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager, nullcontext

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt

from bad_input import public
from bad_input.cases import Cases
from bad_input.frozen import freeze

PUBLIC = public.find()


def call_well(
    cases: Cases, inside: AbstractContextManager[None] | None = None
) -> None:
    """Make it inside a context; its arguments are made outside."""
    function = cases.function or PUBLIC[cases.name]
    call = cases.good()
    with inside or nullcontext():
        result = call.of(function)
    try:
        if inspect.signature(cases.gives).parameters:
            assert cases.gives(result)
        else:
            assert freeze(result) == freeze(cases.gives())
    finally:
        plt.close("all")
