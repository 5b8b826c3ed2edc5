"""The command line: ``packtutor explain``, ``packtutor report``."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import sys
from collections.abc import Callable, Sequence

from packtutor import __version__, tokenize
from packtutor._checks import as_list, short
from packtutor._commands import (
    InputError,
    complain,
    leave,
    load_figures,
    standard_input,
    write_figure,
)
from packtutor._explain import explain_texts
from packtutor._report import run_report
from packtutor._terminal import printable


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments; those of the process if None.

    Shapes:
        returns: The exit status: 0; 1 where standard output cannot be
            written, as on a full disk; 2 where the arguments or the input
            are at fault.

    Raises:
        TypeError: If ``argv`` is no list of texts.
        SystemExit: After ``--help`` and ``--version``, and where arguments
            are missing or unknown.

    Example:
        >>> main(["explain", " "])
        2

    Cost:
        O(N) time. ``explain`` keeps the texts in memory, ``report`` does not.
        ``report --measure`` adds about half a minute at most.
    """
    given = None if argv is None else _as_arguments(argv)
    try:
        arguments = _parser().parse_args(given)
    except SystemExit:
        # What --help and --version print may still be on its way.
        if _write(""):
            return 1
        raise
    if sys.stdout is None:
        complain("cannot write standard output: it is closed")
        return 1
    try:
        lines = arguments.run(arguments)
    except KeyboardInterrupt:
        return 130
    except InputError as refusal:
        complain(str(refusal))
        return 2
    return _write("\n".join([*lines, ""]))


def _write(text: str) -> int:
    """Write to standard output; return the exit status."""
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        leave(sys.stdout)  # the reader, head for one, has seen enough
    except OSError as error:
        leave(sys.stdout)
        complain(f"cannot write standard output: {error.strerror}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="packtutor",
        description="Variable-length sequences in PyTorch, shown on your own.",
    )
    parser.add_argument(
        "--version", action="version", version=f"packtutor {__version__}"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    explain = commands.add_parser(
        "explain",
        help="show texts as ids, as a padded and as a packed batch",
        description="Show texts as ids, as a padded and as a packed batch, "
        "and what padding costs.",
    )
    explain.add_argument(
        "texts",
        nargs="+",
        metavar="TEXT",
        help="one sequence; - stands for the lines of standard input",
    )
    explain.add_argument(
        "--figure",
        metavar="OUT.png",
        help="also draw the batch (needs matplotlib)",
    )
    explain.set_defaults(run=_explain)
    report = commands.add_parser(
        "report",
        help="say what padding costs for the lengths in a file, and what to "
        "do",
        description="Say what padding costs for the sequences of a file, one "
        "a line, and what to do about it.",
    )
    report.add_argument(
        "file",
        metavar="FILE",
        help="text in UTF-8, whose words are counted; - stands for standard "
        "input",
    )
    report.add_argument(
        "--lengths",
        action="store_true",
        help="the file has a length a line, and no text",
    )
    for name, number, most, text in (
        ("--batch-size", 32, 10**6, "sequences a batch"),
        ("--input-size", 128, 10**6, "features of a token"),
        ("--hidden-size", 256, 10**6, "hidden size of the LSTM"),
    ):
        report.add_argument(
            name,
            type=_number_to(most),
            default=number,
            metavar="N",
            help=f"{text} ({number} if not given)",
        )
    report.add_argument(
        "--sort",
        action="store_true",
        help="batches are cut from the sequences sorted by length",
    )
    report.add_argument(
        "--measure",
        action="store_true",
        help="also time an LSTM over batches of the file, in about half a "
        "minute at most; PACKTUTOR_DEVICE=cuda does it on a GPU",
    )
    report.add_argument(
        "--json", action="store_true", help="print numbers for a program"
    )
    report.add_argument(
        "--figure",
        metavar="OUT.png",
        help="also draw padding and lengths (needs matplotlib)",
    )
    report.set_defaults(run=run_report)
    return parser


def _as_arguments(argv: object) -> list[str]:
    arguments = as_list(argv, "argv", "arguments")
    for index, argument in enumerate(arguments):
        if not isinstance(argument, str):
            raise TypeError(
                f"argv[{index}] is of type {type(argument).__name__}; it "
                f"must be a str"
            )
    return arguments


def _number_to(most: int) -> Callable[[str], int]:
    """Return what reads a number from 1 to ``most``."""

    def read(text: str) -> int:
        digits = text.lstrip("0") if text.isascii() else ""
        # Python reads no more than 4,300 digits.
        if (
            not digits.isdigit()
            or len(digits) > len(str(most))
            or int(digits) > most
        ):
            raise argparse.ArgumentTypeError(
                f"{short(text)} is no whole number from 1 to {most:,}"
            )
        return int(digits)

    return read


def _explain(arguments: argparse.Namespace) -> list[str]:
    """Return the lines to print; write the figure first if one is wanted."""
    given: list[str] = []
    for argument in arguments.texts:
        given += _read_lines() if argument == "-" else [_as_text(argument)]
    texts = [text for text in given if tokenize(text)]
    if not texts:
        raise InputError("there is no text with a word in it")
    width = shutil.get_terminal_size().columns
    figure = arguments.figure
    if figure is not None:
        write_figure(load_figures(figure).layouts_png(texts), figure)
    lines = explain_texts(texts, len(given) - len(texts), width)
    if figure is not None:
        lines += ["", f"The figure is in {printable(figure)}."]
    return lines


def _as_text(argument: str) -> str:
    """Return an argument in UTF-8 as text, whatever the locale is.

    Python hands on a byte that the locale cannot read as a lone surrogate.
    """
    try:
        argument.encode("utf-8")
    except UnicodeEncodeError:
        with contextlib.suppress(UnicodeError):  # else it is shown escaped
            return os.fsencode(argument).decode("utf-8")
    return argument


def _read_lines() -> list[str]:
    """Return the lines of standard input, which must be UTF-8."""
    try:
        data = standard_input().read()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"standard input is not UTF-8: line {line} holds the byte "
            f"0x{error.object[error.start]:02x}"
        ) from None
    except OSError as error:
        raise InputError(
            f"cannot read standard input: {error.strerror or error}"
        ) from None
    return list(io.StringIO(text, newline=None))


if __name__ == "__main__":
    sys.exit(main())
