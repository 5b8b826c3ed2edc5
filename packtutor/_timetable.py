"""Show what was timed, as lines of text or as numbers for a program."""

from __future__ import annotations

from typing import Any

from packtutor._advice import Times, show_ms
from packtutor._measure import Measured
from packtutor._terminal import align, count, wrap

# Where the quartiles of nine rounds lie a quarter of their median apart, the
# median itself is off by some 8%: nearly as much as two ways have to differ.
_SCATTER = 0.25

_WAYS = {"padded_ms": "pad", "packed_ms": "pack", "run_rnn_ms": "run_rnn"}


def show_times(measured: Measured | None, width: int) -> list[str]:
    """Return a block of lines on what was timed, none if nothing was."""
    if measured is None:
        return []
    forward, training = measured.forward, measured.training
    if forward is None or training is None:
        which = _part(measured.drawn, measured)
        lines = wrap(
            f"Measured: nothing. Too long to be measured: {which}.", width
        )
        return [*lines, ""]
    skipped = measured.drawn - measured.batches
    where = measured.device
    if where == "cpu":
        where += f" with {count(measured.threads, 'thread')}"
    said = [
        f"Measured on {where}, in ms a batch:",
        f"{_part(measured.batches, measured)}"
        + (f" ({skipped:,} more too long to be measured)" * (skipped > 0))
        + f", the median of {count(measured.rounds, 'round')}, each way from",
        "its own layout. A training step is the run and its backward pass;",
        "the advice goes by it. All for one layer in one direction: in two",
        "directions a padded run of mixed lengths gives wrong outputs.",
    ]
    if doubt := _doubt(measured, forward, training):
        said.append(doubt)
    if measured.empty_sequences:
        said.append(
            f"pack runs without "
            f"{count(measured.empty_sequences, 'empty sequence')}: "
            f"PyTorch refuses to pack them."
        )
    return [
        *wrap(" ".join(said), width),
        *align(
            [
                ["", "forward", "ratio", "training step", "ratio"],
                *(
                    [
                        way,
                        *_compare(getattr(forward, field), forward),
                        *_compare(getattr(training, field), training),
                    ]
                    for field, way in _WAYS.items()
                ),
            ]
        ),
        "",
    ]


def times_as_numbers(measured: Measured) -> dict[str, Any]:
    """Return what was timed, for JSON; no times if nothing was."""
    return {
        **measured._asdict(),
        **{
            name: None if times is None else times._asdict()
            for name, times in (
                ("forward", measured.forward),
                ("training", measured.training),
            )
        },
    }


def _part(some: int, measured: Measured) -> str:
    """Say how many batches of all these are."""
    batches = measured.all_batches
    if some == batches:
        return "the only batch" if some == 1 else f"all {some:,} batches"
    random = ", drawn at random" if measured.drawn < batches else ""
    return f"{some:,} of {batches:,} batches{random}"


def _doubt(measured: Measured, forward: Times, training: Times) -> str:
    """Say why these times are not to be trusted; nothing where they are."""
    if measured.scatter is None:
        return "So few rounds are unsure: other work disturbs them."
    if measured.scatter > _SCATTER:
        what = f"These times scatter by {measured.scatter:,.0%}"
    elif any(
        getattr(forward, field) > getattr(training, field) for field in _WAYS
    ):
        what = "A forward run took longer than the step that contains it"
    else:
        return ""
    return (
        f"{what}: other work disturbs them. Leave the machine alone, and run "
        f"this again."
    )


def _compare(time_ms: float, times: Times) -> tuple[str, str]:
    """Return a time, and by how much it is that of the fastest way."""
    fastest = min(ms for ms in times if ms is not None)
    return show_ms(time_ms, fastest), f"{time_ms / fastest:.2f}"
