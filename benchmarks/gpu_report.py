"""The figures to reach on a GPU, and what was measured there as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Row = dict[str, Any]
Table = tuple[list[str], list[list[str]]]
# What a small batch may lose to the look at its lengths, as on a CPU.
_ALLOWANCE_MS = 0.05


class Figure(NamedTuple):
    """A figure to reach: rows, and the number of each that counts."""

    text: str
    bound: float
    rows: list[Row]
    of: Callable[[Row], float]
    at_most: bool


def figures(rows: list[Row]) -> Iterator[Figure]:
    """Yield the figures; one without rows was not measured."""
    done = [row for row in rows if "skipped" not in row]
    runs = [row for row in done if row["kind"] == "run"]
    yield Figure(
        "GPU, training, LSTM, H=512, half of the cells padded: packed 1.5 "
        "times as fast as padded",
        1.5,
        [
            row
            for row in runs
            if row["case"] == "base" and row["run"] == "training"
        ],
        lambda row: row["ratios"]["padded_to_packed"],
        at_most=False,
    )
    yield Figure(
        "GPU: run_rnn at most 1.1 times the faster of PyTorch's ways with "
        "right outputs and 50 us, in each case",
        1.1,
        runs,
        _to_best,
        at_most=True,
    )
    yield Figure(
        "GPU, rows of 256 bytes and more: conversions at 0.6 of the copy's "
        "bandwidth",
        0.6,
        [
            {"case": f"{row['case']}, {name}", "number": share}
            for row in done
            if row["kind"] == "conversions" and row["row_bytes"] >= 256
            for name, share in row["share_of_copy"].items()
        ],
        lambda row: row["number"],
        at_most=False,
    )
    yield Figure(
        "GPU: all ways agree, each difference at most what its type allows",
        1.0,
        [row for row in done if "share_of_allowed" in row],
        lambda row: row["share_of_allowed"],
        at_most=True,
    )
    yield Figure(
        "GPU: no call waits for the device more often than PyTorch's own",
        0.0,
        [
            {"case": name, "number": float(waits["ours"] - waits["torch"])}
            for row in done
            if row["kind"] == "waits"
            for name, waits in row["waits"].items()
            if waits["ours"] is not None
        ],
        lambda row: row["number"],
        at_most=True,
    )


def _to_best(row: Row) -> float:
    ours = row["ways"]["run_rnn packed"]["ms"] - _ALLOWANCE_MS
    names = ["torch packed"]
    if not (row["mixed"] and row["bidirectional"]):
        names.append("torch padded")
    return float(ours / min(row["ways"][name]["ms"] for name in names))


def tables(
    result: dict[str, Any], number: Callable[[float | None], str]
) -> Iterator[Table]:
    """Yield the GPU, the times, the waits, and what was left out."""
    yield (
        ["of the GPU", ""],
        [[name, str(value)] for name, value in result.get("gpu", {}).items()],
    )
    done = [row for row in result["cases"] if "skipped" not in row]
    yield (
        ["case", "way", "ms", "share of a copy"],
        [
            [
                name_of(row),
                way,
                number(times["ms"]),
                number(row.get("share_of_copy", {}).get(way)),
            ]
            for row in done
            for way, times in row.get("ways", {}).items()
        ],
    )
    yield (
        ["case", "ratio", ""],
        [
            [name_of(row), name.replace("_", " "), number(ratio)]
            for row in done
            for name, ratio in row.get("ratios", {}).items()
        ],
    )
    yield (
        ["waits for the device", "ours", "torch"],
        [
            [name, str(waits["ours"]), str(waits["torch"])]
            for row in done
            for name, waits in row.get("waits", {}).items()
        ],
    )
    yield (
        ["left out", "because"],
        [
            [name_of(row), row["skipped"]]
            for row in result["cases"]
            if "skipped" in row
        ],
    )


def name_of(row: Row) -> str:
    """Return what tells a row from the others."""
    parts = row["kind"], row.get("case"), row.get("precision"), row.get("run")
    return ", ".join(part for part in parts if part)
