"""Show results as Markdown: python -m benchmarks.tables [DIR]."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import gpu_report, results
from benchmarks.targets import Results, evaluate

_WAYS = (
    "run_rnn packed",
    "run_rnn ragged",
    "torch packed",
    "torch padded",
    "onnxruntime",
    "flax",
)


def everything(found: Results) -> str:
    """Return all tables of the results that are there, then the targets."""
    parts = []
    for name, table in (
        ("recurrence", _recurrence),
        ("conversions", _conversions),
        ("growth", _growth),
        ("memory", _memory),
        ("training", _training),
        ("stragglers", _stragglers),
        ("gpu", _gpu),
    ):
        if name in found and found[name]["cases"]:
            parts.append(f"## {name.capitalize()}\n\n{table(found[name])}")
    parts.append(f"## Figures to reach\n\n{_targets(found)}")
    return "\n\n".join(parts)


def markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of text cells."""
    head = list(head)
    lines = [head, ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None) -> str:
    """Return three significant digits, never as a power of ten."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}".removesuffix(".")


def _recurrence(result: dict[str, Any]) -> str:
    head = ["case", "run", *(f"{way}, ms" for way in _WAYS)]
    head += ["to torch's best", "share of limit", "plan"]
    return markdown(head, map(_recurrence_row, result["cases"]))


def _recurrence_row(row: dict[str, Any]) -> Iterator[str]:
    yield row["case"]
    yield row["run"]
    for name in _WAYS:
        way = row["ways"].get(name)
        text = number(way and way["ms"])
        # A star: h_n is wrong. Brackets: the outputs are, too.
        marks = {True: "{}", "outputs only": "{}*", False: "({})"}
        yield marks[way["right"] if way else True].format(text)
    yield number(row["ratios"]["to_best_of_torch"])
    yield number(row["ratios"]["share_of_limit"])
    plan = row["plan"]
    yield f"{plan['route']}, {plan['slabs']}"


def _conversions(result: dict[str, Any]) -> str:
    rows = [
        (
            f"{row['case']} x {row['features']}",
            way,
            number(times["ms"]),
            number(row["to_floor"].get(way)),
            number(row["times_faster_than_torch"].get(way)),
        )
        for row in result["cases"]
        for way, times in row["ways"].items()
    ]
    head = "batch", "conversion", "ms", "to its floor", "times faster"
    return markdown(head, rows)


def _growth(result: dict[str, Any]) -> str:
    rows = [
        (row["way"], str(row["T"]), number(row["ms"]))
        for row in result["cases"]
    ]
    rows += [
        (way, "exponent", number(slope))
        for way, slope in result["exponents"].items()
    ]
    return markdown(("way", "T", "training, ms"), rows)


def _memory(result: dict[str, Any]) -> str:
    ways = list(result["cases"][0]["peak_mib"])
    rows = [
        (
            row["case"],
            row["run"],
            *(number(row["peak_mib"][way]) for way in ways),
            number(row["to_padded"]),
            number(row["bytes_per_token"]),
        )
        for row in result["cases"]
    ]
    head = ["case", "run", *(f"{way}, MiB" for way in ways)]
    table = markdown([*head, "to padded", "bytes a token"], rows)
    small = result["small_batches"]
    grown = [
        (way, *(number(level) for level in levels))
        for way, levels in small["growth_mib"].items()
    ]
    tenths = [f"{tenth} tenths, MiB" for tenth in range(2, 11)]
    return (
        f"{table}\n\nGrowth over {small['batches']:,} small batches since the "
        f"end of the first tenth:\n\n{markdown(['way', *tenths], grown)}"
    )


def _training(result: dict[str, Any]) -> str:
    rows = []
    for way, speed in result["speed"].items():
        right = result["accuracy"][way]
        rows.append(
            (
                way,
                number(speed["seconds"]),
                number(speed["cells"]),
                number(speed["times_faster"]),
                number(speed["share_of_bound"]),
                number(right["mean"]),
                f"{number(right['low'])} to {number(right['high'])}",
                str(right["seeds"]),
            )
        )
    head = ["way", "epoch, s", "cells", "times faster", "share of bound"]
    table = markdown([*head, "accuracy", "from, to", "seeds"], rows)
    base, bound = result["baselines"], result["bound"]
    control = ", ".join(map(number, result["control_accuracy"]))
    return (
        f"{table}\n\nBound: {number(bound['times'])} times. Accuracy of the "
        f"most frequent kind: {number(base['majority'])}; of a bag of words: "
        f"{number(base['bag_of_words'])}; with shuffled labels: {control}."
    )


def _stragglers(result: dict[str, Any]) -> str:
    lost = [
        (
            row["batches"],
            f"{row['processes']:,}",
            number(row["padding_fraction"]),
            *(number(share) for share in row["lost"].values()),
        )
        for row in result["simulated"]
    ]
    names = [f"lost, {name}" for name in result["simulated"][0]["lost"]]
    epochs = [
        (
            str(row["processes"]),
            epoch["strategy"],
            epoch["batches"],
            number(epoch["measured_s"]),
            number(epoch["predicted_s"]),
            number(epoch["error"]),
        )
        for row in result["cases"]
        for epoch in row["epochs"]
    ]
    simulated = markdown(["batches", "processes", "padding", *names], lost)
    head = "processes", "strategy", "batches", "measured, s", "predicted, s"
    return f"{simulated}\n\n{markdown([*head, 'error'], epochs)}"


def _gpu(result: dict[str, Any]) -> str:
    parts = gpu_report.tables(result, number)
    return "\n\n".join(markdown(head, rows) for head, rows in parts if rows)


def _targets(found: Results) -> str:
    rows = [
        (
            target.text,
            target.verdict,
            number(target.found),
            target.where or "-",
        )
        for target in evaluate(found)
    ]
    return markdown(("figure", "verdict", "worst", "where"), rows)


def main() -> None:
    """Print the tables of a folder; of the committed results if none."""
    folder = Path(sys.argv[1]) if sys.argv[1:] else results.COMMITTED
    print(everything(results.read_all(folder)))


if __name__ == "__main__":
    main()
