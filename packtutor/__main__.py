"""The command line: ``packtutor explain TEXT...``."""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from packtutor import __version__, tokenize
from packtutor._explain import explain_texts
from packtutor._terminal import printable


class _InputError(Exception):
    """Something that the user can put right: one line, no traceback."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments; those of the process if None.

    Shapes:
        returns: The exit status: 0, or 2 where the arguments or the input
            are at fault.

    Raises:
        SystemExit: After ``--help`` and ``--version``, and where arguments
            are missing or unknown.

    Example:
        >>> main(["explain", " "])
        2

    Cost:
        O(N) and, for what is printed, O(1).
    """
    arguments = _parser().parse_args(argv)
    try:
        lines = _run(arguments.texts, arguments.figure)
    except KeyboardInterrupt:
        return 130
    except _InputError as refusal:
        print(f"packtutor: {refusal}", file=sys.stderr)
        return 2
    try:
        print(*lines, sep="\n", flush=True)
    except BrokenPipeError:
        # The reader, head for one, has seen enough. Python flushes again at
        # its end; that must not fail a second time.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
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
    return parser


def _run(arguments: list[str], figure: str | None) -> list[str]:
    """Return the lines to print; write the figure first if one is wanted."""
    given: list[str] = []
    for argument in arguments:
        given += _read_lines() if argument == "-" else [argument]
    texts = [text for text in given if tokenize(text)]
    if not texts:
        raise _InputError("there is no text with a word in it")
    if figure is not None:
        _write_figure(texts, figure)
    width = shutil.get_terminal_size().columns
    lines = explain_texts(texts, len(given) - len(texts), width)
    if figure is not None:
        lines += ["", f"The figure is in {printable(figure)}."]
    return lines


def _read_lines() -> list[str]:
    """Return the lines of standard input, which must be UTF-8."""
    try:
        data = sys.stdin.buffer.read()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _InputError(
            f"standard input is not UTF-8: line {line} holds the byte "
            f"0x{error.object[error.start]:02x}"
        ) from None
    except OSError as error:
        raise _InputError(
            f"cannot read standard input: {error.strerror or error}"
        ) from None
    return list(io.StringIO(text, newline=None))


def _write_figure(texts: list[str], name: str) -> None:
    """Write the PNG whole, or leave what is there as it is."""
    path = Path(name)
    if path.suffix.lower() != ".png":
        raise _InputError(f"--figure is {name!r}; its name must end in .png")
    try:
        # Not at the top: it is slow, and not everyone has matplotlib.
        from packtutor import figures  # noqa: PLC0415
    except ImportError as error:
        raise _InputError(str(error)) from None
    image = figures.layouts_png(texts)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with beside.open("xb") as file:
                file.write(image)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise _InputError(
            f"cannot write {name!r}: {error.strerror or error}"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
