"""Train a text classifier on paragraphs of unequal length.

From a checkout: ``python examples/train.py --help``.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

# Run as a file, Python looks for modules in its folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from examples.checkpoints import CheckpointError
from examples.fitting import Fit
from examples.locks import LockedError, hold
from examples.processes import Place, find_place
from examples.settings import Settings, read_settings
from examples.task import (
    bag_of_words_accuracy,
    load_task,
    majority_accuracy,
)
from examples.training import Step
from packtutor._commands import leave
from packtutor._files import check_writable, write_whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says; return the exit status."""
    settings = read_settings(arguments)
    try:
        train(settings)
    except (ValueError, CheckpointError) as error:
        print(f"train.py: error: {error}", file=sys.stderr)
        return 2
    except LockedError as error:
        print(
            f"train.py: error: {settings.checkpoint} is in use by {error}: "
            f"wait for its end, or choose another --checkpoint",
            file=sys.stderr,
        )
        return 2
    except OSError as error:
        if error.filename is None:
            leave(sys.stdout)
        print(
            f"train.py: error: {error.filename or 'standard output'} cannot "
            f"be written: {error.strerror}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        hint = "; --resume goes on" if settings.checkpoint else ""
        print(f"train.py: interrupted{hint}", file=sys.stderr)
        return 130
    return 0


def train(settings: Settings) -> Fit:
    """Train until the end, or until nothing gets better.

    Raises:
        ValueError: If the settings do not fit the task or this machine.
        CheckpointError: If the checkpoint cannot be gone on from.
        LockedError: If another run has the checkpoint.
        OSError: If a file or standard output cannot be written.
    """
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    with (
        find_place(settings.device) as place,
        _keep_others_out(settings, place),
    ):
        # Flushed, so that a disk that is full is noticed here.
        say: Callable[..., None] = (
            partial(print, flush=True) if place.rank == 0 else _say_nothing
        )
        if settings.report is not None and not place.rank:
            check_writable(settings.report)
        task = load_task(
            seed=0, shuffle_labels=settings.control, limit=settings.limit
        )
        fit = Fit(settings, task, place)
        saved = settings.checkpoint
        if settings.resume and saved is not None and saved.exists():
            fit.load()
            say(_describe_start(fit))
        majority = majority_accuracy(task)
        say(
            f"{len(task.train):,} paragraphs to learn from, "
            f"{len(task.valid):,} to validate; the most frequent kind is "
            f"right for {majority:.3f}"
        )
        while not fit.finished:
            with _show_progress(fit, quiet=place.rank > 0) as on_step:
                epoch = fit.run_epoch(on_step)
            say(_describe(epoch))
        best = fit.history[fit.best_epoch]
        say(
            f"best: epoch {best['epoch'] + 1}, "
            f"accuracy {best['valid_accuracy']:.4f}"
        )
        if place.rank == 0:
            baselines = {
                "majority_accuracy": majority,
                "bag_of_words_accuracy": bag_of_words_accuracy(task),
            }
            say(f"a bag of words: {baselines['bag_of_words_accuracy']:.4f}")
            _write_report(settings, fit, baselines)
    return fit


@contextlib.contextmanager
def _keep_others_out(settings: Settings, place: Place) -> Iterator[None]:
    """Have the checkpoint to this run: two would write over each other."""
    path = settings.checkpoint
    if path is None or place.rank:
        yield
        return
    with hold(path.with_name(f"{path.name}.lock")):
        # Another run may have written it since the arguments were read.
        if path.exists() and not settings.resume:
            raise CheckpointError(f"{path} exists: go on with --resume")
        yield


def _describe_start(fit: Fit) -> str:
    if fit.finished:
        return (
            f"the run has ended after epoch {fit.epoch}: --epochs and "
            f"--patience leave nothing to train"
        )
    return (
        f"going on from epoch {fit.epoch + 1}, step {len(fit.steps)} of "
        f"{len(fit)}"
    )


def _describe(epoch: dict[str, Any]) -> str:
    pads = 1 - epoch["tokens"] / epoch["cells"]
    return (
        f"epoch {epoch['epoch'] + 1:2}  train loss {epoch['train_loss']:.4f}  "
        f"valid loss {epoch['valid_loss']:.4f}  "
        f"accuracy {epoch['valid_accuracy']:.4f}  "
        f"{epoch['seconds']:.1f} s  {len(epoch['step_losses'])} steps  "
        f"{pads:.1%} pads"
    )


def _write_report(
    settings: Settings, fit: Fit, baselines: dict[str, float]
) -> None:
    if settings.report is None:
        return
    report = {
        "settings": {
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(settings).items()
        },
        "torch": str(torch.__version__),
        **baselines,
        "best_accuracy": fit.history[fit.best_epoch]["valid_accuracy"],
        "best_epoch": fit.best_epoch,
        "epochs": fit.history,
    }
    write_whole(settings.report, json.dumps(report, indent=1).encode())


@contextlib.contextmanager
def _show_progress(
    fit: Fit, *, quiet: bool
) -> Iterator[Callable[[Step], object]]:
    """Give what to call after each step; a bar where a person looks on."""
    try:
        from tqdm import tqdm  # noqa: PLC0415 (training works without it)
    except ImportError:
        quiet = True
    if quiet or not sys.stderr.isatty():
        yield _say_nothing
        return
    with tqdm(
        total=len(fit),
        initial=len(fit.steps),
        desc=f"epoch {fit.epoch + 1}",
        unit="batch",
        leave=False,
    ) as bar:

        def show(step: Step) -> None:
            bar.set_postfix_str(f"loss {step.loss:.3f}", refresh=False)
            bar.update()

        yield show


def _say_nothing(*_: object, **__: object) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
