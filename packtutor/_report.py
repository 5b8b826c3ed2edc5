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
from typing import Any, BinaryIO

import torch
from torch import Tensor

from packtutor._commands import (
    InputError,
    load_figures,
    standard_input,
    write_figure,
)
from packtutor._measure import ROUNDS, Measured, measure
from packtutor._samples import Sampler, sorted_blocks
from packtutor._summary import as_numbers, summarise
from packtutor._terminal import printable
from packtutor.device import pick_device
from packtutor.report import Statistics, report_file

# At most so many batches are timed.
_BATCHES = 8


def run_report(arguments: argparse.Namespace) -> list[str]:
    """Return the lines to print; write the figure first if one is wanted."""
    figure = arguments.figure
    # Before the file is read, which can take minutes.
    figures = None if figure is None else load_figures(figure)
    device = _pick_device() if arguments.measure else None
    sampler = Sampler(arguments.batch_size, _BATCHES)
    statistics = _read_statistics(
        arguments,
        sampler.add if arguments.measure and not arguments.sort else len,
    )
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
        "measured": None
        if device is None
        else _measure(arguments, statistics, sampler, device),
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


def _pick_device() -> torch.device:
    """Return the device to time on."""
    try:
        device = pick_device()
    except ValueError as error:
        raise InputError(str(error)) from None
    if device.type == "meta":
        raise InputError(
            "PACKTUTOR_DEVICE is 'meta', which computes nothing; --measure "
            "needs a device that does"
        )
    return device


def _measure(
    arguments: argparse.Namespace,
    statistics: Statistics,
    sampler: Sampler,
    device: torch.device,
) -> Measured:
    """Time batches of the file's lengths, with a bar on a terminal."""
    if arguments.sort:
        for lengths in sorted_blocks(statistics.lengths, statistics.counts):
            sampler.add(lengths)
    drawn, batches = sampler.drawn()
    with _progress(
        lambda: ROUNDS * len(drawn), desc="measuring", unit="batch"
    ) as on_batch:
        return measure(
            drawn,
            batches,
            arguments.input_size,
            arguments.hidden_size,
            device,
            on_batch=on_batch,
        )


def _read_statistics(
    arguments: argparse.Namespace, on_lengths: Callable[[Tensor], object]
) -> Statistics:
    """Read the file, with one thread and a bar on a terminal."""
    name = "standard input" if arguments.file == "-" else repr(arguments.file)
    threads = torch.get_num_threads()
    # The blocks are small: two threads gain little, and where other work has
    # the cores they wait for each other, ten times as long.
    torch.set_num_threads(1)
    try:
        with (
            _open(arguments.file) as file,
            _progress(
                lambda: _size(file), desc="reading", unit="B", unit_scale=True
            ) as on_read,
        ):
            return report_file(
                file,
                name=name,
                lengths=arguments.lengths,
                batch_size=arguments.batch_size,
                sort=arguments.sort,
                on_read=on_read,
                on_lengths=on_lengths,
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
        yield standard_input()
    else:
        with Path(name).open("rb") as file:
            yield file


@contextlib.contextmanager
def _progress(
    total: Callable[[], int | None], **options: Any
) -> Iterator[Callable[[int], object]]:
    """Show how far the work is, where someone looks and tqdm is there."""
    if not sys.stderr.isatty():
        yield int
        return
    try:
        from tqdm import tqdm  # noqa: PLC0415
    except ImportError:
        yield int
        return
    with tqdm(total=total(), leave=False, file=sys.stderr, **options) as bar:
        yield bar.update


def _size(file: BinaryIO) -> int | None:
    """Return how many bytes a file has, or None for a pipe."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
