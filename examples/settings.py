"""The command line of ``train.py``: what can be chosen, checked at once."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from os.path import realpath
from pathlib import Path
from typing import Any, Literal

from examples.batches import BATCHES, Batches
from examples.model import STRATEGIES, Strategy


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run is made of; the defaults are those of the command."""

    strategy: Strategy = "run_rnn"
    batches: Batches = "budgeted"
    max_cells: int = 1180
    batch_size: int = 16
    embedding_size: int = 64
    hidden_size: int = 64
    dropout: float = 0.5
    learning_rate: float = 5e-3
    dtype: Literal["float32", "float64"] = "float32"
    amp: bool = False
    control: bool = False
    limit: int | None = None
    seed: int = 0
    shards: int | None = None
    epochs: int = 10
    patience: int = 3
    workers: int = 0
    threads: int | None = None
    device: str | None = None
    checkpoint: Path | None = None
    checkpoint_every: int = 100
    resume: bool = False
    report: Path | None = None


# A run may go on with others of these: they do not change what a step does,
# or, as threads and the device, only the last digits.
FREE = (
    "epochs",
    "patience",
    "workers",
    "threads",
    "device",
    "checkpoint",
    "checkpoint_every",
    "resume",
    "report",
)


def read_settings(arguments: Sequence[str] | None = None) -> Settings:
    """Return the settings; where they are wrong, say so and exit with 2."""
    parser = _make_parser()
    settings = Settings(**vars(parser.parse_args(arguments)))
    if settings.amp and settings.dtype == "float64":
        parser.error("--amp computes in half precision: leave out --dtype")
    if settings.resume and settings.checkpoint is None:
        parser.error("--resume needs --checkpoint FILE")
    for name in ("checkpoint", "report"):
        path = getattr(settings, name)
        if path is not None and not path.parent.is_dir():
            parser.error(f"--{name}: there is no folder {path.parent}")
        if path is not None and path.is_dir():
            parser.error(f"--{name}: {path} is a folder")
    saved, report = settings.checkpoint, settings.report
    if saved is not None and saved.exists() and not saved.is_file():
        parser.error(f"--checkpoint: {saved} is no regular file")
    # Path.resolve fails on a link that leads in a circle.
    if saved and report and realpath(saved) == realpath(report):
        parser.error(f"--checkpoint and --report are both {saved}")
    if saved is not None and saved.exists() and not settings.resume:
        parser.error(
            f"{saved} exists: go on from it with --resume, or remove it"
        )
    return settings


def identify(settings: Settings) -> dict[str, Any]:
    """Return what a checkpoint and the run that goes on must agree in."""
    return {
        field.name: getattr(settings, field.name)
        for field in fields(settings)
        if field.name not in FREE
    }


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="train.py",
        description="Train a classifier of the paragraphs of Python's help.",
        epilog="On several processes: torchrun --nproc-per-node 2 "
        "examples/train.py",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    defaults = Settings()

    def add(name: str, text: str, **options: Any) -> None:
        default = getattr(defaults, name.replace("-", "_"))
        if default is None:  # the text says what that means
            default = argparse.SUPPRESS
        parser.add_argument(f"--{name}", default=default, help=text, **options)

    def add_number(name: str, text: str, least: int = 1) -> None:
        add(name, text, type=_count(least), metavar="N")

    def add_switch(name: str, text: str) -> None:
        add(name, text, action="store_true")

    add("strategy", "how the LSTM is run", choices=STRATEGIES)
    add("batches", "how batches are made", choices=BATCHES)
    add_number("max-cells", "the budget of a budgeted batch")
    add_number("batch-size", "the sequences of a shuffled batch")
    add_number("embedding-size", "features of a word")
    add_number("hidden-size", "features of the LSTM, each direction")
    add("dropout", "share of features left out", type=_share, metavar="P")
    add("learning-rate", "of Adam", type=_rate, metavar="R")
    add("dtype", "of the weights", choices=("float32", "float64"))
    add_switch("amp", "compute in half precision where it is safe")
    add_switch("control", "shuffle the labels of the training")
    add_number("limit", "use so many paragraphs; all, if left out")
    add_number("seed", "of everything random", 0)
    add_number("shards", "cut batches for so many processes; all, if left out")
    add_number("epochs", "stop after so many")
    add_number("patience", "stop after so many without a better accuracy")
    add_number("workers", "processes that make batches", 0)
    add_number(
        "threads",
        "of PyTorch, each process; as many as PyTorch takes, if left out",
    )
    add(
        "device",
        "cpu, cuda, cuda:1, mps...; PACKTUTOR_DEVICE or cpu, if left out",
    )
    add("checkpoint", "file to save to", type=Path, metavar="FILE")
    add_number("checkpoint-every", "batches between checkpoints")
    add_switch("resume", "go on from the checkpoint, if there is one")
    add("report", "write the results as JSON", type=Path, metavar="FILE")
    return parser


def _count(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        # Python reads no more than 4,300 digits.
        if (
            not text.isdecimal()
            or len(text) > 4300
            or not least <= int(text) < 2**31
        ):
            shown = text if len(text) <= 40 else f"{text[:40]}..."
            raise argparse.ArgumentTypeError(
                f"{shown!r} is no whole number from {least} on, below 2**31"
            )
        return int(text)

    return read


def _share(text: str) -> float:
    number = _number(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 0 to below 1")
    return number


def _rate(text: str) -> float:
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
