"""The figures to reach, and whether results reach them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from benchmarks import gpu_report
from benchmarks.cases import LONG

Results = dict[str, dict[str, Any]]
Row = dict[str, Any]


class Target(NamedTuple):
    """One figure to reach.

    Args:
        text: What has to hold.
        bound: The number that the worst case has to keep.
        found: The worst number; None if no result tells.
        where: The case that it was found in.
        at_most: Whether the bound is an upper one.
    """

    text: str
    bound: float
    found: float | None
    where: str
    at_most: bool

    @property
    def verdict(self) -> str:
        """Met, missed or not measured."""
        if self.found is None:
            return "not measured"
        if self.at_most:
            return "met" if self.found <= self.bound else "missed"
        return "met" if self.found >= self.bound else "missed"


# What a small batch may lose to the look at its lengths.
ALLOWANCE_MS = 0.05
# Of a comparison of accuracies.
SEEDS = 5


def evaluate(results: Results) -> list[Target]:
    """Return all targets, each with the worst case of these results."""
    return [
        *_of_recurrence(results.get("recurrence", {}).get("cases", [])),
        *_of_growth(results.get("growth", {})),
        *_of_memory(results.get("memory", {})),
        *_of_conversions(results.get("conversions", {}).get("cases", [])),
        *_of_training(results.get("training", {})),
        *_of_stragglers(results.get("stragglers", {}).get("cases", [])),
        *_of_gpu(results.get("gpu", {}).get("cases", [])),
    ]


def to_best_of_torch(
    row: Row, ours: str = "run_rnn packed", *, whole: bool = True
) -> float:
    """Return the share of PyTorch's better time, less the allowance.

    A way counts if all that it returns is right; unless ``whole``, also if
    its outputs are right and its states are not.
    """
    names = [
        name
        for name, way in row["ways"].items()
        if name.startswith("torch")
        and (way["right"] is True or (way["right"] and not whole))
    ]
    best = min(row["ways"][name]["ms"] for name in names)
    return (row["ways"][ours]["ms"] - ALLOWANCE_MS) / best


def _of_recurrence(rows: list[Row]) -> Iterator[Target]:
    for ours in ("run_rnn packed", "run_rnn ragged"):
        for whole, right in (
            (True, "are right"),
            (False, "have right outputs"),
        ):
            yield _most(
                f"{ours}: at most 1.1 times the faster of PyTorch's ways "
                f"that {right} and 50 us, in each case",
                1.1,
                rows,
                lambda row, ours=ours, whole=whole: to_best_of_torch(
                    row, ours, whole=whole
                ),
            )
    named = [row for row in rows if _is_base(row)]
    for run in ("forward", "training"):
        yield _least(
            f"LSTM, float32, H=256, mixed lengths, {run}: 1.5 times as fast "
            f"as the fastest peer",
            1.5,
            [row for row in named if row["run"] == run],
            lambda row: 1 / row["ratios"]["to_fastest_peer"],
        )
    long = [
        row
        for row in rows
        if row["T"] >= LONG
        and (row["cell"], row["dtype"]) == ("LSTM", "float32")
    ]
    other = [
        row
        for row in rows
        if row["cell"] != "LSTM" or row["dtype"] == "float64"
    ]
    for text, bound, chosen in (
        ("LSTM, float32, H=256, mixed lengths", 0.75, named),
        (f"LSTM, float32, from {LONG} steps on", 0.9, long),
        ("GRU, RNN and float64", 0.75, other),
    ):
        yield _least(
            f"{text}: {bound} of the attainable limit",
            bound,
            [row for row in chosen if _has_limit(row, rows)],
            lambda row: row["ratios"]["share_of_limit"],
        )
    yield _least(
        "GRU, RNN and float64, training from 500 steps on: 5 times as fast "
        "as torch packed",
        5,
        [row for row in other if row["run"] == "training" and row["T"] >= 500],
        lambda row: 1 / row["ratios"]["to_torch_packed"],
    )
    yield _least(
        "LSTM, training, 4,000 steps: 50 times as fast as torch packed",
        50,
        [
            row
            for row in rows
            if row["case"] == "halves, T=4000" and row["run"] == "training"
        ],
        lambda row: 1 / row["ratios"]["to_torch_packed"],
    )


def _has_limit(row: Row, rows: list[Row]) -> bool:
    """Tell whether a limit can be: training takes more than its forward run.

    A limit is a difference of two times; where few rounds were possible, its
    noise may be larger than itself.
    """
    return row["run"] == "forward" or all(
        row["limit_ms"] >= other["limit_ms"]
        for other in rows
        if other["case"] == row["case"]
    )


def _is_base(row: Row) -> bool:
    """Tell whether a row is of the main claim: mixed lengths, H=256."""
    kind = row["cell"], row["dtype"], row["H"], row["layers"]
    return (
        kind == ("LSTM", "float32", 256, 1)
        and row["mixed"]
        and not row["bidirectional"]
    )


def _of_growth(growth: Row) -> Iterator[Target]:
    steps = {row["T"] for row in growth.get("cases", [])}
    whole = {500, 8000} <= steps
    yield _most(
        "training from 500 to 8,000 steps: time grows with an exponent of "
        "at most 1.1",
        1.1,
        [growth] if whole else [],
        lambda row: row["exponents"]["run_rnn packed"],
    )


def _of_memory(memory: Row) -> Iterator[Target]:
    yield _most(
        "peak memory: at most 1.1 times the padded run's",
        1.1,
        memory.get("cases", []),
        lambda row: row["to_padded"],
    )
    small = memory.get("small_batches", {})
    enough = small.get("batches", 0) >= 100_000
    yield _most(
        "100,000 small batches: they leave at most 2 MiB more than PyTorch's "
        "padded run leaves",
        2.0,
        [small] if enough else [],
        lambda row: (
            row["growth_mib"]["run_rnn ragged"][-1]
            - row["growth_mib"]["torch padded"][-1]
        ),
    )


def _of_conversions(rows: list[Row]) -> Iterator[Target]:
    def each(key: str) -> list[Row]:
        return [
            {
                "case": f"{row['case']} x {row['features']}, {name}",
                "number": number,
            }
            for row in rows
            for name, number in row[key].items()
        ]

    yield _most(
        "conversions: at most 1.5 times their floor",
        1.5,
        each("to_floor"),
        lambda row: row["number"],
    )
    heavy = [
        row
        for row in each("times_faster_than_torch")
        if row["case"].startswith("10000 heavy-tailed")
    ]
    for text, listed in (
        ("between values and packed", False),
        ("from and to a list", True),
    ):
        yield _least(
            f"10,000 heavy-tailed lengths, {text}: 30 times as fast as "
            f"pack_sequence and unpack_sequence",
            30,
            [row for row in heavy if ("list" in row["case"]) == listed],
            lambda row: row["number"],
        )


def _of_training(training: Row) -> Iterator[Target]:
    ours, base = "run_rnn, budgeted", "pad, shuffled"
    speed = training.get("speed", {}).get(ours)
    yield _least(
        "training, run_rnn and budgeted batches against shuffled padded ones: "
        "0.8 of the bound that the cells give",
        0.8,
        [speed | {"case": ours}] if speed else [],
        lambda row: row["share_of_bound"],
    )
    accuracy = training.get("accuracy", {})
    enough = accuracy and accuracy[ours]["seeds"] >= SEEDS
    yield _most(
        f"training, the same two: mean accuracy lower by at most the spread "
        f"of {SEEDS} seeds",
        1.0,
        [accuracy | {"case": ours}] if enough else [],
        lambda row: (
            (row[base]["mean"] - row[ours]["mean"])
            / max(row[way]["high"] - row[way]["low"] for way in (base, ours))
        ),
    )


def _of_stragglers(rows: list[Row]) -> Iterator[Target]:
    yield _most(
        "epochs of 1 and 2 processes: predicted within 15%",
        0.15,
        [
            epoch
            | {
                "case": f"{row['case']}, {epoch['strategy']}, "
                f"{epoch['batches']}"
            }
            for row in rows
            for epoch in row["epochs"]
        ],
        lambda row: abs(row["error"]),
    )


def _of_gpu(rows: list[Row]) -> Iterator[Target]:
    for text, bound, chosen, of, at_most in gpu_report.figures(rows):
        yield (_most if at_most else _least)(text, bound, chosen, of)


def _most(
    text: str, bound: float, rows: Iterable[Row], of: Callable[[Row], float]
) -> Target:
    found, where = max(
        ((of(row), _place(row)) for row in rows), default=(None, "")
    )
    return Target(text, bound, found, where, at_most=True)


def _least(
    text: str, bound: float, rows: Iterable[Row], of: Callable[[Row], float]
) -> Target:
    found, where = min(
        ((of(row), _place(row)) for row in rows), default=(None, "")
    )
    return Target(text, bound, found, where, at_most=False)


def _place(row: Row) -> str:
    parts = [row.get("case"), row.get("precision"), row.get("run")]
    return ", ".join(part for part in parts if part)
