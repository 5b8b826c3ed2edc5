"""The networks that are measured on a GPU, and the memory that they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.cases import Case, log_normal, uniform

# Share of the largest entry by which two ways may differ: those of
# benchmarks/recurrence.py, and for TF32 and float16, which have as many
# digits as each other, eight times fewer than for bfloat16.
ALLOWED = {"ieee": 1e-4, "tf32": 0.0125, "float16": 0.0125, "bfloat16": 0.1}
# How many inputs take turns.
FRESH = 2


def cases(*, full: bool) -> Iterator[tuple[Case, str]]:
    """Yield cases and precisions; the base has half of its cells padded."""
    base = Case("base", uniform(128, 256), inputs=512, hidden=512, quick=True)
    for precision in ALLOWED:
        yield base, precision
    if not full:
        return
    short = replace(base, lengths=uniform(128, 128))
    for precision in ("tf32", "bfloat16"):
        for count in (1, 16, 1024, 4096):
            lengths = uniform(count, 128)
            yield replace(base, name=f"B={count}", lengths=lengths), precision
        for longest in (16, 1024, 4096):
            lengths = uniform(32, longest)
            yield (
                replace(base, name=f"T={longest}", lengths=lengths),
                precision,
            )
        for hidden in (64, 256, 1024):
            sized = replace(short, inputs=hidden, hidden=hidden)
            yield replace(sized, name=f"H={hidden}"), precision
    yield replace(base, name="equal", lengths=(128,) * 128), "ieee"
    yield replace(base, name="log-normal", lengths=log_normal(512)), "ieee"
    yield replace(base, name="one long", lengths=(*[20] * 63, 1000)), "ieee"
    yield replace(short, name="GRU", cell="GRU"), "ieee"
    both = replace(short, layers=2, bidirectional=True)
    yield replace(both, name="2 x 2"), "ieee"
    large = replace(base, lengths=uniform(4096, 4096))
    yield replace(large, name="largest", inputs=1024, hidden=1024), "bfloat16"


def bytes_needed(case: Case, precision: str, *, training: bool) -> int:
    """Return about what all ways of a case hold at once.

    The inputs of four layouts, FRESH times; then one way at a time, of which
    the padded one is the largest: outputs, gates and their gradients.
    """
    size = 2 if precision.endswith("16") else 4
    cells = len(case.lengths) * max(case.lengths)
    tokens = sum(case.lengths)
    directions = 2 if case.bidirectional else 1
    inputs = FRESH * (3 * tokens + cells) * case.inputs
    each = (14 if training else 6) * case.layers * directions * case.hidden
    return size * (inputs + cells * each)


def padding(case: Case) -> float:
    """Return the share of pads among the cells, 0 to 1."""
    cells = len(case.lengths) * max(case.lengths)
    return 1 - sum(case.lengths) / cells
