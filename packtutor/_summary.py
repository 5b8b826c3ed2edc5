"""Show a report as lines of text, or as numbers for a program."""

from __future__ import annotations

from typing import Any

from packtutor._measure import Measured
from packtutor._terminal import align, count, printable, wrap
from packtutor._timetable import show_times, times_as_numbers
from packtutor.report import Statistics, advice, lstm_cost, memory


def summarise(
    statistics: Statistics,
    name: str,
    width: int,
    *,
    input_size: int,
    hidden_size: int,
    measured: Measured | None = None,
) -> list[str]:
    """Return the lines that show a report on a terminal of that width."""
    cost = lstm_cost(statistics, input_size, hidden_size)
    times = None if measured is None else measured.training
    order = "by length" if statistics.sort else "in the order of the file"
    batches = f"batches of {statistics.batch_size:,}, {order}"
    return [
        *wrap(
            f"{printable(name)}: {count(statistics.sequences, 'sequence')}, "
            f"{count(statistics.tokens, 'token')}",
            width,
        ),
        *align(
            [
                ["mean", f"{statistics.mean:,.1f}"],
                ["median", f"{statistics.median:,.1f}"],
                ["95th percentile", f"{statistics.percentile_95:,}  "],
                ["longest", f"{statistics.longest:,}  "],
                ["empty sequences", f"{statistics.empty:,}  "],
            ]
        ),
        "",
        *wrap(
            "Padding: the share of pads among the cells of all batches. "
            "Shuffled is the average over all orders; by length is from the "
            "shortest sequence to the longest.",
            width,
        ),
        *align(
            [
                ["batch size", "file order", "shuffled", "by length"],
                *(
                    [f"{size:,}", *(f"{share:.1%}" for share in shares)]
                    for size, *shares in statistics.padding
                ),
            ],
        ),
        "",
        *wrap(
            f"Arithmetic of nn.LSTM({input_size}, {hidden_size}) in {batches}"
            f": packing saves {cost.saved_fraction:.1%}",
            width,
        ),
        *align(
            [
                ["", "multiplications", "additions"],
                *(
                    [way, *(f"{number:,}" for number in numbers)]
                    for way, numbers in zip(cost._fields, cost, strict=True)
                ),
            ]
        ),
        "",
        *wrap(
            f"Memory of the inputs in bytes, {input_size:,} float32 a token",
            width,
        ),
        *align(
            [
                ["", "largest batch", "all batches"],
                *(
                    [way, *(f"{number:,}" for number in numbers)]
                    for way, numbers in zip(
                        cost._fields,
                        zip(*memory(statistics, input_size), strict=True),
                        strict=True,
                    )
                ),
            ]
        ),
        "",
        *show_times(measured, width),
        *wrap(f"Advice: {advice(statistics, times).sentence}", width),
    ]


def as_numbers(
    statistics: Statistics,
    name: str,
    *,
    input_size: int,
    hidden_size: int,
    measured: Measured | None = None,
) -> dict[str, Any]:
    """Return the same for JSON; shares are fractions from 0 to 1."""
    times = None if measured is None else measured.training
    cost = lstm_cost(statistics, input_size, hidden_size)
    largest, together = memory(statistics, input_size)
    return {
        "file": name,
        "sequences": statistics.sequences,
        "empty_sequences": statistics.empty,
        "tokens": statistics.tokens,
        "mean_tokens": statistics.mean,
        "median_tokens": statistics.median,
        "percentile_95_tokens": statistics.percentile_95,
        "longest_tokens": statistics.longest,
        "padding": [
            {
                "batch_size": padding.batch_size,
                "file_order_padding_fraction": padding.in_file_order,
                "shuffled_padding_fraction": padding.shuffled,
                "by_length_padding_fraction": padding.by_length,
            }
            for padding in statistics.padding
        ],
        "batch_size": statistics.batch_size,
        "order": "by_length" if statistics.sort else "file_order",
        "lstm": {
            "input_size": input_size,
            "hidden_size": hidden_size,
            "padded": cost.padded._asdict(),
            "packed": cost.packed._asdict(),
            "saved_fraction": cost.saved_fraction,
        },
        "memory": {
            "largest_batch": largest._asdict(),
            "all_batches": together._asdict(),
        },
        **(
            {}
            if measured is None
            else {"measured": times_as_numbers(measured)}
        ),
        "advice": advice(statistics, times)._asdict(),
    }
