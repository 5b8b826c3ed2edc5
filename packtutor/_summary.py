"""Show a report as lines of text, or as numbers for a program."""

from __future__ import annotations

import textwrap
from typing import Any

from packtutor._terminal import count, printable
from packtutor.report import Statistics, advice, lstm_cost, memory

# Sentences are no wider, so that they stay easy to read.
_WIDE = 79


def summarise(
    statistics: Statistics,
    name: str,
    width: int,
    *,
    input_size: int,
    hidden_size: int,
) -> list[str]:
    """Return the lines that show a report on a terminal of that width."""
    cost = lstm_cost(statistics, input_size, hidden_size)
    order = "by length" if statistics.sort else "in the order of the file"
    batches = f"batches of {statistics.batch_size:,}, {order}"
    return [
        *_wrap(
            f"{printable(name)}: {count(statistics.sequences, 'sequence')}, "
            f"{count(statistics.tokens, 'token')}",
            width,
        ),
        *_align(
            [
                ["mean", f"{statistics.mean:,.1f}"],
                ["median", f"{statistics.median:,.1f}"],
                ["95th percentile", f"{statistics.percentile_95:,}  "],
                ["longest", f"{statistics.longest:,}  "],
                ["empty sequences", f"{statistics.empty:,}  "],
            ]
        ),
        "",
        *_wrap(
            "Padding: the share of pads among the cells of all batches. "
            "Shuffled is the average over all orders; by length is from the "
            "shortest sequence to the longest.",
            width,
        ),
        *_align(
            [
                ["batch size", "file order", "shuffled", "by length"],
                *(
                    [f"{size:,}", *(f"{share:.1%}" for share in shares)]
                    for size, *shares in statistics.padding
                ),
            ],
        ),
        "",
        *_wrap(
            f"Arithmetic of nn.LSTM({input_size}, {hidden_size}) in {batches}"
            f": packing saves {cost.saved_fraction:.1%}",
            width,
        ),
        *_align(
            [
                ["", "multiplications", "additions"],
                *(
                    [way, *(f"{number:,}" for number in numbers)]
                    for way, numbers in zip(cost._fields, cost, strict=True)
                ),
            ]
        ),
        "",
        *_wrap(
            f"Memory of the inputs in bytes, {input_size:,} float32 a token",
            width,
        ),
        *_align(
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
        *_wrap(f"Advice: {advice(statistics).sentence}", width),
    ]


def as_numbers(
    statistics: Statistics, name: str, *, input_size: int, hidden_size: int
) -> dict[str, Any]:
    """Return the same for JSON; shares are fractions from 0 to 1."""
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
        "advice": advice(statistics)._asdict(),
    }


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, min(width, _WIDE), break_on_hyphens=False)


def _align(rows: list[list[str]]) -> list[str]:
    """Put cells under each other: names to the left, numbers to the right."""
    columns = [_fill(list(column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(["", *row]).rstrip() for row in zip(*columns, strict=True)
    ]


def _fill(cells: list[str]) -> list[str]:
    wide = max(map(len, cells))
    is_number = cells[-1][0].isdigit()
    return [
        cell.rjust(wide) if is_number else cell.ljust(wide) for cell in cells
    ]
