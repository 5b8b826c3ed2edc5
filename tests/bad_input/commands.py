"""The command line, and that of the example: texts, files and numbers."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from typing import Any

from bad_input.cases import Cases, Row, given, pattern
from examples.settings import Settings, read_settings
from packtutor.__main__ import main


class Refused(Exception):
    """What a command said before it ended with status 2."""


def run(command: Callable[..., Any]) -> Callable[..., Any]:
    """Call a command; raise what it says to standard error if it refuses."""

    def called(*arguments: str) -> Any:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                result = command(list(arguments))
            except SystemExit as end:
                result = end.code
        if result == 2:
            assert out.getvalue() == ""
            raise Refused(err.getvalue())
        assert err.getvalue() == ""
        return out.getvalue() or result

    return called


def quietly(argv: Any) -> int:
    with contextlib.redirect_stderr(io.StringIO()):
        return main(argv)


def says(text: str) -> str:
    return f"packtutor: {text}\n"


def is_folder(text: str) -> re.Pattern[str]:
    """Match what the system says of a folder: Windows denies the access."""
    reasons = "Is a directory|Permission denied|Access is denied"
    return re.compile(f"packtutor: {re.escape(text)}: ({reasons})\n")


def usage(text: str) -> re.Pattern[str]:
    """Match the usage, and after it this text."""
    return pattern("usage: ", f": error: {text}\n")


def numbers(option: str, *before: str, most: str) -> list[Row]:
    """Return rows with what is no number from 1 on."""
    return [
        Row(
            f"{option}: {wrong}",
            lambda value=value: given(*before, f"{option}={value}"),
            Refused,
            usage(f"argument {option}: {shown} is no whole number {most}"),
        )
        for wrong, value, shown in (
            ("negative", "-1", "'-1'"),
            ("a fraction", "2.5", "'2.5'"),
            ("NaN", "nan", "'nan'"),
            ("empty", "", "''"),
            ("no digit of ours", "\u00b2", "'\u00b2'"),
        )
    ]


REPORT = "report", "texts.txt"
TO_A_MILLION = "from 1 to 1,000,000"

TABLE = [
    Cases(
        "main.main",
        lambda: given(["explain", " "]),
        lambda: 2,
        [
            Row(
                f"argv: {wrong}",
                lambda make=make: given(make()),
                TypeError,
                text,
            )
            for wrong, make, text in (
                (
                    "one text",
                    lambda: "explain",
                    "argv is 'explain'; it must be a list of arguments",
                ),
                (
                    "a number",
                    lambda: 5,
                    "argv is 5; it must be a list of arguments",
                ),
                (
                    "a set",
                    lambda: {"explain"},
                    "argv is {'explain'}; it must be a list of arguments",
                ),
                (
                    "a number among them",
                    lambda: ["report", 3],
                    "argv[1] is of type int; it must be a str",
                ),
            )
        ],
        quietly,
    ),
    Cases(
        "python -m packtutor explain",
        lambda: given("explain", "on your mark", "go"),
        lambda out: "batch_sizes       [2, 1, 1]" in out,
        [
            Row(
                "no text",
                lambda: given("explain"),
                Refused,
                usage("the following arguments are required: TEXT"),
            ),
            Row(
                "no word",
                lambda: given("explain", "", " "),
                Refused,
                says("there is no text with a word in it"),
            ),
            Row(
                "an unknown option",
                lambda: given("explain", "go", "--fast"),
                Refused,
                usage("unrecognized arguments: --fast"),
            ),
            Row(
                "--figure: another kind of file",
                lambda: given("explain", "go", "--figure", "out.pdf"),
                Refused,
                says("--figure is 'out.pdf'; its name must end in .png"),
            ),
            Row(
                "--figure: no such folder",
                lambda: given("explain", "go", "--figure", "no/out.png"),
                Refused,
                says("cannot write 'no/out.png': No such file or directory"),
            ),
            Row(
                "--figure: a folder",
                lambda: given("explain", "go", "--figure", "inside.png"),
                Refused,
                is_folder("cannot write 'inside.png'"),
            ),
        ],
        run(main),
    ),
    Cases(
        "python -m packtutor report",
        lambda: given("report", "lengths.txt", "--lengths", "--json"),
        lambda out: '"tokens": 6' in out,
        [
            Row(
                "no command",
                given,
                Refused,
                usage("the following arguments are required: COMMAND"),
            ),
            Row(
                "no such command",
                lambda: given("pad", "texts.txt"),
                Refused,
                pattern("usage: ", "invalid choice: 'pad'", ""),
            ),
            Row(
                "no file",
                lambda: given("report"),
                Refused,
                usage("the following arguments are required: FILE"),
            ),
            *(
                Row(
                    f"file: {name}",
                    lambda name=name: given("report", name),
                    Refused,
                    says(text),
                )
                for name, text in (
                    (
                        "no.txt",
                        "cannot read 'no.txt': No such file or directory",
                    ),
                    (
                        "empty.txt",
                        "'empty.txt' is empty; it must have a sequence",
                    ),
                    (
                        "blank.txt",
                        (
                            "'blank.txt' has 2 empty sequences and no other; "
                            "one must be longer"
                        ),
                    ),
                    (
                        "latin.txt",
                        (
                            "'latin.txt' is not UTF-8: line 1 holds the byte "
                            "0xef"
                        ),
                    ),
                    (
                        "binary.txt",
                        (
                            "'binary.txt' is binary: line 2 holds a NUL byte; "
                            "it must be text in UTF-8"
                        ),
                    ),
                )
            ),
            Row(
                "file: a folder",
                lambda: given("report", "inside"),
                Refused,
                is_folder("cannot read 'inside'"),
            ),
            *(
                Row(
                    f"--lengths: {name}",
                    lambda name=name: given("report", name, "--lengths"),
                    Refused,
                    says(
                        f"{name!r}: {text}; with --lengths it must hold one "
                        f"whole number from 0 to 1,000,000,000,000"
                    ),
                )
                for name, text in (
                    ("words.txt", "line 2 holds 'two'"),
                    ("negative.txt", "line 2 holds '-1'"),
                    ("huge.txt", f"line 2 holds {repr(100 * '9')[:57]}..."),
                    ("texts.txt", "line 1 holds 'on your mark'"),
                )
            ),
            *numbers("--batch-size", *REPORT, most=TO_A_MILLION),
            *(
                Row(
                    f"{option}: {wrong}",
                    lambda option=option, value=value: given(
                        *REPORT, option, value
                    ),
                    Refused,
                    usage(
                        f"argument {option}: {shown} is no whole number "
                        f"{TO_A_MILLION}"
                    ),
                )
                for option, wrong, value, shown in (
                    ("--input-size", "0", "0", "'0'"),
                    ("--hidden-size", "too large", "1000001", "'1000001'"),
                    (
                        "--hidden-size",
                        "5,000 digits",
                        5000 * "9",
                        f"{repr(100 * '9')[:57]}...",
                    ),
                )
            ),
            Row(
                "--figure: a folder",
                lambda: given(*REPORT, "--figure", "inside.png"),
                Refused,
                is_folder("cannot write 'inside.png'"),
            ),
        ],
        run(main),
    ),
    Cases(
        "examples/train.py",
        lambda: given("--limit", "50"),
        lambda read: read == Settings(limit=50),
        [
            *numbers("--epochs", most="from 1 on, below 2**31"),
            *(
                Row(
                    f"{option}: {wrong}",
                    lambda arguments=arguments: given(*arguments),
                    Refused,
                    usage(text),
                )
                for option, wrong, arguments, text in (
                    (
                        "--seed",
                        "2**31",
                        ("--seed", str(2**31)),
                        (
                            f"argument --seed: '{2**31}' is no whole number "
                            f"from 0 on, below 2**31"
                        ),
                    ),
                    (
                        "--seed",
                        "5,000 digits",
                        ("--seed", 5000 * "9"),
                        (
                            f"argument --seed: '{40 * '9'}...' is no whole "
                            f"number from 0 on, below 2**31"
                        ),
                    ),
                    (
                        "--dropout",
                        "1",
                        ("--dropout", "1"),
                        "argument --dropout: '1' is not from 0 to below 1",
                    ),
                    (
                        "--dropout",
                        "NaN",
                        ("--dropout", "nan"),
                        "argument --dropout: 'nan' is not from 0 to below 1",
                    ),
                    (
                        "--learning-rate",
                        "infinite",
                        ("--learning-rate", "inf"),
                        "argument --learning-rate: 'inf' is not above 0",
                    ),
                    (
                        "--learning-rate",
                        "a word",
                        ("--learning-rate", "small"),
                        "argument --learning-rate: 'small' is no number",
                    ),
                    (
                        "--amp",
                        "in float64",
                        ("--amp", "--dtype", "float64"),
                        (
                            "--amp computes in half precision: leave out "
                            "--dtype"
                        ),
                    ),
                    (
                        "--resume",
                        "from nothing",
                        ("--resume",),
                        "--resume needs --checkpoint FILE",
                    ),
                    (
                        "--checkpoint",
                        "no such folder",
                        ("--checkpoint", "no/run.pt"),
                        "--checkpoint: there is no folder no",
                    ),
                    (
                        "--checkpoint",
                        "it exists",
                        ("--checkpoint", "texts.txt"),
                        (
                            "texts.txt exists: go on from it with --resume, "
                            "or remove it"
                        ),
                    ),
                    (
                        "--report",
                        "a folder",
                        ("--report", "inside"),
                        "--report: inside is a folder",
                    ),
                )
            ),
        ],
        run(read_settings),
    ),
]
