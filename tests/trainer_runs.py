"""Runs of the trainer in a process of their own, which may kill themselves."""

import os
import signal
import sys
from functools import partial
from pathlib import Path

import torch

from examples import fitting, training
from examples.task import load_task
from examples.train import main

TINY = [
    "--limit=500",
    "--embedding-size=8",
    "--hidden-size=8",
    "--max-cells=400",
    "--threads=1",
    "--epochs=4",
    "--patience=4",
    "--learning-rate=0.02",  # so that accuracies move
    "--checkpoint-every=3",
    "--device=cpu",
]

# A fork server imports this module, and so reads the texts, once for all.
load_task()


def run(arguments, death):
    """Train; die at the named moment, the how-manieth of its kind."""
    torch.set_num_threads(1)
    if death is not None:
        _arrange(*death)
    sys.exit(main(arguments))


def end(process):
    """Wait until a run has ended, well."""
    process.join(120)
    assert process.exitcode == 0


def outcome(path):
    """Return all that a run ends with, but for the time it took."""
    state = torch.load(path, weights_only=True)
    for epoch in state["history"]:
        del epoch["seconds"]
    return [
        state[part]
        for part in (
            "model",
            "best_model",
            "optimiser",
            "generators",
            "epoch",
            "history",
        )
    ]


def assert_equal(one, other):
    """Compare nested results bit by bit."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        assert_equal(list(one.values()), list(other.values()))
    elif isinstance(one, list):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_equal(first, second)
    else:
        assert one == other


def _die():
    if sys.platform == "win32":
        os._exit(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _arrange(moment, count):
    """Replace what is called at the moment by what dies at that call."""
    due = partial(next, iter(range(count - 1, -1, -1)), -1)
    if moment == "in a step":
        training.cross_entropy = _before(training.cross_entropy, due)
    elif moment == "in the validation":
        fitting.evaluate = _inside(fitting.evaluate, due)
    elif moment == "half a checkpoint":
        os.fsync = partial(_truncate, due)
    elif moment == "before the old one is replaced":
        Path.replace = _before(Path.replace, due)
    elif moment == "after the old one is replaced":
        Path.replace = _after(Path.replace, due)
    else:
        raise ValueError(moment)


def _before(function, due):
    def run_or_die(*args, **kwargs):
        if due() == 0:
            _die()
        return function(*args, **kwargs)

    return run_or_die


def _after(function, due):
    def run_and_die(*args, **kwargs):
        result = function(*args, **kwargs)
        if due() == 0:
            _die()
        return result

    return run_and_die


def _inside(evaluate, due):
    def evaluate_in_part(model, batches, **options):
        if due() == 0:
            evaluate(model, [next(iter(batches))], **options)
            _die()
        return evaluate(model, batches, **options)

    return evaluate_in_part


def _truncate(due, handle):
    if due() == 0:
        os.ftruncate(handle, os.fstat(handle).st_size // 2)
        _die()
