"""The command ``packtutor report``: read a file, print what it costs."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import torch

from packtutor._commands import InputError, load_figures, write_figure
from packtutor._summary import as_numbers, summarise
from packtutor._terminal import printable
from packtutor.report import Statistics, report_file


def run_report(arguments: argparse.Namespace) -> list[str]:
    """Return the lines to print; write the figure first if one is wanted."""
    figure = arguments.figure
    # Before the file is read, which can take minutes.
    figures = None if figure is None else load_figures(figure)
    statistics = _read_statistics(arguments)
    if figures is not None:
        curves = {
            name: (
                [padding.batch_size for padding in statistics.padding],
                [padding[place] for padding in statistics.padding],
            )
            for place, name in enumerate(
                ("file order", "shuffled", "by length"), 1
            )
        }
        image = figures.report_png(
            curves, statistics.lengths, statistics.counts
        )
        write_figure(image, figure)
    sizes = {
        "input_size": arguments.input_size,
        "hidden_size": arguments.hidden_size,
    }
    if arguments.json:
        numbers = as_numbers(statistics, arguments.file, **sizes)
        return [json.dumps(numbers, indent=2)]
    width = shutil.get_terminal_size().columns
    name = "standard input" if arguments.file == "-" else arguments.file
    lines = summarise(statistics, name, width, **sizes)
    if figure is not None:
        lines += ["", f"The figure is in {printable(figure)}."]
    return lines


def _read_statistics(arguments: argparse.Namespace) -> Statistics:
    """Read the file, with one thread and a bar on a terminal."""
    name = "standard input" if arguments.file == "-" else repr(arguments.file)
    threads = torch.get_num_threads()
    # The blocks are small: two threads gain little, and where other work has
    # the cores they wait for each other, ten times as long.
    torch.set_num_threads(1)
    try:
        with _open(arguments.file) as file, _progress(file) as on_read:
            return report_file(
                file,
                name=name,
                lengths=arguments.lengths,
                batch_size=arguments.batch_size,
                sort=arguments.sort,
                on_read=on_read,
            )
    except ValueError as error:
        raise InputError(str(error)) from None
    except OSError as error:
        raise InputError(
            f"cannot read {name}: {error.strerror or error}"
        ) from None
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def _open(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
    else:
        with Path(name).open("rb") as file:
            yield file


@contextlib.contextmanager
def _progress(file: BinaryIO) -> Iterator[Callable[[int], object]]:
    """Show how far a file is read, where someone looks and tqdm is there."""
    if not sys.stderr.isatty():
        yield int
        return
    try:
        from tqdm import tqdm  # noqa: PLC0415
    except ImportError:
        yield int
        return
    with tqdm(
        total=_size(file),
        desc="reading",
        unit="B",
        unit_scale=True,
        leave=False,
        file=sys.stderr,
    ) as bar:
        yield bar.update


def _size(file: BinaryIO) -> int | None:
    """Return how many bytes a file has, or None for a pipe."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
