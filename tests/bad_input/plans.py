"""Plans that do not fit, for ``run_rnn`` and for the figure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from packtutor import Plan


def slabs(*runs: Any, **fields: Any) -> Plan:
    """Return a plan for ``batch()``, but for what is given."""
    usual: dict[str, Any] = {
        "route": "slabs",
        "slabs": runs or ((0, 3, 2),),
        "tokens": 4,
        "cells": 6,
        "time_ms": 0.1,
    }
    return Plan(**(usual | fields))


BAD_PLANS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a route": (
        lambda: "slabs",
        TypeError,
        "plan is of type str; it must be a Plan, as plan_run returns it",
    ),
    "a tuple": (
        lambda: tuple(slabs()),
        TypeError,
        "plan is of type tuple; it must be a Plan, as plan_run returns it",
    ),
    "no such route": (
        lambda: slabs(route="fast"),
        ValueError,
        "plan.route is 'fast'; it must be 'torch', 'bptt' or 'slabs'",
    ),
    "a route that is no text": (
        lambda: slabs(route=torch.zeros(2)),
        ValueError,
        (
            "plan.route is tensor([0., 0.]); it must be 'torch', 'bptt' or "
            "'slabs'"
        ),
    ),
    "no number of tokens": (
        lambda: slabs(tokens=4.0),
        TypeError,
        "plan.tokens is 4.0; it must be an integer",
    ),
    "no number of cells": (
        lambda: slabs(cells="6"),
        TypeError,
        "plan.cells is '6'; it must be an integer",
    ),
    "no slabs": (
        lambda: slabs(slabs=5),
        TypeError,
        "plan.slabs is of type int; it must be a tuple of slabs",
    ),
    "a slab that is a list": (
        lambda: slabs([0, 3, 2]),
        TypeError,
        (
            "plan.slabs[0] is [0, 3, 2]; it must be three integers: first "
            "step, end, rows"
        ),
    ),
    "a slab of two numbers": (
        lambda: slabs((0, 3)),
        TypeError,
        (
            "plan.slabs[0] is (0, 3); it must be three integers: first step, "
            "end, rows"
        ),
    ),
    "other tokens": (
        lambda: slabs(tokens=5),
        ValueError,
        "plan has 5 tokens; the batch has 4",
    ),
    "a gap": (
        lambda: slabs((0, 1, 2), (2, 3, 1)),
        ValueError,
        (
            "plan.slabs[1] runs from step 2 to 3; it must start at 1 and end "
            "by 3"
        ),
    ),
    "too many steps": (
        lambda: slabs((0, 10**15, 2)),
        ValueError,
        (
            f"plan.slabs[0] runs from step 0 to {10**15}; it must start at 0 "
            f"and end by 3"
        ),
    ),
    "too many rows": (
        lambda: slabs((0, 3, 3)),
        ValueError,
        (
            "plan.slabs[0] has 3 rows; 2 sequences of the batch are alive at "
            "step 0"
        ),
    ),
    "an early end": (
        lambda: slabs((0, 2, 2)),
        ValueError,
        "plan ends at step 2; the longest sequence of the batch has 3",
    ),
}
