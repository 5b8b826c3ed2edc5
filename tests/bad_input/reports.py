"""The report: lengths, files, costs, advice."""

from __future__ import annotations

import io
from typing import Any

import torch

from bad_input.cases import Cases, Row, given
from bad_input.hostile import RaisingRepr
from bad_input.lengths import bad_count, bad_flag, bad_lengths, broken_iterator
from packtutor import Cost, CostComparison
from packtutor.report import (
    Advice,
    Bytes,
    Padding,
    Statistics,
    Times,
    report_lengths,
)

SIZE = 10**6


def statistics() -> Statistics:
    return report_lengths([3, 2, 1])


def file(text: bytes = b"on your mark\nget set\ngo\n") -> io.BytesIO:
    return io.BytesIO(text)


def closed() -> io.BytesIO:
    opened = file()
    opened.close()
    return opened


class Waiting:
    """A file that has nothing to read yet, and does not wait."""

    def read(self, size: int) -> None:
        return None


class Broken:
    """A file on a disk that is gone."""

    def read(self, size: int) -> bytes:
        raise OSError(5, "Input/output error")


def is_three_two_one(found: Statistics) -> bool:
    return (found.lengths.tolist(), found.tokens) == ([1, 2, 3], 6)


def no_statistics(*others: Any) -> list[Row]:
    return [
        Row(
            f"statistics: {kind}",
            lambda make=make: given(make(), *others),
            TypeError,
            f"statistics is of type {kind}; it must be what report_lengths "
            f"or report_file returns",
        )
        for kind, make in {
            "NoneType": lambda: None,
            "list": lambda: [3, 2, 1],
            "tuple": lambda: tuple(statistics()),
            "Tensor": lambda: torch.tensor([3, 2, 1]),
        }.items()
    ]


BAD_TEXTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "x is empty; it must have a sequence"),
    "no word": (
        b"\n \n",
        "x has 2 empty sequences and no other; one must be longer",
    ),
    "binary": (
        b"on\nyour\0mark",
        "x is binary: line 2 holds a NUL byte; it must be text in UTF-8",
    ),
    "Latin-1": (
        b"on\n\xefve",
        "x is not UTF-8: line 2 holds the byte 0xef",
    ),
    "half a letter": (
        "na\u00ef".encode()[:-1],
        "x is not UTF-8: line 1 holds the byte 0xc3",
    ),
}
BAD_NUMBERS: dict[str, tuple[bytes, str]] = {
    "a word": (b"3\ntwo\n", "x: line 2 holds 'two'"),
    "negative": (b"-3\n", "x: line 1 holds '-3'"),
    "a fraction": (b"3\n2.0\n", "x: line 2 holds '2.0'"),
    "two numbers": (b"3 2\n", "x: line 1 holds '3 2'"),
    "NaN": (b"nan\n", "x: line 1 holds 'nan'"),
    "a blank line": (b"3\n\n1\n", "x: line 2 is empty"),
    "too large": (b"1000000000001\n", "x: line 1 holds '1000000000001'"),
    "5,000 digits": (
        5000 * b"9",
        f"x: line 1 holds {repr(100 * '9')[:57]}...",
    ),
}

TABLE = [
    Cases(
        "report.report_lengths",
        lambda: given([3, 2, 1], batch_size=32, sort=False),
        is_three_two_one,
        [
            *bad_lengths(given),
            broken_iterator(given, "lengths"),
            Row(
                "lengths: none",
                lambda: given([]),
                ValueError,
                "lengths is empty; it must have a sequence",
            ),
            Row(
                "lengths: all 0",
                lambda: given([0, 0]),
                ValueError,
                "lengths has 2 empty sequences and no other; one must be "
                "longer",
            ),
            Row(
                "lengths: too long",
                lambda: given([3, 10**12 + 1]),
                ValueError,
                f"lengths[1] is {10**12 + 1}; it must be at most {10**12}",
            ),
            *bad_count(
                lambda size: given([3, 2], batch_size=size),
                "batch_size",
                1,
                SIZE,
            ),
            *bad_flag(lambda flag: given([3, 2], sort=flag), "sort"),
        ],
    ),
    Cases(
        "report.report_file",
        lambda: given(file(), name="x"),
        is_three_two_one,
        [
            *(
                Row(
                    f"file: {kind}",
                    lambda make=make: given(make()),
                    TypeError,
                    f"file is of type {kind}; it must be a file that was "
                    f"opened to read bytes",
                )
                for kind, make in {
                    "str": lambda: "texts.txt",
                    "bytes": lambda: b"on your mark",
                    "NoneType": lambda: None,
                    "list": lambda: ["on your mark"],
                }.items()
            ),
            Row(
                "file: opened for text",
                lambda: given(io.StringIO("on your mark")),
                TypeError,
                "file gives str to read; it must give bytes, as a file does "
                "that is opened in mode 'rb'",
            ),
            Row(
                "file: has nothing yet",
                lambda: given(Waiting()),
                TypeError,
                "file gives NoneType to read; it must give bytes, as a file "
                "does that is opened in mode 'rb'",
            ),
            Row(
                "file: closed",
                lambda: given(closed()),
                ValueError,
                "I/O operation on closed file.",
            ),
            Row(
                "file: on a broken disk",
                lambda: given(Broken()),
                OSError,
                "[Errno 5] Input/output error",
            ),
            *(
                Row(
                    f"file: {wrong}",
                    lambda text=text: given(file(text), name="x"),
                    ValueError,
                    message,
                )
                for wrong, (text, message) in BAD_TEXTS.items()
            ),
            *(
                Row(
                    f"lengths: {wrong}",
                    lambda text=text: given(
                        file(text), name="x", lengths=True
                    ),
                    ValueError,
                    f"{message}; with --lengths it must hold one whole "
                    f"number from 0 to 1,000,000,000,000",
                )
                for wrong, (text, message) in BAD_NUMBERS.items()
            ),
            Row(
                "name: a number",
                lambda: given(file(), name=5),
                TypeError,
                "name is of type int; it must be a str",
            ),
            *bad_flag(lambda flag: given(file(), lengths=flag), "lengths"),
            *bad_flag(lambda flag: given(file(), sort=flag), "sort"),
            *bad_count(
                lambda size: given(file(), batch_size=size),
                "batch_size",
                1,
                SIZE,
            ),
            Row(
                "on_read: None",
                lambda: given(file(), on_read=None),
                TypeError,
                "on_read is None; it must be a function",
            ),
            Row(
                "on_lengths: no repr",
                lambda: given(file(), on_lengths=RaisingRepr()),
                TypeError,
                "on_lengths is of type RaisingRepr; it must be a function",
            ),
        ],
    ),
    Cases(
        "report.shuffled_padding",
        lambda: given([4, 4, 2, 2], 4),
        lambda: 0.25,
        [
            *bad_lengths(lambda lengths: given(lengths, 2)),
            *bad_count(lambda size: given([3, 2, 1], size), "batch_size", 1),
        ],
    ),
    Cases(
        "report.lstm_cost",
        lambda: given(statistics(), 1, 1),
        # 4 gates of one product each for the input and for the state, and
        # 3 products elementwise; 4 sums of the two, 8 biases and 1 more.
        lambda: CostComparison(Cost(9 * 11, 9 * 13), Cost(6 * 11, 6 * 13)),
        [
            *no_statistics(10, 5),
            *bad_count(
                lambda size: given(statistics(), size, 5),
                "input_size",
                1,
                SIZE,
            ),
            *bad_count(
                lambda size: given(statistics(), 10, size),
                "hidden_size",
                1,
                SIZE,
            ),
        ],
    ),
    Cases(
        "report.memory",
        lambda: given(statistics(), 10),
        lambda: (Bytes(360, 240), Bytes(360, 240)),
        [
            *no_statistics(10),
            *bad_count(
                lambda size: given(statistics(), size), "input_size", 1
            ),
        ],
    ),
    Cases(
        "report.advice",
        lambda: given(report_lengths([7, 7]), Times(1.0, 2.0, None)),
        lambda: Advice(
            "equal",
            "Stack them in one tensor: every sequence has 7 tokens, so "
            "nothing has to be padded or packed; of the ways to run it, pad "
            "is best: pad 1.0 ms, pack 2.0 ms a batch.",
        ),
        [
            *no_statistics(),
            *(
                Row(
                    f"times: {wrong}",
                    lambda times=times: given(statistics(), times),
                    error,
                    text,
                )
                for wrong, times, error, text in (
                    (
                        "a number",
                        5,
                        TypeError,
                        "times is of type int; it must be Times",
                    ),
                    (
                        "a tuple",
                        (1.0, 2.0, 3.0),
                        TypeError,
                        "times is of type tuple; it must be Times",
                    ),
                    (
                        "none",
                        Times(None, None, None),
                        TypeError,
                        (
                            "times.padded_ms is None; it must be a number of "
                            "milliseconds"
                        ),
                    ),
                    (
                        "a text",
                        Times(1.0, "2", None),
                        TypeError,
                        (
                            "times.packed_ms is '2'; it must be a number of "
                            "milliseconds"
                        ),
                    ),
                    (
                        "a truth value",
                        Times(1.0, 2.0, True),
                        TypeError,
                        (
                            "times.run_rnn_ms is True; it must be a number of "
                            "milliseconds"
                        ),
                    ),
                    (
                        "NaN",
                        Times(float("nan"), 2.0, None),
                        ValueError,
                        (
                            "times.padded_ms is nan; it must be finite and "
                            "not negative"
                        ),
                    ),
                    (
                        "infinite",
                        Times(1.0, float("inf"), None),
                        ValueError,
                        (
                            "times.packed_ms is inf; it must be finite and "
                            "not negative"
                        ),
                    ),
                    (
                        "negative",
                        Times(1.0, 2.0, -3),
                        ValueError,
                        (
                            "times.run_rnn_ms is -3; it must be finite and "
                            "not negative"
                        ),
                    ),
                )
            ),
        ],
    ),
    Cases(
        "report.Statistics.at",
        lambda: given(report_lengths([4, 2, 2, 4]), 1),
        lambda: Padding(1, 0.0, 0.0, 0.0),
        [
            *bad_count(
                lambda size: given(statistics(), size), "batch_size", 1
            )[:-1],
            Row(
                "batch_size: another",
                lambda: given(statistics(), 3),
                ValueError,
                "batch_size is 3; it must be one of [1, 2, 4, 8, 16, 32, 64, "
                "128, 256, 512, 1024]",
            ),
        ],
    ),
]
